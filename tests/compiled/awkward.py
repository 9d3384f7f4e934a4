"""A schema that goes wrong in every place it can, for comparing executors.

`Box` has a field for each way to wrap each kind of type, times each way a resolver may behave:
`sync_int_list_none` is a [Int]! whose plain resolver returns None.
"""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
# `Box` is made at run time.
# pyright: reportInvalidTypeForm=false, reportPrivateUsage=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Annotated, Any

import strawberry
from strawberry.schema.config import StrawberryConfig

from tests.compiled import menagerie


def _new_box() -> Any:
    return Box()


KINDS: dict[str, tuple[str, Callable[[], Any], Any]] = {
    "int": ("int", lambda: 7, 2**40),
    "str": ("str", lambda: "text", object()),
    "float": ("float", lambda: 1.5, "no number"),
    "bool": ("bool", lambda: True, 1),
    "id": ("strawberry.ID", lambda: "id-1", 3.25),
    "color": ("menagerie.Color", lambda: menagerie.Color.RED, "BLUE"),
    "size": ("menagerie.Size", lambda: menagerie.Size.SMALL, 5),
    "odd": ("menagerie.Odd", lambda: 3, 4),
    "when": ("datetime", lambda: datetime(2026, 1, 2, tzinfo=UTC), "yesterday"),
    "box": ("Box", _new_box, menagerie.Rock(weight=2.5)),
    "being": (
        "menagerie.Being",
        lambda: menagerie.Cat(name="Tom", lives=9),
        menagerie.Rock(weight=3.5),
    ),
    "pet": ("menagerie.Pet", lambda: menagerie.Dog(name="Rex"), 12),
}


WRAPPINGS = {
    "maybe": "{} | None",
    "sure": "{}",
    "maybe_list": "list[{} | None] | None",
    "list": "list[{} | None]",
    "sure_list": "list[{}]",
    "maybe_sure_list": "list[{}] | None",
    "lists": "list[list[{}] | None]",
}


