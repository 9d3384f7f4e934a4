"""A period's whole story in one view."""

from __future__ import annotations

import datetime

import strawberry

from models import records, statements
from schema.connections import After, Before, First, Last, UsageConnection
from schema.context import Info
from schema.described import field, output
from schema.enums import EntryKind
from schema.scalars import Credits
from schema.types.account import Account, Filter, page_read, question
from schema.types.reasons import Reason


@output
class ReasonTotal:
    """A period's lines of one kind and reason."""

    kind: EntryKind = strawberry.field(description="What the lines did.")
    reason: Reason = strawberry.field(
        description="Why they exist. Its detail is null: lines differ in it."
    )
    count: int = strawberry.field(description="How many lines. ≥ 1.")
    amount: Credits = strawberry.field(
        description="Their sum as a magnitude, in credits; signed for adjustments."
    )


@output
class CampaignTotal:
    """A period's charges and refunds of one campaign."""

    campaign: str | None = strawberry.field(description="The label; null for lines without one.")
    count: int = strawberry.field(description="How many lines. ≥ 1.")
    charged: Credits = strawberry.field(description="Its charges as a magnitude, in credits. ≥ 0.")
    refunded: Credits = strawberry.field(description="Its refunds, in credits. ≥ 0.")


@output
class DayTotal:
    """What was booked on one day of the statement's time zone, within the period."""

    date: datetime.date = strawberry.field(description="The day.")
    granted: Credits = strawberry.field(description="Its grants, in credits. ≥ 0.")
    charged: Credits = strawberry.field(description="Its charges as a magnitude, in credits. ≥ 0.")
    refunded: Credits = strawberry.field(description="Its refunds, in credits. ≥ 0.")
    adjusted: Credits = strawberry.field(description="Its adjustments, in credits, of either sign.")


@output
class Statement:
    """One account over one half-open period of recordedAt.

    closing = opening + granted - charged + refunded + adjusted. Magnitudes are never negative;
    adjusted is signed.
    """

    record: strawberry.Private[records.Statement]
    account_record: strawberry.Private[records.Account]

    @field
    def account(self) -> Account:
        """The account, as it is now."""
        return Account(record=self.account_record)

    @strawberry.field(name="from", description="The period's first instant.")
    def from_(self) -> datetime.datetime:
        return self.record.start

    @field
    def to(self) -> datetime.datetime:
        """Where the period ends, itself outside."""
        return self.record.end

    @field
    def time_zone(self) -> str:
        """IANA time zone in which byDay cuts days."""
        return self.record.time_zone

    @field
    def opening(self) -> Credits:
        """The balance before the period's first line, in credits, of either sign."""
        return Credits(self.record.opening)

    @field
    def granted(self) -> Credits:
        """The period's grants, in credits. ≥ 0."""
        return Credits(self.record.totals.granted)

    @field
    def charged(self) -> Credits:
        """The period's charges as a magnitude, in credits. ≥ 0."""
        return Credits(self.record.totals.charged)

    @field
    def refunded(self) -> Credits:
        """The period's refunds, in credits, whenever their charges were. ≥ 0."""
        return Credits(self.record.totals.refunded)

    @field
    def adjusted(self) -> Credits:
        """The period's adjustments, in credits, of either sign."""
        return Credits(self.record.totals.adjusted)

    @field
    def closing(self) -> Credits:
        """The balance after the period's last line, in credits, of either sign."""
        return Credits(self.record.closing)

    @field
    async def unexplained(self, info: Info) -> Credits:
        """closing minus opening minus the sum of the period's own lines, read line by line.

        In credits: 0, or something is wrong. Takes time in proportion to the lines: ask for it
        after the first paint.
        """
        explained = await statements.sum_of_lines(info.context.db, self.record)
        return Credits(self.record.closing - self.record.opening - explained)

    @field
    def final(self) -> bool:
        """True once nothing can be booked in the period any more."""
        return self.record.final

    @field
    async def by_reason(self, info: Info) -> list[ReasonTotal]:
        """The period's lines by kind and reason. Takes time in proportion to the lines."""
        return [
            ReasonTotal(
                kind=EntryKind(total.reason.kind),
                reason=Reason.of(total.reason),
                count=total.count,
                amount=Credits(total.amount),
            )
            for total in await statements.by_reason(info.context.db, self.record)
        ]

    @field
    async def by_campaign(self, info: Info) -> list[CampaignTotal]:
        """The period's charges and refunds by campaign. Takes time in proportion to the lines."""
        return [
            CampaignTotal(
                campaign=total.campaign,
                count=total.count,
                charged=Credits(total.charged),
                refunded=Credits(total.refunded),
            )
            for total in await statements.by_campaign(info.context.db, self.record)
        ]

    @field
    async def by_day(self, info: Info) -> list[DayTotal]:
        """The period day by day in timeZone, earliest first; days on which nothing moved are left
        out.
        """
        return [
            DayTotal(
                date=day.date,
                granted=Credits(day.totals.granted),
                charged=Credits(day.totals.charged),
                refunded=Credits(day.totals.refunded),
                adjusted=Credits(day.totals.adjusted),
            )
            for day in await statements.by_day(info.context.db, self.record)
        ]

    @field
    async def usage(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Filter = None,  # noqa: A002 - the contract's word
    ) -> UsageConnection:
        """The period's own lines, newest first. Lines booked since the statement was read are not
        among them.
        """
        within = (self.record.opening_seq, self.record.closing_seq)
        account_id = self.record.account_id
        asked = question(account_id, first, after, last, before, filter)
        return await page_read(info, asked, within)
