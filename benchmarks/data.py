"""What is in the database that benchmarks run on: customers with some history, booked by the writer
as everything is.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.stage import Stage
from models import service_keys
from models.database import Database
from models.intents import FinishJob, GrantCredits, Intent, OpenAccount, StartJob
from models.migrate import migrate
from models.outcomes import Done, Outcome
from models.reasons import Catalogue
from models.records import JobStatus
from models.writer import Writer

JOBS = 200
LINES = 1 + JOBS + -(-JOBS // 3)
"""Of an account: a grant, a charge for each job, a refund for every third."""
CREDITS = 10**9


@dataclass(frozen=True, slots=True)
class Customer:
    """An account, and the token of the customer that it belongs to."""

    account_id: int
    key: str
    token: str


async def booked(stage: Stage, customers: int, jobs: int = JOBS) -> list[Customer]:
    """So many accounts, each with a grant and so many jobs of which every third is refunded."""
    await migrate(stage.dsn)
    db = await Database.connect(stage.dsn)
    writer = Writer(db, Catalogue(db))
    try:
        keys = [f"customer-{number}" for number in range(customers)]
        opened = await writer.book_many(
            [OpenAccount(idempotency_key=key, name=key) for key in keys]
        )
        accounts = [_done(outcome).account.id for outcome in opened]
        granted = [_grant(account_id) for account_id in accounts]
        history = [one for account_id in accounts for one in _history(account_id, jobs)]
        for outcome in await writer.book_many([*granted, *history]):
            _done(outcome)
        await db.execute("vacuum analyze")  # or the first rounds meet other plans than the last
        return [
            Customer(account_id, key, stage.credentials.customer(key))
            for account_id, key in zip(accounts, keys, strict=True)
        ]
    finally:
        await writer.close()
        await db.close()


async def service_token(dsn: str, *scopes: str) -> str:
    """The key of a service with these scopes."""
    db = await Database.connect(dsn)
    try:
        return await service_keys.create(db, "benchmark", scopes)
    finally:
        await db.close()


def _grant(account_id: int) -> Intent:
    return GrantCredits(
        account_id=account_id, idempotency_key="grant", amount=CREDITS, reason_code="GRANT_PLAN"
    )


def _history(account_id: int, jobs: int) -> list[Intent]:
    history: list[Intent] = []
    for number in range(jobs):
        history.append(
            StartJob(
                account_id=account_id,
                idempotency_key=f"start-{number}",
                key=f"job-{number}",
                job_operation="draft",
                amount=10 + number % 7,
                deadline_seconds=10**6,
                campaign="spring",
            )
        )
        if number % 3 == 0:
            history.append(
                FinishJob(
                    account_id=account_id,
                    idempotency_key=f"finish-{number}",
                    key=f"job-{number}",
                    status=JobStatus.FAILED,
                    reason_code="PROVIDER_ERROR",
                    detail="The provider did not answer.",
                )
            )
    return history


def _done(outcome: Outcome) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome
