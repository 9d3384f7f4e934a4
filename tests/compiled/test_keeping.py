"""What a resolver keeps of what was made of its object, and what it does not."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, cast

import pytest
import strawberry

from schema.compiled import CompiledExecutor, CompiledSchema, Place, Ready, ToKeep, place_of

asked: list[str] = []
kept: dict[tuple[str, Place], Any] = {}


@strawberry.type
class Part:
    name: str

    @strawberry.field
    def told(self) -> str:
        asked.append(self.name)
        return self.name


@strawberry.type
class Settled:
    @strawberry.field
    def parts(self) -> list[Part]:
        return [Part(name="a"), Part(name="b")]

    @strawberry.field
    async def later(self) -> Part:
        await asyncio.sleep(0)
        return Part(name="later")

    @strawberry.field
    def broken(self) -> Part | None:
        raise ValueError("broken")

    @strawberry.field
    def sized(self, size: int) -> list[Part]:
        return [Part(name="sized")] * size


@strawberry.type
class Query:
    @strawberry.field
    async def settled(self, info: strawberry.Info, name: str = "") -> Settled:
        place = place_of(info)
        if place is None:
            return Settled()
        if (name, place) in kept:
            return cast("Settled", Ready(kept[name, place]))
        return cast("Settled", ToKeep(Settled(), partial(_keep, (name, place))))


def _keep(key: tuple[str, Place], made: Any) -> Any:
    kept[key] = made | {"kept": True}
    return made


schema = CompiledSchema(Query, execution_context_class=CompiledExecutor)


@pytest.fixture(autouse=True)
def nothing_is_kept() -> None:
    asked.clear()
    kept.clear()


async def answers(text: str, times: int = 4, **variables: Any) -> list[Any]:
    """The answers to the same question; what was asked of the parts is in `asked`."""
    results = [await schema.execute(text, variables) for _ in range(times)]
    return [result.data for result in results]


async def test_what_was_made_of_an_object_is_shown_in_its_place() -> None:
    told = await answers("{ settled { parts { told } } }")
    made = {"settled": {"parts": [{"told": "a"}, {"told": "b"}]}}
    # The first sight runs without a plan, the second makes what the others take.
    assert told == [made] * 2 + [{"settled": made["settled"] | {"kept": True}}] * 2
    assert asked == ["a", "b"] * 2


async def test_each_place_keeps_its_own() -> None:
    text = """query ($name: String!, $long: Boolean!) {
      one: settled(name: $name) { parts { told name @include(if: $long) } }
      other: settled(name: $name) { parts { told } } }"""
    for _ in range(3):
        for long in (True, False):
            for name in ("x", "y"):
                (data,) = await answers(text, 1, long=long, name=name)
                assert ("name" in data["one"]["parts"][0]) is long
                assert "name" not in data["other"]["parts"][0]
    assert len(kept) == 2 * 2 * 2


async def test_a_place_keeps_neither_plan_nor_document_alive() -> None:
    await answers("{ settled { parts { told } } }")
    ((_, place),) = kept
    assert not hasattr(place, "__dict__")
    assert Place.__slots__ == ()


async def test_what_had_to_be_waited_for_is_not_kept() -> None:
    told = await answers("{ settled { later { told } } }")
    assert told == [{"settled": {"later": {"told": "later"}}}] * 4
    assert asked == ["later"] * 4


async def test_what_ended_in_an_error_is_not_kept() -> None:
    for _ in range(4):
        result = await schema.execute("{ settled { broken { told } parts { told } } }")
        assert [error.message for error in result.errors or ()] == ["broken"]
    assert asked == ["a", "b"] * 4


@pytest.mark.parametrize(
    "text",
    [
        "query ($size: Int!) { settled { sized(size: $size) { told } } }",
        "query ($size: Int!) { settled { ...F } } "
        "fragment F on Settled { sized(size: $size) { told } }",
    ],
)
async def test_what_depends_on_an_argument_below_has_no_place(text: str) -> None:
    for size in (1, 2, 3, 1):
        (data,) = await answers(text, 1, size=size)
        assert len(data["settled"]["sized"]) == size
    assert len(asked) == 7
    assert kept == {}
