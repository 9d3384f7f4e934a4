"""What each operation answers: one row per way an intent can end, in the order of `outcomes.py`.

The rows' outcomes are held against the schema's result unions, so that no answer is untried. Only
`OutcomeUnknown` needs a lost connection: see test_retries.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

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
from models.outcomes import (
    AccountNotFound,
    ChargeNotFound,
    Done,
    EntryNotFound,
    IdempotencyConflict,
    InsufficientCredits,
    InvalidInput,
    JobAlreadyExists,
    JobAlreadyFinished,
    JobNotFound,
    Outcome,
    RefundExceedsCharge,
    Refusal,
    UnknownReason,
)
from models.records import CREDITS_MAX, Account, Entry, Job, JobStatus
from tests.ledger.support import Ledger, counted, done, instant

SCHEMA = Path(__file__).parents[2] / "schema" / "schema.graphql"

# The account `acme`: lines 1 to 5 are a grant of 100, a charge of 60, a charge of 10 for the job
# `runs`, a charge of 10 for the job `failed` and its refund. 30 credits are available.
ACME: dict[str, Any] = {"account_id": 1, "idempotency_key": "new"}
MISSING = {"account_id": 7777}
BOUND = {"idempotency_key": "granted"}
TEXT_PROBLEMS = ["", "  ", "x" * 10_000, "a\0b", "\ud800"]

Row = tuple[dict[str, Any], type[Outcome], dict[str, Any]]


def invalid(field: str, *values: Any, **given: Any) -> list[Row]:
    """A row for each value that the field refuses; `attribute` is its name here, if another."""
    attribute = given.pop("attribute", field)
    shown = re.sub("_([a-z])", lambda match: match[1].upper(), field)
    return [({**given, attribute: value}, InvalidInput, {"field": shown}) for value in values]


def invalid_everywhere() -> list[Row]:
    return [
        *invalid("idempotency_key", *TEXT_PROBLEMS),
        *invalid("occurred_at", instant("1969-12-31 23:59:59"), instant("9999-06-01 00:00:00")),
    ]


IMPORTED_TOO_LATE: list[Row] = [
    *invalid("recorded_at", instant("2020-01-01 00:00:00"), instant("9998-01-01 00:00:00")),
]
AMOUNT = invalid("amount", 0, -1, CREDITS_MAX + 1, 2**63, -(2**63) - 1)
METADATA = invalid(
    "metadata",
    {"a": "b" * 4_100},
    [[[[[[[[1]]]]]]]],
    {"a": "\0"},
    {"\0": 1},
    "\udfff",
    float("nan"),
    [float("inf")],
)

TABLE: dict[str, tuple[Intent, list[Row]]] = {
    "openAccount": (
        OpenAccount(idempotency_key="new", name="New"),
        [
            ({}, Done, {"entry": None, "job": None, "replayed": False}),
            ({"idempotency_key": "wide", "scale": 12, "overdraft_limit": CREDITS_MAX,
              "time_zone": "Asia/Kathmandu"}, Done, {"replayed": False}),
            ({"idempotency_key": "acme"}, IdempotencyConflict, {"entry": None, "job": None}),
            *invalid("key", *TEXT_PROBLEMS, attribute="idempotency_key"),
            *invalid("name", *TEXT_PROBLEMS),
            *invalid("unit", *TEXT_PROBLEMS),
            *invalid("scale", -1, 13),
            *invalid("time_zone", "", "Mars/Olympus", "europe/berlin"),
            *invalid("overdraft_limit", -1, CREDITS_MAX + 1),
        ],
    ),
    "grantCredits": (
        GrantCredits(**ACME, amount=5, reason_code="GRANT_PLAN"),
        [
            ({}, Done, {"amount": 5, "balance": 35}),
            (MISSING, AccountNotFound, {}),
            (BOUND, IdempotencyConflict, {"seq": 1}),
            ({"reason_code": "GIFT"}, UnknownReason, {"code": "GIFT"}),
            ({"reason_code": "GOODWILL"}, UnknownReason, {"code": "GOODWILL"}),
            *AMOUNT,
            ({"amount": CREDITS_MAX}, InvalidInput, {"field": "amount"}),
            *invalid("reason_code", *TEXT_PROBLEMS),
            *invalid("detail", *TEXT_PROBLEMS),
            *METADATA,
            *IMPORTED_TOO_LATE,
            *invalid_everywhere(),
        ],
    ),
    "recordCharge": (
        RecordCharge(**ACME, amount=5),
        [
            ({}, Done, {"amount": -5, "balance": 25}),
            ({"amount": 30}, Done, {"amount": -30, "balance": 0}),
            (MISSING, AccountNotFound, {}),
            ({"amount": 31}, InsufficientCredits, {"available": 30, "shortfall": 1}),
            (BOUND, IdempotencyConflict, {"seq": 1}),
            ({"reason_code": "USAGE"}, UnknownReason, {"code": "USAGE"}),
            ({"reason_code": "GRANT_PLAN"}, UnknownReason, {"code": "GRANT_PLAN"}),
            *AMOUNT,
            *invalid("reason_code", *TEXT_PROBLEMS),
            *invalid("detail", *TEXT_PROBLEMS),
            *invalid("campaign", *TEXT_PROBLEMS),
            *METADATA,
            *IMPORTED_TOO_LATE,
            *invalid_everywhere(),
        ],
    ),
    "refundCharge": (
        RefundCharge(**ACME, charge_seq=2, amount=5, reason_code="GOODWILL"),
        [
            ({}, Done, {"amount": 5, "balance": 35}),
            ({"amount": None}, Done, {"amount": 60, "balance": 90}),
            (MISSING, ChargeNotFound, {}),
            ({"charge_seq": 1}, ChargeNotFound, {}),
            ({"charge_seq": 5}, ChargeNotFound, {}),
            ({"charge_seq": 99}, ChargeNotFound, {}),
            ({"amount": 61}, RefundExceedsCharge, {"left": 60}),
            ({"charge_seq": 4, "amount": 1}, RefundExceedsCharge, {"left": 0}),
            ({"charge_seq": 4, "amount": None}, RefundExceedsCharge, {"left": 0}),
            (BOUND, IdempotencyConflict, {"seq": 1}),
            ({"reason_code": "USAGE_CHARGE"}, UnknownReason, {"code": "USAGE_CHARGE"}),
            ({"reason_code": "COMPLETED"}, UnknownReason, {"code": "COMPLETED"}),
            *AMOUNT,
            *invalid("reason_code", *TEXT_PROBLEMS),
            *invalid("detail", *TEXT_PROBLEMS),
            *METADATA,
            *IMPORTED_TOO_LATE,
            *invalid_everywhere(),
        ],
    ),
    "adjustBalance": (
        AdjustBalance(
            **ACME, amount=-5, reason_code="CHARGEBACK", note="n", author="ann", corrects_seq=1
        ),
        [
            ({}, Done, {"amount": -5, "balance": 25}),
            ({"amount": -31, "corrects_seq": None}, Done, {"amount": -31, "balance": -1}),
            ({"amount": 7, "reason_code": "MANUAL_CORRECTION"}, Done, {"balance": 37}),
            (MISSING, AccountNotFound, {}),
            ({"corrects_seq": 6}, EntryNotFound, {}),
            ({"corrects_seq": 0}, EntryNotFound, {}),
            (BOUND, IdempotencyConflict, {"seq": 1}),
            ({"reason_code": "GOODWILL"}, UnknownReason, {"code": "GOODWILL"}),
            *invalid("amount", 0, CREDITS_MAX + 1, -CREDITS_MAX - 1),
            ({"amount": CREDITS_MAX}, InvalidInput, {"field": "amount"}),
            *invalid("reason_code", *TEXT_PROBLEMS),
            *invalid("note", *TEXT_PROBLEMS),
            *METADATA,
            *invalid_everywhere(),
        ],
    ),
    "startJob": (
        StartJob(**ACME, key="j", job_operation="txt2img", amount=5, deadline_seconds=60),
        [
            ({}, Done, {"amount": -5, "balance": 25, "status": JobStatus.RUNNING}),
            (MISSING, AccountNotFound, {}),
            ({"amount": 31}, InsufficientCredits, {"available": 30, "shortfall": 1}),
            (BOUND, IdempotencyConflict, {"seq": 1}),
            ({"key": "runs"}, JobAlreadyExists, {"status": JobStatus.RUNNING}),
            ({"key": "failed"}, JobAlreadyExists, {"status": JobStatus.FAILED}),
            *invalid("key", *TEXT_PROBLEMS),
            *invalid("operation", *TEXT_PROBLEMS, attribute="job_operation"),
            *AMOUNT,
            *invalid("deadline_seconds", 0, -1, 366 * 86_400 + 1),
            *invalid("detail", *TEXT_PROBLEMS),
            *invalid("campaign", *TEXT_PROBLEMS),
            *METADATA,
            *IMPORTED_TOO_LATE,
            *invalid_everywhere(),
        ],
    ),
    "finishJob": (
        FinishJob(**ACME, key="runs", status=JobStatus.FAILED),
        [
            ({}, Done, {"amount": 10, "balance": 40, "status": JobStatus.FAILED}),
            ({"status": JobStatus.SUCCEEDED}, Done, {"entry": None, "balance": 30}),
            ({"status": JobStatus.PARTIAL, "done": 2, "total": 3}, Done, {"amount": 4}),
            ({"status": JobStatus.CANCELLED, "done": 0, "total": 3}, Done, {"amount": 10}),
            ({"status": JobStatus.CANCELLED}, Done, {"amount": 10}),
            ({"reason_code": "INPUT_POLICY"}, Done, {"entry": None, "balance": 30}),
            ({"key": "failed"}, Done, {"entry": None, "balance": 30}),
            (MISSING, AccountNotFound, {}),
            ({"key": "none"}, JobNotFound, {}),
            (BOUND, IdempotencyConflict, {"seq": 1}),
            ({"key": "failed", "status": JobStatus.SUCCEEDED}, JobAlreadyFinished,
             {"status": JobStatus.FAILED}),
            ({"key": "failed", "reason_code": "PROVIDER_ERROR"}, JobAlreadyFinished,
             {"status": JobStatus.FAILED}),
            ({"reason_code": "BAD_LUCK"}, UnknownReason, {"code": "BAD_LUCK"}),
            *invalid("key", *TEXT_PROBLEMS),
            *invalid("status", JobStatus.RUNNING, JobStatus.EXPIRED),
            *invalid("reason_code", *TEXT_PROBLEMS, "COMPLETED", "ALREADY_REFUNDED", "GRANT_PLAN"),
            *invalid("detail", *TEXT_PROBLEMS),
            *invalid("reason_code", "GOODWILL", "INPUT_POLICY", status=JobStatus.SUCCEEDED),
            *invalid("reason_code", "INPUT_POLICY", status=JobStatus.CANCELLED),
            *invalid("done", None, -1, 4, status=JobStatus.PARTIAL, total=3),
            *invalid("total", None, 0, 2**31, status=JobStatus.PARTIAL, done=0),
            *invalid("done", None, status=JobStatus.CANCELLED, total=3),
            *invalid("total", None, status=JobStatus.CANCELLED, done=0),
            *invalid("done", 1, status=JobStatus.SUCCEEDED, total=3),
            *invalid("total", 1),
            *IMPORTED_TOO_LATE,
            *invalid_everywhere(),
        ],
    ),
}  # fmt: skip

UNTRIED = {("startJob", "UnknownReason")}
"""The reason of a job's charge is the ledger's own, which the catalogue always has."""


@pytest.mark.parametrize("operation", TABLE)
async def test_every_intent_ends_as_the_table_says_and_a_refused_one_moves_nothing(
    ledger: Ledger, operation: str
) -> None:
    intent, rows = TABLE[operation]
    account_ids = await accounts_like_acme(ledger, len(rows))
    for account_id, (given, kind, expected) in zip(account_ids, rows, strict=True):
        image = await ledger.image()
        outcome = await ledger.book(replace(intent, **{"account_id": account_id} | given))
        assert type(outcome) is kind, (given, outcome)
        assert shown(outcome) | expected == shown(outcome), given
        assert (await ledger.image() != image) == (kind is Done), given


@pytest.mark.parametrize("operation", TABLE)
def test_the_table_tries_every_refusal_that_the_schema_declares(operation: str) -> None:
    name = operation[0].upper() + operation[1:]
    union = re.search(rf"^union {name}Result = (.+)$", SCHEMA.read_text(), re.MULTILINE)
    assert union is not None
    declared = set(union[1].split(" | ")[1:]) - {"OutcomeUnknown"}
    tried = {kind.__name__ for _, kind, _ in TABLE[operation][1]} - {"Done"}
    assert tried == declared - {refusal for at, refusal in UNTRIED if at == operation}


@pytest.mark.parametrize("operation", TABLE)
def test_the_rows_stand_in_the_order_of_the_outcomes(operation: str) -> None:
    order = ["Done", *dict.fromkeys(kind.__name__ for kind in Refusal.__subclasses__())]
    rows = [kind.__name__ for _, kind, _ in TABLE[operation][1]]
    assert rows == sorted(rows, key=order.index)


async def test_a_reason_that_is_missing_from_the_catalogue_is_unknown_for_a_job_too(
    ledger: Ledger,
) -> None:
    await ledger.db.execute("delete from reason where code = 'JOB_CHARGE'")
    account_id = await ledger.open(granted=5)
    assert await ledger.book(ledger.starting(account_id, 5)) == UnknownReason(code="JOB_CHARGE")


async def accounts_like_acme(ledger: Ledger, number: int) -> list[int]:
    """The ids of accounts in the state of `acme`, the first of which has its key."""
    opened = await ledger.writer.book_many(
        [OpenAccount(idempotency_key=f"acme{n or ''}", name="Acme") for n in range(number)]
    )
    account_ids = [done(outcome).account.id for outcome in opened]
    steps: list[Intent] = []
    for account_id in account_ids:
        given: dict[str, Any] = {"account_id": account_id}
        steps += [
            GrantCredits(**given, idempotency_key="granted", amount=100, reason_code="GRANT_PLAN"),
            RecordCharge(**given, idempotency_key="charged", amount=60),
            ledger.starting(account_id, 10, key="runs"),
            ledger.starting(account_id, 10, key="failed"),
            FinishJob(**given, idempotency_key="reported", key="failed", status=JobStatus.FAILED),
        ]
    assert counted(await ledger.writer.book_many(steps)) == {"Done": 5 * number}
    return account_ids


def shown(outcome: Outcome) -> dict[str, Any]:
    """What the table's rows speak of."""
    said = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    entry: Entry | None = said.get("entry")
    job: Job | None = said.get("job")
    account: Account | None = said.get("account")
    return (
        said
        | ({"amount": entry.amount, "seq": entry.seq} if entry else {})
        | ({"status": job.status} if job else {})
        | ({"balance": account.balance} if account else {})
    )
