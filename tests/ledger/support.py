"""A ledger under test: short ways to write to it, and all of it at a glance."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg

from models import accounts, feed, jobs
from models.audit import audit
from models.database import Database
from models.intents import (
    AdjustBalance,
    FinishJob,
    GrantCredits,
    Intent,
    OpenAccount,
    RecordCharge,
    RefundCharge,
    StartJob,
)
from models.outcomes import Done, Outcome
from models.reasons import Catalogue
from models.records import Account, Entry, Job, JobStatus
from models.sweep import sweep
from models.writer import Writer

_O = TypeVar("_O", bound=Outcome)
TABLES = ("account", "entry", "job", "idempotency_key", "reason")


class Ledger:
    """One database with its writers, as many as there were processes."""

    def __init__(self, url: str, db: Database, stack: AsyncExitStack) -> None:
        self.url = url
        self.db = db
        self.catalogue = Catalogue(db)
        self.writer = Writer(db, self.catalogue)
        self._stack = stack
        self._numbers = itertools.count(1)

    def key(self) -> str:
        """A name never used before."""
        return f"k{next(self._numbers)}"

    async def another_writer(self) -> Writer:
        """A writer as another process has one: with its own pool, catalogue and queue."""
        db = await Database.connect(self.url)
        self._stack.push_async_callback(db.close)
        writer = Writer(db, Catalogue(db))
        self._stack.push_async_callback(writer.close)
        return writer

    async def connection(self) -> asyncpg.Connection:
        """A bare connection, as an operator with psql has one."""
        connection = await asyncpg.connect(self.url)
        self._stack.push_async_callback(connection.close, timeout=5)
        return connection

    async def book(self, intent: Intent) -> Outcome:
        return await self.writer.book(intent)

    async def open(self, granted: int = 0, **given: Any) -> int:
        """The id of a new account with a first grant."""
        key = given.pop("key", None) or self.key()
        opened = done(await self.book(OpenAccount(idempotency_key=key, name="A", **given)))
        if granted:
            await self.grant(opened.account.id, granted)
        return opened.account.id

    async def grant(self, account_id: int, amount: int, **given: Any) -> Entry:
        given = {"idempotency_key": self.key(), "reason_code": "GRANT_PLAN"} | given
        return entry(await self.book(GrantCredits(account_id=account_id, amount=amount, **given)))

    async def charge(self, account_id: int, amount: int, **given: Any) -> Entry:
        given = {"idempotency_key": self.key()} | given
        return entry(await self.book(RecordCharge(account_id=account_id, amount=amount, **given)))

    async def refund(self, account_id: int, seq: int, amount: int | None, **given: Any) -> Entry:
        given = {"idempotency_key": self.key(), "reason_code": "GOODWILL"} | given
        return entry(
            await self.book(
                RefundCharge(account_id=account_id, charge_seq=seq, amount=amount, **given)
            )
        )

    async def adjust(self, account_id: int, amount: int, **given: Any) -> Entry:
        given = {
            "idempotency_key": self.key(),
            "reason_code": "MANUAL_CORRECTION",
            "note": "A note.",
            "author": "an operator",
        } | given
        return entry(await self.book(AdjustBalance(account_id=account_id, amount=amount, **given)))

    async def start(self, account_id: int, amount: int, **given: Any) -> Job:
        outcome = done(await self.book(self.starting(account_id, amount, **given)))
        assert outcome.job is not None
        return outcome.job

    def starting(self, account_id: int, amount: int, **given: Any) -> StartJob:
        given = {
            "idempotency_key": self.key(),
            "key": self.key(),
            "job_operation": "txt2img",
            "deadline_seconds": 3600,
        } | given
        return StartJob(account_id=account_id, amount=amount, **given)

    def finishing(self, job: Job, status: JobStatus, **given: Any) -> FinishJob:
        given = {"idempotency_key": self.key()} | given
        return FinishJob(account_id=job.account_id, key=job.key, status=status, **given)

    async def sweep(self) -> int:
        return await sweep(self.db, self.catalogue, self.writer)

    async def past_deadline(self, job: Job) -> None:
        """Come back when the job's deadline has passed."""
        await self.db.fetchval(
            "select pg_sleep(greatest(0, extract(epoch from $1 - clock_timestamp())) + 0.001)",
            job.deadline_at,
        )

    async def account(self, account_id: int) -> Account:
        return (await accounts.by_ids(self.db, [account_id]))[account_id]

    async def job(self, job: Job) -> Job:
        """The job as it is now."""
        found = await jobs.by_key(self.db, job.account_id, job.key)
        assert found is not None
        return found

    async def lines(self, account_id: int) -> list[Entry]:
        return await feed.later(self.db, account_id, 0, 1_000_000)

    async def image(self) -> dict[str, str]:
        """Everything there is, by table: equal images mean that nothing moved."""
        return {
            table: await self.db.fetchval(
                "select coalesce(md5(string_agg(t::text, ';' order by t::text)), '')"
                f" from {table} t"
            )
            for table in TABLES
        }

    async def audited(self) -> None:
        """Fail with what an audit finds."""
        assert await self.findings() == []

    async def findings(self) -> list[str]:
        return [str(finding) for finding in await audit(self.db, lambda done, whole: None)]


def done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def entry(outcome: Outcome) -> Entry:
    """The line that the outcome booked."""
    booked = done(outcome).entry
    assert booked is not None
    return booked


def counted(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many of each outcome, a replayed one counted apart."""
    return dict(
        Counter(
            "Replayed" if isinstance(outcome, Done) and outcome.replayed else type(outcome).__name__
            for outcome in outcomes
        )
    )


def only(outcomes: Iterable[Outcome], kind: type[_O]) -> list[_O]:
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


def instant(text: str) -> datetime:
    """An instant in UTC, as in `2026-01-31 23:59:59.5`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
