"""What the fields of the awkward schema take and return: types that are sound in themselves, each
with something about it that a shortcut could overlook.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Annotated, Any, NewType

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.permission import BasePermission

Odd = NewType("Odd", int)


def write_odd(value: Any) -> int | None:
    """An odd number; null for 0, which the specification forbids; an error for an even one."""
    if value == 0:
        return None
    if value % 2 == 0:
        raise ValueError(f"{value} is even")
    return value


@strawberry.enum
class Color(Enum):
    RED = 1
    GREEN = "green"


@strawberry.enum
class Size(StrEnum):
    SMALL = "small"
    LARGE = "LARGE"


@strawberry.interface
class Being:
    name: str

    @strawberry.field
    def mood(self) -> str | None:
        return f"{self.name} is fine"


@strawberry.type
class Dog(Being):
    @strawberry.field
    def mood(self) -> str | None:
        raise RuntimeError("the dog bites")

    @strawberry.field
    async def friend(self) -> Being | None:
        return Cat(name=f"friend of {self.name}", lives=9)


@strawberry.type
class Cat(Being):
    lives: int

    @strawberry.field
    async def nemesis(self) -> Annotated[Pet, strawberry.lazy("tests.compiled.menagerie")]:
        await asyncio.sleep(0)
        return Rock(weight=1.5)


class Lion(Cat):
    """A plain Python subclass of an object type's class."""


@strawberry.type
class Rock:
    weight: float

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, Rock | dict)


Pet = Annotated[Dog | Cat | Rock, strawberry.union("Pet")]


@strawberry.input
class Wish:
    text: str = "nothing"
    count: int | None = 3
    color: Color = Color.GREEN
    inner: list[Wish] | None = None


@strawberry.input
class Part:
    size: int
    color: Color | None = strawberry.UNSET


@strawberry.input
class Errand:
    what: str
    part: Part | None
    parts: list[Part | None] | None = strawberry.UNSET
    tags: list[str] = strawberry.field(default_factory=lambda: ["usual"], name="labels")


class Refuse(BasePermission):
    message = "not for you"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return False


@dataclass
class World:
    """The context of one execution: what it did is compared too."""

    log: list[str] = field(default_factory=list[str])
    batches: list[list[int]] = field(default_factory=list[list[int]])

    def __post_init__(self) -> None:
        self.loader: DataLoader[int, int] = DataLoader(self._load)

    async def _load(self, keys: list[int]) -> list[int | Exception]:
        self.batches.append(keys)
        await asyncio.sleep(0)
        return [ValueError(f"no {key}") if key % 7 == 6 else key * 10 for key in keys]
