"""What an object keeps of what was made of it, and what it must not."""

from __future__ import annotations

import asyncio
from typing import Any

import strawberry

from schema.compiled import CompiledExecutor, CompiledSchema
from schema.compiled.compiler import KEPT_FIELDS_MAX
from schema.compiled.runtime import KEPT_MAX

asked: list[str] = []


@strawberry.type
class Part:
    name: str

    @strawberry.field
    def told(self) -> str:
        asked.append(self.name)
        return self.name


@strawberry.type
class Settled:
    kept_selections: strawberry.Private[dict[Any, Any] | None] = None

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
    def settled(self) -> Settled:
        return KEEPS

    @strawberry.field
    def moving(self) -> Settled:
        return MOVES


KEEPS, MOVES = Settled(kept_selections={}), Settled()
schema = CompiledSchema(Query, execution_context_class=CompiledExecutor)


async def answers(text: str, times: int = 4, **variables: Any) -> list[Any]:
    """The answers to the same question; what was asked of the parts is in `asked`."""
    asked.clear()
    KEEPS.kept_selections = {}
    return [(await schema.execute(text, variables)).data for _ in range(times)]


async def test_what_was_made_of_a_settled_object_is_taken_as_it_is() -> None:
    told = await answers("{ settled { parts { told } } }")
    assert told == [{"settled": {"parts": [{"told": "a"}, {"told": "b"}]}}] * 4
    # The first sight runs without a plan, the second makes what the others take.
    assert asked == ["a", "b"] * 2


async def test_an_object_that_keeps_nothing_is_asked_each_time() -> None:
    await answers("{ moving { parts { told } } }")
    assert asked == ["a", "b"] * 4


async def test_two_selections_do_not_share_what_was_made() -> None:
    text = "query ($long: Boolean!) { settled { parts { told name @include(if: $long) } } }"
    KEEPS.kept_selections = {}
    for _ in range(3):
        for long in (True, False):
            data = (await schema.execute(text, {"long": long})).data
            assert data is not None
            assert ("name" in data["settled"]["parts"][0]) is long


async def test_what_had_to_be_waited_for_is_not_kept() -> None:
    told = await answers("{ settled { later { told } } }")
    assert told == [{"settled": {"later": {"told": "later"}}}] * 4
    assert asked == ["later"] * 4


async def test_what_ended_in_an_error_is_not_kept() -> None:
    asked.clear()
    KEEPS.kept_selections = {}
    for _ in range(4):
        result = await schema.execute("{ settled { broken { told } parts { told } } }")
        assert [error.message for error in result.errors or ()] == ["broken"]
    assert asked == ["a", "b"] * 4


async def test_what_depends_on_an_argument_below_is_not_kept() -> None:
    text = "query ($size: Int!) { settled { sized(size: $size) { told } } }"
    fragments = "query ($size: Int!) { settled { ...F } } fragment F on Settled { "
    for each in (text, f"{fragments} sized(size: $size) {{ told }} }}"):
        asked.clear()
        KEEPS.kept_selections = {}
        for size in (1, 2, 3, 1):
            data = (await schema.execute(each, {"size": size})).data
            assert data is not None
            assert len(data["settled"]["sized"]) == size
        assert len(asked) == 7


async def test_what_is_too_much_is_not_kept() -> None:
    many = " ".join(f"n{number}: told" for number in range(KEPT_FIELDS_MAX))
    await answers(f"{{ settled {{ parts {{ {many} }} }} }}", times=3)
    assert KEEPS.kept_selections == {}


async def test_no_more_is_kept_than_the_bound() -> None:
    for number in range(3 * KEPT_MAX):
        for _ in range(2):
            await schema.execute(f"{{ settled {{ n{number}: parts {{ told }} }} }}")
        assert len(KEEPS.kept_selections or {}) <= KEPT_MAX
