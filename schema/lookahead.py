"""What an operation asks for below a field, so that it can be read together with it.

Owns names only: what is asked for under a condition, or of another type, counts as asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from graphql import FieldNode, FragmentSpreadNode, SelectionSetNode

from schema.context import Info

_REMEMBERED_MAX = 1_000
_asked: dict[int, tuple[FieldNode, frozenset[str]]] = {}
"""By the node's identity; the node is kept, so that no other takes it."""


def asked_below(info: Info) -> frozenset[str]:
    """The names of all fields below the one that is being resolved, at any depth."""
    # Strawberry's `selected_fields` builds a tree of everything.
    raw = cast("Any", info)._raw_info
    nodes: list[FieldNode] = raw.field_nodes
    names: frozenset[str] = frozenset()
    for node in nodes:
        known = _asked.get(id(node))
        if known is None:
            if len(_asked) >= _REMEMBERED_MAX:
                _asked.clear()
            known = _asked[id(node)] = (node, _names_below(node, raw.fragments))
        names |= known[1]
    return names


def _names_below(node: FieldNode, fragments: Any) -> frozenset[str]:
    names: set[str] = set()
    spread: set[str] = set()
    left: list[Any] = [node.selection_set]
    while left:
        for selection in _selections(left.pop()):
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in spread:
                    spread.add(name)
                    left.append(fragments[name].selection_set)
                continue
            if isinstance(selection, FieldNode):
                names.add(selection.name.value)
            left.append(selection.selection_set)
    return frozenset(names)


def _selections(set_: SelectionSetNode | None) -> Iterable[Any]:
    return () if set_ is None else set_.selections
