"""The audit finds what a superuser with triggers off did, and nothing where nothing was done."""

from __future__ import annotations

import re

import asyncpg
import pytest

from models.audit import PROMISES, Finding, audit
from models.audit.checks import SOURCES
from models.records import JobStatus
from tests.ledger.support import TABLES, Ledger, instant

# What was done to the account acme (its id is 1), and the rows that must be named for it.
TAMPERED: dict[str, set[str]] = {
    "update entry set amount = amount - 1 where account_id = 1 and seq = 2":
        {"2 line 2", "1 account"},
    "update entry set balance_after = balance_after + 1 where account_id = 1 and seq = 2":
        {"2 line 2", "2 line 3"},
    "update entry set granted_after = 101, adjusted_after = -1 where account_id = 1 and seq = 3":
        {"2 line 3", "2 line 4"},
    "update entry set charged_after = charged_after + 1, refunded_after = refunded_after + 1"
    " where account_id = 1 and seq = 3":
        {"2 line 3", "2 line 4"},
    "delete from entry where account_id = 1 and seq = 3":
        {"2 line 4", "1 account", "2 account", "6 line 3"},
    "delete from entry where account_id = 1 and seq = 12":
        {"1 account", "2 account", "10 account", "6 line 12"},
    "update entry set account_id = 77, seq = 13 where account_id = 1 and seq = 12":
        {"1 line 13", "2 line 13", "6 line 13", "1 account", "2 account", "10 account",
         "6 line 12"},
    "update entry set kind = 'GRANT', reason_code = 'GRANT_PLAN' where account_id = 1 and seq = 2":
        {"2 line 2", "4 line 3", "6 line 2"},
    "update entry set amount = 9007199254740992 where account_id = 1 and seq = 1":
        {"2 line 1", "1 account"},
    "update entry set corrects_seq = 12 where account_id = 1 and seq = 12": {"2 line 12"},
    "update entry set reason_code = 'GRANT_PLAN' where account_id = 1 and seq = 2": {"3 line 2"},
    "delete from reason where code = 'CHARGEBACK'": {"3 line 12"},
    "update account set overdraft_limit = 39 where key = 'acme'": {"7 line 9"},
    "update entry set recorded_at = recorded_at - interval '1 hour'"
    " where account_id = 1 and seq = 3":
        {"10 line 3"},
    "update entry set recorded_at = now() + interval '1 day' where account_id = 1 and seq = 12":
        {"10 line 12", "10 account"},
    "update entry set imported = true where account_id = 1 and seq = 3": {"10 line 3"},
    "update account set balance = balance + 1, granted = granted + 1 where key = 'acme'":
        {"1 account"},
    "update account set last_seq = last_seq + 1 where key = 'acme'": {"2 account"},
    "update account set recorded_at = now() where key = 'acme'": {"10 account"},
    "update account set live = false where key = 'acme'": {"10 account"},
    "update entry set charge_seq = 1 where account_id = 1 and seq = 3": {"4 line 3"},
    "update entry set charge_seq = 4, job_seq = 4 where account_id = 1 and seq = 3":
        {"4 line 3", "4 line 5"},
    "update entry set charge_seq = 4 where account_id = 1 and seq = 3": {"4 line 3", "4 line 5"},
    "update entry set charge_seq = 4, job_seq = 4, rule = 'default/1'"
    " where account_id = 1 and seq = 7":
        {"4 line 7", "5 line 7", "6 line 7", "5 job fails", "5 job expires"},
    "delete from job where key = 'fails'": {"5 line 4", "5 line 5", "6 line 4", "6 line 5"},
    "delete from idempotency_key where key = 'charged'": {"6 line 2"},
    "insert into idempotency_key select account_id, 'twice', operation, input_hash, seq, job_seq"
    " from idempotency_key where key = 'charged'":
        {"6 line 2"},
    "update idempotency_key set operation = 'GRANT' where key = 'charged'": {"6 line 2"},
    "update idempotency_key set seq = 99 where key = 'charged'": {"6 line 2", "6 line 99"},
    "update idempotency_key set job_seq = 4 where key = 'charged'": {"6 job fails"},
    "update idempotency_key set job_seq = 11, seq = null where key = 'succeeded'":
        {"6 job runs", "5 job runs", "5 job succeeds"},
    r"update idempotency_key set input_hash = '\x00' where key = 'charged'": {"6 line 2"},
    "update job set charge_seq = 1 where key = 'runs'": {"5 line 11", "6 line 11", "5 job runs"},
    "update job set decision_refunded = 51 where key = 'fails'": {"5 job fails"},
    "update job set decision_rule = 'default/1' where key = 'runs'": {"5 job runs"},
    "update job set decision_rule = 'other/1' where key = 'fails'": {"5 job fails"},
    "update job set decision_code = 'GOODWILL' where key = 'succeeds'": {"5 job succeeds"},
    "update job set status = 'FAILED', reason_code = 'PLATFORM_ERROR' where key = 'succeeds'":
        {"5 job succeeds"},
    "update job set done = 2 where key = 'partial'": {"5 job partial"},
    "delete from idempotency_key where key = 'succeeded'": {"5 job succeeds"},
    "update job set due_at = now() - interval '1 hour' where key = 'runs'": {"5 job runs"},
}  # fmt: skip


