"""Reading the value of a variable: graphql-core's coercion with all that its type alone decides
decided beforehand.

Owns the values that are as they should be. Owns no error: what is refused here is coerced again by
graphql-core, which says why.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    Undefined,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_input_field,
)
from graphql.utilities import coerce_input_value
from graphql.utilities.coerce_input_value import coerce_default_value

Read = Callable[[Any], Any]
"""The coerced value, or Undefined where there is none."""


def reader(type_: Any, above: tuple[Any, ...] = ()) -> Read | None:
    """What reads values of an input type; None for one that may hold itself, however deep."""
    if is_non_null_type(type_):
        read = reader(type_.of_type, above)
        return read and (lambda value: Undefined if value is None else read(value))
    if is_leaf_type(type_):
        return _leaf_reader(type_)
    if is_list_type(type_):
        return _list_reader(type_, above)
    return None if type_ in above else _object_reader(type_, (*above, type_))


def _leaf_reader(type_: Any) -> Read:
    coerce = type_.coerce_input_value

    def read(value: Any) -> Any:
        if value is None:
            return None
        try:
            return coerce(value)
        except Exception:  # whatever it is: graphql-core says it
            return Undefined

    return read


def _list_reader(type_: Any, above: tuple[Any, ...]) -> Read | None:
    read_item = reader(type_.of_type, above)
    if read_item is None:
        return None

    def read(value: Any) -> Any:
        if type(value) is not list:
            return coerce_input_value(value, type_)
        items = [read_item(item) for item in value]
        return Undefined if any(item is Undefined for item in items) else items

    return read


def _object_reader(type_: GraphQLInputObjectType, above: tuple[Any, ...]) -> Read | None:
    if type_.out_type is not GraphQLInputObjectType.out_type or type_.is_one_of:
        return None
    fields: list[tuple[str, Read, Any]] = []
    for name, field in type_.fields.items():
        read_field = reader(field.type, above)
        if read_field is None or field.out_name:
            return None
        fields.append((name, read_field, field))
    required = {name for name, _, field in fields if is_required_input_field(field)}

    def read(value: Any) -> Any:
        if type(value) is not dict or not required <= value.keys():
            return Undefined
        coerced: dict[str, Any] = {}
        known = 0
        for name, read_field, field in fields:
            if name in value:
                known += 1
                part = read_field(value[name])
                if part is Undefined:
                    return Undefined
                coerced[name] = part
            elif (part := coerce_default_value(field)) is not Undefined:
                coerced[name] = part
        return coerced if known == len(value) else Undefined

    return read
