"""What an operation asks for below a field, so that it can be read together with it.

What is asked for under a condition, or of another type, counts as asked for: whoever reads ahead
must not rely on it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple, cast

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    SelectionSetNode,
    VariableNode,
    value_from_ast_untyped,
)

from schema.context import Info

LETTERS_MAX = 524_288
"""Of the documents that remembered fields are of, for each field: a document takes up to 250 bytes
a letter.
"""


class _Given(NamedTuple):
    """The arguments of a field: those that are written there, and the variables of the others."""

    written: dict[str, Any]
    variables: dict[str, str]


class _Below(NamedTuple):
    """What stands below a field; `node` is kept, so that no other takes its identity."""

    node: FieldNode
    names: frozenset[str]
    """Of all fields, at any depth."""
    fields: dict[str, list[_Given]]
    """Those that stand directly below, by name."""


class _Memory:
    """What stands below fields, by the node's identity; when it is full, it begins anew."""

    def __init__(self) -> None:
        self._below: dict[int, _Below] = {}
        self._letters = 0

    def __len__(self) -> int:
        return len(self._below)

    def of(self, node: FieldNode, fragments: Any) -> _Below:
        known = self._below.get(id(node))
        if known is None:
            letters = len(node.loc.source.body) if node.loc else 0
            if self._letters + letters > LETTERS_MAX:
                self._below.clear()
                self._letters = 0
            self._letters += letters
            known = self._below[id(node)] = _looked_below(node, fragments)
        return known


_memory = _Memory()


def asked_below(info: Info) -> frozenset[str]:
    """The names of all fields below the one that is being resolved, at any depth."""
    names: frozenset[str] = frozenset()
    for below in _all_below(info):
        names |= below.names
    return names


def arguments_below(info: Info, name: str) -> dict[str, Any] | None:
    """The arguments, not coerced, of the one field of this name that stands directly below the one
    that is being resolved, without variables in lists and objects; None where there is none, or
    another.
    """
    found = [given for below in _all_below(info) for given in below.fields.get(name, ())]
    if len(found) != 1:
        return None
    ((written, variables),) = found
    values = info.variable_values
    return written | {argument: values.get(taken) for argument, taken in variables.items()}


def _all_below(info: Info) -> list[_Below]:
    # Strawberry's `selected_fields` builds a tree of everything.
    raw = cast("Any", info)._raw_info
    return [_memory.of(node, raw.fragments) for node in raw.field_nodes]


def _looked_below(node: FieldNode, fragments: Any) -> _Below:
    names: set[str] = set()
    direct: dict[str, list[_Given]] = {}
    for field in _fields(node.selection_set, fragments, set()):
        direct.setdefault(field.name.value, []).append(_given(field))
    spread: set[str] = set()
    left = [node]
    while left:
        for field in _fields(left.pop().selection_set, fragments, spread):
            names.add(field.name.value)
            left.append(field)
    return _Below(node, frozenset(names), direct)


def _given(field: FieldNode) -> _Given:
    given = _Given({}, {})
    for argument in field.arguments or ():
        name, value = argument.name.value, argument.value
        if isinstance(value, VariableNode):
            given.variables[name] = value.name.value
        else:
            given.written[name] = value_from_ast_untyped(value)
    return given


def _fields(
    set_: SelectionSetNode | None, fragments: Any, spread: set[str]
) -> Generator[FieldNode]:
    """The fields of a selection, with those of its fragments that were not spread before."""
    left: list[Any] = [set_]
    while left:
        within = left.pop()
        for selection in () if within is None else within.selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif not isinstance(selection, FragmentSpreadNode):
                left.append(selection.selection_set)
            elif selection.name.value not in spread:
                spread.add(selection.name.value)
                left.append(fragments[selection.name.value].selection_set)
