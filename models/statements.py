"""Statements: one account over one period, reconciled from the totals stored on its lines.

Owns the boundaries and what lies between them. The boundaries cost one index read each, whatever
the period's length; `by_reason`, `by_campaign` and `sum_of_lines` read the period's own lines.
"""

from __future__ import annotations

from datetime import datetime

import asyncpg

from models.database import Reads
from models.records import CampaignTotal, DayTotal, EntryKind, ReasonTotal, Statement, Totals
from models.rows import reason_of


class UnknownTimeZone(Exception):
    """The database, which cuts days, does not know the time zone."""


_WITHIN = "e.account_id = $1 and e.seq > $2 and e.seq <= $3"


async def read(
    db: Reads, account_id: int, start: datetime, end: datetime, time_zone: str
) -> Statement | None:
    """The account's statement over [`start`, `end`) of `recorded_at`; None for no such account.

    Raises: UnknownTimeZone.
    Guarantees: behind any write in flight; `final` once nothing can be booked in the period.
    """
    try:
        row = await db.fetchrow(
            "select *, now() at time zone $4 from statement($1, $2, $3)",
            account_id,
            start,
            end,
            time_zone,
        )
    except asyncpg.InvalidParameterValueError:
        raise UnknownTimeZone(time_zone) from None
    if row is None:
        return None
    return Statement(
        account_id=account_id,
        start=start,
        end=end,
        time_zone=time_zone,
        opening=row["opening"],
        closing=row["closing"],
        totals=Totals(
            granted=row["closing_granted"] - row["opening_granted"],
            charged=row["closing_charged"] - row["opening_charged"],
            refunded=row["closing_refunded"] - row["opening_refunded"],
            adjusted=row["closing_adjusted"] - row["opening_adjusted"],
        ),
        opening_seq=row["opening_seq"],
        closing_seq=row["closing_seq"],
        final=row["final"],
    )


async def sum_of_lines(db: Reads, of: Statement) -> int:
    """The sum of the period's own amounts, read line by line."""
    return await db.fetchval(
        f"select coalesce(sum(e.amount), 0)::bigint from entry e where {_WITHIN}",
        of.account_id,
        of.opening_seq,
        of.closing_seq,
    )


async def by_reason(db: Reads, of: Statement) -> list[ReasonTotal]:
    """Lines and credits per reason, the largest first within each kind.

    Units: magnitudes, but adjustments are signed.
    """
    rows = await db.fetch(
        "select t.*, r.kind as reason_kind, r.title, r.fault from ("
        "  select e.reason_code, count(*) as lines, sum(e.amount)::bigint as amount"
        f"  from entry e where {_WITHIN} group by e.reason_code"
        ") t join reason r on r.code = t.reason_code order by r.kind, abs(t.amount) desc, r.code",
        of.account_id,
        of.opening_seq,
        of.closing_seq,
    )
    return [
        ReasonTotal(
            reason=reason_of(row["reason_code"], row),
            count=row["lines"],
            amount=-row["amount"] if row["reason_kind"] == EntryKind.CHARGE else row["amount"],
        )
        for row in rows
    ]


async def by_campaign(db: Reads, of: Statement) -> list[CampaignTotal]:
    """Charges and refunds per campaign, None for those without one. The most charged first."""
    rows = await db.fetch(
        "select e.campaign, count(*) as lines,"
        "  coalesce(-sum(e.amount) filter (where e.kind = 'CHARGE'), 0)::bigint as charged,"
        "  coalesce(sum(e.amount) filter (where e.kind = 'REFUND'), 0)::bigint as refunded"
        f" from entry e where {_WITHIN} and e.kind in ('CHARGE', 'REFUND')"
        " group by e.campaign order by charged desc, e.campaign nulls last",
        of.account_id,
        of.opening_seq,
        of.closing_seq,
    )
    return [
        CampaignTotal(row["campaign"], row["lines"], row["charged"], row["refunded"])
        for row in rows
    ]


# Hops from each day's last line to the next day that has one: two index reads a day, whatever the
# number of lines. A day begins with the first of two midnights: where the clocks go back over one,
# a line may be of the day after its date.
_BY_DAY = """
with recursive day as (
    select null::date as date, $2::int as seq,
           $5::bigint as granted, $6::bigint as charged,
           $7::bigint as refunded, $8::bigint as adjusted
    union all
    select n.date, l.seq, l.granted_after, l.charged_after, l.refunded_after, l.adjusted_after
    from day
    cross join lateral (
        select own.date, ends.at as ends_at
        from entry e
        cross join lateral (select (e.recorded_at at time zone $4)::date as today) local
        cross join lateral (values (local.today), (local.today + 1)) own (date)
        cross join lateral (select (own.date + 1)::timestamp as midnight) next
        cross join lateral (select next.midnight at time zone $4 as last) twice
        cross join lateral (
            select twice.last - greatest(
                (twice.last - interval '3 hours') at time zone $4 - next.midnight
                + interval '3 hours', interval '0') as first
        ) once
        cross join lateral (
            select case when once.first at time zone $4 = next.midnight
                        then once.first else twice.last end as at
        ) ends
        where e.account_id = $1 and e.seq = day.seq + 1 and e.seq <= $3 and e.recorded_at < ends.at
        order by own.date limit 1
    ) n
    cross join lateral (
        select e.* from entry e
        where e.account_id = $1 and e.seq > day.seq and e.seq <= $3 and e.recorded_at < n.ends_at
        order by e.recorded_at desc, e.seq desc limit 1
    ) l
)
select date, granted - lag(granted) over w as granted, charged - lag(charged) over w as charged,
       refunded - lag(refunded) over w as refunded, adjusted - lag(adjusted) over w as adjusted
from day window w as (order by seq) order by seq offset 1
"""


async def by_day(db: Reads, of: Statement) -> list[DayTotal]:
    """What moved on each calendar day of the statement's time zone; empty days are left out."""
    opening = await db.fetchrow(
        "select e.granted_after, e.charged_after, e.refunded_after, e.adjusted_after"
        " from entry e where e.account_id = $1 and e.seq = $2",
        of.account_id,
        of.opening_seq,
    )
    rows = await db.fetch(
        _BY_DAY,
        of.account_id,
        of.opening_seq,
        of.closing_seq,
        of.time_zone,
        *(opening.values() if opening else (0, 0, 0, 0)),
    )
    return [
        DayTotal(
            row["date"], Totals(row["granted"], row["charged"], row["refunded"], row["adjusted"])
        )
        for row in rows
    ]
