"""How much one operation may ask for, decided from its text before anything of it runs.

Owns the bounds of a document. The walk is linear in the document: what a fragment asks for is
worked out once, however often it is spread, so that no nesting of fragments makes it long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_operation_ast,
)

from resolvers.usage import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX

TOKENS_MAX = 2_000
COMMENTS_MAX = 200
SOURCE_LENGTH_MAX = 32_768
PARSER_OPTIONS: dict[str, Any] = {
    "max_lexical_tokens": TOKENS_MAX,
    "max_comments": COMMENTS_MAX,
    "max_source_length": SOURCE_LENGTH_MAX,
}
DEFINITIONS_MAX = 100
"""Operations and fragments: the specification's rules walk from each to all that it leads to."""

PARTS_MAX = 100
"""Of an input object in a document, with all that is within: each mistake in it is told with it."""

MERGING_MAX = 15_000
"""Steps that finding out whether a document's fields can be merged may take, which grow with the
square of those that answer under one name.
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """What an operation asks for: each field of this class is bounded by the same field of
    `LIMITS`.
    """

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    cost: int = 0
    """Values in the largest possible answer, counting a list as long as its arguments let it be."""


LIMITS = Measure(depth=20, fields=600, aliases=50, cost=25_000)

_NOTHING = Measure()
_COMPARED = 5
"""Steps of a pair with more to compare than a name."""

_PAGES = frozenset({"usage", "jobs"})


def problems(document: DocumentNode) -> list[GraphQLError]:
    """One error for the first bound that the document or an operation of it exceeds."""
    if len(document.definitions) > DEFINITIONS_MAX:
        return [GraphQLError(f"A document has at most {DEFINITIONS_MAX} definitions.")]
    if _parts_of_the_largest_object(document) > PARTS_MAX:
        message = f"An input object in a document has at most {PARTS_MAX} parts: use variables."
        return [GraphQLError(message)]
    walk = _Walk(document)
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            continue
        try:
            measure = walk.selections(definition.selection_set)
        except RecursionError:
            measure = Measure(depth=LIMITS.depth + 1)
        for bound in fields(Measure):
            asked, most = getattr(measure, bound.name), getattr(LIMITS, bound.name)
            if asked > most:
                return [GraphQLError(f"The operation's {bound.name} exceeds {most}.", definition)]
    try:
        merging = _Merging(walk.fragments)
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
                merging.count([definition.selection_set])
    except (_TooMuch, RecursionError):
        return [GraphQLError("The document repeats too many fields under one name.")]
    return []


def nodes_of(root: Node, *, but: type[Node] | None = None) -> Iterator[Node]:
    """Each node of a document or a part of it, itself included, without what is in nodes of a kind
    `but`. Those given may be taken apart.
    """
    left: list[object] = [root]
    while left:
        node = left.pop()
        if isinstance(node, Node):
            if but is None or not isinstance(node, but):
                left += [getattr(node, key) for key in node.keys]
            yield node
        elif isinstance(node, tuple):
            left += cast("tuple[object, ...]", node)


def _parts_of_the_largest_object(document: DocumentNode) -> int:
    return max(
        (
            sum(isinstance(part, ObjectFieldNode) for part in nodes_of(node))
            for node in nodes_of(document, but=ObjectValueNode)
            if isinstance(node, ObjectValueNode)
        ),
        default=0,
    )


def measure(document: DocumentNode, operation_name: str | None) -> Measure | None:
    """What one operation of a document asks for; None where the document has no such operation."""
    operation = get_operation_ast(document, operation_name)
    try:
        return _Walk(document).selections(operation.selection_set) if operation else None
    except RecursionError:
        return None


class _Walk:
    def __init__(self, document: DocumentNode) -> None:
        self.fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._known: dict[str, Measure] = {}

    def selections(self, selection_set: SelectionSetNode | None) -> Measure:
        total = _NOTHING
        for selection in selection_set.selections if selection_set else ():
            match selection:
                case FieldNode():
                    part = self._field(selection)
                case FragmentSpreadNode():
                    part = self._fragment(selection.name.value)
                case InlineFragmentNode():
                    part = self.selections(selection.selection_set)
                case _:
                    part = _NOTHING
            total = Measure(
                depth=max(total.depth, part.depth),
                fields=total.fields + part.fields,
                aliases=total.aliases + part.aliases,
                cost=total.cost + part.cost,
            )
        return total

    def _field(self, node: FieldNode) -> Measure:
        inner = self.selections(node.selection_set)
        return Measure(
            depth=inner.depth + 1,
            fields=inner.fields + 1,
            aliases=inner.aliases + (node.alias is not None),
            cost=1 + inner.cost * _length(node),
        )

    def _fragment(self, name: str) -> Measure:
        known = self._known.get(name)
        if known is None:
            # A cycle counts as nothing here: it is refused by the specification's own rules.
            self._known[name] = _NOTHING
            fragment = self.fragments.get(name)
            known = self.selections(fragment.selection_set) if fragment else _NOTHING
            self._known[name] = known
        return known


class _TooMuch(Exception):
    """Merging takes more steps than it may."""


class _Merging:
    """Counts what merging selections takes: each field, each pair that answers under one name, and
    each pair of fragments side by side; what is more than a name several times. Unused fragments
    count too.
    """

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._fragments = fragments
        self._steps = 0

    def count(self, merged: list[SelectionSetNode]) -> None:
        """Raises: _TooMuch."""
        named: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        beside = {name for selection_set in merged for name in _spread_in(selection_set)}
        for selection_set in merged:
            self._gather(selection_set, named, spread)
        if len(beside) > 1:
            self._add(_COMPARED * _pairs([self._reach(name) for name in beside]))
        for nodes in named.values():
            inner = [node.selection_set for node in nodes if node.selection_set]
            pairs = len(nodes) * (len(nodes) - 1) // 2
            self._add(len(nodes) + pairs * (_COMPARED if inner or nodes[0].arguments else 1))
            if inner:
                self.count(inner)

    def _gather(
        self, selection_set: SelectionSetNode, named: dict[str, list[FieldNode]], spread: set[str]
    ) -> None:
        for selection in selection_set.selections:
            match selection:
                case FieldNode():
                    name = selection.alias or selection.name
                    named.setdefault(name.value, []).append(selection)
                case InlineFragmentNode():
                    self._gather(selection.selection_set, named, spread)
                case FragmentSpreadNode():
                    fragment = self._fragments.get(selection.name.value)
                    if fragment and selection.name.value not in spread:
                        spread.add(selection.name.value)
                        self._gather(fragment.selection_set, named, spread)
                case _:
                    pass

    def _reach(self, name: str) -> int:
        """How many fragments one leads to, itself included, outside of fields."""
        found, left = {name}, [name]
        while left:
            if fragment := self._fragments.get(left.pop()):
                further = _spread_in(fragment.selection_set) - found
                found |= further
                left += further
        return len(found)

    def _add(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MERGING_MAX:
            raise _TooMuch


def _spread_in(selection_set: SelectionSetNode) -> set[str]:
    """The fragments spread in a selection itself, not in what its fields select."""
    names: set[str] = set()
    for selection in selection_set.selections:
        match selection:
            case FragmentSpreadNode():
                names.add(selection.name.value)
            case InlineFragmentNode():
                names |= _spread_in(selection.selection_set)
            case _:
                pass
    return names


def _pairs(sizes: list[int]) -> int:
    """Pairs of members of different ones among sets of these sizes."""
    return (sum(sizes) ** 2 - sum(size * size for size in sizes)) // 2


def _length(node: FieldNode) -> int:
    """How many objects a field can answer with, as far as its arguments tell."""
    length = PAGE_SIZE_DEFAULT if node.name.value in _PAGES else 1
    for argument in node.arguments or ():
        name, value = argument.name.value, argument.value
        if name in ("first", "last"):
            length = int(value.value[:9]) if isinstance(value, IntValueNode) else PAGE_SIZE_MAX
        elif name == "ids":
            length = len(value.values) if isinstance(value, ListValueNode) else PAGE_SIZE_MAX
    return max(1, length)
