"""The four kinds of line, what they share, and the union a feed is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import strawberry

from models import records
from models.rows import Ref
from resolvers.related import NOTHING, Related
from schema import ids
from schema.context import Info
from schema.described import field, interface, output
from schema.enums import EntryKind
from schema.scalars import JSON, Credits
from schema.types.node import Node, present
from schema.types.reasons import Reason, RunningTotals

if TYPE_CHECKING:
    from schema.types.account import Account
    from schema.types.jobs import Job

T = TypeVar("T")
R = TypeVar("R")


@interface
class LedgerEntry(Node):
    """One immutable line of an account's ledger. Same nullability in every member."""

    record: strawberry.Private[records.Entry]
    known: strawberry.Private[Related] = NOTHING
    """What was read together with the line: what is not here is loaded when asked for."""

    @field
    def id(self) -> strawberry.ID:
        """Global id of the line."""
        return strawberry.ID(ids.entry(self.record.account_id, self.record.seq))

    @field
    def seq(self) -> int:
        """The line's number in its account: from 1, without a gap, in the order of booking."""
        return self.record.seq

    @field
    async def account(
        self, info: Info
    ) -> Annotated[Account, strawberry.lazy("schema.types.account")]:
        """The account whose balance the line moved, as it is now."""
        from schema.types.account import Account

        return Account(
            record=present(await info.context.loaders.accounts.load(self.record.account_id))
        )

    @field
    def kind(self) -> EntryKind:
        """What the line did; the same as its type."""
        return self.record.kind

    @field
    def amount(self) -> Credits:
        """What the line did to the balance, in credits, signed: a charge is negative. Never 0."""
        return Credits(self.record.amount)

    @field
    def balance_after(self) -> Credits:
        """The balance that the line left behind, in credits, of either sign."""
        return Credits(self.record.balance_after)

    @field
    def totals_after(self) -> RunningTotals:
        """What had been booked in all, this line included. Its net is balanceAfter."""
        return RunningTotals.of(self.record.totals_after)

    @field
    def reason(self) -> Reason:
        """Why the line exists. Every line says why."""
        return Reason.of(self.record.reason, self.record.detail)

    @field
    def campaign(self) -> str | None:
        """The label its product groups usage by, at most 200 characters; null where it has none."""
        return self.record.campaign

    @field
    def job(self, info: Info) -> Annotated[Job, strawberry.lazy("schema.types.jobs")] | None:
        """The job that the line paid for or gave back. Null where there was none."""
        from schema.types.jobs import Job

        def shown(record: records.Job | None) -> Job:
            return Job(record=present(record))

        if self.record.job_seq is None:
            return None
        ref = (self.record.account_id, self.record.job_seq)
        return made_of(self.known.jobs, ref, lambda: info.context.loaders.jobs.load(ref), shown)

    @field
    def occurred_at(self) -> datetime:
        """When its producer says that it happened."""
        return self.record.occurred_at

    @field
    def recorded_at(self) -> datetime:
        """When the line was booked, by the ledger's clock; never earlier than the line before."""
        return self.record.recorded_at

    @field
    def metadata(self) -> JSON | None:
        """What its producer attached: at most 4,096 bytes of JSON. Null where it attached
        nothing.
        """
        return self.record.metadata


@output
class Charge(LedgerEntry):
    """Credits taken for work. Its amount is negative."""

    @field
    def refunds(
        self, info: Info
    ) -> list[Annotated[Refund, strawberry.lazy("schema.types.entries")]]:
        """What was given back for this charge, oldest first. In all never more than the charge."""
        ref = (self.record.account_id, self.record.seq)
        return made_of(
            self.known.refunds,
            ref,
            lambda: info.context.loaders.refunds.load(ref),
            lambda refunds: [Refund(record=each) for each in refunds or []],
        )

    @field
    def refunded(self, info: Info) -> Credits:
        """The sum of its refunds so far, in credits. ≥ 0, at most the charge."""
        return (
            Credits(self.known.refunded(self.record))
            if self.known.refunds is not None
            else _later(refunded_of(info, self.record))
        )

    @field
    def net(self, info: Info) -> Credits:
        """amount + refunded, in credits. ≤ 0."""
        return (
            Credits(self.record.amount + self.known.refunded(self.record))
            if self.known.refunds is not None
            else _later(net_of(info, self.record))
        )


