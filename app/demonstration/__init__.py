"""The demonstration: an account with a believable month behind it, and a neighbour.

Owns booking them once. What happened in that month is told in `story`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.demonstration.story import DAYS, GLOBEX, NORTHWIND, Event, globex, northwind
from models import accounts, feed
from models.database import Database
from models.intents import ExpireJob, Intent, OpenAccount
from models.outcomes import Done, JobNotFound, Outcome
from models.records import EntryKind
from models.writer import Writer

EXPIRY_PATIENCE_SECONDS = 10.0
EXPIRY_POLL_SECONDS = 0.1


class DemonstrationError(Exception):
    """The demonstration cannot be booked; the message says why."""


async def book_demonstration(db: Database, writer: Writer, now: datetime) -> bool:
    """Book both accounts as history from elsewhere, unless they are there; whether any was missing.

    A start that was killed half way is taken up by the next: the month is worked out anew from its
    first line, and what is booked already is replayed.

    Raises: DemonstrationError.
    """
    began_at = (now - timedelta(days=DAYS)).replace(second=0, microsecond=0)
    if await _is_complete(db):
        return False
    neighbour = await accounts.by_key(db, GLOBEX)
    first = await feed.later(db, neighbour.id, 0, 1) if neighbour else []
    began_at = first[0].recorded_at if first else began_at
    await _book(writer, *globex(began_at))
    await _book(writer, *northwind(began_at))
    return True


async def _is_complete(db: Database) -> bool:
    """Whether the last line of all is there: the studio's adjustment."""
    studio = await accounts.by_key(db, NORTHWIND)
    adjustments = feed.Filter(kinds=frozenset({EntryKind.ADJUSTMENT}))
    return bool(studio and (await feed.page(db, studio.id, feed.Slice(1), adjustments)).entries)


async def _book(writer: Writer, opening: OpenAccount, events: Sequence[Event]) -> None:
    account_id = _done(await writer.book(opening), opening).account.id
    booked: dict[str, int] = {}
    waiting: list[Intent] = []

    async def flush() -> None:
        for intent, outcome in zip(waiting, await writer.book_many(waiting), strict=True):
            if entry := _done(outcome, intent).entry:
                booked[intent.idempotency_key] = entry.seq
        waiting.clear()

    for event in events:
        if event.after:
            await flush()
        intent = replace(event.intent(booked.get(event.after or "", 0)), account_id=account_id)
        if isinstance(intent, ExpireJob):
            await _expire(writer, intent)
        else:
            waiting.append(intent)
    await flush()


async def _expire(writer: Writer, intent: ExpireJob) -> None:
    """End a job as the sweep does, as soon as it is due on the database's clock."""
    async with asyncio.timeout(EXPIRY_PATIENCE_SECONDS):
        outcome = await writer.book(intent)
        while isinstance(outcome, JobNotFound):
            await asyncio.sleep(EXPIRY_POLL_SECONDS)
            outcome = await writer.book(intent)
    _done(outcome, intent)


def _done(outcome: Outcome, intent: Intent) -> Done:
    if isinstance(outcome, Done):
        return outcome
    raise DemonstrationError(
        f"The demonstration cannot be booked: {intent.operation} {intent.idempotency_key} "
        f"was answered {type(outcome).__name__}. {outcome.message}"
    )
