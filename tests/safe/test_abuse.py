"""The abuse suite's short form: `./dev abuse` does the same again and again, and measures it."""

from __future__ import annotations

from pathlib import Path

from app.abuse.run import Plan, run


async def test_whatever_abuse_arrives_is_answered_rightly_and_nothing_breaks_or_moves(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    plan = Plan(share=0.0, passes=1, quiet_seconds=1.0, is_short=True)
    report = await run(plan, tmp_path, said.append)
    assert report.wrong == []
    assert len(report.results) > 180
    assert report.attempts > 8_000
    assert len(report.beside_seconds) > 200
