"""One run of the suite: every case, beside a customer that behaves.

Owns the course of a run, its bounds and its report.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import statistics
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.abuse import bodies, documents, http, slow, sockets, texts, tokens
from app.abuse.cases import Case, Result, carry_out, carry_out_together
from app.abuse.stage import LINES_OF_ANY, LINES_OF_LONG, Stage, stage
from app.abuse.texts import LINES as LINES_OF_TEXTS
from app.abuse.wire import connected, request
from app.faults.servers import ROOT
from models.audit import audit
from models.intents import GrantCredits
from schema import ids

CPU_SECONDS_MAX = 0.05
SLOWDOWN_MAX = 2.0
GROWTH_BYTES_MAX = 16 * 1024 * 1024
LINE_EVERY_SECONDS = 0.25
SETTLE_SECONDS = 3.0
CASES_IN_A_ROW = 20
AFTERMATH_SECONDS = 0.5
"""After the last of them, whose pages are still beside attacks."""

PAUSE_SECONDS = 3.0
"""Quiet after each row of cases: a machine's calm changes within minutes, and both p99 are to be of
the same ones.
"""

ATTACKERS_NICE = 10
HEADING = f"    {'case':50} {'answer':40} {'CPU':>9} {'slowest page':>12}"


@dataclass(frozen=True)
class Plan:
    """How much happens: `share` of each case's attempts, in each of so many passes."""

    share: float
    passes: int = 2
    quiet_seconds: float = 20.0
    is_short: bool = False
    """Once each, everything at once, on a database that may forget; times are not judged."""


@dataclass
class Report:
    """What came of it."""

    is_short: bool
    results: dict[str, Result] = field(default_factory=dict[str, Result])
    quiet_seconds: list[float] = field(default_factory=list[float])
    beside_seconds: list[float] = field(default_factory=list[float])
    slow_pages: Counter[str] = field(default_factory=Counter[str])
    """Pages that took longer than the bound of the p99, by the case that ran beside them."""

    memory_bytes: list[int] = field(default_factory=list[int])
    wrong: list[str] = field(default_factory=list[str])
    """What is not as it must be, a sentence each."""

    def add(self, result: Result) -> None:
        """Take in what came of one more round of a case."""
        name = result.case.name
        before = self.results.get(name)
        if before is not None:
            both = (before.cpu_seconds + result.cpu_seconds) / 2
            result = Result(result.case, before.answers + result.answers, both)
        self.results[name] = result

    def add_pages(self, beside: str, seconds: list[float]) -> None:
        """Take in how long the customer's pages took beside a case."""
        self.beside_seconds += seconds
        bound = SLOWDOWN_MAX * p99(self.quiet_seconds)
        if slow := sum(taken > bound for taken in seconds):
            self.slow_pages[beside] += slow

    @property
    def attempts(self) -> int:
        return sum(each.answers.total() * each.case.parts for each in self.results.values())

    @property
    def slowdown(self) -> float:
        """The customer's p99 beside the attacks, as a multiple of its quiet one."""
        return p99(self.beside_seconds) / p99(self.quiet_seconds)

    def judge(self) -> None:
        """Add to what is wrong the cases, and the bounds where times are judged."""
        for name, result in self.results.items():
            if not result.is_refused:
                given = ", ".join(result.answers)
                self.wrong.append(f"{name}: {given}, not {result.case.answer}")
            if not self.is_short and result.cpu_seconds > CPU_SECONDS_MAX:
                self.wrong.append(f"{name}: {result.cpu_seconds * 1_000:.0f} ms of CPU")
        if self.is_short:
            return
        if self.slowdown > SLOWDOWN_MAX:
            self.wrong.append(f"the customer's p99 is {self.slowdown:.1f} times its quiet one")
        growth = self.memory_bytes[-1] - self.memory_bytes[0]
        if growth > GROWTH_BYTES_MAX:
            self.wrong.append(f"the second pass took {growth / 2**20:.0f} MB of memory")

    def __str__(self) -> str:
        costs = [result.cpu_seconds * 1_000 for result in self.results.values()]
        memory = ", ".join(f"{size / 2**20:.0f} MB" for size in self.memory_bytes)
        worst = ", ".join(f"{name} {count}" for name, count in self.slow_pages.most_common(5))
        return (
            f"{len(self.results)} cases, {self.attempts:,} attempts; CPU of the server per "
            f"attempt: median {statistics.median(costs):.1f} ms, most {max(costs):.1f} ms\n"
            f"the customer's pages, quiet: {_shown(self.quiet_seconds)}\n"
            f"              beside attacks: {_shown(self.beside_seconds)}\n"
            f"p99 beside the attacks: {self.slowdown:.2f} times the quiet one (at most "
            f"{SLOWDOWN_MAX}); {self.slow_pages.total()} pages above it, beside: {worst}\n"
            f"memory of the server after each pass: {memory}"
        )


