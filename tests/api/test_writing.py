"""Retries and batches over HTTP: the same answer again, and no neighbour spoilt."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.support import Caller, document

REPEATED: dict[str, dict[str, Any]] = {
    "grantCredits": {"amount": 7, "reasonCode": "GRANT_PROMO", "metadata": {"b": 1, "a": [2]}},
    "recordCharge": {"amount": 7, "campaign": "spring"},
    "refundCharge": {"amount": 1, "reasonCode": "GOODWILL", "detail": "Sorry."},
    "adjustBalance": {"amount": -7, "reasonCode": "MANUAL_CORRECTION", "note": "n"},
    "startJob": {"key": "again", "operation": "draft", "amount": 7, "deadlineSeconds": 60},
    "finishJob": {"key": "running", "status": "FAILED", "reasonCode": "PROVIDER_ERROR"},
}


@pytest.fixture
async def account(service: Caller) -> str:
    return await service.opened(granted=1_000)


async def running_job(service: Caller, account: str) -> dict[str, Any]:
    return await service.do(
        "startJob",
        account=account,
        key="running",
        operation="draft",
        amount=50,
        deadlineSeconds=600,
    )


async def test_a_retry_is_the_same_answer_and_moves_nothing(service: Caller, account: str) -> None:
    job = await running_job(service, account)
    for mutation, given in REPEATED.items():
        where = {"account": account}
        if mutation == "refundCharge":
            where = {"charge": job["entry"]["id"]}
        wanted = {**given, **where, "idempotencyKey": f"once {mutation}"}
        first = await service.do(mutation, **wanted)
        moved = await service.balance(account)
        answers = await asyncio.gather(*(service.do(mutation, **wanted) for _ in range(20)))
        assert first["replayed"] is False
        assert all(answer == {**first, "replayed": True} for answer in answers)
        assert await service.balance(account) == moved


async def test_the_same_key_at_once_moves_once_and_answers_alike(
    service: Caller, account: str
) -> None:
    wanted = {"account": account, "idempotencyKey": "once", "amount": 10}
    answers = await asyncio.gather(*(service.do("recordCharge", **wanted) for _ in range(100)))
    assert {answer["entry"]["id"] for answer in answers} == {answers[0]["entry"]["id"]}
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 99
    assert (await service.balance(account))[0] == 990


async def test_an_account_is_opened_once_by_its_key(service: Caller) -> None:
    opened = await service.do("openAccount", key="k", name="N")
    spelled_out = {"unit": "credits", "scale": 0, "timeZone": "UTC", "overdraftLimit": 0}
    again = await service.do("openAccount", key="k", name="N", **spelled_out)
    nulls = await service.do("openAccount", key="k", name="N", unit=None, scale=None, timeZone=None)
    assert again == nulls == {**opened, "replayed": True}


async def test_absent_equals_null_and_the_order_of_keys_is_nothing(
    service: Caller, account: str
) -> None:
    base = {"account": account, "idempotencyKey": "k", "amount": 1}
    first = await service.do("recordCharge", **base, metadata={"a": 1, "b": {"c": 2, "d": 3}})
    again = await service.do(
        "recordCharge", **base, detail=None, metadata={"b": {"d": 3, "c": 2}, "a": 1}
    )
    other = await service.do("recordCharge", **base, metadata={"a": 1})
    assert again == {**first, "replayed": True}
    assert other["__typename"] == "IdempotencyConflict"


async def test_a_batch_answers_each_input_in_its_place(service: Caller, account: str) -> None:
    other = await service.opened("other", granted=5)
    inputs: list[dict[str, Any]] = [
        {"account": account, "idempotencyKey": "1", "amount": 10},
        {"account": "nonsense", "idempotencyKey": "2", "amount": 10},
        {"account": other, "idempotencyKey": "3", "amount": 6},
        {"account": account, "idempotencyKey": "4", "amount": 0},
        {"account": other, "idempotencyKey": "5", "amount": 5},
        {"account": account, "idempotencyKey": "1", "amount": 10},
        {"account": account, "idempotencyKey": "1", "amount": 11},
        {"account": other, "idempotencyKey": "6", "amount": 1},
        {"account": account, "idempotencyKey": "7", "amount": 1, "reasonCode": "NONE"},
    ]
    results = await service.do_all("recordCharge", inputs)
    assert [result["__typename"] for result in results] == [
        "ChargeRecorded",
        "AccountNotFound",
        "InsufficientCredits",
        "InvalidInput",
        "ChargeRecorded",
        "ChargeRecorded",
        "IdempotencyConflict",
        "InsufficientCredits",
        "UnknownReason",
    ]
    assert [results[0]["replayed"], results[5]["replayed"]] == [False, True]
    assert (await service.balance(account))[0] == 990
    assert (await service.balance(other))[0] == 0


async def test_a_batch_holds_a_thousand_and_no_more(service: Caller, account: str) -> None:
    inputs = [
        {
            "account": account,
            "idempotencyKey": f"start {n}",
            "key": f"job {n}",
            "operation": "draft",
            "amount": 1,
            "deadlineSeconds": 600,
        }
        for n in range(1_000)
    ]
    started = await service.do_all("startJob", inputs)
    assert [result["entry"]["seq"] for result in started] == list(range(2, 1_002))
    ends = [
        {"account": account, "idempotencyKey": f"end {n}", "key": f"job {n}", "status": "FAILED"}
        for n in range(1_000)
    ]
    finished = await service.do_all("finishJob", ends)
    assert sum(result["refund"]["amount"] for result in finished) == 1_000
    assert (await service.balance(account))[0] == 1_000
    too_many = [*inputs, inputs[0]]
    assert await service.code(document("startJob", batch=True), input=too_many) == "BAD_USER_INPUT"
    assert await service.do_all("recordCharge", []) == []


async def test_mutations_of_one_document_run_in_their_order(service: Caller) -> None:
    data = await service.ask(
        "mutation ($open: OpenAccountInput!) { opened: openAccount(input: $open) "
        "{ ... on AccountOpened { account { id } } } again: openAccount(input: $open) "
        "{ ... on AccountOpened { replayed } } }",
        open={"key": "k", "name": "N"},
    )
    assert data["again"] == {"replayed": True}


async def test_an_adjustment_shows_the_line_it_corrects(service: Caller, account: str) -> None:
    charged = await service.do("recordCharge", account=account, amount=30)
    corrected = await service.do(
        "adjustBalance",
        account=account,
        amount=30,
        reasonCode="MANUAL_CORRECTION",
        note="Charged twice.",
        corrects=charged["entry"]["id"],
    )
    assert corrected["entry"]["corrects"] == charged["entry"]
    assert corrected["entry"]["note"] == "Charged twice."


async def test_a_failed_job_is_refunded_and_says_by_which_rule(
    service: Caller, account: str
) -> None:
    job = await running_job(service, account)
    ended = await service.do(
        "finishJob", account=account, key="running", status="PARTIAL", done=1, total=3
    )
    assert ended["refund"]["amount"] == 34
    assert (ended["refund"]["automatic"], ended["refund"]["rule"]) == (True, "default/1")
    assert ended["job"]["refundDecision"] == {
        "refunded": 34,
        "rule": "default/1",
        "reason": {"code": "PARTIAL_OUTPUT", "detail": None},
    }
    assert ended["job"]["id"] == job["job"]["id"]


async def test_a_job_that_never_reports_is_refunded_by_the_running_server(
    service: Caller, account: str
) -> None:
    given = {"account": account, "key": "lost", "operation": "draft", "amount": 9}
    await service.do("startJob", **given, deadlineSeconds=1)
    asked = (
        'query ($id: ID!) { account(id: $id) { job(key: "lost") { status net finishedAt '
        "refundDecision { refunded reason { code } } refunds { automatic reason { code } } } } }"
    )
    async with asyncio.timeout(10):
        while True:
            job = (await service.ask(asked, id=account))["account"]["job"]
            if job["status"] != "RUNNING":
                break
            assert job["refundDecision"] is None
            await asyncio.sleep(0.1)
    assert (job["status"], job["net"]) == ("EXPIRED", 0)
    assert job["refundDecision"] == {"refunded": 9, "reason": {"code": "WORKER_LOST"}}
    assert job["refunds"] == [{"automatic": True, "reason": {"code": "WORKER_LOST"}}]


async def test_the_catalogue_explains_every_reason(service: Caller) -> None:
    reasons = (await service.ask("{ reasons { code title detail fault } }"))["reasons"]
    codes = {reason["code"] for reason in reasons}
    assert {"USAGE_CHARGE", "GRANT_PLAN", "WORKER_LOST", "CHARGEBACK", "INPUT_POLICY"} <= codes
    assert all(reason["title"] and reason["detail"] is None for reason in reasons)
