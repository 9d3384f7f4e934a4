"""One run: break things by chance from a seed, and count what every subscriber received.

Owns the course of a run. Owns no fault (`faults`) and no judgement (`report`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.faults.faults import EVERYWHERE, OF_REDIS, Fault
from app.faults.groups import (
    THAW_SECONDS,
    Group,
    all_hear,
    groups_of,
    latest,
    longest_wait,
    verdict_of,
)
from app.faults.report import Happened, Report
from app.faults.stage import Stage, stage
from app.faults.writers import Writers
from models import feed
from models.audit import audit

AFTERMATH_SECONDS = 0.7
FROZEN = "clients_frozen"


@dataclass
class Plan:
    """How much happens."""

    seconds: float
    broker: str
    seed: int
    accounts: int = 6
    followers_each: int = 10
    longest_freeze_seconds: float = 45.0


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """Carry out a plan in an empty folder."""
    chance = random.Random(plan.seed)  # noqa: S311
    async with stage(folder, plan.accounts, plan.broker) as there:
        report = Report(plan.seconds, plan.broker, plan.seed, say)
        async with groups_of(there, plan.followers_each, report) as groups:
            writers = Writers(there, random.Random(plan.seed + 1))  # noqa: S311
            writers.start()
            await all_hear(groups)
            report.began = time.monotonic()
            await _break_things(there, plan, chance, groups, writers, report)
            await there.database_answers()
            await there.servers_ready()
            await writers.stop()
            report.retries = writers.retries
            heads = await _heads(there)
            report.lines = sum(heads.values())
            report.unaccounted = sum(
                abs(heads[account] - number) for account, number in writers.acknowledged.items()
            )
            say(f"{report.elapsed:6.1f} s  waiting until every subscriber has every line")
            report.verdict = await verdict_of(groups, heads)
            faults = [fault for fault in report.happened if fault.name != FROZEN]
            for fault in faults:  # now that all has arrived
                fault.late_seconds = latest(groups, fault.began, fault.ended)
            broken = [(fault.began, fault.mended) for fault in faults]
            report.waited_seconds = longest_wait(groups, broken)
        report.findings = [str(finding) for finding in await audit(there.db, _ignore)]
    report.tracebacks = await asyncio.to_thread(_tracebacks, folder)
    return report


def _tracebacks(folder: Path) -> int:
    return sum(log.read_text().count("Traceback") for log in folder.glob("*.log"))


def _ignore(done: int, whole: int) -> None:
    """An audit of some seconds needs no progress bar."""


async def _break_things(
    there: Stage,
    plan: Plan,
    chance: random.Random,
    groups: list[Group],
    writers: Writers,
    report: Report,
) -> None:
    kinds: list[Fault] = [*EVERYWHERE, *(OF_REDIS if plan.broker == "redis" else ())]
    waiting: list[Fault] = []
    before: Happened | None = None
    freezing = asyncio.create_task(_freeze(plan, chance, groups, writers, report))
    while report.elapsed < plan.seconds:
        if not waiting:  # every kind has its turn before any has its second
            waiting = chance.sample(kinds, len(kinds))
        await asyncio.sleep(chance.uniform(0.1, 0.4))
        fault = waiting.pop()
        for group in groups:
            group.dropped()
        happened = Happened(fault.__name__, time.time())
        words = await fault(there, chance)
        happened.mended = time.time()
        if words:
            if before:
                before.ended = happened.began
            before = happened
            await asyncio.sleep(AFTERMATH_SECONDS)
            happened.late_seconds = latest(groups, happened.began)
            drops = sum((group.dropped() for group in groups), Counter[str]())
            report.tell(happened, words, drops)
    freezing.cancel()
    with suppress(asyncio.CancelledError):
        await freezing
    for group in groups:
        group.thaw()


async def _freeze(
    plan: Plan,
    chance: random.Random,
    groups: list[Group],
    writers: Writers,
    report: Report,
) -> None:
    """Again and again a whole group of clients stops reading, often for longer than a server
    waits, while more lands on one of its accounts than all buffers on the way hold.
    """
    while True:
        await asyncio.sleep(chance.uniform(1, 4))
        seconds = chance.uniform(plan.longest_freeze_seconds / 4, plan.longest_freeze_seconds)
        frozen = chance.choice(groups)
        happened = Happened(FROZEN, time.time())
        frozen.freeze()
        flooded = writers.flood()
        await asyncio.sleep(seconds)
        frozen.thaw()
        await asyncio.sleep(THAW_SECONDS)
        happened.late_seconds = frozen.late_since(happened.began)
        words = f"half of the clients frozen for {seconds:.1f} s, {flooded:.1f} MB on the way"
        report.tell(happened, words, frozen.dropped())


async def _heads(there: Stage) -> dict[str, int]:
    heads = await feed.heads(there.db, [account.account_id for account in there.accounts])
    return {account.id: heads[account.account_id] for account in there.accounts}
