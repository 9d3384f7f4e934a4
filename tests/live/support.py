"""What live tests are made of: a ledger to write in, and readers that keep count."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.faults.verdict import Verdict
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

    async def grant_each(self, account_ids: Sequence[int]) -> None:
        """Book a line for each account, in one commit where they are few enough."""
        for outcome in await self.writer.book_many([_grant(account) for account in account_ids]):
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
class Reader:
    """A subscriber that records the seq of every line it gets, in the order it gets them."""

    bell: Bell
    account_id: int
    since: int = 0
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
        return Verdict.on(self.received, range(self.since + 1, head + 1))


def busily(seconds: float) -> float:
    """How long it may take now what takes so long where all else rests."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


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
