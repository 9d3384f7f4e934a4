"""The ledger's nouns as plain, immutable values.

Owns the shapes that every layer above passes around. Owns no rules and no SQL: `writer` makes
lines, `feed`, `jobs`, `accounts` and `statements` read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

CREDITS_MAX = 2**53 - 1
"""The largest magnitude of an amount, a balance or a total: exact in every JSON reader."""


class EntryKind(StrEnum):
    CHARGE = "CHARGE"
    REFUND = "REFUND"
    GRANT = "GRANT"
    ADJUSTMENT = "ADJUSTMENT"


class Fault(StrEnum):
    PLATFORM = "PLATFORM"
    PROVIDER = "PROVIDER"
    CUSTOMER = "CUSTOMER"
    NONE = "NONE"


class JobStatus(StrEnum):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Totals:
    """What has been booked per kind, cumulative: magnitudes, but `adjusted` is signed."""

    granted: int
    charged: int
    refunded: int
    adjusted: int

    @property
    def net(self) -> int:
        return self.granted - self.charged + self.refunded + self.adjusted


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the catalogue. `kind` is an `EntryKind`, or JOB: why a job was not refunded."""

    code: str
    kind: str
    title: str
    fault: Fault


class Account(NamedTuple):
    """One customer's balance, in one unit, as of its line `last_seq`.

    What a line changes stands last.
    """

    id: int
    key: str
    name: str
    unit: str
    scale: int
    time_zone: str
    overdraft_limit: int
    balance: int
    last_seq: int

    @property
    def available(self) -> int:
        return min(max(0, self.balance + self.overdraft_limit), CREDITS_MAX)

    def left_by(self, line: Entry) -> Account:
        """The account as one of its lines left it."""
        return Account(*self[:-2], line.balance_after, line.seq)


class Entry(NamedTuple):
    """One immutable line.

    `job_seq` names the line's job by the seq of the charge that paid for it: set on that charge and
    on its refunds. `charge_seq` is set on refunds, `corrects_seq` on adjustments that mend a line.
    """

    account_id: int
    seq: int
    kind: EntryKind
    amount: int
    balance_after: int
    granted_after: int
    charged_after: int
    refunded_after: int
    adjusted_after: int
    detail: str | None
    campaign: str | None
    charge_seq: int | None
    job_seq: int | None
    corrects_seq: int | None
    rule: str | None
    author: str | None
    note: str | None
    occurred_at: datetime
    recorded_at: datetime
    metadata: Any
    reason: Reason

    @property
    def automatic(self) -> bool:
        return self.rule is not None

    @property
    def totals_after(self) -> Totals:
        return Totals(
            self.granted_after, self.charged_after, self.refunded_after, self.adjusted_after
        )


@dataclass(frozen=True, slots=True)
class RefundDecision:
    """What a job's end meant for its charge: how much came back, why, by which rule and version."""

    refunded: int
    reason: Reason
    detail: str | None
    rule: str


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work, named by its producer's `key` and, in the ledger, by its charge's seq."""

    account_id: int
    charge_seq: int
    key: str
    operation: str
    campaign: str | None
    status: JobStatus
    started_at: datetime
    deadline_at: datetime
    finished_at: datetime | None
    decision: RefundDecision | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One account over one half-open period of `recorded_at`.

    Its lines are those with `opening_seq < seq <= closing_seq`; lines never change, so whatever is
    read of them later agrees with these totals even while new lines land.
    """

    account_id: int
    start: datetime
    end: datetime
    time_zone: str
    opening: int
    closing: int
    totals: Totals
    opening_seq: int
    closing_seq: int
    final: bool


@dataclass(frozen=True, slots=True)
class ReasonTotal:
    reason: Reason
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class CampaignTotal:
    campaign: str | None
    count: int
    charged: int
    refunded: int


@dataclass(frozen=True, slots=True)
class DayTotal:
    date: date
    totals: Totals
