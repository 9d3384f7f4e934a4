"""The reads of all followers of a process: each waits at its place, and one query serves many.

Owns a follower's place, and which reads go together. Owns no loop: the bell rings, the follower
takes its lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice
from typing import TypeVar

import structlog

from models import feed
from models.database import CONNECTION_LOST, Database
from models.listen import Backoff
from models.records import Entry

log = structlog.get_logger(__name__)

LINES_PER_READ = 100
PLACES_PER_READ = 100
READS_AT_ONCE_MAX = 2
"""The database reads for the next places while the lines of the last ones are delivered; more
queries at once would only end later, all of them.
"""
READ_SECONDS = 15.0

T = TypeVar("T")


class Slot:
    """One follower's place: the last line it has taken, and one bit that says whether there may be
    more.

    Whatever lands while it is busy, it is the same one bit. One that waits is woken by its lines,
    not by the ring: nobody wakes in vain.
    """

    __slots__ = ("_answer", "_asked", "_reads", "_rung", "account_id", "seq")

    def __init__(self, reads: Reads, account_id: int) -> None:
        self.account_id = account_id
        self.seq = 0
        self._reads = reads
        self._rung = True
        self._asked = False
        self._answer: asyncio.Future[list[Entry]] | None = None

    @property
    def is_rung(self) -> bool:
        return self._rung

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a ring, and not for a read or its consumer."""
        return self._answer is not None and not self._asked

    def ring(self) -> None:
        """There may be more; said again before it is heard, it is said once."""
        self._rung = True
        if self.is_idle:
            self._ask()

    async def lines(self) -> list[Entry]:
        """The next lines after `seq`, once there are some; none once the slot is stopped.

        Guarantees: waits out a database that is away; holds no connection when it returns.
        """
        answer = self._answer = asyncio.get_running_loop().create_future()
        if self._rung:
            self._ask()
        try:
            return await answer
        finally:
            self._answer = None

    def begin(self) -> None:
        """Its read begins now: only what rings from now on counts."""
        self._rung = False

    def end(self, lines: list[Entry], *, may_go_on: bool) -> None:
        """Its read has found these lines, and more may stand behind them."""
        self._asked = False
        self._rung |= may_go_on
        if lines:
            self._answered(lines)
        elif self._rung and self._answer is not None:
            self._ask()

    def fail(self, error: Exception) -> None:
        """Its read has failed in a way that trying again does not mend."""
        self._asked = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)

    def stop(self) -> None:
        """Let go of whoever waits."""
        self._answered([])

    def _answered(self, lines: list[Entry]) -> None:
        answer, self._answer = self._answer, None  # it waits no longer: no ring may ask for it
        if answer is not None and not answer.done():
            answer.set_result(lines)

    def _ask(self) -> None:
        self._asked = True
        self._reads.want(self)


class Reads:
    """Reads lines for slots, as many places in one query as are wanted when it begins.

    Guarantees: a slot's read begins after it was asked for, so it sees whatever rang the slot;
    slots at the same place share their lines.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._wanted: dict[tuple[int, int], list[Slot]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._due = 0
        """Workers that are about to begin."""

    def want(self, slot: Slot) -> None:
        """Read what comes after the slot's place, soon."""
        self._wanted.setdefault((slot.account_id, slot.seq), []).append(slot)
        enough = self._due * PLACES_PER_READ >= len(self._wanted)
        if not enough and len(self._running) < READS_AT_ONCE_MAX:
            self._due += 1
            self._running.add(asyncio.create_task(self._work(), name="read-lines"))

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _work(self) -> None:
        self._due -= 1
        try:
            while self._wanted:
                places = list(islice(self._wanted, PLACES_PER_READ))
                await self._read({place: self._wanted.pop(place) for place in places})
        finally:  # at once, and not in a callback: whoever wants a read now must find room for one
            self._running.discard(asyncio.current_task())  # pyright: ignore[reportArgumentType]

    async def _read(self, batch: dict[tuple[int, int], list[Slot]]) -> None:
        slots = [slot for waiting in batch.values() for slot in waiting]
        for slot in slots:
            slot.begin()
        try:
            found = await _patiently(partial(feed.later_of, self._db, list(batch), LINES_PER_READ))
        except Exception as error:  # whatever it is, nobody waits for ever
            for slot in slots:
                slot.fail(error)
            return
        for waiting, lines in zip(batch.values(), found, strict=True):
            for slot in waiting:
                slot.end(lines, may_go_on=len(lines) == LINES_PER_READ)


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    backoff = Backoff()
    while True:
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await read()
        except CONNECTION_LOST as error:
            log.warning("subscribers' reads wait for the database", error=repr(error))
            await backoff.wait()
