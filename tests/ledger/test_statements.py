"""Promise 10: a statement reconciles, waits for what is in flight, and never changes once final."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from asyncpg.transaction import Transaction

from models import statements
from models.intents import GrantCredits, OpenAccount, RecordCharge
from models.outcomes import InvalidInput
from models.records import Entry, EntryKind, JobStatus, Statement, Totals
from models.wire import encode
from tests.ledger.support import Ledger, counted, done, instant
from tests.waiting import somebody_waits

MICROSECOND = timedelta(microseconds=1)


async def read(
    ledger: Ledger, account_id: int, start: datetime, end: datetime, zone: str = "UTC"
) -> Statement:
    statement = await statements.read(ledger.db, account_id, start, end, zone)
    assert statement is not None
    return statement


async def clock(ledger: Ledger) -> datetime:
    return await ledger.db.fetchval("select clock_timestamp()")


async def a_busy_account(ledger: Ledger, seed: int) -> int:
    """An account with a year of imported history of all kinds, bunched so that instants repeat."""
    account_id = await ledger.open()
    chance = random.Random(seed)
    at = instant("2025-01-01 00:00:00")
    charges: list[int] = []
    for number in range(120):
        at += timedelta(hours=chance.choice([0, 0, 1, 40, 200]))
        kind = chance.choice(["grant", "charge", "charge", "refund"]) if number else "grant"
        if kind == "grant":
            await ledger.grant(account_id, 100, recorded_at=at)
        elif kind == "charge":
            amount = min(chance.randint(1, 30), (await ledger.account(account_id)).balance)
            if amount:
                campaign = chance.choice([None, "spring", "autumn"])
                line = await ledger.charge(account_id, amount, recorded_at=at, campaign=campaign)
                charges.append(line.seq)
        elif charges:
            charge = charges.pop(chance.randrange(len(charges)))
            await ledger.refund(account_id, charge, None, recorded_at=at)
    await ledger.adjust(account_id, -3)
    return account_id


def within(lines: list[Entry], start: datetime, end: datetime) -> list[Entry]:
    return [line for line in lines if start <= line.recorded_at < end]


def totals(lines: list[Entry]) -> Totals:
    def of(kind: EntryKind) -> int:
        return sum(line.amount for line in lines if line.kind is kind)

    return Totals(
        granted=of(EntryKind.GRANT),
        charged=-of(EntryKind.CHARGE),
        refunded=of(EntryKind.REFUND),
        adjusted=of(EntryKind.ADJUSTMENT),
    )


@pytest.mark.parametrize("seed", range(3))
async def test_every_period_reconciles_with_its_own_lines_read_one_by_one(
    ledger: Ledger, seed: int
) -> None:
    account_id = await a_busy_account(ledger, seed)
    lines = await ledger.lines(account_id)
    chance = random.Random(seed)
    instants = [line.recorded_at + chance.choice([-1, 0, 1]) * MICROSECOND for line in lines]
    for _ in range(40):
        start, end = sorted(chance.sample(instants, 2))
        statement = await read(ledger, account_id, start, end)
        own = within(lines, start, end)
        assert statement.totals == totals(own)
        assert statement.opening == sum(x.amount for x in lines if x.recorded_at < start)
        assert statement.closing == statement.opening + statement.totals.net
        assert [x.seq for x in own] == list(
            range(statement.opening_seq + 1, statement.closing_seq + 1)
        )
        assert await statements.sum_of_lines(ledger.db, statement) == statement.totals.net
        assert await by_reason(ledger, statement) == reasons_of(own)
        assert await by_campaign(ledger, statement) == campaigns_of(own)


async def by_reason(ledger: Ledger, statement: Statement) -> dict[str, tuple[int, int]]:
    rows = await statements.by_reason(ledger.db, statement)
    return {row.reason.code: (row.count, row.amount) for row in rows}


def reasons_of(lines: list[Entry]) -> dict[str, tuple[int, int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for line in lines:
        found[line.reason.code].append(
            -line.amount if line.kind is EntryKind.CHARGE else line.amount
        )
    return {code: (len(amounts), sum(amounts)) for code, amounts in found.items()}


async def by_campaign(ledger: Ledger, statement: Statement) -> dict[str | None, tuple[int, ...]]:
    rows = await statements.by_campaign(ledger.db, statement)
    return {row.campaign: (row.count, row.charged, row.refunded) for row in rows}


def campaigns_of(lines: list[Entry]) -> dict[str | None, tuple[int, ...]]:
    found: defaultdict[str | None, list[Entry]] = defaultdict(list)
    for line in lines:
        if line.kind in (EntryKind.CHARGE, EntryKind.REFUND):
            found[line.campaign].append(line)
    return {
        campaign: (len(own), totals(own).charged, totals(own).refunded)
        for campaign, own in found.items()
    }


# Zones whose clocks jump where it matters to a day, and a moment near such a jump.
JUMPS = [
    ("Europe/Berlin", "2025-10-26"),
    ("America/Sao_Paulo", "2018-02-18"),  # midnight comes after a second 23:00 to 24:00
    ("America/Sao_Paulo", "2018-11-04"),  # the day begins at 01:00
    ("Atlantic/Azores", "2025-10-26"),  # midnight comes twice
    ("America/Havana", "2025-11-02"),  # midnight comes twice
    ("Africa/Cairo", "2025-10-30"),
    ("Asia/Beirut", "2025-03-30"),  # the day begins at 01:00
    ("Pacific/Apia", "2011-12-30"),  # a day that never was
    ("Australia/Lord_Howe", "2025-04-06"),  # half an hour
    ("Asia/Kathmandu", "2025-06-01"),
    ("Antarctica/Troll", "2025-10-26"),  # two hours
    ("America/New_York", "2025-03-09"),
]

# Clocks went back over a midnight that had come: a day has begun once its date was there.
TWO_MIDNIGHTS = [
    ("America/St_Johns", "2010-11-07"),  # 00:01 to 23:01
    ("Antarctica/Casey", "2010-03-05"),  # 02:00 to 23:00
]


@pytest.mark.parametrize(("zone", "day"), JUMPS)
async def test_days_are_those_of_the_zone_and_sum_to_the_totals_wherever_its_clocks_jump(
    ledger: Ledger, zone: str, day: str
) -> None:
    account_id = await ledger.open(time_zone=zone)
    middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
    times = [middle + timedelta(minutes=20 * n) for n in range(-100, 130)]
    outcomes = await ledger.writer.book_many(
        [
            GrantCredits(
                account_id=account_id,
                idempotency_key=f"g{number}",
                amount=1 + number,
                reason_code="GRANT_PLAN",
                recorded_at=at,
            )
            for number, at in enumerate(times)
        ]
    )
    assert counted(outcomes) == {"Done": len(times)}
    expected: defaultdict[date, int] = defaultdict(int)
    start, end = times[7], times[-5]
    for number, at in enumerate(times):
        if start <= at < end:
            expected[at.astimezone(ZoneInfo(zone)).date()] += 1 + number
    statement = await read(ledger, account_id, start, end, zone)
    days = await statements.by_day(ledger.db, statement)
    assert {one.date: one.totals.granted for one in days} == dict(expected)
    assert [one.date for one in days] == sorted(expected)
    assert sum(one.totals.net for one in days) == statement.totals.net


@pytest.mark.parametrize(("zone", "day"), TWO_MIDNIGHTS)
@pytest.mark.parametrize("every_minutes", [1, 45, 60, 100])
async def test_no_line_is_missing_from_the_days_where_one_ends_twice(
    ledger: Ledger, zone: str, day: str, every_minutes: int
) -> None:
    account_id = await ledger.open(time_zone=zone)
    middle = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    times = [middle + timedelta(minutes=every_minutes * n + 7) for n in range(-60, 60)]
    outcomes = await ledger.writer.book_many(
        [
            GrantCredits(
                account_id=account_id,
                idempotency_key=f"g{at}",
                amount=1,
                reason_code="GRANT_PLAN",
                recorded_at=at,
            )
            for at in times
        ]
    )
    assert counted(outcomes) == {"Done": len(times)}
    before = [timedelta(minutes=minutes) for minutes in range(200)]
    expected = Counter(
        max((at - earlier).astimezone(ZoneInfo(zone)).date() for earlier in before) for at in times
    )
    statement = await read(ledger, account_id, times[0], times[-1] + timedelta(days=1), zone)
    days = await statements.by_day(ledger.db, statement)
    assert {one.date: one.totals.granted for one in days} == expected
    assert [one.date for one in days] == sorted(expected)


async def test_days_on_which_nothing_moved_are_left_out_and_the_others_sum_to_the_totals(
    ledger: Ledger,
) -> None:
    account_id = await a_busy_account(ledger, 7)
    lines = await ledger.lines(account_id)
    zone = "America/New_York"
    statement = await read(
        ledger, account_id, instant("2025-02-01 00:00:00"), await clock(ledger), zone
    )
    own = within(lines, statement.start, statement.end)
    by_date: defaultdict[date, list[Entry]] = defaultdict(list)
    for line in own:
        by_date[line.recorded_at.astimezone(ZoneInfo(zone)).date()].append(line)
    days = await statements.by_day(ledger.db, statement)
    assert {day.date: day.totals for day in days} == {
        at: totals(lines) for at, lines in by_date.items()
    }


async def test_a_zone_that_the_database_does_not_know_is_refused_at_opening(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.validation._time_zones", lambda: {"localtime", "UTC"})
    outcome = await ledger.book(OpenAccount(idempotency_key="a", name="A", time_zone="localtime"))
    assert isinstance(outcome, InvalidInput)
    assert outcome.field == "timeZone"
    assert await ledger.db.fetchval("select count(*) from account") == 0


@pytest.mark.parametrize("boundary", ["start", "end"])
async def test_a_statement_whose_boundary_has_passed_waits_for_the_write_in_flight(
    ledger: Ledger, boundary: str
) -> None:
    account_id = await ledger.open(granted=100)
    day = timedelta(days=1)
    async with writing(ledger, account_id) as in_flight:
        passed = await clock(ledger)
        period = (passed, passed + day) if boundary == "start" else (passed - day, passed)
        reading = asyncio.create_task(read(ledger, account_id, *period))
        await somebody_waits(ledger.db)
        assert not reading.done()
        await in_flight.commit()
    statement = await reading
    # The line was recorded before the boundary, though it was committed after the read began.
    assert statement.opening == (93 if boundary == "start" else 0)
    assert statement.closing == 93
    assert await read(ledger, account_id, *period) == statement


async def test_a_statement_of_what_is_yet_to_pass_waits_for_nobody(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    async with writing(ledger, account_id) as in_flight:
        now, day = await clock(ledger), timedelta(days=1)
        ahead = await asyncio.wait_for(read(ledger, account_id, now - day, now + day), 5)
        assert (ahead.closing, ahead.final) == (100, False)
        await in_flight.rollback()


@asynccontextmanager
async def writing(ledger: Ledger, account_id: int) -> AsyncGenerator[Transaction]:
    """A transaction that has booked a charge of 7 and is still to commit."""
    charge = RecordCharge(account_id=account_id, idempotency_key="in flight", amount=7)
    async with ledger.db.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetch("select * from book($1::intent[])", [encode(charge)])
        yield transaction


async def test_a_period_is_final_once_it_has_ended_and_lines_are_booked_as_they_happen(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open()
    old, new = instant("2025-01-01 00:00:00"), instant("2025-06-01 00:00:00")
    day = timedelta(days=1)

    async def final(start: datetime, end: datetime) -> bool:
        return (await read(ledger, account_id, start, end)).final

    assert not await final(old, new)  # history can still be imported into it
    await ledger.grant(account_id, 5, recorded_at=new)
    assert await final(old, new)  # the next line is as late as this one, or later
    assert not await final(old, new + MICROSECOND)
    live = await ledger.grant(account_id, 5)
    assert await final(old, new + MICROSECOND)
    assert not await final(old, await clock(ledger) + day)
    assert (await read(ledger, account_id, old, live.recorded_at)).closing == 5


async def test_what_is_booked_later_never_changes_a_final_statement(ledger: Ledger) -> None:
    account_id = await ledger.open(granted=100)
    job = await ledger.start(account_id, 60)
    end = await clock(ledger)
    period = (end - timedelta(hours=1), end)
    final = await read(ledger, account_id, *period)
    assert (final.final, final.closing) == (True, 40)
    await ledger.book(ledger.finishing(job, JobStatus.FAILED, occurred_at=job.started_at))
    refused = await ledger.book(
        GrantCredits(
            account_id=account_id,
            idempotency_key=ledger.key(),
            amount=1,
            reason_code="GRANT_PLAN",
            recorded_at=period[0],
        )
    )
    assert isinstance(refused, InvalidInput)
    assert await read(ledger, account_id, *period) == final


async def test_history_is_raised_to_the_line_before_it_and_taken_until_the_first_live_line(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open()
    noon = instant("2025-01-01 12:00:00")
    first = await ledger.grant(account_id, 9, recorded_at=noon)
    raised = await ledger.charge(account_id, 1, recorded_at=noon - timedelta(hours=1))
    assert (first.recorded_at, raised.recorded_at) == (noon, noon)
    live = await ledger.charge(account_id, 1)
    assert live.recorded_at > noon
    late = RecordCharge(
        account_id=account_id, idempotency_key="late", amount=1, recorded_at=live.recorded_at
    )
    outcome = await ledger.book(late)
    assert isinstance(outcome, InvalidInput)
    assert outcome.field == "recordedAt"


async def test_history_is_never_later_than_the_clock(ledger: Ledger) -> None:
    account_id = await ledger.open()
    ahead = await clock(ledger) + timedelta(minutes=1)
    outcome = await ledger.book(
        GrantCredits(
            account_id=account_id,
            idempotency_key="ahead",
            amount=1,
            reason_code="GRANT_PLAN",
            recorded_at=ahead,
        )
    )
    assert isinstance(outcome, InvalidInput)
    assert outcome.field == "recordedAt"
    assert await ledger.lines(account_id) == []


async def test_the_deadline_refund_of_an_imported_job_is_dated_its_deadline(
    ledger: Ledger,
) -> None:
    account_id = await ledger.open()
    noon = instant("2025-01-01 12:00:00")
    await ledger.grant(account_id, 9, recorded_at=noon)
    job = await ledger.start(account_id, 5, deadline_seconds=1, recorded_at=noon, occurred_at=noon)
    assert job.deadline_at == noon + timedelta(seconds=1)
    await asyncio.sleep(1.01)
    assert await ledger.sweep() == 1
    refund = (await ledger.lines(account_id))[-1]
    assert (refund.amount, refund.recorded_at, refund.occurred_at) == (
        5,
        job.deadline_at,
        job.deadline_at,
    )
    # The account is still history: more of it can follow.
    done(
        await ledger.book(
            RecordCharge(
                account_id=account_id,
                idempotency_key="more",
                amount=1,
                recorded_at=noon + timedelta(seconds=2),
            )
        )
    )
