"""The text of one field: how it is read, completed and, where it fails, nulled.

Owns the fast path of each kind of type and the turn off it. What the fast path tests for, it has
read off the value itself; for every other value the text calls `finish`, which is graphql-core.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import inspect
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graphql import (
    GraphQLObjectType,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from . import proofs
from .arguments import arguments_of
from .inlining import Made, Written, parts_of
from .proofs import Attribute, Call, Event
from .runtime import Site

if TYPE_CHECKING:
    from .compiler import Compiler

_NOT_CAST = f"not hasattr({{v}}, {TYPE_CAST_ATTRIBUTE!r})"


class Text:
    """Lines of Python under one heading."""

    def __init__(self, heading: str, *lines: str) -> None:
        self._lines = [heading]
        self._indent = "    "
        self.add(*lines)

    def add(self, *lines: str) -> None:
        self._lines += [self._indent + line for line in lines]

    def begin(self, *lines: str) -> None:
        """Put lines before all others."""
        self._lines[1:1] = [f"    {line}" for line in lines]

    @contextmanager
    def block(self, heading: str) -> Generator[None]:
        """What is added within stands under the heading."""
        self.add(heading)
        self._indent += "    "
        yield
        self._indent = self._indent[4:]

    def __str__(self) -> str:
        return "\n".join(self._lines)


class Source:
    """What the fields of a selection are read of: an object, or the parts of one that is not made
    unless a field needs the whole of it.
    """

    def __init__(self, made: Made | None = None) -> None:
        self.made = made
        self.is_needed = False

    @property
    def parts(self) -> str | Made:
        return self.made or "source"

    def whole(self) -> str:
        self.is_needed = True
        return "source"

    def making(self, compiler: Compiler) -> list[str]:
        """What makes the whole of it, where it is not made."""
        if self.made is None:
            return []
        given = ", ".join(f"{part}={value}" for part, value in self.made.parts.items())
        return [f"source = {compiler.constant('class', self.made.cls)}({given})"]

    def attribute(self, name: str) -> str:
        known = self.made.parts.get(name) if self.made else None
        return known or f"{self.whole()}.{name}"


class FieldText:
    """Writes a field, or an item of a list, into the text of a function."""

    def __init__(
        self,
        compiler: Compiler,
        text: Text,
        site: Site,
        value: str,
        key: str,
        path: str,
        site_name: str | None = None,
        source: Source | None = None,
        made: Made | None = None,
    ) -> None:
        self._compiler = compiler
        self._text = text
        self._site = site
        self._value = value
        self._key = key
        self._path = path
        self._type: Any = site.type.of_type if is_non_null_type(site.type) else site.type
        self._may_be_null = self._type is site.type
        self._is_leaf = is_leaf_type(self._type)
        self._reading = proofs.reading(compiler.schema, site.definition)
        self._arguments = arguments_of(site.definition, site.nodes[0])
        if self._arguments is None:
            self._reading = None
        self._is_async = (
            self._reading.is_async
            if isinstance(self._reading, Call)
            else inspect.iscoroutinefunction(site.definition.resolve)
        )
        self._source = source or Source()
        self._made = made
        self._where: str | None = None
        """When the field is as it is written; otherwise its function is called."""
        self._written = self._inlined() if source else None
        is_made = made or (
            self._written and not self._where and not isinstance(self._written.value, str)
        )
        # A leaf that is hardly ever awaited, or what is not made, needs no completion of its own.
        completed = self._is_async or not (self._is_leaf or is_made)
        self._site_name = site_name or compiler.site(site, completed=completed)

    def write_field(self) -> None:
        """Reads the field of `source` and completes it."""
        with self._failing():
            if self._written is None:
                self._write_read(self._source.whole())
            elif self._where is None:
                self._write_inlined(self._written)
            else:
                with self._text.block(f"if {self._where}:"):
                    self._write_inlined(self._written)
                with self._text.block("else:"):
                    self._text.add(*self._source.making(self._compiler))
                    self._write_read("source")

    def write_item(self) -> None:
        """Completes an item of the list `values`; one that is not made holds nothing to await."""
        with self._failing("" if self._made else ", values[index + 1:]"):
            if self._made:
                self._write_made(self._made)
            else:
                self._write_completion()

    def write_awaited(self) -> None:
        """Completes a value that is there: errors and coroutines are the caller's."""
        otherwise = f"unforeseen(run, {self._site_name}, {self._value}, {self._path})"
        self._write_branches(self._short(), [f"{self._value} = {otherwise}"])

    def _inlined(self) -> Written | None:
        """The field without a call; None where its function is to be called."""
        reading, inliner = self._reading, self._compiler.inliner
        if isinstance(reading, Attribute):
            return Written([], self._source.attribute(reading.name))
        if not isinstance(reading, Call) or not reading.is_of_source or self._site.definition.args:
            return None
        if reading.info_name is None:
            written = inliner.written(reading.function, self._source.parts)
        else:
            known = inliner.where_known(reading.function, self._source.parts, reading.info_name)
            self._where, written = known or (None, None)
        if written is None or isinstance(written.value, str):
            return written
        if isinstance(written.value, Made):
            return written if self._shown(self._type, written.value) else None
        if not is_list_type(self._type):
            return None
        item = self._type.of_type
        item = item.of_type if is_non_null_type(item) else item
        return written if self._shown(item, written.value.item) else None

    def _shown(self, type_: Any, made: Made) -> list[tuple[type, GraphQLObjectType]]:
        """The types as which an object that is not made may be shown, with its classes."""
        schema = self._compiler.schema
        if isinstance(type_, GraphQLObjectType):
            known = proofs.shape(schema, type_)
            members = [(known.cls, type_)] if known else []
        else:
            members = (
                [] if is_leaf_type(type_) or is_list_type(type_) else proofs.shapes(schema, type_)
            )
        if isinstance(made.cls, type):
            members = [(cls, member) for cls, member in members if cls is made.cls]
        for cls, _ in members:
            if (parts_of(cls) or {}).keys() != made.parts.keys():
                return []
        return members

    def _write_inlined(self, written: Written) -> None:
        text, value, made = self._text, self._value, written.value
        text.add(*written.lines)
        if isinstance(made, str):
            text.add(f"{value} = {made}")
            self._write_completion()
        elif isinstance(made, Made):
            self._write_made(made)
        else:
            text.add(f"{value} = []")
            with text.block(f"for {made.name} in {made.values}:"):
                text.add(*made.lines, f"{value}.append(({listed(made.item)}))")
            list_of = self._compiler.list_of(self._site, self._type.of_type, made.item)
            text.add(f"{value} = {list_of}(run, {value}, {self._path})", *self._waiting())

    def _write_made(self, made: Made) -> None:
        """Completes an object that is not made."""
        value, members = self._value, self._shown(self._type, made)
        given = f"(run, {', '.join(made.parts.values())}, {self._path})"
        if isinstance(made.cls, type):
            ((_, member),) = members
            select = self._compiler.select(member, self._site.details, made)
            self._text.add(f"{value} = {select}{given}", *self._waiting())
            return
        branches = self._compiler.branches(members, self._site.details, made)
        test = f"(branch := {branches}.get({made.cls}))"
        named = ", ".join(f"{name}={part}" for name, part in made.parts.items())
        with self._text.block(f"if {test}:"):
            self._text.add(f"{value} = branch{given}", *self._waiting())
        with self._text.block("else:"):
            self._text.add(f"{value} = {made.cls}({named})", *self._finishing())

    def _waiting(self) -> list[str]:
        """What follows a completion that may still have to be awaited."""
        lines = [f"if type({self._value}) is Coroutine:"]
        # Where null may not stand, an error passes as it is: it has been located within.
        if self._may_be_null:
            guarded = f"guard(run, {self._site_name}, {self._value}, {self._path})"
            lines += [f"    {self._value} = {guarded}"]
        return [*lines, f"    {self._wait()}"]

    def _finishing(self) -> list[str]:
        value = self._value
        finish = f"finish(run, {self._site_name}, {value}, {self._path})"
        return [f"{value} = {finish}", f"if type({value}) is Coroutine: {self._wait()}"]

    def _write_completion(self) -> None:
        short = self._short()
        if not self._is_leaf:
            short += self._waiting()
        self._write_branches(short, self._finishing())

    def _write_branches(self, short: list[str], otherwise: list[str]) -> None:
        test, *lines = short
        if test:
            with self._text.block(f"if {test}:"):
                self._text.add(*lines)
            may = self._may_be_null
            otherwise_if = f"elif {self._value} is not None:" if may else "else:"
            with self._text.block(otherwise_if):
                self._text.add(*otherwise)
        else:
            self._text.add(*otherwise)

    @contextmanager
    def _failing(self, rest: str = "") -> Generator[None]:
        with self._text.block("try:"):
            yield
        failed = f"fail(run, {self._site_name}, error, {self._path}, waiting{rest})"
        with self._text.block("except Exception as error:"):
            self._text.add(f"{self._value} = {failed}")

    def _wait(self) -> str:
        return f"waiting += (({self._key}, {self._value}),)"

    def _write_read(self, source: str) -> None:
        reading = self._read(source)
        if self._is_async:
            awaited = f"later(run, {self._site_name}, {reading}, {self._path})"
            self._text.add(f"{self._value} = {awaited}", self._wait())
        else:
            self._text.add(f"{self._value} = {reading}")
            self._write_completion()

    def _read(self, source: str) -> str:
        reading = self._reading
        if isinstance(reading, Event):
            return source
        own = f"resolve(run, {self._site_name}, source, {self._path})"
        if not isinstance(reading, Call):
            return own
        given = ["source"] if reading.takes_source else []
        given += [f"{name}=source" for name in reading.source_names]
        if reading.info_name:
            info_class = self._compiler.constant("info", reading.info_class)
            field = self._compiler.constant("field", reading.field)
            raw = f"LazyInfo(run, {self._site_name}, {self._path})"
            given.append(f"{reading.info_name}={info_class}(_raw_info={raw}, _field={field})")
        read = self._compiler.constant("read", reading.function)
        if not self._site.definition.args:
            return f"{read}({', '.join(given)})"
        arguments = self._compiler.constant("arguments", self._arguments)
        taken = f"{arguments}.of(run.variable_values.coerced)"
        call = f"{read}({', '.join([*given, '**given'])})"
        return f"{own} if (given := {taken}) is None else {call}"

    def _short(self) -> list[str]:
        """The test of the fast path and its lines; the test is empty where there is none."""
        if self._is_leaf:
            return self._short_leaf()
        compiler, value, type_ = self._compiler, self._value, self._type
        arguments = f"(run, {value}, {self._path})"
        if is_list_type(type_):
            name = compiler.list_of(self._site, type_.of_type)
            test = f"type({value}) is list or type({value}) is tuple"
            return [test, f"{value} = {name}{arguments}"]
        if isinstance(type_, GraphQLObjectType):
            shape = proofs.shape(compiler.schema, type_)
            if shape is None:
                return [""]
            test = f"type({value}) is {compiler.constant('class', shape.cls)}"
            test += f" and {_NOT_CAST.format(v=value)}" if shape.may_be_cast else ""
            return [test, f"{value} = {compiler.select(type_, self._site.details)}{arguments}"]
        members = proofs.shapes(compiler.schema, type_)
        if not members:
            return [""]
        branches = compiler.branches(members, self._site.details)
        test = f"(branch := {branches}.get(type({value}))) and {_NOT_CAST.format(v=value)}"
        return [test, f"{value} = branch{arguments}"]

    def _short_leaf(self) -> list[str]:
        value, leaf = self._value, proofs.leaf(self._type)
        names = {kind: self._compiler.constant(kind, constant) for kind, constant in leaf.constants}
        test = leaf.test.format(v=value, **names)
        if leaf.write is None:
            written = leaf.written and f"{value} = {leaf.written.format(v=value, **names)}"
            return [test, written or "pass"]
        type_ = self._compiler.constant("leaf", self._type)
        lines, written = self._compiler.inliner.called(leaf.write, value)
        return [
            test,
            *lines,
            f"written = {written}",
            "if written is None or written is Undefined:",
            f"    written = write_leaf({type_}, {value})",
            f"{value} = written",
        ]


def listed(made: Made) -> str:
    """What stands for the object in a list: its class, where it is not known, and its parts."""
    cls = [] if isinstance(made.cls, type) else [made.cls]
    return "".join(f"{part}, " for part in (*cls, *made.parts.values()))
