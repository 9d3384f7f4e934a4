"""One run: break things by chance from a seed, and count what every subscriber received.

Owns the course of a run and its report. A run passes when nothing is missing, doubled or out of
order, every intent is one line, and the audit of the ledger finds nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.faults.faults import EVERYWHERE, OF_REDIS, Fault
from app.faults.servers import ROOT
from app.faults.stage import Stage, stage
from app.faults.verdict import Verdict
from app.faults.writers import Writers
from models import feed
from models.audit import audit

GROUPS = 2
SETTLE_SECONDS_MAX = 150.0


@dataclass
class Plan:
    """How much happens."""

    seconds: float
    broker: str
    seed: int
    accounts: int = 6
    followers_each: int = 10
    longest_freeze_seconds: float = 45.0


@dataclass
class Report:
    """What came of it."""

    verdict: Verdict = field(default_factory=Verdict)
    faults: Counter[str] = field(default_factory=Counter[str])
    lines: int = 0
    delivered: int = 0
    retries: int = 0
    unaccounted: int = 0
    findings: list[str] = field(default_factory=list[str])
    tracebacks: int = 0

    @property
    def passed(self) -> bool:
        return self.verdict == Verdict() and not self.unaccounted and not self.findings

    def __str__(self) -> str:
        return (
            f"{sum(self.faults.values())} faults, {self.lines:,} lines, "
            f"{self.delivered:,} deliveries, {self.retries:,} writes sent again\n"
            f"{self.verdict}; intents that are not exactly one line: {self.unaccounted}; "
            f"audit: {len(self.findings)} findings; tracebacks of servers: {self.tracebacks}"
        )


@dataclass
class Group:
    """Subscribers in one process, which can be frozen as a client that stops reading."""

    process: asyncio.subprocess.Process
    report: Report
    late_seconds: float = 0.0
    drops: Counter[str] = field(default_factory=Counter[str])
    verdict: Verdict | None = None

    async def listen(self) -> None:
        assert self.process.stdout is not None  # noqa: S101
        async for line in self.process.stdout:
            said = json.loads(line)
            if "verdict" in said:
                self.verdict = Verdict(**said["verdict"])
                return
            self.late_seconds = max(self.late_seconds, said["late_seconds"])
            self.drops.update(said["drops"])
            self.report.delivered += said["delivered"]

    async def finish(self, heads: dict[str, int]) -> None:
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(json.dumps({"heads": heads}).encode() + b"\n")
        await self.process.stdin.drain()


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """Carry out a plan in an empty folder."""
    report, chance = Report(), random.Random(plan.seed)  # noqa: S311
    async with stage(folder, plan.accounts, plan.broker) as there:
        async with _groups(there, plan, report) as groups:
            writers = Writers(there, random.Random(plan.seed + 1))  # noqa: S311
            writers.start()
            await _break_things(there, plan, chance, groups, report, say)
            await there.database_answers()
            await there.servers_ready()
            await writers.stop()
            report.retries = writers.retries
            heads = await _heads(there)
            report.lines = sum(heads.values())
            report.unaccounted = sum(
                abs(heads[account] - number) for account, number in writers.acknowledged.items()
            )
            report.verdict = await _verdict(groups, heads)
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
    report: Report,
    say: Callable[[str], None],
) -> None:
    began = time.monotonic()
    kinds: list[Fault] = [*EVERYWHERE, *(OF_REDIS if plan.broker == "redis" else ())]
    waiting: list[Fault] = []
    freezing = asyncio.create_task(_freeze(plan, chance, groups, report, say, began))
    while time.monotonic() - began < plan.seconds:
        if not waiting:  # every kind has its turn before any has its second
            waiting = chance.sample(kinds, len(kinds))
        await asyncio.sleep(chance.uniform(0.1, 0.4))
        fault = waiting.pop()
        drops = sum((group.drops for group in groups), Counter[str]())
        words = await fault(there, chance)
        if not words:
            continue
        await asyncio.sleep(1.0)
        late = max(group.late_seconds for group in groups)
        lost = sum((group.drops for group in groups), Counter[str]()) - drops
        for group in groups:
            group.late_seconds = 0.0
        report.faults[fault.__name__] += 1
        dropped = ", ".join(f"{n}x {what}" for what, n in lost.most_common(3))
        say(f"{time.monotonic() - began:6.1f} s  {words:<58} late {late:5.2f} s  {dropped}")
    freezing.cancel()
    await asyncio.gather(freezing, return_exceptions=True)
    for group in groups:
        group.process.send_signal(signal.SIGCONT)


async def _freeze(
    plan: Plan,
    chance: random.Random,
    groups: list[Group],
    report: Report,
    say: Callable[[str], None],
    began: float,
) -> None:
    """Now and then a whole group of clients stops reading, for longer than a server waits."""
    while True:
        await asyncio.sleep(chance.uniform(1, 4))
        seconds = chance.uniform(plan.longest_freeze_seconds / 4, plan.longest_freeze_seconds)
        frozen = chance.choice(groups)
        frozen.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        frozen.process.send_signal(signal.SIGCONT)
        report.faults["clients_frozen"] += 1
        say(f"{time.monotonic() - began:6.1f} s  half of the clients frozen for {seconds:.1f} s")


@asynccontextmanager
async def _groups(there: Stage, plan: Plan, report: Report) -> AsyncGenerator[list[Group]]:
    accounts = [{"id": account.id, "token": account.token} for account in there.accounts]
    mission = {"url": there.url, "accounts": accounts, "each": plan.followers_each // GROUPS}
    groups: list[Group] = []
    listening: list[asyncio.Task[None]] = []
    try:
        for _ in range(GROUPS):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.faults.subscribers", json.dumps(mission)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=ROOT,
            )
            groups.append(Group(process, report))
            listening.append(asyncio.create_task(groups[-1].listen()))
        yield groups
    finally:
        for group in groups:
            if group.process.returncode is None:
                group.process.kill()
                await group.process.wait()
        await asyncio.gather(*listening, return_exceptions=True)


async def _heads(there: Stage) -> dict[str, int]:
    heads = await feed.heads(there.db, [account.account_id for account in there.accounts])
    return {account.id: heads[account.account_id] for account in there.accounts}


async def _verdict(groups: list[Group], heads: dict[str, int]) -> Verdict:
    for group in groups:
        await group.finish(heads)
    async with asyncio.timeout(SETTLE_SECONDS_MAX):
        for group in groups:
            while group.verdict is None:  # noqa: ASYNC110 - another process says it
                await asyncio.sleep(0.1)
    verdicts: list[Any] = [group.verdict for group in groups]
    return sum(verdicts, Verdict())
