"""Arguments that Strawberry hands to a function as graphql-core coerced them: leaves and null.

Owns when that is so, and which of them a variable brings. Owns no coercion and no error: where one
is due, there are no arguments, and the field's own resolver is called.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass
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
    is_required_argument,
)
from graphql.utilities import coerce_input_literal
from graphql.utilities.coerce_input_value import coerce_default_value
from strawberry import relay
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.base import StrawberryOptional

from .proofs import DEFINITION, PLAIN

_NEVER_CHANGES = PLAIN - {dict, list}


@dataclass(frozen=True, slots=True)
class _Taken:
    """An argument that a variable brings."""

    name: str
    variable: str
    may_be_null: bool
    may_be_absent: bool


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
                given[one.name] = value
        return given


def arguments_of(definition: GraphQLField, node: FieldNode) -> Arguments | None:
    """The arguments of a field; None where Strawberry would convert one of them."""
    nodes = {argument.name.value: argument.value for argument in node.arguments or ()}
    known: dict[str, Any] = {}
    taken: list[_Taken] = []
    for name, argument in definition.args.items():
        python_name, value_node = _python_name(argument), nodes.get(name)
        if python_name is None or (value_node and not is_leaf_type(_nullable(argument))):
            return None
        value = coerce_default_value(argument)
        if isinstance(value_node, VariableNode):
            may_be_null = _nullable(argument) is argument.type
            may_be_absent = not is_required_argument(argument)
            taken.append(_Taken(python_name, value_node.name.value, may_be_null, may_be_absent))
        elif value_node:
            value = coerce_input_literal(value_node, argument.type)
        if value is not Undefined:
            known[python_name] = value
        elif is_required_argument(argument) and not isinstance(value_node, VariableNode):
            return None
    return Arguments(known, taken) if all(map(_never_changes, known.values())) else None


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
