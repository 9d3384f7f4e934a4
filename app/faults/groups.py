"""Subscribers in processes of their own, which can be frozen as clients that stop reading.

Owns those processes and what they tell while they run. Owns no subscriber (`subscribers`).
"""

from __future__ import annotations

import asyncio
import json
import math
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.faults.report import Report
from app.faults.servers import ROOT
from app.faults.stage import Stage
from app.faults.verdict import Verdict

GROUPS = 2
SETTLE_SECONDS_MAX = 150.0
UNREAD_SECONDS = 1.0
"""Lines of so long ago may still be on the way when their reader freezes."""
THAW_SECONDS = 2.0
"""What a reader is given to catch up before it counts again."""


@dataclass
class Group:
    """Some of the subscribers."""

    process: asyncio.subprocess.Process
    report: Report
    late: dict[float, float] = field(default_factory=dict[float, float])
    """By the moment at which lines were recorded, how many seconds late the latest of them came."""
    waited: dict[float, float] = field(default_factory=dict[float, float])
    """By the moment from which lines were there for a connected reader, how long they took."""
    frozen: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """From when to when it read nothing."""
    drops: Counter[str] = field(default_factory=Counter[str])
    verdict: Verdict | None = None

    async def listen(self) -> None:
        assert self.process.stdout is not None  # noqa: S101
        async for line in self.process.stdout:
            said = json.loads(line)
            if "verdict" in said:
                self.verdict = Verdict(**said["verdict"])
                return
            for told, kept in ((said["late"], self.late), (said["waited"], self.waited)):
                for tenth, seconds in told.items():
                    moment = int(tenth) / 10
                    kept[moment] = max(kept.get(moment, 0.0), seconds)
            self.drops.update(said["drops"])
            self.report.drops.update(said["drops"])
            self.report.delivered += said["delivered"]

    def freeze(self) -> None:
        """Its clients read nothing until `thaw`."""
        self.frozen.append((time.time() - UNREAD_SECONDS, math.inf))
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        if self.frozen:
            began, ended = self.frozen[-1]
            self.frozen[-1] = began, min(ended, time.time() + THAW_SECONDS)

    def was_frozen(self, began: float, ended: float) -> bool:
        """At any time between."""
        return any(freeze <= ended and began < thaw for freeze, thaw in self.frozen)

    def late_since(self, began: float) -> float:
        """How late the latest line came of those recorded since, frozen or not."""
        return max((late for moment, late in self.late.items() if moment >= began), default=0.0)

    def dropped(self) -> Counter[str]:
        """What ended connections since this was last asked."""
        drops, self.drops = self.drops, Counter()
        return drops

    async def finish(self, heads: dict[str, int]) -> None:
        """Tell it where its accounts end; it answers with its verdict."""
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(json.dumps({"heads": heads}).encode() + b"\n")
        await self.process.stdin.drain()


async def all_hear(groups: Sequence[Group]) -> None:
    """Wait until every group has got lines."""
    async with asyncio.timeout(SETTLE_SECONDS_MAX):
        while not all(group.late for group in groups):  # noqa: ASYNC110 - other processes say it
            await asyncio.sleep(0.1)


@asynccontextmanager
async def groups_of(there: Stage, each: int, report: Report) -> AsyncGenerator[list[Group]]:
    """`each` subscribers of every account, in two groups, until the end of the block."""
    accounts = [{"id": account.id, "token": account.token} for account in there.accounts]
    mission = {"url": there.url, "accounts": accounts, "each": each // GROUPS}
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


def latest(groups: Sequence[Group], began: float, ended: float = math.inf) -> float:
    """How late the latest line came that was recorded in that time, to clients that were reading
    until it came: what the frozen miss, their own fault accounts for.
    """
    return max(
        (
            late
            for group in groups
            for moment, late in group.late.items()
            if began <= moment < ended and not group.was_frozen(moment, moment + late)
        ),
        default=0.0,
    )


def longest_wait(groups: Sequence[Group], broken: Sequence[tuple[float, float]]) -> float:
    """The longest that a line took to a connected client while nothing was broken: the time in
    which something was, or the client frozen, does not count.
    """
    return max(
        (
            _outside(moment, moment + waited, [*broken, *group.frozen])
            for group in groups
            for moment, waited in group.waited.items()
        ),
        default=0.0,
    )


def _outside(began: float, ended: float, spans: Sequence[tuple[float, float]]) -> float:
    """How much of a time lies in none of the spans."""
    seconds = 0.0
    for start, end in sorted(span for span in spans if span[0] < ended and span[1] > began):
        seconds += max(0.0, start - began)
        began = max(began, end)
    return seconds + max(0.0, ended - began)


async def verdict_of(groups: Sequence[Group], heads: dict[str, int]) -> Verdict:
    """What all subscribers together missed, got twice or got out of order."""
    for group in groups:
        await group.finish(heads)
    async with asyncio.timeout(SETTLE_SECONDS_MAX):
        for group in groups:
            while group.verdict is None:  # noqa: ASYNC110 - another process says it
                await asyncio.sleep(0.1)
    verdicts: list[Any] = [group.verdict for group in groups]
    return sum(verdicts, Verdict())
