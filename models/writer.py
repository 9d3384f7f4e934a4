"""The writer: the only way a line is made.

Owns the queue of intents and the one call of the database's `book`. Intents that arrive while calls
are under way form the next ones, so many writers share a commit and one alone never waits. No two
calls at a time are about one account. The decisions are the database's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import asyncpg
import structlog

from models.database import CONNECTION_LOST, Reads
from models.intents import FinishJob, Intent
from models.outcomes import InvalidInput, Outcome, OutcomeUnknown, UnknownReason
from models.reasons import Catalogue
from models.refund_rule import rule
from models.wire import BOOK, decode, encode, moved_by

BATCH_MAX = 1_000
CALLS_MAX = 2
"""Calls under way at a time: while the database commits one, the next is put together."""
HALVED_ABOVE = 32
"""A call of more takes half of the intents that are here: while the database books them, this
process answers and reads the others, where both would wait for each other in turns.
"""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    intent: Intent
    answer: asyncio.Future[Outcome]


class Writer:
    """Books intents against one database.

    `on_committed` hears the ids of the accounts that got a line, after each commit: a bell that
    does not live in the database is rung there. `on_batch` hears the size of each call. Whether
    anything may be booked at all is up to the role that `db` acts in.
    """

    def __init__(
        self,
        db: Reads,
        catalogue: Catalogue,
        on_committed: Callable[[list[int]], None] | None = None,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        self._db = db
        self._catalogue = catalogue
        self._on_committed = on_committed
        self._on_batch = on_batch
        self._queue: list[_Waiting] = []
        self._woken = False
        self._under_way = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._busy: set[int] = set()
        self._closing = False

    async def book(self, intent: Intent) -> Outcome:
        """Book one intent.

        Guarantees: a refusal moved nothing. A retry with the same key and input is the same answer.
        """
        prepared = await self._prepare(intent)
        return await self._queued(prepared) if isinstance(prepared, Intent) else prepared

    async def book_many(self, intents: Sequence[Intent]) -> list[Outcome]:
        """Book intents in order, each on its own: one refused does not spoil its neighbours."""
        prepared = [await self._prepare(intent) for intent in intents]
        answers = [self._queued(one) if isinstance(one, Intent) else one for one in prepared]
        return [
            await answer if isinstance(answer, asyncio.Future) else answer for answer in answers
        ]

    async def close(self) -> None:
        """Book what has arrived, then stop."""
        self._closing = True
        while self._queue or self._calls:
            self._send()
            await asyncio.wait(self._calls)

    async def _prepare(self, intent: Intent) -> Intent | Outcome:
        problem = intent.problem()
        if problem:
            return problem
        if isinstance(intent, FinishJob) and intent.ruling is None:
            return await self._ruled(intent)
        return intent

    async def _ruled(self, intent: FinishJob) -> FinishJob | Outcome:
        code = intent.reported_code
        reason = await self._catalogue.get(code)
        if reason is None:
            return UnknownReason(code=code)
        ruling = rule(intent.status, reason, intent.done, intent.total)
        if ruling is None:
            return InvalidInput(
                field="reasonCode", message=f"{code} is no reason for a job to end {intent.status}."
            )
        return replace(intent, ruling=ruling)

    def _queued(self, intent: Intent) -> asyncio.Future[Outcome]:
        if self._closing:
            raise RuntimeError("the writer is closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        self._queue.append(_Waiting(intent, answer))
        if not self._woken:
            self._woken = True
            loop.call_soon(self._send)  # whoever arrives in the same turn of the loop comes along
        return answer

    def _send(self) -> None:
        self._woken = False
        while len(self._calls) < CALLS_MAX and (batch := self._next_batch()):
            accounts = {waiting.intent.account_id for waiting in batch}
            self._busy |= accounts
            self._calls.add(asyncio.create_task(self._work(batch, accounts), name="writer"))

    def _next_batch(self) -> list[_Waiting]:
        """The oldest intents about accounts that no call under way is about: an account's intents
        are decided in the order of their arrival.
        """
        half = (len(self._queue) + self._under_way + 1) // 2
        most = min(max(half, HALVED_ABOVE), BATCH_MAX)
        batch: list[_Waiting] = []
        left: list[_Waiting] = []
        for waiting in self._queue:
            must_wait = waiting.intent.account_id in self._busy or len(batch) == most
            (left if must_wait else batch).append(waiting)
        self._queue = left
        self._under_way += len(batch)
        return batch

    async def _work(self, batch: list[_Waiting], accounts: set[int]) -> None:
        try:
            await self._commit(batch)
        except asyncio.CancelledError:
            _answer_unknown(self._queue)
            self._queue.clear()
            raise
        except CONNECTION_LOST as lost:
            log.warning(
                "the connection was lost while booking", intents=len(batch), error=repr(lost)
            )
        except Exception:
            log.exception("a batch could not be booked", intents=len(batch))
        finally:
            _answer_unknown(batch)  # whatever went wrong: nobody waits for ever
            self._busy -= accounts
            self._under_way -= len(batch)
            self._calls.discard(asyncio.current_task())  # pyright: ignore[reportArgumentType]
            self._send()

    async def _commit(self, batch: list[_Waiting]) -> None:
        # The database decides in array order; grouped by account it also inserts all lines at once.
        batch.sort(key=lambda waiting: waiting.intent.account_id)
        try:
            rows = await self._call([waiting.intent for waiting in batch])
        except CONNECTION_LOST:
            raise
        except asyncpg.PostgresError as refused:
            if len(batch) == 1:
                log.error(
                    "an intent could not be booked",
                    operation=batch[0].intent.operation,
                    error=repr(refused),
                )
                return
            log.warning(
                "a batch failed and is booked one by one", intents=len(batch), error=repr(refused)
            )
            for waiting in batch:
                await self._commit([waiting])
            return
        await self._answer(batch, rows)

    async def _call(self, intents: Iterable[Intent]) -> list[asyncpg.Record]:
        encoded = [encode(intent) for intent in intents]
        if self._on_batch:
            self._on_batch(len(encoded))
        return await self._db.fetch(BOOK, encoded)

    async def _answer(self, batch: list[_Waiting], rows: list[asyncpg.Record]) -> None:
        moved = moved_by(rows)
        if moved and self._on_committed:  # first: an answer can still be lost
            self._on_committed(sorted(moved))
        for row in rows:
            place: int = row["ord"]
            waiting = batch[place - 1]
            outcome = await decode(row, waiting.intent, self._catalogue)
            if not waiting.answer.done():
                waiting.answer.set_result(outcome)


def _answer_unknown(batch: Iterable[_Waiting]) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_result(OutcomeUnknown())


__all__ = ["BATCH_MAX", "Writer"]
