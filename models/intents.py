"""What a writer asks of the ledger, and the hash that makes a retry the same answer.

Owns the shapes (one dataclass per operation), the bounds of every field and the canonical form of
an input. Owns no decision: those are the database's (`book`) and the rule's (`refund_rule`).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar

from models.outcomes import InvalidInput
from models.records import CREDITS_MAX, JobStatus
from models.refund_rule import Ruling, default_code
from models.validation import (
    check_choice,
    check_instant,
    check_metadata,
    check_not_0,
    check_range,
    check_text,
    check_time_zone,
)

KEY_LENGTH_MAX = 255
NAME_LENGTH_MAX = 200
DETAIL_LENGTH_MAX = 2_000
CODE_LENGTH_MAX = 100
SCALE_MAX = 12
DEADLINE_SECONDS_MAX = 366 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One thing to do to one account, named by its writer's idempotency key."""

    operation: ClassVar[str]

    account_id: int
    idempotency_key: str
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None

    def problem(self) -> InvalidInput | None:
        """The first field that is out of bounds, or None."""
        return (
            check_text("idempotencyKey", self.idempotency_key, KEY_LENGTH_MAX)
            or check_instant("occurredAt", self.occurred_at)
            or check_instant("recordedAt", self.recorded_at)
        )

    def canonical_hash(self) -> bytes:
        """SHA-256 of operation and input: absent equals null, keys sorted, instants in UTC."""
        given = {
            name: _canonical(value)
            for name in _hashed(type(self))
            if (value := getattr(self, name)) is not None
        }
        return hashlib.sha256(_as_text([self.operation, given]).encode()).digest()


_NOT_HASHED = frozenset({"account_id", "idempotency_key", "author", "ruling"})
_as_text = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@cache
def _hashed(cls: type[Intent]) -> list[str]:
    return [field.name for field in dataclasses.fields(cls) if field.name not in _NOT_HASHED]


def _canonical(value: Any) -> Any:
    return (
        value.astimezone(UTC).isoformat(timespec="microseconds")
        if isinstance(value, datetime)
        else value
    )


