"""Plain resolvers, written into a plan: what a function that is one `return` does with its source
is done in its place, and an object that it makes only to be read is not made.

Owns which functions and classes those are, each with the reason why that is sound: a function's
source is believed where it compiles to the very code that runs, and a class where nothing happens
when it is instantiated but that a dataclass's own `__init__` takes its parts. Owns no field.
"""

# What a constant holds is open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import ast
import builtins
import dataclasses
import inspect
import linecache
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import MISSING, dataclass, field
from functools import cache
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NewType

_DEEP = 8
"""Functions that end in a call of another."""

_NOT_PLAIN = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
_WITH_SCOPES = (
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.NamedExpr,
    ast.Starred,
)


@dataclass(frozen=True)
class Made:
    """An object that need not be made: its class, or the text that yields it, and its parts by
    their names, in alphabetical order.
    """

    cls: type | str
    parts: dict[str, str]


@dataclass(frozen=True)
class Each:
    """A list of such objects, one for each `name` in `values`."""

    values: str
    name: str
    lines: list[str]
    item: Made


@dataclass(frozen=True)
class Written:
    """What a function returns, as text, and the lines before it."""

    lines: list[str]
    value: str | Made | Each


@dataclass(frozen=True)
class _Known:
    """A value that a name stands for."""

    value: Any


@dataclass(frozen=True)
class _Plain:
    """A function that is one `return`."""

    function: Any
    returned: ast.expr


class _Unforeseen(Exception):
    """The function does something that is not written elsewhere; it shall be called."""


_Scope = Mapping[str, "str | _Known | Made"]
"""What a function's parameters stand for: a name in the text, a value, an object not made."""


