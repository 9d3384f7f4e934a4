"""What every object with a global id has."""

from __future__ import annotations

from typing import TypeVar

import strawberry

from schema.described import field, interface


@interface
class Node:
    """An object that can be asked for again by its global id."""

    @field
    def id(self) -> strawberry.ID:
        """Global id: opaque, never reused, the same for ever."""
        raise NotImplementedError


_T = TypeVar("_T")


def present(value: _T | None) -> _T:
    """What the ledger's constraints say is there; a fault of ours where it is not."""
    if value is None:
        raise LookupError("the ledger refers to something it does not have")
    return value