def _shown(seconds: list[float]) -> str:
    if len(seconds) < 2:
        return f"{len(seconds)}"
    parts = statistics.quantiles(seconds, n=100)
    shown = ", ".join(f"p{n} {parts[n - 1] * 1_000:.1f} ms" for n in (50, 90, 95, 99))
    return f"{len(seconds):,}; {shown}, most {max(seconds) * 1_000:.0f} ms"


def p99(seconds: list[float]) -> float:
    """The time that one in a hundred takes longer than."""
    return statistics.quantiles(seconds, n=100)[-1] if len(seconds) > 1 else 0.0


def all_cases(there: Stage) -> list[Case]:
    """Every case, in the order of a run."""
    modules = (documents, bodies, http, sockets, texts, slow)
    return [*tokens.cases(there.issuer), *(case for module in modules for case in module.CASES)]


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """Carry out a plan in an empty folder."""
    report = Report(plan.is_short)
    load = os.getloadavg()[0]
    say(f"{os.cpu_count()} processors, load before the run {load:.1f}: times need a calm machine")
    async with stage(folder, durable=not plan.is_short) as there, _customer(there) as customer:
        if not plan.is_short:
            os.nice(ATTACKERS_NICE)  # what attacks elsewhere takes no processor from the server
        idle = await _quiet(plan.quiet_seconds, there, customer, report)
        for number in range(plan.passes):
            say(f"pass {number + 1} of {plan.passes}")
            say(HEADING)
            async for line in _attack(plan, there, idle, customer, report):
                say(line)
            await asyncio.sleep(SETTLE_SECONDS)
            report.add_pages("the end of a pass", customer.taken())
            report.memory_bytes.append(there.server.memory_bytes)
        report.wrong += await customer.troubles()
        report.wrong += await _of_the_ledger(there, customer.head)
        report.wrong += await _of_the_server(there)
    report.judge()
    return report


async def _quiet(seconds: float, there: Stage, customer: Customer, report: Report) -> float:
    """Leave the customer alone for a while; returns the CPU it takes, in seconds per second."""
    used = there.server.cpu_seconds
    await asyncio.sleep(seconds)
    report.quiet_seconds += customer.taken()
    return (there.server.cpu_seconds - used) / seconds


async def _attack(
    plan: Plan, there: Stage, idle: float, customer: Customer, report: Report
) -> AsyncGenerator[str]:
    """Make one pass; says a line of each case."""
    cases = [case for case in all_cases(there) if not (plan.is_short and case.is_long)]
    waiting = [case for case in cases if case.waits]

    def told(result: Result, beside: str = "") -> str:
        report.add(result)
        slowest = max(taken := customer.taken(), default=0.0)
        report.add_pages(beside or result.case.name, taken)
        return (
            f"{'ok ' if result.is_refused else 'BAD'} {result.case.name:50} "
            f"{_shortened(result):40} {result.cpu_seconds * 1_000:6.1f} ms "
            f"{slowest * 1_000:8.0f} ms"
        )

    at_once = asyncio.create_task(carry_out_together(waiting, there, idle))
    if not plan.is_short:  # apart, so that what the others cost is theirs
        await asyncio.wait([at_once])
        for result in at_once.result():
            yield told(result, "those that wait, at once")
    for number, case in enumerate((case for case in cases if not case.waits), 1):
        yield told(await carry_out(case, there, plan.share / plan.passes, idle))
        if number % CASES_IN_A_ROW == 0 and not plan.is_short:
            await asyncio.sleep(AFTERMATH_SECONDS)
            report.add_pages("the end of a row", customer.taken())
            await _quiet(PAUSE_SECONDS, there, customer, report)
    if plan.is_short:
        for result in await at_once:
            yield told(result)


