"""The refund rule: what the end of a job means for the charge that paid for it.

Owns the decision as a pure function of the reported outcome and the catalogue. It rules on a
*share* of the charge rather than an amount: how much of it already came back is known only under
the account's lock, so the database does the last subtraction.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.records import EntryKind, JobStatus, Reason

RULE = "default/1"
"""Name and version, recorded on every decision. A change of meaning is a new version."""

JOB = "JOB"
"""The kind of the reasons why a job was not refunded."""

_DEFAULT_CODES = {
    JobStatus.SUCCEEDED: "COMPLETED",
    JobStatus.FAILED: "PLATFORM_ERROR",
    JobStatus.PARTIAL: "PARTIAL_OUTPUT",
    JobStatus.EXPIRED: "WORKER_LOST",
}


@dataclass(frozen=True, slots=True)
class Ruling:
    """`owed_parts / parts` of the charge is owed back, for the reason `code`, by `rule`."""

    owed_parts: int
    parts: int
    code: str
    rule: str = RULE


def default_code(status: JobStatus, done: int | None) -> str:
    """The reason that an outcome reported without one stands for."""
    if status is JobStatus.CANCELLED:
        return "CANCELLED_QUEUED" if done is None else "CANCELLED_RUNNING"
    return _DEFAULT_CODES[status]


def rule(status: JobStatus, reason: Reason, done: int | None, total: int | None) -> Ruling | None:
    """Rule on a job's outcome; None where `reason` cannot be the reason for it.

    Guarantees: pure; `0 <= owed_parts <= parts`; nothing owed has a reason of kind JOB, something
    owed one of kind REFUND.
    """
    refundable = reason.kind == EntryKind.REFUND
    match status:
        case JobStatus.SUCCEEDED:
            return Ruling(0, 1, reason.code) if reason.code == "COMPLETED" else None
        case JobStatus.FAILED:
            if refundable:
                return Ruling(1, 1, reason.code)
            return (
                Ruling(0, 1, reason.code)
                if reason.kind == JOB and reason.code not in _NEVER_GIVEN
                else None
            )
        case JobStatus.EXPIRED:
            return Ruling(1, 1, reason.code) if refundable else None
        case JobStatus.PARTIAL | JobStatus.CANCELLED if refundable:
            if done is None or total is None:
                return Ruling(1, 1, reason.code)
            return (
                Ruling(total - done, total, reason.code)
                if done < total
                else Ruling(0, 1, "NOTHING_OWED")
            )
        case _:
            return None


_NEVER_GIVEN = frozenset({"COMPLETED", "NOTHING_OWED", "ALREADY_REFUNDED"})
"""Reasons the ledger finds by itself: no report can name them for a failure."""
