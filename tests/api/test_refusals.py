"""Every refusal that a mutation can answer is answered where it should be, and nothing moves."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg
import graphql
import pytest

from schema.schema import build_schema
from tests.api.support import Caller

MISSING_ACCOUNT = "QWNjb3VudDo5OTk="  # Account:999
MISSING_ENTRY = "RW50cnk6MTo5OTk="  # Entry:1:999


@dataclass(frozen=True)
class Given:
    """An account of 100 credits: line 1 grants them, line 2 charges 40 for a finished job."""

    account: str
    grant: str
    charge: str


@dataclass(frozen=True)
class Case:
    mutation: str
    refusal: str
    wrong: dict[str, Any] = field(default_factory=dict[str, Any])
    tells: dict[str, Any] = field(default_factory=dict[str, Any])


CASES = [
    Case("openAccount", "IdempotencyConflict", {"key": "acme", "name": "Another name"}),
    Case("openAccount", "InvalidInput", {"key": ""}, {"field": "key"}),
    Case("openAccount", "InvalidInput", {"scale": 13}, {"field": "scale"}),
    Case("openAccount", "InvalidInput", {"timeZone": "Mars/Base"}, {"field": "timeZone"}),
    Case("openAccount", "InvalidInput", {"overdraftLimit": -1}, {"field": "overdraftLimit"}),
    Case("grantCredits", "AccountNotFound", {"account": MISSING_ACCOUNT}),
    Case("grantCredits", "UnknownReason", {"reasonCode": "NO_SUCH"}, {"code": "NO_SUCH"}),
    Case("grantCredits", "UnknownReason", {"reasonCode": "USAGE_CHARGE"}, {"code": "USAGE_CHARGE"}),
    Case("grantCredits", "IdempotencyConflict", {"idempotencyKey": "granted", "amount": 7}),
    Case("grantCredits", "InvalidInput", {"amount": 0}, {"field": "amount"}),
    Case("grantCredits", "InvalidInput", {"amount": -5}, {"field": "amount"}),
    Case("recordCharge", "AccountNotFound", {"account": MISSING_ACCOUNT}),
    Case("recordCharge", "InsufficientCredits", {"amount": 61}, {"available": 60, "shortfall": 1}),
    Case("recordCharge", "UnknownReason", {"reasonCode": "GOODWILL"}, {"code": "GOODWILL"}),
    Case("recordCharge", "IdempotencyConflict", {"idempotencyKey": "granted"}),
    Case("recordCharge", "InvalidInput", {"campaign": " "}, {"field": "campaign"}),
    Case("refundCharge", "ChargeNotFound", {"charge": MISSING_ENTRY}),
    Case("refundCharge", "ChargeNotFound", {"charge": "GRANT"}),
    Case("refundCharge", "RefundExceedsCharge", {"amount": 41}, {"left": 40}),
    Case("refundCharge", "UnknownReason", {"reasonCode": "GRANT_PLAN"}, {"code": "GRANT_PLAN"}),
    Case("refundCharge", "IdempotencyConflict", {"idempotencyKey": "granted"}),
    Case("refundCharge", "InvalidInput", {"amount": 0}, {"field": "amount"}),
    Case("adjustBalance", "AccountNotFound", {"account": MISSING_ACCOUNT}),
    Case("adjustBalance", "EntryNotFound", {"corrects": MISSING_ENTRY}),
    Case("adjustBalance", "EntryNotFound", {"corrects": "RW50cnk6Mjox"}),
    Case("adjustBalance", "UnknownReason", {"reasonCode": "GRANT_PLAN"}, {"code": "GRANT_PLAN"}),
    Case("adjustBalance", "IdempotencyConflict", {"idempotencyKey": "granted"}),
    Case("adjustBalance", "InvalidInput", {"amount": 0}, {"field": "amount"}),
    Case("adjustBalance", "InvalidInput", {"note": ""}, {"field": "note"}),
    Case("startJob", "AccountNotFound", {"account": MISSING_ACCOUNT}),
    Case("startJob", "InsufficientCredits", {"amount": 100}, {"available": 60, "shortfall": 40}),
    Case("startJob", "JobAlreadyExists", {"key": "done"}),
    Case("startJob", "IdempotencyConflict", {"idempotencyKey": "granted"}),
    Case("startJob", "InvalidInput", {"deadlineSeconds": 0}, {"field": "deadlineSeconds"}),
    Case("finishJob", "AccountNotFound", {"account": MISSING_ACCOUNT}),
    Case("finishJob", "JobNotFound", {"key": "no such job"}),
    Case("finishJob", "JobAlreadyFinished", {"status": "FAILED"}),
    Case("finishJob", "UnknownReason", {"reasonCode": "NO_SUCH"}, {"code": "NO_SUCH"}),
    Case("finishJob", "IdempotencyConflict", {"idempotencyKey": "granted"}),
    Case("finishJob", "InvalidInput", {"status": "RUNNING"}, {"field": "status"}),
    Case("finishJob", "InvalidInput", {"status": "PARTIAL", "done": 1}, {"field": "total"}),
]
UNKNOWN_ANYWHERE = [
    "openAccount",
    "grantCredits",
    "recordCharge",
    "refundCharge",
    "adjustBalance",
    "startJob",
    "finishJob",
]


def valid_input(mutation: str, given: Given) -> dict[str, Any]:
    """An input that the mutation would accept."""
    key = {"idempotencyKey": f"new {mutation}"}
    account = {**key, "account": given.account}
    return {
        "openAccount": {"key": "new", "name": "New"},
        "grantCredits": {**account, "amount": 5, "reasonCode": "PURCHASE_MANUAL"},
        "recordCharge": {**account, "amount": 5},
        "refundCharge": {**key, "charge": given.charge, "reasonCode": "GOODWILL"},
        "adjustBalance": {**account, "amount": -5, "reasonCode": "MANUAL_CORRECTION", "note": "n"},
        "startJob": {
            **account,
            "key": "new",
            "operation": "draft",
            "amount": 5,
            "deadlineSeconds": 60,
        },
        "finishJob": {**account, "key": "done", "status": "SUCCEEDED"},
    }[mutation]


@pytest.fixture
async def given(service: Caller) -> Given:
    account = await service.opened(granted=0)
    grant = await service.do(
        "grantCredits",
        account=account,
        idempotencyKey="granted",
        amount=100,
        reasonCode="GRANT_PLAN",
    )
    job = {"account": account, "key": "done"}
    started = await service.do("startJob", **job, operation="draft", amount=40, deadlineSeconds=60)
    await service.do("finishJob", **job, status="SUCCEEDED")
    return Given(account, grant["entry"]["id"], started["entry"]["id"])


@pytest.mark.parametrize("mutation", sorted({case.mutation for case in CASES}))
async def test_a_refusal_says_why_and_moves_nothing(
    mutation: str, service: Caller, given: Given
) -> None:
    before = await service.balance(given.account)
    for case in (case for case in CASES if case.mutation == mutation):
        wrong = {
            name: given.grant if value == "GRANT" else value for name, value in case.wrong.items()
        }
        result = await service.do(mutation, **{**valid_input(mutation, given), **wrong})
        assert result["__typename"] == case.refusal, (case, result)
        assert result["message"]
        assert {name: result[name] for name in case.tells} == case.tells
    assert await service.balance(given.account) == before


async def test_a_conflict_shows_the_line_that_has_the_key(service: Caller, given: Given) -> None:
    result = await service.do(
        "recordCharge", account=given.account, idempotencyKey="granted", amount=5
    )
    assert result["original"]["id"] == given.grant


async def test_a_refusal_leaves_its_key_free(service: Caller, given: Given) -> None:
    charge = {"account": given.account, "idempotencyKey": "free"}
    refused = await service.do("recordCharge", **charge, amount=61)
    booked = await service.do("recordCharge", **charge, amount=60)
    assert refused["__typename"] == "InsufficientCredits"
    assert booked["__typename"] == "ChargeRecorded"


async def test_a_connection_lost_while_writing_is_an_unknown_outcome_that_the_same_key_settles(
    service: Caller, given: Given, database_url: str
) -> None:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=1) as pool:
        for mutation in UNKNOWN_ANYWHERE:
            wanted = valid_input(mutation, given)
            async with pool.acquire() as holder, holder.transaction():
                await holder.execute("lock table account in access exclusive mode")
                asked = asyncio.create_task(service.do(mutation, **wanted))
                await _terminate_the_waiting_writer(holder)
                result = await asked
            assert result["__typename"] == "OutcomeUnknown", (mutation, result)
            assert (await service.do(mutation, **wanted))["replayed"] is False
            assert (await service.do(mutation, **wanted))["replayed"] is True


async def _terminate_the_waiting_writer(holder: Any) -> None:
    for _ in range(500):
        # Within a transaction the first look at the activity is kept and shown again.
        await holder.execute("select pg_stat_clear_snapshot()")
        ended = await holder.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where wait_event_type = 'Lock' and datname = current_database()"
        )
        if ended:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("no writer ever waited")


def test_every_refusal_of_every_mutation_has_a_case() -> None:
    schema = graphql.build_schema(build_schema().as_str())
    mutations, refused = schema.mutation_type, schema.type_map["Refused"]
    assert mutations is not None
    possible: set[tuple[str, str]] = set()
    for name in {case.mutation for case in CASES}:
        result = cast("object", graphql.get_named_type(mutations.fields[name].type))
        assert isinstance(result, graphql.GraphQLUnionType)
        possible |= {(name, kind.name) for kind in result.types if refused in kind.interfaces}
    covered = {(case.mutation, case.refusal) for case in CASES}
    covered |= {(mutation, "OutcomeUnknown") for mutation in UNKNOWN_ANYWHERE}
    # A job's charge has one reason, JOB_CHARGE, which no input names.
    assert possible - covered == {("startJob", "UnknownReason")}
    assert covered <= possible
