"""What does live delivery cost? `python -m benchmarks.live`"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from app.credentials import Credentials
from app.embedded import EmbeddedPostgres
from benchmarks.live_report import Rounds, picture, tables
from benchmarks.measuring import cpu_seconds
from benchmarks.report import add_options, publish
from models import service_keys
from models.database import Database
from models.intents import GrantCredits, OpenAccount
from models.migrate import migrate
from models.outcomes import Done
from models.reasons import Catalogue
from models.writer import Writer
from schema import ids

HERE = Path(__file__).parent
CONTENDERS = ["ours", "strawberry", "mercurius", "floor"]
SUBSCRIBERS = 1_000
ONE, WATCHED = 0, 1
"""The account that everybody follows, and the one whose single follower is timed; by index."""
SERVER_CPU = min(os.sched_getaffinity(0))
QUIET_SHARE = 0.03
PATIENCE_SECONDS = 120.0
QUERY = """subscription Landed($account: ID!) { usageEntryLanded(account: $account) {
edge { cursor node { __typename ... on LedgerEntry { id seq kind amount balanceAfter
reason { code title detail fault } campaign recordedAt } } } account { id balance } } }"""


@dataclass
class Ledger:
    """The ledger that all contenders follow, and who may follow it."""

    writer: Writer
    accounts: list[int]
    tokens: list[str]
    key: str
    booked: int = field(default=0)

    @classmethod
    @asynccontextmanager
    async def at(cls, dsn: str, credentials: Credentials, size: int) -> AsyncGenerator[Ledger]:
        await migrate(dsn)
        db = await Database.connect(dsn)
        writer = Writer(db, Catalogue(db))
        keys = [f"bench-{number}" for number in range(size)]
        opened = await writer.book_many(
            [OpenAccount(idempotency_key=key, name=key) for key in keys]
        )
        accounts = [outcome.account.id for outcome in opened if isinstance(outcome, Done)]
        tokens = [credentials.customer(key) for key in keys]
        key = await service_keys.create(db, "bench", ["read"])
        yield cls(writer, accounts, tokens, key)
        await writer.close()
        await db.close()

    async def book(self, accounts: Sequence[int]) -> None:
        """A line for each of these accounts, by index, in one commit."""
        self.booked += 1
        grants = [
            GrantCredits(
                account_id=self.accounts[account],
                idempotency_key=f"line-{self.booked}",
                amount=1,
                reason_code="GRANT_PROMO",
                detail="A word of thanks for your patience.",
            )
            for account in accounts
        ]
        outcomes = await self.writer.book_many(grants)
        assert all(isinstance(outcome, Done) for outcome in outcomes)

    def follower(self, account: int) -> tuple[str, str]:
        """An account, by index, and the token of its customer."""
        return ids.account(self.accounts[account]), self.tokens[account]

    def fan(self) -> tuple[str, str]:
        """A follower of the account that everybody follows: a service, of which there may be
        many.
        """
        return ids.account(self.accounts[ONE]), self.key


class Pipe:
    """A child process that is spoken with in lines of JSON."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def line(self) -> str:
        assert self.process.stdout is not None
        line = await asyncio.to_thread(self.process.stdout.readline)
        assert line, f"{self.process.args} has ended"
        return line

    async def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps(command).decode() + "\n")
        self.process.stdin.flush()
        return orjson.loads(await self.line())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


@dataclass
class Stand:
    """One contender's server, fresh, and the clients of it."""

    name: str
    server: Pipe
    clients: Pipe
    url: str
    ledger: Ledger

    @property
    def pid(self) -> int:
        return self.server.process.pid

    @classmethod
    @asynccontextmanager
    async def of(cls, name: str, dsn: str, jwks: Path, ledger: Ledger) -> AsyncGenerator[Stand]:
        server = Pipe(*_command(name, dsn, jwks))
        os.sched_setaffinity(server.process.pid, {SERVER_CPU})
        clients = Pipe(sys.executable, "-m", "benchmarks.live_clients")
        try:
            yield cls(name, server, clients, (await server.line()).strip(), ledger)
        finally:
            clients.end()
            server.end()

    async def open(self, followers: Sequence[tuple[str, str]]) -> None:
        answer = await self.clients.ask(open=followers, url=self.url, query=QUERY)
        assert answer["open"] == len(followers)
        await self.quiet()

    async def quiet(self) -> None:
        """Wait until the server has nothing to do."""
        for _ in range(120):
            before = cpu_seconds([self.pid])
            await asyncio.sleep(0.5)
            if cpu_seconds([self.pid]) - before <= 0.5 * QUIET_SHARE:
                return
        raise RuntimeError(f"{self.name} has not come to rest")

    def memory_kb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return float(status.partition("VmRSS:")[2].split()[0])

    async def delivered(self, count: int) -> dict[str, Any]:
        answer = await self.clients.ask(**{"await": count, "seconds": PATIENCE_SECONDS})
        assert answer["arrived"] == count, f"{self.name}: {answer['arrived']} lines of {count}"
        return answer

    async def idle_kb(self, steps: Sequence[int]) -> list[float]:
        """Resident memory per subscription, with as many subscriptions as each step says."""
        await self.open([self.ledger.follower(WATCHED)])
        base, have, found = self.memory_kb(), WATCHED + 1, list[float]()
        for step in steps:
            wanted = range(have, have + step - (have - WATCHED - 1))
            await self.open([self.ledger.follower(number) for number in wanted])
            have = wanted.stop
            found.append((self.memory_kb() - base) / step)
        return found

    async def latencies_ms(self, count: int, pause_seconds: float) -> list[float]:
        """From the answer to a commit to its line at the one client that follows the account."""
        committed: list[float] = []
        for _ in range(count):
            await self.ledger.book([WATCHED])
            committed.append(time.monotonic())
            await asyncio.sleep(pause_seconds)
        arrivals: list[float] = (await self.delivered(count))["arrivals"]
        pairs = zip(arrivals, committed, strict=True)
        return [(arrived - then) * 1e3 for arrived, then in pairs]

    async def fan_out(self, accounts: Sequence[int], bursts: int) -> list[float]:
        """Deliveries per second, and the server's µs of CPU for each: of commits with a line for
        each account, made while the server is held, from letting it go until all have their line.
        """
        took, busy = 0.0, 0.0
        for number in range(bursts + 1):
            self.server.process.send_signal(signal.SIGSTOP)
            await self.ledger.book(accounts)
            before, began = cpu_seconds([self.pid]), time.monotonic()
            self.server.process.send_signal(signal.SIGCONT)
            last = (await self.delivered(SUBSCRIBERS))["last"]
            if number:  # the first one warms up
                took += last - began
                busy += cpu_seconds([self.pid]) - before
        count = bursts * SUBSCRIBERS
        return [count / took, busy / count * 1e6]


