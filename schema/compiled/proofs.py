"""What may be taken for granted about a schema, each time with the reason why it holds.

Owns the shortcuts: how a field may be read without its resolver's wrapping, which Python class
stands for which type, which values a leaf writes as they are. Where a reason cannot be given there
is no shortcut.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from graphql import (
    GraphQLAbstractType,
    GraphQLBoolean,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
)
from strawberry.schema.schema_converter import CustomGraphQLEnumType, GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF
PLAIN = frozenset(
    {str, int, float, bool, dict, list, datetime, date, time, timedelta, Decimal, UUID, bytes}
)
"""Types whose values are neither null, nor awaitable, nor an exception."""

_CONVERTER = "GraphQLCoreConverter.from_"
_BASIC = f"{_CONVERTER}resolver.<locals>._get_basic_result"
_EVENT = f"{_CONVERTER}field.<locals>.<lambda>"
_WRAPPED = {
    f"{_CONVERTER}resolver.<locals>._resolver",
    f"{_CONVERTER}resolver.<locals>._async_resolver",
}
_TYPE_TESTS = {
    f"{_CONVERTER}interface.<locals>._get_resolve_type.<locals>.resolve_type",
    f"{_CONVERTER}object.<locals>._get_is_type_of.<locals>.is_type_of",
    "StrawberryUnion.get_type_resolver.<locals>._resolve_union_type",
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """The field is an attribute of its source."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """The field is a call of a plain function, by the names of what it is given."""

    function: Callable[..., Any]
    takes_source: bool
    source_names: tuple[str, ...]
    info_name: str | None
    info_class: type
    field: StrawberryField
    is_async: bool

    @property
    def is_of_source(self) -> bool:
        """Whether its source is all that it is given, but for its info, and nothing is awaited."""
        return self.takes_source and not self.source_names and not self.is_async


@dataclass(frozen=True, slots=True)
class Event:
    """The field of a subscription, whose source is its value: the event itself."""


def reading(schema: GraphQLSchema, definition: GraphQLField) -> Attribute | Call | Event | None:
    """How a field may be read directly; None where its own resolver shall be called.

    A Strawberry field without extensions (permissions are extensions) and handlers of exceptions
    does nothing around its function but to make its `info` and to convert its arguments.
    """
    field = definition.extensions.get(DEFINITION)
    if not isinstance(field, StrawberryField) or field.extensions:
        return None
    if type(field).get_result is not StrawberryField.get_result:
        return None
    owner = schema.extensions.get(DEFINITION)
    if owner is None or owner.exception_handlers:
        return None
    wrapping = getattr(definition.resolve, "__qualname__", None)
    if wrapping == _BASIC:
        name = field.python_name
        plain = field.default_resolver is getattr and name.isidentifier()
        return Attribute(name) if plain and not keyword.iskeyword(name) else None
    if wrapping == _EVENT and field.is_subscription:
        return Event()
    resolver: Any = field.base_resolver
    if wrapping not in _WRAPPED or resolver is None or not callable(resolver.wrapped_func):
        return None
    sources = (resolver.parent_parameter, resolver.root_parameter)
    return Call(
        resolver.wrapped_func,
        resolver.self_parameter is not None,
        tuple(dict.fromkeys(parameter.name for parameter in sources if parameter)),
        resolver.info_parameter.name if resolver.info_parameter else None,
        owner.config.info_class,
        field,
        inspect.iscoroutinefunction(resolver.wrapped_func),
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """The Python class that stands for an object type."""

    cls: type
    may_be_cast: bool
    """Whether `strawberry.cast` could make an instance stand for another type."""


def shape(schema: GraphQLSchema, type_: GraphQLObjectType) -> Shape | None:
    """The class all instances of which are of the type, unless cast; None where none is known.

    Strawberry's own tests look at nothing but an instance's class, as long as it is not generic:
    a blank instance answers for all.
    """
    definition = type_.extensions.get(DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition) or definition.concrete_of:
        return None
    cls = definition.origin
    if definition.is_graphql_generic or issubclass(cls, Exception) or hasattr(cls, "__await__"):
        return None
    if getattr(cls, "__strawberry_definition__", None) is not definition:
        return None
    test = type_.is_type_of
    if test is None:
        return Shape(cls, may_be_cast=False)
    if _is_own(test) and test(object.__new__(cls), _info(schema)):
        return Shape(cls, may_be_cast=True)
    return None


def shapes(
    schema: GraphQLSchema, type_: GraphQLAbstractType
) -> list[tuple[type, GraphQLObjectType]]:
    """The classes whose instances, unless cast, are of a known member of an abstract type."""
    found: list[tuple[type, GraphQLObjectType]] = []
    if not _is_own(type_.resolve_type):
        return found
    for member in schema.get_possible_types(type_):
        known = shape(schema, member)
        if known is None or known.cls in {cls for cls, _ in found}:
            continue
        test = cast("Callable[..., Any]", type_.resolve_type)
        if test(object.__new__(known.cls), _info(schema), type_) == member.name:
            found.append((known.cls, member))
    return found


@dataclass(frozen=True, slots=True)
class Leaf:
    """When a leaf's value `{v}` may be written at once: as it is, as what, or by which function.

    The texts call what they need of an enum `{type}` and `{names}`. A function may refuse a value.
    """

    test: str
    written: str | None = None
    constants: tuple[tuple[str, Any], ...] = ()
    write: Callable[[Any], Any] | None = None


_AS_THEY_ARE = {
    GraphQLString: Leaf("type({v}) is str"),
    GraphQLID: Leaf("type({v}) is str"),
    GraphQLInt: Leaf("type({v}) is int and -2147483648 <= {v} <= 2147483647"),
    GraphQLFloat: Leaf("type({v}) is float and {v} - {v} == 0"),
    GraphQLBoolean: Leaf("({v} is True or {v} is False)"),
}


def leaf(type_: Any) -> Leaf:
    """How values of a scalar or an enum are written without asking twice."""
    if type_ in _AS_THEY_ARE:
        return _AS_THEY_ARE[type_]
    if type(type_) is CustomGraphQLEnumType:
        names = {member: type_.coerce_output_value(member) for member in type_.wrapped_cls}
        constants = (("type", type_.wrapped_cls), ("names", names))
        return Leaf("type({v}) is {type}", "{names}[{v}]", constants)
    return Leaf("type({v}) in PLAIN", write=type_.coerce_output_value)


def _is_own(test: Any) -> bool:
    return getattr(test, "__qualname__", None) in _TYPE_TESTS


def _info(schema: GraphQLSchema) -> Any:
    return SimpleNamespace(schema=schema, field_name="")
