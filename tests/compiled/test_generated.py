"""Any operation is answered alike by the compiled and by graphql-core's executor."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from graphql import OperationType

from tests.compiled import awkward, menagerie
from tests.compiled.comparing import Compiled, Operation, Stock, answers, core, differences
from tests.compiled.generator import ABSENT, Generator

# What is cancelled before it has begun is never awaited, by either executor.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestWarning"),
]
SCHEMA = core(awkward.build())
KINDS = [OperationType.QUERY] * 8 + [OperationType.MUTATION, OperationType.SUBSCRIPTION]


def values(coordinate: str, random: Random) -> Any:
    if coordinate == "Odd":
        return random.randint(0, 9)
    if coordinate.endswith(".count"):
        return random.randint(0, 4)
    if coordinate.endswith(".key"):
        return random.randint(0, 13)
    return ABSENT


def weight(name: str) -> int:
    """Fields that fail or null all around them are rare, so that there is something to compare."""
    if not name.startswith(("sync", "async", "slow")):
        return 30
    calm = not any(word in name for word in ("Raises", "Error", "Wrong", "Bad", "Text", "Hole"))
    return 8 if calm and ("Maybe" in name or "None" not in name) else 1


async def compare(operation: Operation, seed: int) -> str:
    # The second time, a plan is there already.
    executors = (Stock, Compiled, Compiled) if seed % 4 == 0 else (Stock, Compiled)
    worlds = [menagerie.World() for _ in executors]
    runs = list(zip(executors, worlds, strict=True))
    found = await answers(SCHEMA, operation, runs)
    if found is None:
        return "invalid"
    expected, *others = found
    for other, world in zip(others, worlds[1:], strict=True):
        differing = differences(expected, other)
        assert not differing, f"seed {seed}: {operation}\n" + "\n".join(differing)
        # An error cancels what is under way beside it, at a point that nobody promises.
        if not any(errors for _, errors in expected):
            assert (world.log, world.batches) == (worlds[0].log, worlds[0].batches), operation
    return "erroneous" if any(errors for _, errors in expected) else "clean"


async def compare_many(seeds: range) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        random = Random(seed)
        generator = Generator(SCHEMA, random, values, weight=weight)
        outcomes[await compare(generator.operation(random.choice(KINDS)), seed)] += 1
    return outcomes


async def test_a_thousand_operations_are_answered_alike() -> None:
    outcomes = await compare_many(range(1_000))
    assert min(outcomes["clean"], outcomes["erroneous"]) > 200, outcomes


@pytest.fixture(autouse=True)
def forget_coroutines() -> Iterator[None]:
    """Those that were never awaited are collected while that is still expected."""
    yield
    gc.collect()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_ten_thousand_operations_are_answered_alike() -> None:
    await compare_many(range(1_000, 11_000))
