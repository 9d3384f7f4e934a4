"""What the database refuses whoever asks: promises 1 to 5, 7 and 10 with no writer between.

Every attempt is an operator's with psql, and each must leave every row as it was.
"""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson
import pytest

from models.records import JobStatus
from tests.ledger.support import Ledger, done, instant

Line = dict[str, Any]

NOW = "now"
FOLLOWS = "does not follow from the line before it"
BACK = "refunds what is no charge, another job's, or more than the charge took"

# Of the account `acme` lines 1 to 3 are a grant of 100, a charge of 60 and a job's charge of 10.
CHARGE: Line = {
    "account_id": 1, "seq": 4, "kind": "CHARGE", "amount": -10, "balance_after": 20,
    "granted_after": 100, "charged_after": 80, "refunded_after": 0, "adjusted_after": 0,
    "reason_code": "USAGE_CHARGE", "imported": False, "occurred_at": NOW, "recorded_at": NOW,
}  # fmt: skip
REFUND: Line = CHARGE | {
    "kind": "REFUND", "amount": 60, "balance_after": 90, "charged_after": 70,
    "refunded_after": 60, "reason_code": "GOODWILL", "charge_seq": 2,
}  # fmt: skip
JOB_REFUND: Line = REFUND | {
    "amount": 10, "balance_after": 40, "refunded_after": 10, "charge_seq": 3, "job_seq": 3,
    "rule": "default/1",
}  # fmt: skip
ADJUSTMENT: Line = CHARGE | {
    "kind": "ADJUSTMENT", "amount": -10, "charged_after": 70, "adjusted_after": -10,
    "reason_code": "CHARGEBACK", "author": "ann", "note": "n", "corrects_seq": 1,
}  # fmt: skip
# Of the account `old` line 1 is a grant of 100, imported.
IMPORTED: Line = CHARGE | {
    "account_id": 2, "seq": 2, "balance_after": 90, "charged_after": 10, "imported": True,
    "recorded_at": "2024-01-01 00:00:01+00",
}  # fmt: skip

VALID = [CHARGE, REFUND, JOB_REFUND, ADJUSTMENT, IMPORTED]

# The lines of one INSERT, and what refuses it.
REFUSED: list[tuple[list[Line], str]] = [
    ([CHARGE | {"seq": 5}], FOLLOWS),
    ([CHARGE | {"seq": 3}], "entry_pkey"),
    ([CHARGE | {"seq": 0}], "entry_seq_starts_at_1"),
    ([CHARGE | {"account_id": 77}], "entry_account_id_fkey"),
    ([CHARGE | {"amount": -9}], FOLLOWS),
    ([CHARGE | {"balance_after": 21}], "entry_balance_is_the_sum"),
    ([CHARGE | {"balance_after": 21, "charged_after": 79}], FOLLOWS),
    ([CHARGE | {"granted_after": 101, "charged_after": 81}], FOLLOWS),
    ([CHARGE | {"refunded_after": 1, "charged_after": 81}], FOLLOWS),
    ([CHARGE | {"adjusted_after": 1, "charged_after": 81}], FOLLOWS),
    ([CHARGE, CHARGE | {"seq": 5}], FOLLOWS),
    ([CHARGE, CHARGE | {"seq": 6, "balance_after": 10, "charged_after": 90}], FOLLOWS),
    ([CHARGE | {"amount": 10, "balance_after": 40, "charged_after": 60}], "entry_sign"),
    ([CHARGE | {"amount": 0, "balance_after": 30, "charged_after": 70}], "entry_sign"),
    ([CHARGE | {"kind": "BONUS"}], "entry_sign"),
    (
        [ADJUSTMENT | {"amount": 2**53, "balance_after": 2**53 + 30, "adjusted_after": 2**53}],
        "entry_credits_are_exact",
    ),
    ([CHARGE | {"amount": -31, "balance_after": -1, "charged_after": 101}], FOLLOWS),
    ([CHARGE | {"reason_code": None}], "reason_code"),
    ([CHARGE | {"reason_code": "NO_SUCH_REASON"}], "entry_reason"),
    ([CHARGE | {"reason_code": "GOODWILL"}], "entry_reason"),
    ([CHARGE | {"author": "ann"}], "entry_parts_of_its_kind"),
    ([CHARGE | {"charge_seq": 2}], "entry_parts_of_its_kind"),
    ([CHARGE | {"rule": "default/1"}], "entry_parts_of_its_kind"),
    ([CHARGE | {"job_seq": 3}], "entry_parts_of_its_kind"),
    ([CHARGE | {"job_seq": 4}], "entry_belongs_to_a_job"),
    ([CHARGE | {"recorded_at": "2026-01-01 00:00:00+00"}], FOLLOWS),
    ([CHARGE | {"recorded_at": "9000-01-01 00:00:00+00"}], FOLLOWS),
    ([CHARGE | {"imported": True}], FOLLOWS),
    ([REFUND | {"charge_seq": None}], "entry_parts_of_its_kind"),
    ([REFUND | {"charge_seq": 99}], "entry_parts_of_its_kind"),
    ([REFUND | {"charge_seq": 4}], "entry_parts_of_its_kind"),
    ([REFUND | {"charge_seq": 1}], BACK),
    ([REFUND | {"amount": 61, "balance_after": 91, "refunded_after": 61}], BACK),
    (
        [
            REFUND,
            REFUND | {"seq": 5, "amount": 1, "balance_after": 91, "refunded_after": 61},
        ],
        BACK,
    ),
    ([REFUND | {"campaign": "spring"}], BACK),
    ([JOB_REFUND | {"job_seq": None, "rule": None}], BACK),
    ([JOB_REFUND | {"job_seq": None}], "entry_parts_of_its_kind"),
    (
        [
            JOB_REFUND | {"amount": 5, "balance_after": 35, "refunded_after": 5},
            JOB_REFUND | {"seq": 5, "amount": 5},
        ],
        "entry_one_automatic_refund_per_charge",
    ),
    ([ADJUSTMENT | {"note": None}], "entry_parts_of_its_kind"),
    ([ADJUSTMENT | {"author": None}], "entry_parts_of_its_kind"),
    ([ADJUSTMENT | {"corrects_seq": 4}], "entry_parts_of_its_kind"),
    ([ADJUSTMENT | {"corrects_seq": 0}], "entry_corrects_an_entry"),
    ([IMPORTED | {"recorded_at": "9000-01-01 00:00:00+00"}], FOLLOWS),
    ([IMPORTED | {"recorded_at": "2023-12-31 23:59:59+00"}], FOLLOWS),
    ([IMPORTED | {"imported": False}], FOLLOWS),
    (
        [
            IMPORTED | {"imported": False, "recorded_at": NOW},
            IMPORTED | {"seq": 3, "balance_after": 80, "charged_after": 20, "recorded_at": NOW},
        ],
        FOLLOWS,
    ),
]

