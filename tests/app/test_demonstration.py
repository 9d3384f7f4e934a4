"""Promises of the demonstration: believable, whole, booked once, however often it is killed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.demonstration import book_demonstration
from models.audit import audit
from models.database import Database
from models.intents import Intent
from models.outcomes import Outcome
from models.reasons import Catalogue
from models.writer import Writer
from tests.conftest import execute, with_database

NOW = datetime(2026, 11, 20, 16, 30, 45, tzinfo=UTC)
LINES = (
    "select a.key, e.seq, e.kind, e.amount, e.reason_code, e.detail, e.campaign, e.note, "
    "case when e.imported then e.recorded_at end as recorded_at "
    "from entry e join account a on a.id = e.account_id order by a.key, e.seq"
)


class Killed(Exception):
    """Stands for the end of the process."""


class MortalWriter(Writer):
    """Dies before its call number `calls`."""

    calls = 1

    async def book(self, intent: Intent) -> Outcome:
        (outcome,) = await self.book_many([intent])
        return outcome

    async def book_many(self, intents: Sequence[Intent]) -> list[Outcome]:
        self.calls -= 1
        if self.calls < 0:
            raise Killed
        return await super().book_many(intents)


async def booked(database_url: str, calls: int | None = None, now: datetime = NOW) -> list[Any]:
    """The lines after a start at `now` that dies at a call, or does not."""
    db = await Database.connect(database_url)
    writer = MortalWriter(db, Catalogue(db)) if calls is not None else Writer(db, Catalogue(db))
    if isinstance(writer, MortalWriter):
        writer.calls = calls or 0
        with pytest.raises(Killed):
            await book_demonstration(db, writer, now)
    else:
        await book_demonstration(db, writer, now)
    lines = [tuple(row.values()) for row in await db.fetch(LINES)]
    await writer.close()
    await db.close()
    return lines


async def test_the_month_is_believable_and_audits_clean(database_url: str) -> None:
    lines = [line for line in await booked(database_url) if line[0] == "northwind"]
    kinds = [line[2] for line in lines]
    assert 350 <= kinds.count("CHARGE") <= 600
    assert 40 <= kinds.count("REFUND") <= 90
    assert kinds.count("GRANT") >= 4
    assert kinds.count("ADJUSTMENT") == 1
    assert kinds[-1] == "ADJUSTMENT"
    assert {line[4] for line in lines} >= {
        "GRANT_PLAN", "GRANT_PROMO", "PURCHASE_MANUAL", "PURCHASE_AUTO", "JOB_CHARGE",
        "USAGE_CHARGE", "PROVIDER_ERROR", "PROVIDER_TIMEOUT", "PLATFORM_ERROR", "OUTPUT_BLOCKED",
        "PARTIAL_OUTPUT", "CANCELLED_QUEUED", "CANCELLED_RUNNING", "WORKER_LOST", "GOODWILL",
        "DUPLICATE_CHARGE", "MANUAL_CORRECTION",
    }  # fmt: skip
    times = [line[8] for line in lines[:-1]]
    assert times[0] == NOW.replace(second=0) - timedelta(days=30)
    assert times == sorted(times)
    assert times[-1] < NOW
    db = await Database.connect(database_url)
    not_refunded = await db.fetchval(
        "select count(*) from job where decision_code = 'INPUT_POLICY'"
    )
    assert not_refunded >= 1
    assert await audit(db, lambda _done, _whole: None) == []
    await db.close()


async def test_a_second_start_books_nothing_even_a_day_later(database_url: str) -> None:
    first = await booked(database_url)
    assert await booked(database_url, now=NOW + timedelta(days=1)) == first


def test_a_start_killed_anywhere_is_completed_by_the_next_to_the_same_lines(
    database_url: str, postgres: str, migrated_template: str
) -> None:
    whole = asyncio.run(booked(database_url))
    execute(postgres, f"create database killed template {migrated_template}")
    other = with_database(postgres, "killed")
    # Each start is killed one call later than the one before; from the third on, on another day.
    days = {1: 0, 2: 0, 3: 1, 4: 1, 5: 2, 6: 3}
    seen = [
        len(asyncio.run(booked(other, calls, NOW + timedelta(days=day))))
        for calls, day in days.items()
    ]
    assert seen[0] == 0
    assert 0 < seen[1] < seen[3] < seen[5] < len(whole)
    assert asyncio.run(booked(other, now=NOW + timedelta(days=9))) == whole
    execute(postgres, "drop database killed with (force)")
