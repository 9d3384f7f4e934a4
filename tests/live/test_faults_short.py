"""The fault suite's short form: `./dev faults` breaks the same things for a quarter of an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

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
