"""What a writer may send, and the intent it becomes.

Owns the decoding of ids and of what is absent. Owns no bound: `models.intents` checks every value.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

import strawberry

from models import intents
from models.intents import Intent
from models.outcomes import AccountNotFound, ChargeNotFound, EntryNotFound, Refusal
from schema import ids
from schema.described import given, optional
from schema.enums import JobStatus
from schema.scalars import JSON, Credits

T = TypeVar("T")

ACCOUNT = "The account's global id. AccountNotFound where there is none."
KEY = (
    "The writer's own name for this intent, unique in the account: the same key again is the "
    "same answer. "
    "1 to 255 characters. IdempotencyConflict where it stands for another intent."
)
AMOUNT = "In credits, a positive magnitude: 1 to 2^53-1, else InvalidInput."
REASON = "A code of the catalogue for this kind of entry, else UnknownReason."
DETAIL = "What was special this time, written for the customer. At most 2,000 characters."
CAMPAIGN = "A label to group usage by. At most 200 characters."
OCCURRED_AT = "When it happened. Absent: when it is recorded."
RECORDED_AT = (
    "When it was booked elsewhere. With the import scope only, else FORBIDDEN; never later than "
    "the clock, and only "
    "until the account's first line without one."
)
METADATA = "Anything to keep with the line. At most 4,096 bytes of JSON, 8 levels deep."


def or_none(value: T | None) -> T | None:
    """Absent equals null."""
    return None if value is strawberry.UNSET else value


def or_default(value: T | None, default: T) -> T:
    found = or_none(value)
    return default if found is None else found


@given
class OpenAccountInput:
    """An account to open. The same key and input again is the same account."""

    key: str = strawberry.field(
        description="The product's own name for the account, unique, and its idempotency key. 1 "
        "to 255 characters."
    )
    name: str = strawberry.field(description="What the customer calls it. 1 to 200 characters.")
    unit: str | None = strawberry.field(
        default="credits", description="What a credit is called. 1 to 50 characters."
    )
    scale: int | None = strawberry.field(
        default=0, description="Decimal places of the unit, 0 to 12: at scale 2, 1234 reads 12.34."
    )
    time_zone: str | None = strawberry.field(
        default="UTC",
        description="IANA time zone in which its days are cut, such as Europe/Berlin.",
    )
    overdraft_limit: Credits | None = strawberry.field(
        default=Credits(0),
        description="How far below 0 charges may take the balance, in credits. 0 to 2^53-1.",
    )

    def intent(self) -> Intent | Refusal:
        return intents.OpenAccount(
            idempotency_key=self.key,
            name=self.name,
            unit=or_default(self.unit, "credits"),
            scale=or_default(self.scale, 0),
            time_zone=or_default(self.time_zone, "UTC"),
            overdraft_limit=or_default(self.overdraft_limit, Credits(0)),
        )


@given
class GrantCreditsInput:
    """Credits to put in."""

    account: strawberry.ID = strawberry.field(description=ACCOUNT)
    idempotency_key: str = strawberry.field(description=KEY)
    amount: Credits = strawberry.field(description=AMOUNT)
    reason_code: str = strawberry.field(description=REASON)
    detail: str | None = optional(DETAIL)
    occurred_at: datetime | None = optional(OCCURRED_AT)
    recorded_at: datetime | None = optional(RECORDED_AT)
    metadata: JSON | None = optional(METADATA)

    def intent(self) -> Intent | Refusal:
        account_id = ids.to_account(self.account)
        if account_id is None:
            return AccountNotFound()
        return intents.GrantCredits(
            account_id=account_id,
            idempotency_key=self.idempotency_key,
            amount=self.amount,
            reason_code=self.reason_code,
            detail=or_none(self.detail),
            occurred_at=or_none(self.occurred_at),
            recorded_at=or_none(self.recorded_at),
            metadata=or_none(self.metadata),
        )


@given
class RecordChargeInput:
    """Credits to take for work that is not a job."""

    account: strawberry.ID = strawberry.field(description=ACCOUNT)
    idempotency_key: str = strawberry.field(description=KEY)
    amount: Credits = strawberry.field(
        description=AMOUNT + " InsufficientCredits above what is available."
    )
    reason_code: str | None = strawberry.field(default="USAGE_CHARGE", description=REASON)
    detail: str | None = optional(DETAIL)
    campaign: str | None = optional(CAMPAIGN)
    occurred_at: datetime | None = optional(OCCURRED_AT)
    recorded_at: datetime | None = optional(RECORDED_AT)
    metadata: JSON | None = optional(METADATA)

    def intent(self) -> Intent | Refusal:
        account_id = ids.to_account(self.account)
        if account_id is None:
            return AccountNotFound()
        return intents.RecordCharge(
            account_id=account_id,
            idempotency_key=self.idempotency_key,
            amount=self.amount,
            reason_code=or_default(self.reason_code, "USAGE_CHARGE"),
            detail=or_none(self.detail),
            campaign=or_none(self.campaign),
            occurred_at=or_none(self.occurred_at),
            recorded_at=or_none(self.recorded_at),
            metadata=or_none(self.metadata),
        )


@given
class RefundChargeInput:
    """Credits to give back for a charge. amount absent: all that is left of the charge."""

    charge: strawberry.ID = strawberry.field(
        description="The charge's global id. ChargeNotFound where there is none."
    )
    idempotency_key: str = strawberry.field(description=KEY)
    amount: Credits | None = optional(
        AMOUNT + " RefundExceedsCharge above what is left of the charge. Absent: all that is left."
    )
    reason_code: str = strawberry.field(description=REASON)
    detail: str | None = optional(DETAIL)
    occurred_at: datetime | None = optional(OCCURRED_AT)
    recorded_at: datetime | None = optional(RECORDED_AT)
    metadata: JSON | None = optional(METADATA)

    def intent(self) -> Intent | Refusal:
        ref = ids.to_entry(self.charge)
        if ref is None:
            return ChargeNotFound()
        return intents.RefundCharge(
            account_id=ref[0],
            idempotency_key=self.idempotency_key,
            charge_seq=ref[1],
            amount=or_none(self.amount),
            reason_code=self.reason_code,
            detail=or_none(self.detail),
            occurred_at=or_none(self.occurred_at),
            recorded_at=or_none(self.recorded_at),
            metadata=or_none(self.metadata),
        )


@given
class AdjustBalanceInput:
    """A correction to book. The author is taken from the token."""

    account: strawberry.ID = strawberry.field(description=ACCOUNT)
    idempotency_key: str = strawberry.field(description=KEY)
    amount: Credits = strawberry.field(
        description="In credits, of either sign, not 0, within ±(2^53-1). May take the balance "
        "below what is available."
    )
    reason_code: str = strawberry.field(description=REASON)
    note: str = strawberry.field(
        description="What its author says about it. 1 to 2,000 characters."
    )
    corrects: strawberry.ID | None = optional(
        "The global id of the line that it corrects, of the same account, else EntryNotFound."
    )
    occurred_at: datetime | None = optional(OCCURRED_AT)
    metadata: JSON | None = optional(METADATA)

    def intent(self, author: str) -> Intent | Refusal:
        account_id = ids.to_account(self.account)
        if account_id is None:
            return AccountNotFound()
        corrects = or_none(self.corrects)
        ref = None if corrects is None else ids.to_entry(corrects)
        if corrects is not None and (ref is None or ref[0] != account_id):
            return EntryNotFound()
        return intents.AdjustBalance(
            account_id=account_id,
            idempotency_key=self.idempotency_key,
            amount=self.amount,
            reason_code=self.reason_code,
            note=self.note,
            author=author,
            corrects_seq=None if ref is None else ref[1],
            occurred_at=or_none(self.occurred_at),
            metadata=or_none(self.metadata),
        )


@given
class StartJobInput:
    """A job to start: its charge is taken at once."""

    account: strawberry.ID = strawberry.field(description=ACCOUNT)
    idempotency_key: str = strawberry.field(description=KEY)
    key: str = strawberry.field(
        description="Names the job, unique in the account, else JobAlreadyExists. 1 to 255 "
        "characters."
    )
    operation: str = strawberry.field(description="What kind of work it is. 1 to 200 characters.")
    amount: Credits = strawberry.field(
        description=AMOUNT + " InsufficientCredits above what is available."
    )
    deadline_seconds: int = strawberry.field(
        description="Seconds from when it is booked until it is refunded, unless it is reported: "
        "1 to 31,622,400."
    )
    detail: str | None = optional(DETAIL)
    campaign: str | None = optional(CAMPAIGN)
    occurred_at: datetime | None = optional("When it started. Absent: when it is recorded.")
    recorded_at: datetime | None = optional(RECORDED_AT)
    metadata: JSON | None = optional(METADATA)

    def intent(self) -> Intent | Refusal:
        account_id = ids.to_account(self.account)
        if account_id is None:
            return AccountNotFound()
        return intents.StartJob(
            account_id=account_id,
            idempotency_key=self.idempotency_key,
            key=self.key,
            job_operation=self.operation,
            amount=self.amount,
            deadline_seconds=self.deadline_seconds,
            detail=or_none(self.detail),
            campaign=or_none(self.campaign),
            occurred_at=or_none(self.occurred_at),
            recorded_at=or_none(self.recorded_at),
            metadata=or_none(self.metadata),
        )


@given
class FinishJobInput:
    """How a job ended. The rule decides what is refunded."""

    account: strawberry.ID = strawberry.field(description=ACCOUNT)
    idempotency_key: str = strawberry.field(description=KEY)
    key: str = strawberry.field(
        description="The job's key. JobNotFound where the account has none of that key."
    )
    status: JobStatus = strawberry.field(
        description="SUCCEEDED, PARTIAL, FAILED or CANCELLED, else InvalidInput. "
        "JobAlreadyFinished after another."
    )
    reason_code: str | None = optional(
        "Why it did not wholly succeed: a refund's reason, or INPUT_POLICY or INVALID_INPUT. "
        "UnknownReason for what the catalogue has not, InvalidInput for what does not go with the "
        "status."
    )
    detail: str | None = optional(DETAIL)
    done: int | None = optional(
        "Parts delivered, 0 to total: with PARTIAL, and with CANCELLED once running."
    )
    total: int | None = optional(
        "Parts asked for, from 1: with PARTIAL, and with CANCELLED once running."
    )
    occurred_at: datetime | None = optional("When it ended. Absent: when it is recorded.")
    recorded_at: datetime | None = optional(RECORDED_AT)

    def intent(self) -> Intent | Refusal:
        account_id = ids.to_account(self.account)
        if account_id is None:
            return AccountNotFound()
        return intents.FinishJob(
            account_id=account_id,
            idempotency_key=self.idempotency_key,
            key=self.key,
            status=self.status,
            reason_code=or_none(self.reason_code),
            detail=or_none(self.detail),
            done=or_none(self.done),
            total=or_none(self.total),
            occurred_at=or_none(self.occurred_at),
            recorded_at=or_none(self.recorded_at),
        )
