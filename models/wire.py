"""How intents travel to the database's `book` and its outcomes back.

Owns the order of the type `intent`'s attributes and the names of outcomes. Decides nothing.
"""

from __future__ import annotations

from typing import Any

from models.intents import (
    AdjustBalance,
    ExpireJob,
    FinishJob,
    GrantCredits,
    Intent,
    OpenAccount,
    RecordCharge,
    RefundCharge,
    StartJob,
)
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
from models.records import Entry, Job, JobStatus
from models.refund_rule import default_code
from models.rows import Row, account_of, booked_entry_of, job_of

INTENT = (
    "operation", "account_id", "key", "input_hash", "amount", "reason_code", "detail", "campaign",
    "metadata", "occurred_at", "recorded_at", "charge_seq", "corrects_seq", "author", "note",
    "job_key", "job_operation", "deadline_seconds", "status", "reported_code", "done", "total",
    "owed_parts", "parts", "decision_code", "rule",
    "name", "unit", "scale", "time_zone", "overdraft_limit",
)  # fmt: skip
"""The attributes of the database's type `intent`, in their order."""

JOB_CHARGE = "JOB_CHARGE"


def encode(intent: Intent) -> tuple[Any, ...]:
    """The intent as a value of the database's type."""
    given = _given(intent)
    return tuple(given.get(name) for name in INTENT)


def _given(intent: Intent) -> dict[str, Any]:
    common = {
        "operation": intent.operation,
        "account_id": intent.account_id,
        "key": intent.idempotency_key,
        "input_hash": intent.canonical_hash(),
        "occurred_at": intent.occurred_at,
        "recorded_at": intent.recorded_at,
    }
    match intent:
        case OpenAccount():
            names = ("name", "unit", "scale", "time_zone", "overdraft_limit")
        case GrantCredits():
            names = ("amount", "reason_code", "detail", "metadata")
        case RecordCharge():
            names = ("amount", "reason_code", "detail", "campaign", "metadata")
        case RefundCharge():
            names = ("charge_seq", "amount", "reason_code", "detail", "metadata")
        case AdjustBalance():
            names = ("amount", "reason_code", "note", "author", "corrects_seq", "metadata")
        case StartJob():
            names = (
                "amount",
                "job_operation",
                "deadline_seconds",
                "detail",
                "campaign",
                "metadata",
            )
            common |= {"job_key": intent.key, "reason_code": JOB_CHARGE}
        case FinishJob():
            names = ("status", "done", "total", "detail")
            common |= {"job_key": intent.key} | _ruling(intent)
        case ExpireJob():
            names = ("charge_seq",)
            common |= {"key": None, "status": JobStatus.EXPIRED} | _ruling(intent)
        case _:
            raise TypeError(f"no intent: {type(intent).__name__}")
    return common | {name: getattr(intent, name) for name in names}


def _ruling(intent: FinishJob | ExpireJob) -> dict[str, Any]:
    ruling = intent.ruling
    if ruling is None:
        raise ValueError("a job's end is booked with the rule's ruling")
    reported = (
        intent.reason_code or default_code(intent.status, intent.done)
        if isinstance(intent, FinishJob)
        else ruling.code
    )
    return {
        "reported_code": reported,
        "owed_parts": ruling.owed_parts,
        "parts": ruling.parts,
        "decision_code": ruling.code,
        "rule": ruling.rule,
    }


async def decode(row: Row, intent: Intent, catalogue: Catalogue) -> Outcome:
    """The outcome that one row of `book` stands for."""
    entry = await _entry(row["entry"], catalogue)
    job = await _job(row["job"], catalogue)
    match row["status"]:
        case "DONE" | "REPLAYED":
            return Done(
                account_of(row["account"]), entry, job, replayed=row["status"] == "REPLAYED"
            )
        case "INSUFFICIENT_CREDITS" if isinstance(intent, RecordCharge | StartJob):
            return InsufficientCredits(
                available=row["credits"], shortfall=intent.amount - row["credits"]
            )
        case "REFUND_EXCEEDS_CHARGE":
            return RefundExceedsCharge(left=row["credits"])
        case "IDEMPOTENCY_CONFLICT":
            return IdempotencyConflict(entry=entry, job=job)
        case "JOB_ALREADY_EXISTS" if job:
            return JobAlreadyExists(job=job)
        case "JOB_ALREADY_FINISHED" if job:
            return JobAlreadyFinished(job=job)
        case "UNKNOWN_REASON":
            return UnknownReason(code=_given(intent)["reason_code"])
        case "INVALID_INPUT":
            return InvalidInput(field=row["field"], message=row["problem"])
        case status:
            return _NOT_FOUND[status]()


_NOT_FOUND = {
    "ACCOUNT_NOT_FOUND": AccountNotFound,
    "CHARGE_NOT_FOUND": ChargeNotFound,
    "ENTRY_NOT_FOUND": EntryNotFound,
    "JOB_NOT_FOUND": JobNotFound,
}


async def _entry(row: Row | None, catalogue: Catalogue) -> Entry | None:
    if row is None:
        return None
    reason = await catalogue.get(row["reason_code"])
    if reason is None:
        raise LookupError("a line's reason is in the catalogue")
    return booked_entry_of(row, reason)


async def _job(row: Row | None, catalogue: Catalogue) -> Job | None:
    if row is None:
        return None
    code = row["decision_code"]
    return job_of(row, await catalogue.get(code) if code else None)
