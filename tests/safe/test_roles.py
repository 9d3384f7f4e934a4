"""The sweep's role ends what is due and refunds it, and nothing else can be done in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from models.database import SWEEP_ROLE, Database
from models.intents import (
    AdjustBalance,
    ExpireJob,
    FinishJob,
    GrantCredits,
    OpenAccount,
    RecordCharge,
    RefundCharge,
)
from models.outcomes import JobNotFound, OutcomeUnknown
from models.records import JobStatus
from models.refund_rule import default_code, rule
from models.sweep import sweep
from models.writer import Writer
from schema import ids
from tests.api.support import Api, Caller
from tests.owner import owner_of


@pytest.fixture
async def sweeping(api: Api) -> AsyncGenerator[tuple[Database, Writer]]:
    """The role, and a writer that acts in it."""
    db = await Database.connect(api.process.services.db.dsn, 1, SWEEP_ROLE)
    writer = Writer(db, api.process.services.catalogue)
    try:
        yield db, writer
    finally:
        await writer.close()
        await db.close()


async def started(service: Caller, key: str, seconds: int) -> tuple[int, int, str]:
    """An account with a job: its id, the charge's seq, and its global id."""
    account = await service.opened(key)
    given = {"account": account, "key": "j", "operation": "o", "amount": 9}
    job = await service.do("startJob", **given, deadlineSeconds=seconds)
    account_id = ids.to_account(account)
    assert account_id is not None
    return account_id, job["entry"]["seq"], account


async def test_a_due_job_is_ended_and_refunded_in_the_sweeps_role(
    api: Api, service: Caller, sweeping: tuple[Database, Writer]
) -> None:
    db, writer = sweeping
    async with owner_of(api.process) as owner:  # the server's own sweep shall not be faster
        await owner.execute(f"revoke insert on entry from {SWEEP_ROLE}")
        _, _, account = await started(service, "acme", 1)
        await asyncio.sleep(1.1)
        await owner.execute(f"grant insert on entry to {SWEEP_ROLE}")
    await sweep(db, api.process.services.catalogue, writer)
    assert (await service.balance(account))[0] == 1_000
    kinds = [line["kind"] for line in await service.lines(account)]
    assert kinds == ["GRANT", "CHARGE", "REFUND"]


async def test_no_other_intent_is_booked_in_the_sweeps_role(
    api: Api, service: Caller, sweeping: tuple[Database, Writer]
) -> None:
    _, writer = sweeping
    account_id, charge_seq, account = await started(service, "acme", 600)
    before = await service.balance(account)
    about: dict[str, Any] = {"account_id": account_id, "idempotency_key": "k"}
    for intent in (
        OpenAccount(idempotency_key="mine", name="Mine"),
        GrantCredits(**about, amount=1, reason_code="GRANT_PLAN"),
        RecordCharge(**about, amount=1),
        RefundCharge(**about, charge_seq=charge_seq, amount=1, reason_code="GOODWILL"),
        AdjustBalance(**about, amount=1, reason_code="MANUAL_CORRECTION", author="me", note="mine"),
        FinishJob(**about, key="j", status=JobStatus.SUCCEEDED),
    ):
        assert isinstance(await writer.book(intent), OutcomeUnknown), intent
    assert await service.balance(account) == before
    reason = await api.process.services.catalogue.get(default_code(JobStatus.EXPIRED, None))
    assert reason is not None
    ruling = rule(JobStatus.EXPIRED, reason, None, None)
    assert ruling is not None
    early = ExpireJob(account_id=account_id, charge_seq=charge_seq, ruling=ruling)
    assert isinstance(await writer.book(early), JobNotFound)
    assert isinstance(await writer.book(replace(early, charge_seq=1)), JobNotFound)
    assert await service.balance(account) == before


async def test_the_sweeps_role_reads_no_keys_and_alters_nothing_by_hand(
    service: Caller, sweeping: tuple[Database, Writer]
) -> None:
    db, _ = sweeping
    await started(service, "acme", 600)
    for statement in (
        "select hash from service_key",
        "select key from idempotency_key",
        "insert into reason select * from reason",
        "insert into account select * from account",
        "insert into job select * from job",
        "insert into entry select * from entry",
        "update account set overdraft_limit = 9",
        "update account set name = 'mine'",
        "update account set balance = balance + 1",
        "update entry set amount = 1",
        "update job set charge_seq = 1",
        "delete from job",
        "truncate entry",
        "alter table entry disable trigger all",
        "drop policy sweep_refunds on entry",
    ):
        with pytest.raises(asyncpg.PostgresError):
            await db.execute(statement)
    # A job that is not due is not there to be ended.
    assert await db.execute("update job set status = 'EXPIRED'") == "UPDATE 0"
