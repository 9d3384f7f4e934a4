"""What a resolver may keep of what a plan made of its object, and give back in the object's place.

Owns the promise: a place in a plan stands for all that is selected there, so that two objects that
never change and say the same are shown alike. Owns no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from graphql import FieldNode, Node, Visitor, visit


class ToKeep(NamedTuple):
    """An object, returned by an async resolver that has a place; `keep` is given what was made of
    it, unless something was awaited or failed, and returns what is to be shown for that.
    """

    value: Any
    keep: Callable[[Any], Any]


class Ready(NamedTuple):
    """What is shown for an object, returned in its place."""

    shown: Any


class Place:
    """A field in a plan, with the selection below it; it keeps neither alive."""

    __slots__ = ()


def place_of(info: Any) -> Place | None:
    """The place of the field that is being resolved; None where graphql-core executes, or where
    what is shown depends on an argument further down.
    """
    return getattr(info._raw_info, "place", None)


def takes_arguments_below(nodes: list[FieldNode], fragments: dict[str, Any]) -> bool:
    """Whether a field below these does, or one in any of the operation's fragments."""
    finder = _Arguments()
    for node in nodes:
        if node.selection_set is not None:
            visit(node.selection_set, finder)
    for fragment in fragments.values():
        visit(fragment.definition, finder)
    return finder.found


class _Arguments(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_field(self, node: FieldNode, *_: Node | Any) -> None:
        self.found |= bool(node.arguments)
