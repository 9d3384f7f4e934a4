"""What each mutation answers: done, or one of its refusals."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import strawberry

from models.outcomes import Done, Outcome
from schema.described import output
from schema.refusals import (
    AccountNotFound,
    ChargeNotFound,
    EntryNotFound,
    IdempotencyConflict,
    InsufficientCredits,
    InvalidInput,
    JobAlreadyExists,
    JobAlreadyFinished,
    JobNotFound,
    OutcomeUnknown,
    RefundExceedsCharge,
    UnknownReason,
    refused,
)
from schema.types.account import Account
from schema.types.entries import Adjustment, Charge, Grant, Refund
from schema.types.jobs import Job
from schema.types.node import present

ACCOUNT = "The account, as it is now."
REPLAYED = (
    "True where this key had already been answered: the same answer again, and nothing moved."
)


@output
class AccountOpened:
    """The account is open."""

    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


@output
class CreditsGranted:
    """The grant is booked."""

    entry: Grant = strawberry.field(description="Its line.")
    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


@output
class ChargeRecorded:
    """The charge is booked."""

    entry: Charge = strawberry.field(description="Its line.")
    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


@output
class ChargeRefunded:
    """The refund is booked."""

    entry: Refund = strawberry.field(description="Its line.")
    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


@output
class BalanceAdjusted:
    """The adjustment is booked."""

    entry: Adjustment = strawberry.field(description="Its line.")
    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


@output
class JobStarted:
    """The job runs and its charge is booked."""

    job: Job = strawberry.field(description="The job.")
    entry: Charge = strawberry.field(description="The charge that pays for it.")
    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


@output
class JobFinished:
    """The job has ended and its refund is decided."""

    job: Job = strawberry.field(description="The job, with its decision.")
    refund: Refund | None = strawberry.field(
        description="The line of the automatic refund. Null where nothing was given back."
    )
    account: Account = strawberry.field(description=ACCOUNT)
    replayed: bool = strawberry.field(description=REPLAYED)


OpenAccountResult = Annotated[
    AccountOpened | IdempotencyConflict | InvalidInput | OutcomeUnknown,
    strawberry.union("OpenAccountResult", description="What became of openAccount."),
]
GrantCreditsResult = Annotated[
    CreditsGranted
    | AccountNotFound
    | UnknownReason
    | IdempotencyConflict
    | InvalidInput
    | OutcomeUnknown,
    strawberry.union("GrantCreditsResult", description="What became of grantCredits."),
]
RecordChargeResult = Annotated[
    ChargeRecorded
    | AccountNotFound
    | InsufficientCredits
    | UnknownReason
    | IdempotencyConflict
    | InvalidInput
    | OutcomeUnknown,
    strawberry.union("RecordChargeResult", description="What became of one charge."),
]
RefundChargeResult = Annotated[
    ChargeRefunded
    | ChargeNotFound
    | RefundExceedsCharge
    | UnknownReason
    | IdempotencyConflict
    | InvalidInput
    | OutcomeUnknown,
    strawberry.union("RefundChargeResult", description="What became of refundCharge."),
]
AdjustBalanceResult = Annotated[
    BalanceAdjusted
    | AccountNotFound
    | EntryNotFound
    | UnknownReason
    | IdempotencyConflict
    | InvalidInput
    | OutcomeUnknown,
    strawberry.union("AdjustBalanceResult", description="What became of adjustBalance."),
]
StartJobResult = Annotated[
    JobStarted
    | AccountNotFound
    | InsufficientCredits
    | JobAlreadyExists
    | UnknownReason
    | IdempotencyConflict
    | InvalidInput
    | OutcomeUnknown,
    strawberry.union("StartJobResult", description="What became of one job's start."),
]
FinishJobResult = Annotated[
    JobFinished
    | AccountNotFound
    | JobNotFound
    | JobAlreadyFinished
    | UnknownReason
    | IdempotencyConflict
    | InvalidInput
    | OutcomeUnknown,
    strawberry.union("FinishJobResult", description="What became of one job's end."),
]


def account_opened(outcome: Outcome) -> Any:
    if not isinstance(outcome, Done):
        return refused(outcome)
    return AccountOpened(account=Account(record=outcome.account), replayed=outcome.replayed)


def booked(result: Any, line: Any, outcome: Outcome) -> Any:
    """`result` with its `line` where the outcome is done, else the refusal."""
    if not isinstance(outcome, Done):
        return refused(outcome)
    return result(
        entry=line(record=present(outcome.entry)),
        account=Account(record=outcome.account),
        replayed=outcome.replayed,
    )


credits_granted = partial(booked, CreditsGranted, Grant)
charge_recorded = partial(booked, ChargeRecorded, Charge)
charge_refunded = partial(booked, ChargeRefunded, Refund)
balance_adjusted = partial(booked, BalanceAdjusted, Adjustment)


def job_started(outcome: Outcome) -> Any:
    if not isinstance(outcome, Done):
        return refused(outcome)
    return JobStarted(
        job=Job(record=present(outcome.job)),
        entry=Charge(record=present(outcome.entry)),
        account=Account(record=outcome.account),
        replayed=outcome.replayed,
    )


def job_finished(outcome: Outcome) -> Any:
    if not isinstance(outcome, Done):
        return refused(outcome)
    return JobFinished(
        job=Job(record=present(outcome.job)),
        refund=None if outcome.entry is None else Refund(record=outcome.entry),
        account=Account(record=outcome.account),
        replayed=outcome.replayed,
    )