def _problem_of_line(intent: GrantCredits | RecordCharge | RefundCharge) -> InvalidInput | None:
    """What the lines that a writer asks for have in common, first field first."""
    return (
        Intent.problem(intent)
        or check_range("amount", intent.amount, 1, CREDITS_MAX)
        or check_text("reasonCode", intent.reason_code, CODE_LENGTH_MAX)
        or check_text("detail", intent.detail, DETAIL_LENGTH_MAX)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantCredits(Intent):
    operation = "GRANT"

    amount: int
    reason_code: str
    detail: str | None = None
    metadata: Any = None

    def problem(self) -> InvalidInput | None:
        return _problem_of_line(self) or check_metadata("metadata", self.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCharge(Intent):
    operation = "CHARGE"

    amount: int
    reason_code: str = "USAGE_CHARGE"
    detail: str | None = None
    campaign: str | None = None
    metadata: Any = None

    def problem(self) -> InvalidInput | None:
        return (
            _problem_of_line(self)
            or check_text("campaign", self.campaign, NAME_LENGTH_MAX)
            or check_metadata("metadata", self.metadata)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCharge(Intent):
    """`amount` None: all that is left of the charge."""

    operation = "REFUND"

    charge_seq: int
    amount: int | None
    reason_code: str
    detail: str | None = None
    metadata: Any = None

    def problem(self) -> InvalidInput | None:
        return _problem_of_line(self) or check_metadata("metadata", self.metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustBalance(Intent):
    """`amount` is signed and not 0. `author` is whom the credential names: no part of the input."""

    operation = "ADJUSTMENT"

    amount: int
    reason_code: str
    note: str
    author: str
    corrects_seq: int | None = None
    metadata: Any = None

    def problem(self) -> InvalidInput | None:
        return (
            Intent.problem(self)
            or check_range("amount", self.amount, -CREDITS_MAX, CREDITS_MAX)
            or check_not_0("amount", self.amount)
            or check_text("reasonCode", self.reason_code, CODE_LENGTH_MAX)
            or check_text("note", self.note, DETAIL_LENGTH_MAX)
            or check_metadata("metadata", self.metadata)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StartJob(Intent):
    operation = "START_JOB"
    reason_code: ClassVar[str] = "JOB_CHARGE"

    key: str
    job_operation: str
    amount: int
    deadline_seconds: int
    detail: str | None = None
    campaign: str | None = None
    metadata: Any = None

    def problem(self) -> InvalidInput | None:
        return (
            Intent.problem(self)
            or check_text("key", self.key, KEY_LENGTH_MAX)
            or check_text("operation", self.job_operation, NAME_LENGTH_MAX)
            or check_range("amount", self.amount, 1, CREDITS_MAX)
            or check_range("deadlineSeconds", self.deadline_seconds, 1, DEADLINE_SECONDS_MAX)
            or check_text("detail", self.detail, DETAIL_LENGTH_MAX)
            or check_text("campaign", self.campaign, NAME_LENGTH_MAX)
            or check_metadata("metadata", self.metadata)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishJob(Intent):
    """`done` of `total` parts were delivered: with PARTIAL, and with CANCELLED once running.

    `ruling` is what the refund rule says of this outcome; the writer sets it.
    """

    operation = "FINISH_JOB"

    key: str
    status: JobStatus
    reason_code: str | None = None
    detail: str | None = None
    done: int | None = None
    total: int | None = None
    ruling: Ruling | None = field(default=None, repr=False)

    @property
    def reported_code(self) -> str:
        """The reason that was reported, or that the outcome stands for without one."""
        return self.reason_code or default_code(self.status, self.done)

    def problem(self) -> InvalidInput | None:
        return (
            Intent.problem(self)
            or check_text("key", self.key, KEY_LENGTH_MAX)
            or check_choice("status", self.status, _REPORTABLE)
            or check_text("reasonCode", self.reason_code, CODE_LENGTH_MAX)
            or check_text("detail", self.detail, DETAIL_LENGTH_MAX)
            or check_range("total", self.total, 1, 2**31 - 1)
            or check_range("done", self.done, 0, 2**31 - 1 if self.total is None else self.total)
            or self._parts_problem()
        )

    def _parts_problem(self) -> InvalidInput | None:
        missing = "done" if self.done is None else "total" if self.total is None else None
        given = "done" if self.done is not None else "total" if self.total is not None else None
        if self.status is JobStatus.PARTIAL and missing:
            return InvalidInput(
                field=missing,
                message=f"{missing} is needed with PARTIAL: what part of total was delivered.",
            )
        if self.status is JobStatus.CANCELLED and missing and given:
            return InvalidInput(
                field=missing,
                message="done and total go together; a job cancelled while queued has neither.",
            )
        if self.status in (JobStatus.SUCCEEDED, JobStatus.FAILED) and given:
            return InvalidInput(
                field=given, message=f"{given} goes with PARTIAL and CANCELLED only."
            )
        return None


_REPORTABLE = (JobStatus.SUCCEEDED, JobStatus.PARTIAL, JobStatus.FAILED, JobStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireJob(Intent):
    """The sweep's: the job's deadline has passed with no report. Binds no idempotency key."""

    operation = "EXPIRE_JOB"
    status: ClassVar[JobStatus] = JobStatus.EXPIRED

    idempotency_key: str = ""
    charge_seq: int
    ruling: Ruling

    @property
    def reported_code(self) -> str:
        return self.ruling.code

    def problem(self) -> InvalidInput | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAccount(Intent):
    """The account's key is its idempotency key; it has no id yet."""

    operation = "OPEN_ACCOUNT"

    account_id: int = 0
    name: str
    unit: str = "credits"
    scale: int = 0
    time_zone: str = "UTC"
    overdraft_limit: int = 0

    def problem(self) -> InvalidInput | None:
        return (
            check_text("key", self.idempotency_key, KEY_LENGTH_MAX)
            or check_text("name", self.name, NAME_LENGTH_MAX)
            or check_text("unit", self.unit, 50)
            or check_range("scale", self.scale, 0, SCALE_MAX)
            or check_time_zone("timeZone", self.time_zone)
            or check_range("overdraftLimit", self.overdraft_limit, 0, CREDITS_MAX)
        )
