"""A customer sees its own account only, over every door; what is foreign looks like missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from schema import ids
from tests.api.support import Api, Caller, document, events


@dataclass(frozen=True)
class Known:
    """What somebody knows of an account: the ids of everything in it."""

    account: str
    charge: str
    refund: str
    job: str


MISSING = Known(ids.account(999), ids.entry(999, 2), ids.entry(999, 3), ids.job(999, 2))
FIELDS = "id ... on Account { key balance } ... on LedgerEntry { amount } ... on Job { key }"


@dataclass(frozen=True)
class World:
    own: Known
    foreign: Known
    customer: Caller


@pytest.fixture
async def world(api: Api, service: Caller) -> World:
    """Two accounts of the same shape, and the customer of the first."""
    return World(await told(service, "own"), await told(service, "foreign"), api.customer("own"))


async def told(service: Caller, key: str) -> Known:
    account = await service.opened(key)
    started = await service.do(
        "startJob", account=account, key="job", operation="draft", amount=10, deadlineSeconds=60
    )
    finished = await service.do("finishJob", account=account, key="job", status="FAILED")
    return Known(account, started["entry"]["id"], finished["refund"]["id"], started["job"]["id"])


async def test_a_customer_sees_all_of_its_own_account(world: World) -> None:
    own = world.own
    nodes = await _nodes(world.customer, own)
    assert [node["id"] for node in nodes] == [own.account, own.charge, own.refund, own.job]
    viewer = await world.customer.ask("{ viewer { kind scopes account { id } } }")
    assert viewer == {"viewer": {"kind": "CUSTOMER", "scopes": [], "account": {"id": own.account}}}


async def test_nothing_of_a_foreign_account_can_be_named(world: World) -> None:
    assert await _nodes(world.customer, world.foreign) == [None] * 4
    one_by_one = [
        await world.customer.ask(f"query ($id: ID!) {{ node(id: $id) {{ {FIELDS} }} }}", id=known)
        for known in (world.foreign.account, world.foreign.charge, world.foreign.job)
    ]
    assert one_by_one == [{"node": None}] * 3
    by_key = "query ($key: String) { account(key: $key) { id } }"
    assert await world.customer.ask(by_key, key="foreign") == {"account": None}
    assert await world.customer.ask(by_key, key="own") != {"account": None}


async def test_a_foreign_account_and_a_missing_one_look_the_same(world: World) -> None:
    asked = "query ($id: ID!) { account(id: $id) { id } node(id: $id) { id } }"
    answers = [
        await world.customer.answer(asked, id=known.account) for known in (world.foreign, MISSING)
    ]
    assert answers[0] == answers[1]
    assert await _nodes(world.customer, world.foreign) == await _nodes(world.customer, MISSING)


async def test_no_filter_reaches_into_a_foreign_account(world: World) -> None:
    asked = (
        "query ($filter: UsageFilter) { viewer { account { usage(filter: $filter) "
        "{ nodes { ... on LedgerEntry { id account { id } job { account { id } } } } } } } }"
    )
    for wanted in (
        {"job": world.foreign.job},
        {"search": world.foreign.job},
        {"search": world.foreign.charge},
    ):
        data = await world.customer.ask(asked, filter=wanted)
        assert data["viewer"]["account"]["usage"]["nodes"] == [], wanted
    data = await world.customer.ask(asked, filter={"job": world.own.job})
    nodes = data["viewer"]["account"]["usage"]["nodes"]
    assert [node["id"] for node in nodes] == [world.own.refund, world.own.charge]
    assert {node["account"]["id"] for node in nodes} == {world.own.account}


async def test_no_live_line_of_a_foreign_account_is_delivered(world: World) -> None:
    for known in (world.foreign, MISSING):
        for field in ("usageEntryLanded", "refundLanded"):
            answer = await _first_event(
                world.customer,
                f'subscription ($id: ID!) {{ {field}(account: $id, since: "{ids.cursor(0)}") '
                "{ edge { cursor } } }",
                known.account,
            )
            (error,) = answer["errors"]
            assert (error["extensions"]["code"], answer.get("data")) == ("NOT_FOUND", None)


@pytest.mark.parametrize("account", ["own", "foreign"])
async def test_a_customer_writes_nothing_not_even_to_its_own_account(
    account: str, world: World
) -> None:
    known = world.own if account == "own" else world.foreign
    inputs: dict[str, dict[str, Any]] = {
        "openAccount": {"key": "mine", "name": "Mine"},
        "grantCredits": {"account": known.account, "amount": 1, "reasonCode": "GRANT_PLAN"},
        "recordCharge": {"account": known.account, "amount": 1},
        "refundCharge": {"charge": known.charge, "reasonCode": "GOODWILL"},
        "adjustBalance": {
            "account": known.account,
            "amount": 1,
            "reasonCode": "MANUAL_CORRECTION",
            "note": "n",
        },
        "startJob": {
            "account": known.account,
            "key": "k",
            "operation": "o",
            "amount": 1,
            "deadlineSeconds": 9,
        },
        "finishJob": {"account": known.account, "key": "job", "status": "FAILED"},
    }
    for mutation, given in inputs.items():
        if mutation != "openAccount":
            given["idempotencyKey"] = mutation
        assert await world.customer.code(document(mutation), input=given) == "FORBIDDEN", mutation


async def test_a_customer_whose_account_is_not_open_yet_sees_nothing(api: Api) -> None:
    newcomer = api.customer("nobody yet")
    assert (await newcomer.ask("{ viewer { account { id } } }"))["viewer"]["account"] is None
    assert await newcomer.ask('{ account(key: "nobody yet") { id } }') == {"account": None}
    service = await api.service()
    opened = await service.opened("nobody yet")
    assert await newcomer.ask("{ viewer { account { id } } }") == {
        "viewer": {"account": {"id": opened}}
    }


async def _nodes(caller: Caller, known: Known) -> list[Any]:
    asked = [known.account, known.charge, known.refund, known.job]
    data = await caller.ask(
        f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ {FIELDS} }} }}", ids=asked
    )
    return data["nodes"]


async def _first_event(caller: Caller, query: str, account: str) -> dict[str, Any]:
    async with events(caller, query, id=account) as stream:
        return await anext(stream)