@output
class Refund(LedgerEntry):
    """Credits given back for one charge, wholly or in part. Its amount is positive."""

    @field
    def charge(self, info: Info) -> Charge:
        """The charge it gives back, of the same account."""
        return (
            Charge(record=self.known.charge_of(self.record), known=self.known)
            if self.known.entries is not None
            else _later(self._charge(info))
        )

    async def _charge(self, info: Info) -> Charge:
        ref = (self.record.account_id, present(self.record.charge_seq))
        charge = present(await info.context.loaders.entries.load(ref))
        return Charge(record=charge, known=self.known)

    @field
    def automatic(self) -> bool:
        """True where a rule gave it at a job's end, with no human."""
        return self.record.automatic

    @field
    def rule(self) -> str | None:
        """Name and version of the rule that gave it, such as default/1; null unless automatic."""
        return self.record.rule


@output
class Grant(LedgerEntry):
    """Credits put in: bought, in a plan or promotional, as its reason says. Its amount is
    positive.
    """


@output
class Adjustment(LedgerEntry):
    """An operator's correction. Its amount is of either sign, never 0."""

    @field
    def author(self) -> str:
        """Who made it: the name of the key it was made with."""
        return present(self.record.author)

    @field
    def note(self) -> str:
        """What its author says about it. At most 2,000 characters."""
        return present(self.record.note)

    @field
    def corrects(
        self, info: Info
    ) -> Annotated[UsageEntry, strawberry.lazy("schema.types.entries")] | None:
        """The line of the same account that it corrects. Null where it corrects none in
        particular.
        """
        if self.record.corrects_seq is None:
            return None
        ref = (self.record.account_id, self.record.corrects_seq)
        return made_of(
            self.known.entries,
            ref,
            lambda: info.context.loaders.entries.load(ref),
            lambda line: entry_of(present(line)),  # what belongs to it was not read with the page
        )


UsageEntry = Annotated[
    Charge | Refund | Grant | Adjustment,
    strawberry.union(
        "UsageEntry", description="A line of the feed, by what it did to the balance."
    ),
]

_TYPES: dict[EntryKind, type[Charge] | type[Refund] | type[Grant] | type[Adjustment]] = {
    EntryKind.CHARGE: Charge,
    EntryKind.REFUND: Refund,
    EntryKind.GRANT: Grant,
    EntryKind.ADJUSTMENT: Adjustment,
}


def entry_of(
    record: records.Entry, known: Related = NOTHING
) -> Charge | Refund | Grant | Adjustment:
    """The member of the union that shows this line."""
    return _TYPES[record.kind](record=record, known=known)


def made_of(
    known: dict[Ref, T] | None,
    ref: Ref,
    load: Callable[[], Awaitable[T | None]],
    make: Callable[[T | None], R],
) -> R:
    """What is made of the thing that `ref` names: at once where it is known, else awaitable."""
    if known is not None:
        return make(known.get(ref))

    async def loaded() -> R:
        return make(await load())

    return _later(loaded())


def _later(awaitable: Awaitable[R]) -> R:
    """What a resolver returns that has to be awaited."""
    return cast("R", awaitable)


async def refunds_of(info: Info, charge: records.Entry) -> list[records.Entry]:
    return await info.context.loaders.refunds.load((charge.account_id, charge.seq))


async def refunded_of(info: Info, charge: records.Entry) -> Credits:
    return Credits(sum(refund.amount for refund in await refunds_of(info, charge)))


async def net_of(info: Info, charge: records.Entry) -> Credits:
    return Credits(charge.amount + await refunded_of(info, charge))
