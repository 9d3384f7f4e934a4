"""The named refusals: nothing moved, and the type says why."""

from __future__ import annotations

from typing import Any

import strawberry

from models import outcomes
from schema.described import interface, output
from schema.scalars import Credits
from schema.types.entries import UsageEntry, entry_of
from schema.types.jobs import Job


@interface
class Refused:
    """The intent was refused and nothing moved, unless OutcomeUnknown."""

    message: str = strawberry.field(
        description="What is wrong and what to do about it, for a developer."
    )


@output
class AccountNotFound(Refused):
    """There is no such account."""


@output
class ChargeNotFound(Refused):
    """There is no such charge."""


@output
class EntryNotFound(Refused):
    """The account has no such line."""


@output
class JobNotFound(Refused):
    """The account has no job of that key. The idempotency key is still free."""


@output
class InsufficientCredits(Refused):
    """The charge takes more than the account has available."""

    available: Credits = strawberry.field(description="What it had available, in credits. ≥ 0.")
    shortfall: Credits = strawberry.field(description="How much was missing, in credits. ≥ 1.")


@output
class RefundExceedsCharge(Refused):
    """The refund is more than what is left of the charge."""

    left: Credits = strawberry.field(
        description="What can still be refunded of the charge, in credits. ≥ 0."
    )


@output
class IdempotencyConflict(Refused):
    """The idempotency key already stands for another intent."""

    entry: UsageEntry | None = strawberry.field(
        description="The line that the key's first intent booked. Null where it booked none."
    )
    job: Job | None = strawberry.field(
        description="The job that the key's first intent started or finished. Null where it was "
        "about none."
    )


@output
class JobAlreadyExists(Refused):
    """A job of the account already has that key."""

    job: Job = strawberry.field(description="The job that has the key.")


@output
class JobAlreadyFinished(Refused):
    """The job has finished with another outcome, which stands."""

    job: Job = strawberry.field(description="The job as it finished.")


@output
class UnknownReason(Refused):
    """The catalogue has no such reason for this kind of entry."""

    code: str = strawberry.field(
        description="The code that was sent. Query.reasons lists those there are."
    )


@output
class InvalidInput(Refused):
    """A value is out of its bounds."""

    field: str = strawberry.field(description="The input field, in the schema's spelling.")


@output
class OutcomeUnknown(Refused):
    """Nobody knows yet whether it was done: send the same key again."""


def refused(refusal: outcomes.Refusal) -> Any:
    """The GraphQL type of a refusal, which bears its name."""
    message = refusal.message
    match refusal:
        case outcomes.InsufficientCredits():
            return InsufficientCredits(
                message=message,
                available=Credits(refusal.available),
                shortfall=Credits(refusal.shortfall),
            )
        case outcomes.RefundExceedsCharge():
            return RefundExceedsCharge(message=message, left=Credits(refusal.left))
        case outcomes.IdempotencyConflict():
            return IdempotencyConflict(
                message=message,
                entry=None if refusal.entry is None else entry_of(refusal.entry),
                job=None if refusal.job is None else Job(record=refusal.job),
            )
        case outcomes.JobAlreadyExists():
            return JobAlreadyExists(message=message, job=Job(record=refusal.job))
        case outcomes.JobAlreadyFinished():
            return JobAlreadyFinished(message=message, job=Job(record=refusal.job))
        case outcomes.UnknownReason():
            return UnknownReason(message=message, code=refusal.code)
        case outcomes.InvalidInput():
            return InvalidInput(message=message, field=refusal.field)
        case _:
            return _PLAIN[type(refusal)](message=message)


_PLAIN: dict[type[outcomes.Refusal], type[Refused]] = {
    outcomes.AccountNotFound: AccountNotFound,
    outcomes.ChargeNotFound: ChargeNotFound,
    outcomes.EntryNotFound: EntryNotFound,
    outcomes.JobNotFound: JobNotFound,
    outcomes.OutcomeUnknown: OutcomeUnknown,
}
