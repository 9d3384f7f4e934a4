"""Arguments as Strawberry hands them to a function: leaves as graphql-core coerced them, and the
objects that it makes of a variable's input objects.

Owns when that is known beforehand, and which arguments a variable brings. Owns no coercion and no
error: where one is due, there are no arguments, and the field's own resolver is called.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass
from enum import Enum
from typing import Any

from graphql import (
    FieldNode,
    GraphQLArgument,
    GraphQLField,
    Undefined,
    VariableNode,
    get_nullable_type,
    is_leaf_type,
    is_list_type,
    is_required_argument,
)
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry import relay
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
)
from strawberry.types.field import StrawberryField

from .proofs import DEFINITION, PLAIN

Make = Callable[[Any], Any]

_NEVER_CHANGES = PLAIN - {dict, list}


@dataclass(frozen=True, slots=True)
class _Taken:
    """An argument that a variable brings, and what makes of its value what Strawberry would."""

    name: str
    variable: str
    may_be_null: bool
    may_be_absent: bool
    make: Make | None


class _Unforeseen(Exception):
    """Strawberry converts the value in a way that is not known here."""


class Arguments:
    """The arguments of one field at its place in an operation, by their names in Python."""

    __slots__ = ("_known", "_taken")

    def __init__(self, known: dict[str, Any], taken: list[_Taken]) -> None:
        self._known = known
        self._taken = taken

    def of(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        """What the function is given; None where an error is due."""
        given = self._known.copy()
        for one in self._taken:
            value = variables.get(one.variable, Undefined)
            if value is Undefined:
                if not one.may_be_absent:
                    return None
            elif value is None and not one.may_be_null:
                return None
            else:
                given[one.name] = value if one.make is None else one.make(value)
        return given


def arguments_of(definition: GraphQLField, node: FieldNode) -> Arguments | None:
    """The arguments of a field; None where it is not known what Strawberry makes of one of them."""
    nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
    known: dict[str, Any] = {}
    taken: list[_Taken] = []
    for name, argument in definition.args.items():
        python_name, value_node = _python_name(argument), nodes.get(name)
        if python_name is None:
            return None
        value = coerce_default_value(argument)
        if isinstance(value_node, VariableNode):
            may_be_null = _nullable(argument) is argument.type
            may_be_absent = not is_required_argument(argument)
            try:
                make = _maker(argument.type, argument.extensions[DEFINITION].type)
            except _Unforeseen:
                return None
            variable = value_node.name.value
            taken.append(_Taken(python_name, variable, may_be_null, may_be_absent, make))
        elif value_node:
            if not is_leaf_type(_nullable(argument)):
                return None
            value = coerce_input_literal(value_node, argument.type)
        if value is not Undefined:
            known[python_name] = value
        elif is_required_argument(argument) and not isinstance(value_node, VariableNode):
            return None
    return Arguments(known, taken) if all(map(_never_changes, known.values())) else None


def _maker(type_: Any, own: Any, above: tuple[Any, ...] = ()) -> Make | None:
    """What makes of a coerced value what Strawberry would; None where that is the value itself.

    Raises: _Unforeseen.
    """
    type_ = get_nullable_type(type_)
    if isinstance(own, StrawberryMaybe):
        raise _Unforeseen
    own = own.of_type if isinstance(own, StrawberryOptional) else own
    if own is relay.GlobalID:
        raise _Unforeseen
    if is_leaf_type(type_):
        return None
    return _list_maker(type_, own, above) if is_list_type(type_) else _object_maker(type_, above)


def _list_maker(type_: Any, own: Any, above: tuple[Any, ...]) -> Make:
    if not isinstance(own, StrawberryList):
        raise _Unforeseen
    make = _maker(type_.of_type, own.of_type, above)

    def made(values: Any) -> Any:
        if values is None or make is None:
            return values if values is None else list(values)
        return [make(value) for value in values]

    return made


def _object_maker(type_: Any, above: tuple[Any, ...]) -> Make:
    definition = type_.extensions.get(DEFINITION)
    if type_ in above or not isinstance(definition, StrawberryObjectDefinition):
        raise _Unforeseen
    origin = definition.origin
    if definition.from_input is not None or hasattr(origin, "__post_init__"):
        raise _Unforeseen
    fields: list[tuple[str, str, Make | None]] = []
    absent: dict[str, Any] = {}
    for name, field in type_.fields.items():
        own = field.extensions.get(DEFINITION)
        if not isinstance(own, StrawberryField) or field.out_name:
            raise _Unforeseen
        make = _maker(field.type, own.resolve_type(type_definition=definition), (*above, type_))
        fields.append((name, own.python_name, make))
        if own.default_value is MISSING and own.default_factory is MISSING:
            absent[own.python_name] = None

    def made(value: Any) -> Any:
        if value is None:
            return None
        given = absent.copy()
        for name, python_name, make in fields:
            if name in value:
                part = value[name]
                given[python_name] = part if make is None else make(part)
        return origin(**given)

    return made


def _python_name(argument: GraphQLArgument) -> str | None:
    """None for what is made into something else on its way."""
    own = argument.extensions.get(DEFINITION)
    if not isinstance(own, StrawberryArgument) or own.is_maybe or argument.out_name:
        return None
    type_ = own.type.of_type if isinstance(own.type, StrawberryOptional) else own.type
    return None if type_ is relay.GlobalID else own.python_name


def _nullable(argument: GraphQLArgument) -> Any:
    return get_nullable_type(argument.type)


def _never_changes(value: Any) -> bool:
    """Whether one value may be given to every call."""
    return value is None or type(value) in _NEVER_CHANGES or isinstance(value, Enum)
