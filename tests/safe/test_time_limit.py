"""A limit of time that many share ends those that are late, and nobody else."""

from __future__ import annotations

import asyncio
import time

import pytest

from app.time_limit import OutOfTime, TimeLimit
from tests.live.support import busily

SECONDS = 0.5


async def under(limit: TimeLimit, seconds: float) -> str:
    try:
        with limit:
            await asyncio.sleep(seconds)
    except OutOfTime:
        return "late"
    return "in time"


async def test_whoever_takes_too_long_is_ended_and_its_neighbours_are_not() -> None:
    limit, began = TimeLimit(SECONDS), time.monotonic()
    late = [under(limit, 60) for _ in range(3)]
    in_time = [under(limit, SECONDS / 4) for _ in range(3)]
    assert await asyncio.gather(*late, *in_time) == ["late"] * 3 + ["in time"] * 3
    assert SECONDS <= time.monotonic() - began < busily(SECONDS + 1)


async def test_whoever_begins_later_is_late_later() -> None:
    limit = TimeLimit(SECONDS)
    first = asyncio.create_task(under(limit, 60))
    await asyncio.sleep(SECONDS * 0.6)
    assert await under(limit, SECONDS * 0.6) == "in time"
    assert await first == "late"


async def test_a_limit_rests_when_nobody_is_under_it_and_works_again_afterwards() -> None:
    limit = TimeLimit(SECONDS)
    for _ in range(2):
        assert await under(limit, 60) == "late"
        assert await under(limit, 0) == "in time"
        await asyncio.sleep(SECONDS)


async def test_a_task_that_was_late_once_goes_on() -> None:
    limit = TimeLimit(SECONDS)
    with pytest.raises(OutOfTime), limit:
        await asyncio.sleep(60)
    await asyncio.sleep(0)
    with limit:
        await asyncio.sleep(0)


async def test_whoever_is_cancelled_from_outside_is_cancelled() -> None:
    limit = TimeLimit(SECONDS)
    task = asyncio.create_task(under(limit, 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_pass_a_limit_as_they_are() -> None:
    with pytest.raises(LookupError), TimeLimit(SECONDS):
        raise LookupError