def _shortened(result: Result) -> str:
    text = ", ".join(result.answers)
    return text if len(text) <= 40 else f"{text[:39]}…"


class Customer:
    """The well-behaved customer's process, and the lines that land in its account meanwhile."""

    def __init__(self, there: Stage, process: asyncio.subprocess.Process) -> None:
        self._there = there
        self._process = process
        self._taken: list[float] = []
        self._troubles: list[str] | None = None
        self._is_over = False
        self.head = LINES_OF_ANY
        self.tasks = [asyncio.create_task(work()) for work in (self._listen, self._write)]

    def taken(self) -> list[float]:
        """How long its pages took since this was asked last."""
        taken, self._taken = self._taken, []
        return taken

    async def _listen(self) -> None:
        """Hear what it says until its end."""
        assert self._process.stdout is not None  # noqa: S101
        async for line in self._process.stdout:
            said = json.loads(line)
            if "took_seconds" in said:
                self._taken.append(said["took_seconds"])
            self._troubles = said.get("troubles", self._troubles)

    async def _write(self) -> None:
        """Book a line in its account now and then, until it is over."""
        account = ids.to_account(self._there.accounts["good"])
        assert account is not None  # noqa: S101
        for number in itertools.count():
            await asyncio.sleep(LINE_EVERY_SECONDS)
            if self._is_over:
                return
            key = f"beside-{number}"
            await self._there.writer.book(
                GrantCredits(
                    account_id=account, idempotency_key=key, amount=1, reason_code="GRANT_PROMO"
                )
            )
            self.head += 1

    async def troubles(self) -> list[str]:
        """End it, and the lines that land; what it had to complain of."""
        assert self._process.stdin is not None  # noqa: S101
        listening, writing = self.tasks
        self._is_over = True
        await writing
        self._process.stdin.write(json.dumps({"head": self.head}).encode() + b"\n")
        await asyncio.wait_for(self._process.wait(), 30)
        await listening
        return ["the customer vanished"] if self._troubles is None else self._troubles


@asynccontextmanager
async def _customer(there: Stage) -> AsyncGenerator[Customer]:
    plan = {
        "port": there.server.port,
        "account": there.accounts["good"],
        "token": there.token("good"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "app.abuse.customer", json.dumps(plan)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        limit=2**22,
    )
    customer = Customer(there, process)
    try:
        await asyncio.sleep(1.0)
        customer.taken()  # the first pages warm it up
        yield customer
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        for task in customer.tasks:
            task.cancel()
        await asyncio.gather(*customer.tasks, return_exceptions=True)


async def _of_the_ledger(there: Stage, head: int) -> list[str]:
    """What moved that should not have, and what the audit finds."""
    expected = dict.fromkeys(there.accounts, LINES_OF_ANY) | {"long": LINES_OF_LONG, "good": head}
    rows = await there.db.fetch("select key, last_seq from account")
    wrong = [
        f"account {row['key']} has {row['last_seq']} lines"
        for row in rows
        if row["last_seq"] != expected.get(row["key"], LINES_OF_TEXTS)
    ]
    return wrong + [str(finding) for finding in await audit(there.db, lambda done, whole: None)]


async def _of_the_server(there: Stage) -> list[str]:
    """What its log and its measures say."""
    wrong: list[str] = []
    if tracebacks := there.tracebacks():
        wrong.append(f"{tracebacks} tracebacks in the servers' logs")
    for server in (there.server, there.open):
        headers = {"Authorization": f"Bearer {there.service_key}"}
        async with connected(server.port) as line:
            await line.send(request("GET", "/metrics", headers))
            reply = await line.reply()
        answered = Counter[str]()
        for text in reply.body.decode().splitlines() if reply else ():
            if text.startswith("usage_feed_requests_total"):
                labels, _, count = text.rpartition(" ")
                answered[labels.partition('status="')[2][:1]] += int(float(count))
        if not answered or answered["5"]:
            wrong.append(f"{answered['5']} answers of 500 and above, of {answered.total()}")
    return wrong