STATEMENTS = {
    "update entry set amount = amount": "what is booked never changes",
    "update entry set detail = 'x' where seq = 1": "what is booked never changes",
    "delete from entry": "what is booked never changes",
    "delete from entry where seq = 77": "what is booked never changes",
    "truncate entry cascade": "what is booked never changes",
    "update idempotency_key set key = 'x'": "what is booked never changes",
    "delete from idempotency_key": "what is booked never changes",
    "delete from job": "what is booked never changes",
    "delete from account": "what is booked never changes",
    "truncate account cascade": "what is booked never changes",
    "update account set balance = balance + 1": "moves by lines only",
    "update account set balance = balance + 1, granted = granted + 1": "moves by lines only",
    "update account set last_seq = last_seq + 1": "moves by lines only",
    "update account set recorded_at = now()": "moves by lines only",
    "update account set live = true": "moves by lines only",
    "update account set unit = 'seconds'": "identity",
    "update account set key = key || 'x'": "identity",
    "update account set scale = 2": "identity",
    "update account set overdraft_limit = overdraft_limit - 1": "never lowered",
    "update account set overdraft_limit = 9007199254740992": "account_credits_are_exact",
    "update reason set kind = 'GRANT' where code = 'JOB_CHARGE'": "entry_reason",
    "delete from reason where code = 'JOB_CHARGE'": "entry_reason",
    "insert into reason values ('X', 'BONUS', 'x', 'NONE')": "reason_kind",
    "insert into reason values ('X', 'GRANT', '', 'NONE')": "reason_says_something",
    "update job set status = 'RUNNING' where key = 'ended'": "ends once",
    "update job set decision_detail = 'x' where key = 'ended'": "ends once",
    "update job set key = 'x' where key = 'runs'": "ends once",
    "update job set due_at = now() where key = 'runs'": "ends once",
    "update job set status = 'SUCCEEDED' where key = 'runs'": "job_end_has_a_decision",
    "update job set status = 'LOST', finished_at = now(), reason_code = 'COMPLETED',"
    " decision_code = 'COMPLETED', decision_refunded = 0, decision_rule = 'r'"
    " where key = 'runs'": "job_status",
    "insert into job select account_id, 2, 'x', operation, campaign, status, started_at,"
    " deadline_at, due_at, finished_at, reason_code, done, total, decision_code,"
    " decision_detail, decision_refunded, decision_rule from job where key = 'ended'":
        "a job starts RUNNING",
    "insert into job (account_id, charge_seq, key, operation, status, started_at, deadline_at,"
    " due_at) values (1, 77, 'x', 'o', 'RUNNING', now(), now(), now())": "job_is_paid_for",
    "insert into job (account_id, charge_seq, key, operation, status, started_at, deadline_at,"
    " due_at) values (1, 2, 'runs', 'o', 'RUNNING', now(), now(), now())": "job_key",
    r"insert into idempotency_key values (1, 'x', 'GRANT', '\x', 77, null)": "seq_fkey",
    r"insert into idempotency_key values (1, 'x', 'FINISH_JOB', '\x', null, 2)": "job_seq_fkey",
    r"insert into idempotency_key values (1, 'x', 'GRANT', '\x', null, null)": "names_an_outcome",
    r"insert into idempotency_key values (1, 'x', 'GIFT', '\x', 1, null)": "names_an_outcome",
}  # fmt: skip