async def a_ledger_of_everything(ledger: Ledger) -> None:
    """Every kind of line, job and end: lines 1 to 12 of acme; imported history of another."""
    acme = await ledger.open(key="acme", overdraft_limit=100)
    await ledger.grant(acme, 100)
    await ledger.charge(acme, 100, idempotency_key="charged")
    await ledger.refund(acme, 2, 40)
    fails = await ledger.start(acme, 50, key="fails")
    await ledger.book(ledger.finishing(fails, JobStatus.FAILED))
    expires = await ledger.start(acme, 30, key="expires", deadline_seconds=1)
    await ledger.past_deadline(expires)
    await ledger.sweep()
    succeeds = await ledger.start(acme, 20, key="succeeds")
    await ledger.book(ledger.finishing(succeeds, JobStatus.SUCCEEDED, idempotency_key="succeeded"))
    partial = await ledger.start(acme, 60, key="partial", campaign="spring")
    await ledger.book(ledger.finishing(partial, JobStatus.PARTIAL, done=1, total=3))
    await ledger.start(acme, 1, key="runs")
    await ledger.adjust(acme, -5, reason_code="CHARGEBACK", corrects_seq=1)
    old = await ledger.open(key="old")
    for second in (1, 2):
        await ledger.grant(old, 5, recorded_at=instant(f"2024-01-01 00:00:0{second}"))


async def test_a_ledger_of_everything_has_no_findings(ledger: Ledger) -> None:
    await a_ledger_of_everything(ledger)
    assert await ledger.db.fetchval("select count(*) from entry") == 14


async def test_an_empty_ledger_has_no_findings(ledger: Ledger) -> None:
    assert await ledger.db.fetchval("select count(*) from account") == 0


async def test_whatever_a_superuser_alters_with_triggers_off_is_named(
    unaudited_ledger: Ledger,
) -> None:
    ledger = unaudited_ledger
    await a_ledger_of_everything(ledger)
    operator = await superuser_without_fences(ledger)
    seen: list[Finding] = []
    for statement, rows in TAMPERED.items():
        await operator.execute(statement)
        found = [finding for finding in await findings(ledger) if finding.promise]
        assert {row_of(finding) for finding in found} == rows, statement
        seen += found
        await operator.execute(f"truncate {', '.join(TABLES)}")
        for table in TABLES:
            await operator.execute(f"insert into {table} select * from kept_{table}")
    for check in (check for source in SOURCES for check in source.checks):
        pattern = re.sub(r"\\\{\w+\\\}", ".*", re.escape(check.sentence))
        assert any(re.fullmatch(pattern, finding.sentence) for finding in seen), check