async def _late(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


async def _counted(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def _odd_items(good: Callable[[], Any], wrong: Any) -> dict[str, Callable[[], Any]]:
    return {
        "empty": list,
        "hole": lambda: [good(), None, good()],
        "bad_item": lambda: [good(), wrong, good(), wrong],
        "error_item": lambda: [good(), ValueError("a bad item"), good()],
        "late_items": lambda: [_late(good()), good(), _late(None), _late(good())],
        "late_errors": lambda: [_late(good()), _late(KeyError("late")), _late(ValueError("later"))],
        "tuple": lambda: (good(), good()),
        "generator": lambda: (good() for _ in range(2)),
        "set_of_none": lambda: {None},
        "text": lambda: "not a list",
        "counted": lambda: _counted([good(), None]),
    }


def _behaviours(kind: str, wrapping: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    _, good, wrong = KINDS[kind]
    if wrapping == "lists":
        yield "good", lambda: [[good()], [good(), good()]]
        yield "none", lambda: [[good()], None]
        yield "wrong", lambda: [[good()], [good(), wrong], [None]]
        yield "late", lambda: [[_late(good())], _late([good(), _late(wrong)])]
        return
    yield "none", lambda: None
    yield "raises", lambda: _raise(ValueError(f"no {kind}"))
    yield "returns_error", lambda: LookupError(f"lost {kind}")
    if not wrapping.endswith("list"):
        yield "good", good
        yield "wrong", lambda: wrong
        yield "late", lambda: _late(good())
        yield "late_error", lambda: _late(OSError("late"))
        return
    yield "good", lambda: [good(), good(), good()]
    yield from _odd_items(good, wrong).items()


def _raise(error: Exception) -> Any:
    raise error


def _sync(behave: Callable[[], Any]) -> Callable[..., Any]:
    def resolve(self: Any) -> Any:
        return behave()

    return resolve


def _async(behave: Callable[[], Any]) -> Callable[..., Any]:
    async def resolve(self: Any) -> Any:
        return behave()

    return resolve


def _slow(behave: Callable[[], Any]) -> Callable[..., Any]:
    async def resolve(self: Any, info: strawberry.Info) -> Any:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        info.context.log.append(f"{type(self).__name__}.{info.field_name}")
        return behave()

    return resolve


def _box_fields() -> dict[str, Any]:
    fields: dict[str, Any] = {}
    ways = {"sync": _sync, "async": _async, "slow": _slow}
    for (way, make), kind, wrapping in product(ways.items(), KINDS, WRAPPINGS):
        for behaviour, behave in _behaviours(kind, wrapping):
            resolver = make(behave)
            resolver.__annotations__["return"] = WRAPPINGS[wrapping].format(KINDS[kind][0])
            name = f"{way}_{kind}_{wrapping}_{behaviour}"
            resolver.__name__ = name
            fields[name] = strawberry.field(resolver)
    return fields


class _Attributes:
    plain: str = "an attribute"
    holed: str = None  # type: ignore[assignment]
    missing: strawberry.Private[int]

    @strawberry.field
    def where(self, info: strawberry.Info) -> str:
        path: list[str] = [str(key) for key in info.path.as_list()]
        selected = [getattr(selection, "name", None) for selection in info.selected_fields]
        parent = info._raw_info.parent_type.name
        return f"{parent}.{info.field_name} {path} {selected} {sorted(info.variable_values)}"

    @strawberry.field
    def echo(
        self,
        number: int = 3,
        text: str | None = "default",
        color: menagerie.Color = menagerie.Color.RED,
        wish: menagerie.Wish | None = None,
        numbers: list[int] | None = None,
        sure: list[menagerie.Wish] | None = strawberry.UNSET,
    ) -> str:
        return f"{number!r} {text!r} {color!r} {wish!r} {numbers!r} {sure!r}"

    @strawberry.field
    def run_errands(
        self, errand: menagerie.Errand, more: list[menagerie.Errand] | None = None
    ) -> str:
        return f"{errand!r} {more!r}"

    @strawberry.field
    def demand(self, number: int, wish: menagerie.Wish) -> int | None:
        return number if wish.count is None else number + wish.count

    @strawberry.field
    async def loaded(self, info: strawberry.Info, key: int = 1) -> int:
        return await info.context.loader.load(key)

    @strawberry.field
    def promised(self, info: strawberry.Info, key: int = 2) -> int | None:
        return info.context.loader.load(key)

    @strawberry.field
    def boxes(self, count: int = 3) -> list[Box]:
        return [Box() for _ in range(count)]

    @strawberry.field
    def zoo(
        self,
    ) -> list[Annotated[menagerie.Pet, strawberry.lazy("tests.compiled.menagerie")] | None]:
        lion: Any = menagerie.Lion(name="Leo", lives=1)
        cast: Any = strawberry.cast(menagerie.Rock, menagerie.Dog(name="a rock, they say"))
        return [
            menagerie.Dog(name="Rex"),
            None,
            menagerie.Cat(name="Tom", lives=9),
            menagerie.Rock(weight=1.0),
            lion,
            cast,
        ]

    @strawberry.field(permission_classes=[menagerie.Refuse])
    def forbidden(self) -> int | None:
        return 1

    @strawberry.field(permission_classes=[menagerie.Refuse])
    async def strictly_forbidden(self) -> int:
        return 1

    @strawberry.field(name="renamed", deprecation_reason="for a test")
    def called_otherwise(root: Any) -> str:
        return type(root).__name__

    @staticmethod
    def _fixed() -> str:
        return "static"

    static: str = strawberry.field(resolver=_fixed)


def _make_box() -> Any:
    namespace = dict(vars(_Attributes)) | _box_fields() | {"__module__": __name__}
    for name in ("__dict__", "__weakref__", "missing"):
        namespace.pop(name, None)
    namespace["__annotations__"] = {"plain": str, "holed": str, "static": str}
    return strawberry.type(type("Box", (), namespace))


Box: Any = _make_box()


@strawberry.type
class Query:
    @strawberry.field
    def box(self) -> Box | None:
        return Box()

    @strawberry.field
    async def late_box(self) -> Box:
        await asyncio.sleep(0)
        return Box()

    @strawberry.field
    def number(self, info: strawberry.Info) -> int:
        info.context.log.append("number")
        return 1

    @strawberry.field
    async def sure(self) -> int:
        raise RuntimeError("nothing is sure")


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def slowly(self, info: strawberry.Info, step: int) -> Box | None:
        info.context.log.append(f"slowly {step} begins")
        await asyncio.sleep(0)
        info.context.log.append(f"slowly {step} ends")
        return Box()

    @strawberry.mutation
    def at_once(self, info: strawberry.Info, step: int = 0) -> Box:
        info.context.log.append(f"at once {step}")
        return Box()

    @strawberry.mutation
    async def fails(self, info: strawberry.Info) -> int | None:
        info.context.log.append("fails")
        raise ValueError("it failed")

    @strawberry.mutation
    async def fails_all(self, info: strawberry.Info) -> int:
        info.context.log.append("fails all")
        raise ValueError("it failed altogether")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def boxes(self, count: int = 3) -> AsyncGenerator[Box | None, None]:
        for number in range(count):
            yield None if number == 1 else Box()

    @strawberry.subscription
    async def numbers(self) -> AsyncGenerator[int, None]:
        for number in (1, None, 2**40, 4):
            yield number  # type: ignore[misc]


class AwkwardSchema(strawberry.Schema):
    def process_errors(self, errors: Any, execution_context: Any = None) -> None:
        """Nothing: errors are what this schema is for."""


def build(executor: Any = None) -> AwkwardSchema:
    """The schema, executed by `executor` or by graphql-core."""
    odd = strawberry.scalar(name="Odd", serialize=menagerie.write_odd, parse_value=int)
    return AwkwardSchema(
        Query,
        Mutation,
        Subscription,
        types=[menagerie.Cat, menagerie.Dog],
        config=StrawberryConfig(scalar_map={menagerie.Odd: odd}),
        execution_context_class=executor,
    )
