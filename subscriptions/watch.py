"""One account that somebody in this process follows: who waits for its news, and the reads they
share.

Owns the slots of an account's followers and its single-flight reads. Owns no loop: the bell rings,
the follower reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import structlog

from models import feed
from models.database import CONNECTION_LOST, Database
from models.listen import Backoff
from models.records import Entry

log = structlog.get_logger(__name__)

LINES_PER_READ = 100
READ_SECONDS = 15.0

T = TypeVar("T")


class Stopped(Exception):
    """The process is shutting down, and this read with it."""


class Slot:
    """One follower's place: the last line it has taken, and one bit that says whether there may be
    more.

    Whatever lands while it is busy, it is the same one bit. (An `asyncio.Event` would do, and would
    cost each of many thousands of followers a queue of waiters.)
    """

    __slots__ = ("_rung", "_waiting", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self._rung = False
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_rung(self) -> bool:
        return self._rung

    def ring(self) -> None:
        """There may be more; said again before it is heard, it is said once."""
        self._rung = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def look(self) -> None:
        """From now on, only what rings from now on counts."""
        self._rung = False

    async def rung(self) -> None:
        """Wait until it rings, or has rung since the last look."""
        if not self._rung:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None


class Watch:
    """The followers of one account in this process."""

    def __init__(self, db: Database, account_id: int) -> None:
        self.slots: set[Slot] = set()
        self._db = db
        self._account_id = account_id
        self._reads: dict[int | None, asyncio.Task[Any]] = {}
        self._running: set[asyncio.Task[Any]] = set()

    def ring(self) -> None:
        """There is a new line: wake everyone, and let nobody join a read that may have begun before
        it.
        """
        self._reads.clear()
        for slot in self.slots:
            slot.ring()

    def ring_behind(self, head: int) -> int:
        """Wake those who have not taken line `head`; returns how many waited in vain until now."""
        self._reads.clear()
        behind = [slot for slot in self.slots if slot.seq < head and not slot.is_rung]
        for slot in behind:
            slot.ring()
        return len(behind)

    def stop(self) -> None:
        """Wake everyone for the last time; reads under way end with `Stopped`."""
        for task in self._running:
            task.cancel()
        for slot in self.slots:
            slot.ring()

    async def head(self) -> int:
        """The seq of the account's last line, 0 where there is none."""
        task = self._reads.get(None) or self._begin(None, self._read_head)
        return await _joined(task)

    async def later(self, seq: int) -> list[Entry]:
        """The next lines after `seq`; fewer than `LINES_PER_READ` when there are no more.

        Guarantees: waits out a database that is away; holds no connection when it returns.
        """
        task = self._reads.get(seq) or self._begin(
            seq, partial(feed.later, self._db, self._account_id, seq, LINES_PER_READ)
        )
        return await _joined(task)

    async def _read_head(self) -> int:
        return (await feed.heads(self._db, [self._account_id])).get(self._account_id, 0)

    def _begin(self, key: int | None, read: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        """Begin a read that other followers at the same place can join."""
        task = self._reads[key] = asyncio.create_task(_patiently(read))
        self._running.add(task)
        task.add_done_callback(lambda done: self._forget(key, done))
        return task

    def _forget(self, key: int | None, done: asyncio.Task[Any]) -> None:
        self._running.discard(done)
        if not done.cancelled():
            done.exception()  # whoever waited was told; if all have left, nobody need be
        if self._reads.get(key) is done:
            del self._reads[key]


async def _joined(task: asyncio.Task[T]) -> T:
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled() and not _is_cancelled():
            raise Stopped from None
        raise


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    backoff = Backoff()
    while True:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await read()
        except CONNECTION_LOST as error:
            log.warning("a subscriber's read waits for the database", error=repr(error))
            await backoff.wait()
