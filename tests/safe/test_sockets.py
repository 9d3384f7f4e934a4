"""An operation on a socket or a stream is bounded like a request, and is measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schema import ids
from tests.api.support import Api, Caller, document, served
from tests.live.door import Socket
from tests.owner import owner_of
from tests.safe.test_trusted import socket_of

QUERY = "{ viewer { kind } }"
LANDED = "subscription ($id: ID!) { usageEntryLanded(account: $id) { edge { cursor } } }"
INNER = "usage(first: 100) { edges { node { ... on LedgerEntry { account { key } } } } }"
COSTLY = INNER.replace("key", INNER)


@asynccontextmanager
async def held(api: Api, what: str) -> AsyncGenerator[None]:
    """Somebody else holds rows that an operation must wait for."""
    async with owner_of(api.process) as db, db.pool.acquire() as other, other.transaction():
        await other.execute(what)
        yield


ROW = "select from account for update"
TABLE = "lock table account in access exclusive mode"


async def ended(socket: Socket, number: str, query: str, **variables: Any) -> str:
    """How an operation ends: complete, or the code of the error that ends it."""
    await socket.subscribe(number, query, **variables)
    return await end_of(socket, number)


async def until(api: Api, *, followers: int, in_execution: int) -> None:
    """Wait until the server has come so far."""
    process = api.process
    for _ in range(1_000):
        if (process.services.bell.followers, process.load.now) == (followers, in_execution):
            return
        await asyncio.sleep(0.01)
    raise AssertionError((process.services.bell.followers, process.load.now))


async def end_of(socket: Socket, number: str) -> str:
    while True:
        said = await socket.hear()
        if said.get("id") == number and said["type"] != "next":
            errors = said.get("payload") or [{"extensions": {"code": said["type"]}}]
            return errors[0]["extensions"]["code"]


def charge(account: str, key: str) -> dict[str, Any]:
    return {"account": account, "idempotencyKey": key, "amount": 7}


@pytest.mark.parametrize(
    "query",
    [
        f"{{ viewer {{ account {{ {COSTLY} }} }} }}",
        "{ viewer " + "{ account " * 25 + "{ key }" + " }" * 26,
        "{ " + " ".join(f"a{n}: viewer {{ kind }}" for n in range(60)) + " }",
    ],
)
async def test_a_document_that_costs_too_much_is_refused_on_a_socket_as_over_http(
    api: Api, service: Caller, query: str
) -> None:
    account = await service.opened("acme")
    over_http = await service.http.post(
        "/graphql", json={"query": query, "variables": {"id": account}}
    )
    (error,) = over_http.json()["errors"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    async with socket_of(service) as socket:
        await socket.subscribe("1", query, id=account)
        said = await socket.hear()
        assert (said["type"], said["payload"]) == ("error", [error])
        live = LANDED.replace("edge { cursor }", f"account {{ {COSTLY} }}")
        assert await ended(socket, "2", live, id=account) == "GRAPHQL_VALIDATION_FAILED"
        assert await ended(socket, "3", QUERY) == "complete"


async def test_a_busy_server_turns_operations_of_sockets_away_and_counts_them_as_work(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, max_concurrent_requests=1) as api:
        service = await api.service()
        account = await service.opened("acme")
        write = document("recordCharge")
        async with socket_of(service) as socket, socket_of(service) as other:
            for number in range(5):  # who follows, waits: that is no work
                await other.subscribe(f"live-{number}", LANDED, id=account)
                await until(api, followers=number + 1, in_execution=0)
            assert await ended(other, "1", QUERY) == "complete"
            async with held(api, ROW):
                await socket.subscribe("write", write, input=charge(account, "waits"))
                await until(api, followers=5, in_execution=1)
                assert await ended(other, "2", QUERY) == "OVERLOADED"
                assert await ended(other, "3", LANDED, id=account) == "OVERLOADED"
                assert (
                    await service.http.post("/graphql", json={"query": QUERY})
                ).status_code == 503
            assert await end_of(socket, "write") == "complete"
            assert await ended(other, "4", QUERY) == "complete"
        assert (await service.balance(account))[0] == 993


async def test_an_operation_on_a_socket_that_takes_too_long_ends_and_a_write_is_settled_by_its_key(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, request_timeout_seconds=2.0) as api:
        service = await api.service()
        account = await service.opened("acme")
        async with socket_of(service) as socket:
            await socket.subscribe("live", LANDED, id=account)
            await until(api, followers=1, in_execution=0)
            async with held(api, ROW):
                given = charge(account, "slow")
                assert await ended(socket, "1", document("recordCharge"), input=given) == "TIMEOUT"
            async with held(api, TABLE):
                assert await ended(socket, "2", LANDED, id=account) == "TIMEOUT"
            settled = await service.do("recordCharge", **given)
            assert settled["replayed"] is True
            assert api.process.load.now == 0
            await asyncio.sleep(0.6)
            await service.do("recordCharge", **charge(account, "later"))
            while (said := await socket.hear())["id"] != "live":
                pass
            assert said["type"] == "next", "one that follows may wait for as long as it likes"


async def test_a_stream_that_takes_too_long_to_begin_ends(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, request_timeout_seconds=2.0) as api:
        service = await api.service()
        account = await service.opened("acme")
        body = {"query": LANDED, "variables": {"id": account}}
        headers = {"Accept": "text/event-stream"}
        async with held(api, TABLE):
            answer = await service.http.post("/graphql", json=body, headers=headers)
        assert answer.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"
        assert api.process.load.now == 0


async def test_sockets_their_ends_and_faults_of_single_fields_are_measured(
    api: Api, service: Caller
) -> None:
    account = await service.opened("acme")
    async with socket_of(service) as socket:
        await socket.subscribe("1", LANDED, id=account)
        assert await ended(socket, "2", QUERY) == "complete"
        async with owner_of(api.process) as db:
            await db.execute("revoke select on job from usage_feed_server")
            asked = '{ account(key: "acme") { jobs { nodes { key } } } }'
            assert await ended(socket, "3", asked) == "complete"
            await service.answer(asked)
            await db.execute("grant select on job to usage_feed_server")
        seen = await measured(api)
        assert seen["usage_feed_sockets",] == 1
        assert seen["usage_feed_socket_operations_running",] == 1
        assert seen["usage_feed_socket_operations_total",] == 3
        assert seen["usage_feed_errors_total", "INTERNAL"] == 2
        await socket.say({"type": "nonsense"})
        assert (await socket.closed())[0] == 4400
    seen = await measured(api)
    assert (seen["usage_feed_sockets",], seen["usage_feed_socket_operations_running",]) == (0, 0)
    assert seen["usage_feed_socket_closes_total", "4400"] == 1
    assert ids.to_account(account)


async def measured(api: Api) -> dict[tuple[str, ...], float]:
    text = (await api.process.metrics.text(api.process)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