OPENED: Line = {
    "id": 9, "key": "x", "name": "x", "unit": "credits", "scale": 0, "time_zone": "UTC",
    "overdraft_limit": 0, "balance": 0, "granted": 0, "charged": 0, "refunded": 0, "adjusted": 0,
    "last_seq": 0, "live": False, "opened_at": NOW, "input_hash": "",
}  # fmt: skip
NOT_OPENED: list[tuple[Line, str]] = [
    ({"balance": 1, "granted": 1}, "opens empty"),
    ({"last_seq": 1}, "opens empty"),
    ({"live": True}, "opens empty"),
    ({"recorded_at": NOW}, "opens empty"),
    ({"scale": 13}, "account_scale"),
    ({"overdraft_limit": -1}, "account_credits_are_exact"),
    ({"key": "acme"}, "account_key_key"),
]


@pytest.fixture
async def operator(ledger: Ledger) -> asyncpg.Connection:
    """An operator's connection to a ledger of two accounts, 1 live and 2 imported."""
    acme = await ledger.open(key="acme", granted=100)
    await ledger.charge(acme, 60)
    await ledger.start(acme, 10, key="runs")
    old = await ledger.open(key="old")
    await ledger.grant(old, 100, recorded_at=instant("2024-01-01 00:00:00"))
    assert (acme, old) == (1, 2)
    return await ledger.connection()


async def insert(operator: asyncpg.Connection, table: str, *rows: Line) -> None:
    """Insert rows in one statement; what is to be NOW is the clock's time once it has begun."""
    async with operator.transaction():
        now = await operator.fetchval("select clock_timestamp()::text")
        given = [{k: now if v == NOW else v for k, v in row.items()} for row in rows]
        await operator.execute(
            f"insert into {table} select * from jsonb_populate_recordset(null::{table}, $1)",
            orjson.dumps(given).decode(),
        )


async def test_lines_that_follow_are_taken_from_any_hand_and_move_the_balance(
    ledger: Ledger, operator: asyncpg.Connection
) -> None:
    for line in VALID:
        rolled_back = operator.transaction()
        await rolled_back.start()
        await insert(operator, "entry", line)
        balance = await operator.fetchval(
            "select balance from account where id = $1", line["account_id"]
        )
        assert balance == line["balance_after"]
        await rolled_back.rollback()


async def test_a_line_that_does_not_follow_is_refused_in_every_way(
    ledger: Ledger, operator: asyncpg.Connection
) -> None:
    image = await ledger.image()
    for lines, refusal in REFUSED:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as raised:
            await insert(operator, "entry", *lines)
        assert refusal in str(raised.value), lines
    assert await ledger.image() == image


async def test_booked_rows_are_never_altered_or_removed_and_balances_never_moved_by_hand(
    ledger: Ledger, operator: asyncpg.Connection
) -> None:
    ends = await ledger.open(granted=10)
    job = await ledger.start(ends, 10, key="ended")
    done(await ledger.book(ledger.finishing(job, JobStatus.FAILED)))
    image = await ledger.image()
    for statement, refusal in STATEMENTS.items():
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as raised:
            await operator.execute(statement)
        assert refusal in str(raised.value), statement
    assert await ledger.image() == image


async def test_an_account_opens_empty(ledger: Ledger, operator: asyncpg.Connection) -> None:
    image = await ledger.image()
    for other, refusal in NOT_OPENED:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError) as raised:
            await insert(operator, "account", OPENED | other)
        assert refusal in str(raised.value), other
    assert await ledger.image() == image
    await insert(operator, "account", OPENED)


async def test_a_line_by_hand_waits_for_the_one_in_flight(
    ledger: Ledger, operator: asyncpg.Connection
) -> None:
    other = await ledger.connection()
    await other.execute("set lock_timeout = '100ms'")
    in_flight = operator.transaction()
    await in_flight.start()
    await insert(operator, "entry", CHARGE)
    with pytest.raises(asyncpg.LockNotAvailableError):
        await insert(other, "entry", REFUND)
    await in_flight.rollback()