@dataclass
class Inliner:
    """Writes functions into a text whose `constant` names the values it uses."""

    constant: Callable[[str, Any], str]
    _names: int = field(default=0, init=False)

    def written(self, function: Any, source: str | Made) -> Written | None:
        """The text of `function(source)`; None where it shall be called."""
        plain = _plain(function)
        if plain is None or plain.function.__code__.co_argcount != 1:
            return None
        scope = {plain.function.__code__.co_varnames[0]: source}
        lines: list[str] = []
        try:
            if isinstance(plain.returned, ast.ListComp):
                return Written(lines, self._each(plain, plain.returned, scope, lines))
            return Written(lines, self._value(plain, plain.returned, scope, lines))
        except _Unforeseen:
            return None

    def where_known(
        self, function: Any, source: str | Made, info_name: str
    ) -> tuple[str, Written] | None:
        """Of a function that is `A if test else B`, of which only B needs its info, the text of the
        test and of A; where the test fails, the function shall be called.
        """
        plain = _plain(function)
        if plain is None or not isinstance(plain.returned, ast.IfExp):
            return None
        test, value = plain.returned.test, plain.returned.body
        used = [*ast.walk(test), *ast.walk(value)]
        if any(isinstance(node, ast.Name) and node.id == info_name for node in used):
            return None
        if any(isinstance(node, ast.Call) for node in ast.walk(test)):  # made twice
            return None
        scope = {plain.function.__code__.co_varnames[0]: source}
        lines: list[str] = []
        try:
            written = self._value(plain, value, scope, lines)
            return self._text(plain, test, scope), Written(lines, written)
        except _Unforeseen:
            return None

    def called(self, function: Any, value: str) -> tuple[list[str], str]:
        """The text of `function(value)`, a call if need be, and the lines before it."""
        written = self.written(function, value)
        if written is None or not isinstance(written.value, str):
            return [], f"{self.constant('call', function)}({value})"
        return written.lines, written.value

    def _each(self, plain: _Plain, node: ast.ListComp, scope: _Scope, lines: list[str]) -> Each:
        (loop, *others) = node.generators
        if others or loop.ifs or loop.is_async or not isinstance(loop.target, ast.Name):
            raise _Unforeseen
        values, name, within = self._text(plain, loop.iter, scope), self._name(), list[str]()
        item = self._value(plain, node.elt, {**scope, loop.target.id: name}, within)
        if not isinstance(item, Made):
            raise _Unforeseen
        return Each(values, name, within, item)

    def _value(
        self, plain: _Plain, node: ast.expr, scope: _Scope, lines: list[str], depth: int = 0
    ) -> str | Made:
        """What an expression is, followed through the calls that it is; their arguments are put
        into the lines, in the order in which they are made.
        """
        if not isinstance(node, ast.Call) or depth > _DEEP:
            return self._text(plain, node, scope)
        called = _known(plain, node.func, scope)
        if called is None:
            return self._made(plain, node, scope, lines) or self._text(plain, node, scope)
        target, before = called.value, list[Any]()
        if isinstance(target, NewType) and len(node.args) == 1:
            return self._value(plain, node.args[0], scope, lines, depth)
        if isinstance(target, type):
            return self._made(plain, node, scope, lines, target) or self._text(plain, node, scope)
        if isinstance(target, MethodType):
            target, before = target.__func__, [_Known(target.__self__)]
        inner = _plain(target)
        if inner is None or isinstance(inner.returned, ast.ListComp):
            return self._text(plain, node, scope)
        signature = inspect.signature(inner.function)
        named = {keyword.arg or "": keyword.value for keyword in node.keywords}
        try:
            given = signature.bind(*before, *node.args, **named).arguments
        except TypeError:
            raise _Unforeseen from None
        bound: dict[str, str | _Known | Made] = {
            name: _Known(parameter.default) for name, parameter in signature.parameters.items()
        }
        for name, value in given.items():
            known = isinstance(value, _Known)
            bound[name] = value if known else self._put(plain, value, scope, lines)
        return self._value(inner, inner.returned, bound, lines, depth + 1)

    def _made(
        self,
        plain: _Plain,
        node: ast.Call,
        scope: _Scope,
        lines: list[str],
        cls: type | None = None,
    ) -> Made | None:
        """The object that a call makes by its keywords, of a class that is known, or looked up."""
        names = [keyword.arg for keyword in node.keywords]
        if node.args or None in names or not (cls or isinstance(node.func, ast.Subscript)):
            return None
        defaults: Mapping[str, Any] = {}
        if cls is not None:
            known = parts_of(cls)
            if known is None or not set(names) <= known.keys():
                return None
            defaults = {name: known[name] for name in known.keys() - set(names)}
            if MISSING in defaults.values():
                return None
        made = cls or self._put(plain, node.func, scope, lines)
        parts = {
            keyword.arg or "": self._put(plain, keyword.value, scope, lines)
            for keyword in node.keywords
        }
        parts |= {name: self.constant("default", value) for name, value in defaults.items()}
        return Made(made, dict(sorted(parts.items())))

    def _put(self, plain: _Plain, node: ast.expr, scope: _Scope, lines: list[str]) -> str:
        """A name for the value of an expression."""
        text = self._text(plain, node, scope)
        if text.isidentifier():
            return text
        name = self._name()
        lines.append(f"{name} = {text}")
        return name

    def _text(self, plain: _Plain, node: ast.expr, scope: _Scope) -> str:
        return ast.unparse(_Rewriter(self.constant, plain, scope).visit(deepcopy(node)))

    def _name(self) -> str:
        self._names += 1
        return f"t{self._names}"


class _Rewriter(ast.NodeTransformer):
    """An expression of a function in the words of a text."""

    def __init__(self, constant: Callable[[str, Any], str], plain: _Plain, scope: _Scope) -> None:
        self._constant = constant
        self._plain = plain
        self._scope = scope

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, _WITH_SCOPES):
            raise _Unforeseen
        return super().visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        called = _known(self._plain, node.func, self._scope)
        if called is not None and isinstance(called.value, NewType) and len(node.args) == 1:
            return self.visit(node.args[0])
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Name):
            source = self._scope.get(node.value.id)
            if isinstance(source, Made):
                if node.attr not in source.parts:
                    raise _Unforeseen
                return _name(source.parts[node.attr])
        known = _known(self._plain, node, self._scope)
        return self.generic_visit(node) if known is None else self._named(node.attr, known)

    def visit_Name(self, node: ast.Name) -> Any:
        stands_for = self._scope.get(node.id)
        if isinstance(stands_for, str):
            return _name(stands_for)
        known = _known(self._plain, node, self._scope)
        if known is None:
            raise _Unforeseen
        return self._named(node.id, known)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = self.visit(node.operand)
        number = operand.value if isinstance(operand, ast.Constant) else None
        if isinstance(node.op, ast.USub) and type(number) is int:
            return ast.Constant(-number)
        return ast.UnaryOp(node.op, operand)

    def _named(self, name: str, known: _Known) -> ast.expr:
        if type(known.value) is int:
            return ast.Constant(known.value)
        return _name(self._constant(name.strip("_"), known.value))


