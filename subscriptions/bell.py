"""The bell: tells the followers in this process that an account may have new lines.

Owns the one broadcaster subscription of the process, the fan-out to followers by account, and the
poll that finds what no message told of. Owns no lines: a message is only a bell, rows come from the
table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from typing import Self

import structlog
from broadcaster import Broadcast

from models import feed
from models.database import Database
from models.listen import Backoff
from subscriptions.backends.base import CHANNEL, RESYNC, Backend
from subscriptions.backends.postgres import PostgresBackend
from subscriptions.backends.process import ProcessBackend
from subscriptions.reads import Reads, Slot

log = structlog.get_logger(__name__)

POLL_SECONDS = 3.0
POLL_TIMEOUT_SECONDS = 15.0


class Bell:
    """One per process. Between `start` and `stop` no committed line of a followed account goes
    untold for long.

    Guarantees: a message wakes the followers of its account; a RESYNC and every `poll_seconds` one
    query for the heads of all followed accounts wakes those that are behind, whatever the broker
    does.
    """

    def __init__(self, db: Database, backend: Backend, poll_seconds: float = POLL_SECONDS) -> None:
        self._db = db
        self._backend = backend
        self._broadcast = Broadcast(backend=backend)
        self._poll_seconds = poll_seconds
        self._poll_due = asyncio.Event()
        self._reads = Reads(db)
        self._followed: dict[str, set[Slot]] = {}
        """By the account's id as messages have it."""
        self._tasks: list[asyncio.Task[None]] = []
        self.stopping = False
        self.healed = 0
        """Followers that a poll found behind: what the broker's messages missed."""

    @classmethod
    def over(cls, db: Database, broker_url: str | None, poll_seconds: float = POLL_SECONDS) -> Self:
        """The bell over `redis://`, `rediss://`, `memory://` (one process), or PostgreSQL itself
        (None).

        Raises: ValueError where the URL names none of these.
        """
        return cls(db, _backend(db.dsn, broker_url), poll_seconds)

    @property
    def problem(self) -> str | None:
        """What is wrong with the bell, in a sentence for the operator, or None."""
        if self.stopping or not self._tasks:
            return "The bell is not running."
        problem = self._backend.problem
        return (
            problem
            and f"{problem} Lines reach subscribers by a poll every {self._poll_seconds:g} s."
        )

    @property
    def healthy(self) -> bool:
        return self.problem is None

    @property
    def followers(self) -> int:
        return sum(map(len, self._followed.values()))

    @property
    def accounts(self) -> int:
        return len(self._followed)

    async def start(self) -> None:
        """Begin to listen. Does not wait for the broker: until it is up, the poll tells."""
        await self._broadcast.connect()
        self._tasks = [
            asyncio.create_task(self._hear(), name="bell-hear"),
            asyncio.create_task(self._poll(), name="bell-poll"),
        ]

    def stop(self) -> None:
        """End every follower, now and for good."""
        self.stopping = True
        for slots in self._followed.values():
            for slot in slots:
                slot.stop()

    async def close(self) -> None:
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._reads.close()
        await self._broadcast.disconnect()

    def committed(self, account_ids: Collection[int]) -> None:
        """The writer of this process has committed lines of these accounts."""
        self._backend.committed(account_ids)

    @contextmanager
    def attached(self, account_id: int) -> Generator[Slot]:
        """A place among the followers of an account, rung for every line committed from now on."""
        slot, name = Slot(self._reads, account_id), str(account_id)
        slots = self._followed.setdefault(name, set())
        slots.add(slot)
        try:
            yield slot
        finally:
            slots.discard(slot)
            if not slots and self._followed.get(name) is slots:
                del self._followed[name]

    async def _hear(self) -> None:
        async with self._broadcast.subscribe(CHANNEL) as subscriber:
            while True:
                event = await subscriber.get()
                self._ring(event.message)

    def _ring(self, message: str) -> None:
        for name in message.split():
            if name == RESYNC:
                self._poll_due.set()
            for slot in self._followed.get(name, ()):
                slot.ring()

    async def _poll(self) -> None:
        backoff = Backoff()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):  # wait_for can swallow our end
                    await self._poll_due.wait()
            self._poll_due.clear()
            try:
                async with asyncio.timeout(POLL_TIMEOUT_SECONDS):
                    await self._wake_those_behind()
                backoff.reset()
            except Exception as error:  # the last net must outlive anything
                log.warning("the bell's poll failed and is tried again", error=repr(error))
                self._poll_due.set()
                await backoff.wait()

    async def _wake_those_behind(self) -> None:
        followed = list(map(int, self._followed))
        if not followed:
            return
        for account_id, head in (await feed.heads(self._db, followed)).items():
            for slot in self._followed.get(str(account_id), ()):
                if slot.seq < head and not slot.is_rung:
                    self.healed += slot.is_idle
                    slot.ring()


def _backend(dsn: str, broker_url: str | None) -> Backend:
    url = broker_url or dsn
    scheme = url.partition("://")[0]
    match scheme:
        case "postgres" | "postgresql":
            return PostgresBackend(url)
        case "memory":
            return ProcessBackend()
        case "redis" | "rediss":
            from subscriptions.backends.redis import RedisBackend

            return RedisBackend(url)
        case _:
            raise ValueError(
                f"The broker URL begins with {scheme}://; it must be redis://, rediss://, "
                "memory:// or postgresql://."
            )
