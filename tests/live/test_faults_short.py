"""The fault suite's short form: `./dev faults` breaks the same things for a quarter of an hour."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.faults.groups import Group, longest_wait
from app.faults.report import Report
from app.faults.run import Plan, run
from app.faults.verdict import Verdict


@pytest.mark.parametrize(("broker", "seed"), [("postgres", 7), ("redis", 8)])
async def test_whatever_breaks_every_subscriber_gets_every_line_once_and_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: str, seed: int
) -> None:
    plan = Plan(15.0, broker, seed, accounts=3, followers_each=10, longest_freeze_seconds=6.0)
    said: list[str] = []
    report = await run(plan, tmp_path, said.append)
    history = "\n".join(said)
    assert report.verdict == Verdict(), history
    assert report.unaccounted == 0, history
    assert report.findings == []
    assert report.tracebacks == 0
    assert report.faults >= 3, history
    assert report.delivered >= 10 * report.lines


@pytest.mark.parametrize(
    ("broken", "frozen", "left"),
    [
        ([], [], 30.0),
        ([(90.0, 99.0), (131.0, 140.0)], [], 30.0),
        ([(105.0, 110.0), (108.0, 120.0)], [], 15.0),
        ([(105.0, 110.0)], [(125.0, 200.0)], 20.0),
        ([(99.0, 112.0)], [(111.0, 131.0)], 0.0),
    ],
)
async def test_what_a_fault_or_a_frozen_client_explains_is_no_wait(
    broken: Sequence[tuple[float, float]], frozen: list[tuple[float, float]], left: float
) -> None:
    """A line was there for a connected reader at 100 s and came at 130 s."""
    process = await asyncio.create_subprocess_exec("true")
    reader = Group(process, Report(0, "postgres", 0, print), waited={100.0: 30.0}, frozen=frozen)
    assert longest_wait([reader], broken) == left
    await process.wait()
