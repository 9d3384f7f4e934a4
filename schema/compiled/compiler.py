"""Turns an operation into the source of plain Python functions.

Owns the text: for each set of selected fields a function `select_N(run, source, path)` that returns
the object as a dict, for each list `list_N(run, values, path)`, for each field whose value may have
to be awaited `complete_N(run, site, value, path)`. graphql-core itself collects the fields, so that
fragments, merging and conditions are its own. Owns neither what is taken for granted (`proofs`) nor
what happens otherwise (`runtime`).
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from graphql import (
    GraphQLObjectType,
    TypeNameMetaFieldDef,
    Undefined,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import GroupedFieldSet, collect_fields

from . import proofs, runtime
from .fields import FieldText, Source, Text, listed
from .inlining import Inliner, Made
from .runtime import Site

FIELDS_MAX = 600
"""Each costs about 0.3 ms to compile."""

_HELPERS: dict[str, Any] = {
    "Coroutine": runtime.Coroutine,
    "LazyInfo": runtime.LazyInfo,
    "PLAIN": proofs.PLAIN,
    "Undefined": Undefined,
    "fail": runtime.fail,
    "finish": runtime.finish,
    "gather": runtime.gather,
    "guard": runtime.guard,
    "later": runtime.later,
    "resolve": runtime.resolve,
    "unforeseen": runtime.unforeseen,
    "write_leaf": Executor.complete_leaf_value,
}


class NotCompilable(Exception):
    """The operation asks for what only graphql-core's executor does, or for too much."""


def compile_operation(executor: Executor[Any], *, one_by_one: bool) -> tuple[Any, ...]:
    """The functions that answer the operation: one for its root, or one for each root field.

    Raises: NotCompilable; GraphQLError where graphql-core cannot collect the fields.
    """
    return Compiler(executor).operation(one_by_one)


class _Names(dict[str, Any]):
    """What the texts see, by name."""

    def add(self, kind: str, value: Any = None) -> str:
        """A name of its own for a value that a text uses, or for a function it will define."""
        name = f"{kind}_{len(self)}"
        self[name] = value
        return name