def _command(name: str, dsn: str, jwks: Path) -> list[str]:
    if name == "mercurius":
        return ["node", str(HERE / "live_contenders" / "mercurius.js"), dsn]
    return [sys.executable, "-m", "benchmarks.live_contenders", name, dsn, str(jwks)]


async def one_round(stand: Stand, arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Everything that is measured of one fresh server."""
    (idle,) = await stand.idle_kb([SUBSCRIBERS])
    await stand.latencies_ms(50, 0.005)
    late = await stand.latencies_ms(arguments.timed, 0.005)
    many = range(WATCHED + 1, WATCHED + 1 + SUBSCRIBERS)
    spread = await stand.fan_out(many, arguments.bursts)
    await stand.open([stand.ledger.fan()] * SUBSCRIBERS)
    hot = await stand.fan_out([ONE], arguments.bursts)
    return {
        "idle KB": [idle],
        "p50 ms": [statistics.median(late)],
        "p99 ms": [statistics.quantiles(late, n=100)[98]],
        "one/s": hot[:1],
        "one µs": hot[1:],
        "many/s": spread[:1],
        "many µs": spread[1:],
    }


async def same_answer(stand: Stand) -> str:
    """What a contender delivers of one line, but for the line's own place in its feed."""
    await stand.open([stand.ledger.follower(WATCHED)])
    await stand.ledger.book([WATCHED])
    message = orjson.loads((await stand.delivered(1))["text"])
    landed = message["payload"]["data"]["usageEntryLanded"]
    node = landed["edge"]["node"]
    assert landed["account"]["balance"] == node["balanceAfter"] == node["seq"]
    assert len(node.pop("recordedAt")) == len("2026-11-22T12:00:00.000000Z")
    for place in ("id", "seq", "balanceAfter"):
        del node[place]
    return orjson.dumps(node, option=orjson.OPT_SORT_KEYS).decode() + ",".join(sorted(message))


async def measured(arguments: argparse.Namespace, folder: Path, dsn: str) -> Rounds:
    rounds: Rounds = defaultdict(lambda: defaultdict(list))
    credentials = Credentials(folder)
    size = 2 + max(SUBSCRIBERS, arguments.idle)
    async with Ledger.at(dsn, credentials, size) as ledger:
        told: set[str] = set()
        for name in arguments.contenders:
            async with Stand.of(name, dsn, credentials.jwks_file, ledger) as stand:
                told.add(await same_answer(stand))
        assert len(told) == 1, f"the contenders do not deliver the same: {told}"
        for number in range(arguments.rounds):
            for name in arguments.contenders:
                async with Stand.of(name, dsn, credentials.jwks_file, ledger) as stand:
                    figures = await one_round(stand, arguments)
                for figure, values in figures.items():
                    rounds[name][figure] += values
                _say(f"round {number + 1}: {name}", figures)
        if arguments.idle > SUBSCRIBERS:
            for name in arguments.contenders:
                async with Stand.of(name, dsn, credentials.jwks_file, ledger) as stand:
                    rounds[name]["all KB"] = await stand.idle_kb([arguments.idle])
                _say(f"{arguments.idle} idle: {name}", rounds[name])
    return rounds


def _say(what: str, figures: dict[str, list[float]]) -> None:
    shown = (f"{name} {statistics.median(values):.3g}" for name, values in figures.items())
    print(what, *shown, sep="  ", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS, choices=CONTENDERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bursts", type=int, default=20, help="bursts of each fan-out")
    parser.add_argument("--timed", type=int, default=400, help="lines of each round")
    parser.add_argument("--idle", type=int, default=10_000, help="subscriptions at most")
    add_options(parser)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    others = os.sched_getaffinity(0) - {SERVER_CPU}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if others:
            os.sched_setaffinity(0, others)
        with EmbeddedPostgres(folder) as server:
            rounds = asyncio.run(measured(arguments, folder, server.dsn))
    text = tables(rounds)
    print(text)
    if arguments.publish:
        publish("live", text, picture(rounds))


if __name__ == "__main__":
    main()