def parts_of(cls: type) -> Mapping[str, Any] | None:
    """The parts of a class's instances, with their defaults or MISSING; None where more happens to
    an instance than that it takes them.
    """
    if type(cls) is not type or not dataclasses.is_dataclass(cls):
        return None
    init = vars(cls).get("__init__")
    if getattr(getattr(init, "__code__", None), "co_filename", None) != "<string>":
        return None
    own = ("__new__", "__setattr__", "__getattribute__")
    if any(getattr(cls, name) is not getattr(object, name) for name in own):
        return None
    if any(hasattr(cls, name) for name in ("__post_init__", "__getattr__", "__del__")):
        return None
    parts: dict[str, Any] = {}
    for each in dataclasses.fields(cls):
        if each.default_factory is not MISSING or (not each.init and each.default is not MISSING):
            return None
        if each.init:
            parts[each.name] = each.default
    return parts


@cache
def _plain(function: Any) -> _Plain | None:
    """The function as it can be written elsewhere; None where it is more than one `return`."""
    if type(function) is not FunctionType or function.__closure__:
        return None
    code = function.__code__
    definition, compiled = _functions(code.co_filename).get(_place(code), (None, None))
    if definition is None or code.co_flags & _NOT_PLAIN or not _same(code, compiled):
        return None
    *before, statement = definition.body
    told = ast.get_docstring(definition) is not None
    if len(before) > told or not isinstance(statement, ast.Return) or statement.value is None:
        return None
    return _Plain(function, statement.value)


_Place = tuple[str, int]


def _place(code: CodeType) -> _Place:
    return code.co_name, code.co_firstlineno


@cache
def _functions(filename: str) -> dict[_Place, tuple[ast.FunctionDef, CodeType]]:
    """The functions of a module's source, as it is now, by name and first line: how each is written
    and what it compiles to.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
        codes = [compile(tree, filename, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return {}
    by_place: dict[_Place, CodeType] = {}
    while codes:
        inner = [const for const in codes.pop().co_consts if isinstance(const, CodeType)]
        by_place |= {_place(code): code for code in inner}
        codes += inner
    found: dict[_Place, tuple[ast.FunctionDef, CodeType]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            place = node.name, min(each.lineno for each in (node, *node.decorator_list))
            if place in by_place:  # a compiler may leave out what can never run
                found[place] = node, by_place[place]
    return found


def _same(one: Any, other: Any) -> bool:
    """Whether two constants, or two pieces of code, are the same."""
    if type(one) is not type(other):  # True is no 1
        return False
    if isinstance(one, CodeType):
        names = ("co_code", "co_names", "co_varnames", "co_cellvars", "co_freevars")
        return all(getattr(one, name) == getattr(other, name) for name in names) and _same(
            one.co_consts, other.co_consts
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other


def _known(plain: _Plain, node: ast.expr, scope: _Scope) -> _Known | None:
    """What a name of a function's module, or of another module or a class there, stands for."""
    if isinstance(node, ast.Name):
        if node.id in scope:
            stands_for = scope[node.id]
            return stands_for if isinstance(stands_for, _Known) else None
        names: dict[str, Any] = plain.function.__globals__
        found = names.get(node.id, getattr(builtins, node.id, MISSING))
        return None if found is MISSING else _Known(found)
    if isinstance(node, ast.Attribute):
        known = _known(plain, node.value, scope)
        if known is not None and isinstance(known.value, ModuleType | type):
            found = getattr(known.value, node.attr, MISSING)
            return None if found is MISSING else _Known(found)
    return None


def _name(text: str) -> ast.expr:
    return ast.Name(text, ast.Load())