class Compiler:
    """The text of one operation, as it grows, and the names it uses."""

    def __init__(self, executor: Executor[Any]) -> None:
        self.schema = executor.schema
        self._executor = executor
        self._names = _Names(_HELPERS)
        self.constant = self._names.add
        self._texts: dict[str, str] = {}
        """By name; each after those that it calls."""
        self._selects: dict[Any, str] = {}
        self._lists: dict[Any, str] = {}
        self._branches: list[tuple[dict[type, Any], type, str]] = []
        self._sites: list[tuple[Site, str]] = []
        self._fields = 0
        self.inliner = Inliner(self.constant)

    def operation(self, one_by_one: bool) -> tuple[Any, ...]:
        executor = self._executor
        root = self.schema.get_root_type(executor.operation.operation)
        if root is None:
            raise NotCompilable
        fields, deferred, _ = collect_fields(
            self.schema,
            executor.fragments,
            executor.variable_values,
            root,
            executor.operation,
            executor.hide_suggestions,
        )
        if deferred:
            raise NotCompilable
        groups = [{key: details} for key, details in fields.items()] if one_by_one else [fields]
        names = [self._write_select(root, group) for group in groups]
        for name, text in self._texts.items():
            self._names[name] = self._made(name, text)
        for site, name in self._sites:
            site.complete = self._names[name]
        for branches, cls, name in self._branches:
            branches[cls] = self._names[name]
        return tuple(self._names[name] for name in names)

    def _made(self, name: str, text: str) -> Any:
        """The function of that name.

        It sees the names that it uses, and neither itself nor what calls it, so that a plan that
        is forgotten is gone at once and not left to the garbage collector.
        """
        # The text is made here alone: what a document or a schema names enters it through repr().
        # Each by itself: Python compiles a text without letting other threads go on.
        code = compile(text, "<operation>", "exec")
        (body,) = [part for part in code.co_consts if isinstance(part, CodeType)]
        seen = {used: self._names[used] for used in body.co_names if used in self._names}
        exec(code, seen)  # noqa: S102
        return seen.pop(name)

    def site(self, site: Site, *, completed: bool) -> str:
        """A name for a site; `completed` gives it a function that completes its values."""
        name = self.constant("site", site)
        if completed:
            self._sites.append((site, self._write_complete(site)))
        return name

    def select(self, type_: GraphQLObjectType, details: Any, made: Made | None = None) -> str:
        """The function for what is selected of an object, or of the parts of one that is not made.

        Equal selections of equal types share one, so that the text does not grow with the number
        of ways that lead to them.
        """
        key = (type_.name, tuple([id(detail.node) for detail in details]), made is None)
        if key not in self._selects:
            collected = self._executor.collect_subfields(type_, details)
            if collected.new_defer_usages:
                raise NotCompilable
            fields = collected.grouped_field_set
            self._selects[key] = self._write_select(type_, fields, made)
        return self._selects[key]

    def branches(
        self,
        members: list[tuple[type, GraphQLObjectType]],
        details: Any,
        made: Made | None = None,
    ) -> str:
        """The function for what is selected of each member of an abstract type, by class."""
        branches: dict[type, Any] = {}
        for cls, member in members:
            own = made and Made(cls, made.parts)
            self._branches.append((branches, cls, self.select(member, details, own)))
        return self.constant("branches", branches)

    def list_of(self, site: Site, item_type: Any, made: Made | None = None) -> str:
        """The function that completes the items of a list; of items that are not made, what stands
        for them.
        """
        key = (site, made is None)
        if key in self._lists:
            return self._lists[key]
        name = self._lists[key] = self.constant("list")
        text = Text(f"def {name}(run, values, path):", "out = []", "waiting = ()")
        item = Site(site.parent, site.definition, site.details, item_type)
        each = "value" if made is None else f"({listed(made)})"
        with text.block(f"for index, {each} in enumerate(values):"):
            path = "(path, index, None)"
            FieldText(self, text, item, "value", "index", path, made=made).write_item()
            text.add("out.append(value)")
        text.add("return gather(out, waiting) if waiting else out")
        self._texts[name] = str(text)
        return name

    def _write_select(
        self, type_: GraphQLObjectType, fields: GroupedFieldSet, made: Made | None = None
    ) -> str:
        name = self.constant("select")
        parts = {} if made is None else {part: f"own_{part}" for part in made.parts}
        text = Text(f"def {name}(run, {', '.join(parts.values()) or 'source'}, path):")
        source = Source(made and Made(made.cls, parts))
        text.add("waiting = ()")
        out: list[str] = []
        for key, details in fields.items():
            definition: Any = self.schema.get_field(type_, details[0].node.name.value)
            if definition is None:
                continue
            self._fields += 1
            if self._fields > FIELDS_MAX:
                raise NotCompilable
            if definition is TypeNameMetaFieldDef:
                out.append(f"{key!r}: {type_.name!r}")
                continue
            value, path = f"v{len(out)}", f"(path, {key!r}, {type_.name!r})"
            site = Site(type_, definition, details, definition.type)
            FieldText(self, text, site, value, repr(key), path, source=source).write_field()
            out.append(f"{key!r}: {value}")
        text.add(f"out = {{{', '.join(out)}}}", "if waiting: return gather(out, waiting)")
        text.add("return out")
        if source.is_needed:
            text.begin(*source.making(self))
        self._texts[name] = str(text)
        return name

    def _write_complete(self, site: Site) -> str:
        name = self.constant("complete")
        text = Text(f"def {name}(run, site, value, path):")
        FieldText(self, text, site, "value", "", "path", "site").write_awaited()
        text.add("return value")
        self._texts[name] = str(text)
        return name
