"""How intents travel to the database's `book` and its outcomes back.

Owns the order of the type `intent`'s attributes, the columns that an outcome is read from and the
names of outcomes. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from typing import Any

import asyncpg

from models.intents import ExpireJob, FinishJob, Intent, RecordCharge, StartJob
from models.outcomes import (
    AccountNotFound,
    ChargeNotFound,
    Done,
    EntryNotFound,
    IdempotencyConflict,
    InsufficientCredits,
    InvalidInput,
    JobAlreadyExists,
    JobAlreadyFinished,
    JobNotFound,
    Outcome,
    RefundExceedsCharge,
    UnknownReason,
)
from models.reasons import Catalogue
from models.records import Account, Entry, Job
from models.rows import ACCOUNT, ENTRY, Row, entries_of, job_of

INTENT = (
    "operation", "account_id", "key", "input_hash", "amount", "reason_code", "detail", "campaign",
    "metadata", "occurred_at", "recorded_at", "charge_seq", "corrects_seq", "author", "note",
    "job_key", "job_operation", "deadline_seconds", "status", "reported_code", "done", "total",
    "owed_parts", "parts", "decision_code", "rule",
    "name", "unit", "scale", "time_zone", "overdraft_limit",
)  # fmt: skip
"""The attributes of the database's type `intent`, in their order."""

BOOK = (
    f"select o.ord, o.status, o.field, o.problem, o.credits, o.job, {ACCOUNT}, {ENTRY} "
    "from book($1::intent[]) o "
    "cross join lateral (select (o.account).*) a cross join lateral (select (o.entry).*) e "
    "left join reason r on r.code = e.reason_code"
)
"""Books intents, and shows each outcome as `decode` reads it."""

_ACCOUNT = slice(6, 6 + len(Account._fields))
_ENTRY = slice(_ACCOUNT.stop, None)
_SEQ = _ENTRY.start + Entry._fields.index("seq")

_SOURCES = {name: name for name in INTENT} | {
    "key": "idempotency_key",
    "job_key": "key",
    "owed_parts": "ruling.owed_parts",
    "parts": "ruling.parts",
    "decision_code": "ruling.code",
    "rule": "ruling.rule",
}
"""What of an intent each attribute is, where the intent has it."""

_NOT_SENT: dict[type[Intent], set[str]] = {FinishJob: {"reason_code"}, ExpireJob: {"key"}}
_HASH = INTENT.index("input_hash")


def encode(intent: Intent) -> tuple[Any, ...]:
    """The intent as a value of the database's type."""
    values: list[Any] = [None] * len(INTENT)
    for place, read in _reads(type(intent)):
        values[place] = read(intent)
    values[_HASH] = intent.canonical_hash()
    return tuple(values)


@cache
def _reads(cls: type[Intent]) -> list[tuple[int, Callable[[Any], Any]]]:
    sent = set(INTENT) - _NOT_SENT.get(cls, set())
    return [
        (place, attrgetter(_SOURCES[name]))
        for place, name in enumerate(INTENT)
        if name in sent and hasattr(cls, _SOURCES[name].partition(".")[0])
    ]


def moved_by(rows: Iterable[asyncpg.Record]) -> set[int]:
    """The accounts that got a line by what rows of `BOOK` stand for."""
    return {row[_ACCOUNT.start] for row in rows if row[1] == "DONE" and row[_SEQ] is not None}


async def decode(row: asyncpg.Record, intent: Intent, catalogue: Catalogue) -> Outcome:
    """The outcome that one row of `BOOK` stands for."""
    _, status, field, problem, left, job_row = row[: _ACCOUNT.start]
    entry = None if row[_SEQ] is None else entries_of([row[_ENTRY]])[0]
    job = None if job_row is None else await _job(job_row, catalogue)
    match status:
        case "DONE" | "REPLAYED":
            return Done(Account(*row[_ACCOUNT]), entry, job, replayed=status == "REPLAYED")
        case "INSUFFICIENT_CREDITS" if isinstance(intent, RecordCharge | StartJob):
            return InsufficientCredits(available=left, shortfall=intent.amount - left)
        case "REFUND_EXCEEDS_CHARGE":
            return RefundExceedsCharge(left=left)
        case "IDEMPOTENCY_CONFLICT":
            return IdempotencyConflict(entry=entry, job=job)
        case "JOB_ALREADY_EXISTS" if job:
            return JobAlreadyExists(job=job)
        case "JOB_ALREADY_FINISHED" if job:
            return JobAlreadyFinished(job=job)
        case "UNKNOWN_REASON":
            return UnknownReason(code=attrgetter("reason_code")(intent))
        case "INVALID_INPUT":
            return InvalidInput(field=field, message=problem)
        case _:
            return _NOT_FOUND[status]()


_NOT_FOUND = {
    "ACCOUNT_NOT_FOUND": AccountNotFound,
    "CHARGE_NOT_FOUND": ChargeNotFound,
    "ENTRY_NOT_FOUND": EntryNotFound,
    "JOB_NOT_FOUND": JobNotFound,
}


async def _job(row: Row, catalogue: Catalogue) -> Job:
    code = row["decision_code"]
    return job_of(row, await catalogue.get(code) if code else None)
