"""Why an entry exists, and what had been booked by then."""

from __future__ import annotations

from typing import Self

import strawberry

from models import records
from schema.described import output
from schema.enums import Fault
from schema.scalars import Credits


@output
class Reason:
    """Why an entry exists, or why a job was or was not refunded."""

    code: str = strawberry.field(
        description="The catalogue's code, such as USAGE_CHARGE. At most 100 characters."
    )
    title: str = strawberry.field(description="What a customer reads, from the catalogue.")
    detail: str | None = strawberry.field(
        description="What was special this time, written for the customer; null where nothing was."
    )
    fault: Fault = strawberry.field(description="Whose fault it was.")

    @classmethod
    def of(cls, reason: records.Reason, detail: str | None = None) -> Self:
        return cls(code=reason.code, title=reason.title, detail=detail, fault=reason.fault)


@output
class RunningTotals:
    """What had been booked up to a line, that line included, since the account was opened.

    Cumulative and never negative, but for adjusted and net. net = granted - charged + refunded +
    adjusted.
    """

    granted: Credits = strawberry.field(description="The sum of all grants, in credits. ≥ 0.")
    charged: Credits = strawberry.field(
        description="The sum of all charges as a magnitude, in credits. ≥ 0."
    )
    refunded: Credits = strawberry.field(description="The sum of all refunds, in credits. ≥ 0.")
    adjusted: Credits = strawberry.field(
        description="The sum of all adjustments, in credits, of either sign."
    )
    net: Credits = strawberry.field(
        description="granted - charged + refunded + adjusted, in credits: the balance, of "
        "either sign."
    )

    @classmethod
    def of(cls, totals: records.Totals) -> Self:
        return cls(
            granted=Credits(totals.granted),
            charged=Credits(totals.charged),
            refunded=Credits(totals.refunded),
            adjusted=Credits(totals.adjusted),
            net=Credits(totals.net),
        )
