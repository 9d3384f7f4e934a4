"""Types and fields whose description is their docstring: one sentence, in one place, for reader and
client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import Any, TypeVar

import strawberry
from typing_extensions import dataclass_transform

T = TypeVar("T")

_LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")
"""Within a paragraph: where a docstring is wrapped, a description goes on."""


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def output(cls: type[T]) -> type[T]:
    """A GraphQL object type."""
    return strawberry.type(cls, description=_description(cls))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def interface(cls: type[T]) -> type[T]:
    """A GraphQL interface."""
    return strawberry.interface(cls, description=_description(cls))


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def given(cls: type[T]) -> type[T]:
    """A GraphQL input type."""
    return strawberry.input(cls, description=_description(cls))


def field(resolver: Callable[..., Any]) -> Any:
    """A field that is resolved by the method it decorates."""
    return strawberry.field(resolver, description=_description(resolver))


def mutation(resolver: Callable[..., Any]) -> Any:
    return strawberry.mutation(resolver, description=_description(resolver))


def subscription(resolver: Callable[..., Any]) -> Any:
    return strawberry.subscription(resolver, description=_description(resolver))


def argument(description: str, name: str | None = None) -> Any:
    return strawberry.argument(description=description, name=name)


def optional(description: str, name: str | None = None) -> Any:
    """An input field that may be left out; null is the same as absent."""
    return strawberry.field(default=strawberry.UNSET, description=description, name=name)


def _description(documented: Any) -> str:
    text = documented.__doc__
    if not text:
        raise TypeError(f"{documented.__qualname__} needs a docstring: it is its description.")
    return _LINE_BREAK.sub(" ", cleandoc(text))