async def test_an_altered_amount_is_told_by_account_line_and_figures(
    unaudited_ledger: Ledger,
) -> None:
    await a_ledger_of_everything(unaudited_ledger)
    operator = await unaudited_ledger.connection()
    await operator.execute("set session_replication_role = replica")
    await operator.execute("update entry set amount = -99 where account_id = 1 and seq = 2")
    assert await unaudited_ledger.findings() == [
        "2 The arithmetic is the customer's: account acme, line 2: "
        "its amount -99 took the balance from 100 to 0",
        "2 The arithmetic is the customer's: account acme, line 2: "
        "as CHARGE of -99 it took the total charged from 0 to 100",
        "1 Every movement has a line: account acme: its balance is -6, and the sum of its lines -5",
    ]


@pytest.mark.parametrize(
    ("statement", "fence"),
    [
        ("alter table entry disable trigger entry_is_append_only",
         "trigger entry.entry_is_append_only"),
        ("alter table entry disable trigger all", "foreign keys entry"),
        ("drop trigger job_ends_once on job", "trigger job.job_ends_once"),
        ("alter table entry drop constraint entry_sign", "constraint entry.entry_sign"),
        ("alter table account drop constraint account_scale,"
         " add constraint account_scale check (scale >= 0)", "constraint account.account_scale"),
        ("alter table reason drop constraint reason_fault,"
         " add constraint reason_fault check (fault in ('PLATFORM', 'PROVIDER', 'CUSTOMER',"
         " 'NONE')) not valid", "constraint reason.reason_fault"),
        ("drop index entry_one_automatic_refund_per_charge",
         "index entry_one_automatic_refund_per_charge"),
        ("create or replace function refuse_change() returns trigger language plpgsql"
         " as 'begin return new; end'", "function refuse_change()"),
        ("alter table entry alter column reason_code drop not null", "column entry.reason_code"),
    ],
)  # fmt: skip
async def test_a_fence_that_is_gone_altered_or_off_is_named(
    unaudited_ledger: Ledger, statement: str, fence: str
) -> None:
    await unaudited_ledger.db.execute(statement)
    found = await findings(unaudited_ledger)
    assert {finding.promise for finding in found} == {0}
    assert any(finding.sentence.startswith(f"{fence} is ") for finding in found)


async def test_progress_counts_up_to_the_whole_in_chunks_of_accounts(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.audit.LINES_PER_CHUNK", 5)
    for _ in range(7):
        await ledger.open(granted=3)
    told: list[tuple[int, int]] = []
    assert await audit(ledger.db, lambda done, whole: told.append((done, whole))) == []
    assert {whole for _, whole in told} == {6 * 7 * 2}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert (told[0][0], told[-1][0]) == (0, 84)
    assert len(told) > 6 * 2


async def superuser_without_fences(ledger: Ledger) -> asyncpg.Connection:
    """A connection past every fence, with each table's rows kept in a copy."""
    operator = await ledger.connection()
    await operator.execute("set session_replication_role = replica")
    checks = await operator.fetch(
        "select conrelid::regclass as owner, conname from pg_constraint"
        " where contype = 'c' and conrelid <> 0"
        " and connamespace = current_schema()::regnamespace"
    )
    for check in checks:
        await operator.execute(f"alter table {check['owner']} drop constraint {check['conname']}")
    await operator.execute("drop index entry_one_automatic_refund_per_charge")
    for table in TABLES:
        await operator.execute(f"create table kept_{table} as table {table}")
    return operator


async def findings(ledger: Ledger) -> list[Finding]:
    return await audit(ledger.db, lambda done, whole: None)


def row_of(finding: Finding) -> str:
    assert finding.promise in PROMISES
    if finding.job is not None:
        return f"{finding.promise} job {finding.job}"
    row = "account" if finding.seq is None else f"line {finding.seq}"
    return f"{finding.promise} {row}"
