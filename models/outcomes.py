"""What became of an intent: done, or one of the named refusals.

Owns the vocabulary of the write path's answers. The docstring of a refusal is its default sentence,
so that every error has one and the documentation cannot drift from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from models.records import Account, Entry, Job


@dataclass(frozen=True, slots=True)
class Done:
    """The intent stands: `entry` is the line it booked, if any; `replayed` when it stood before."""

    account: Account
    entry: Entry | None
    job: Job | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The intent was refused and nothing moved."""

    message: str = field(default="")

    def __post_init__(self) -> None:
        if not self.message:
            object.__setattr__(self, "message", " ".join((type(self).__doc__ or "").split()))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountNotFound(Refusal):
    """No such account. Check the id, or open the account first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeNotFound(Refusal):
    """No such charge. A refund names the id of the charge it gives back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryNotFound(Refusal):
    """No such entry in this account. `corrects` names the id of a line of the same account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobNotFound(Refusal):
    """No job of this account has that key. Start it first; this idempotency key is still free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsufficientCredits(Refusal):
    """The account has fewer credits available than the charge takes."""

    available: int
    shortfall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundExceedsCharge(Refusal):
    """The refund is more than what is left of the charge."""

    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyConflict(Refusal):
    """This idempotency key already stands for another intent. Use a new key for a new intent."""

    entry: Entry | None
    job: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAlreadyExists(Refusal):
    """A job of this account already has that key."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAlreadyFinished(Refusal):
    """The job has already finished with another outcome, which stands."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownReason(Refusal):
    """No such reason for this kind of entry. `reasons` lists the catalogue."""

    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidInput(Refusal):
    """The input is not valid."""

    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeUnknown(Refusal):
    """Nobody knows yet whether this was done. Send it again with the same idempotency key."""


Outcome = Done | Refusal
