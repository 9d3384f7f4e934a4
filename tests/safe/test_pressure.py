"""Whoever asks too much is told when to come back, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import graphql
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from app import process
from app.accept import GRAPHQL_JSON
from app.pressure import BURST_SECONDS, RateLimited, Rates
from app.run import with_tools
from app.settings import Settings
from resolvers.access import Viewer, ViewerKind
from schema.limits import LIMITS
from tests.api.support import Api, Caller, document, served
from tests.live.support import eventually
from tests.owner import owner_of
from tests.safe.test_trusted import socket_of

ASKED = {"query": "{ viewer { kind } }"}


async def post(caller: Caller, body: dict[str, Any] = ASKED, accept: str = "*/*") -> httpx.Response:
    return await caller.http.post("/graphql", json=body, headers={"Accept": accept})


def refused(response: httpx.Response) -> tuple[int, str, str | None]:
    (error,) = response.json()["errors"]
    assert "data" not in response.json()
    code = error["extensions"]["code"]
    return response.status_code, code, response.headers.get("retry-after")


@asynccontextmanager
async def held(api: Api, account_key: str = "acme") -> AsyncGenerator[None]:
    """Somebody else holds the account's row: a write waits for it."""
    async with owner_of(api.process) as db, db.pool.acquire() as other, other.transaction():
        await other.execute("select from account where key = $1 for update", account_key)
        yield


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def counted(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests_per_second: float
) -> AsyncGenerator[tuple[Api, Clock]]:
    """A server that counts customers' requests by a clock of ours."""
    clock = Clock()
    monkeypatch.setattr(process, "Rates", partial(Rates, clock=clock))
    async with served(
        database_url, tmp_path, customer_requests_per_second=requests_per_second
    ) as api:
        yield api, clock


async def test_an_account_that_asks_too_much_is_told_when_to_come_back_and_its_neighbour_is_not(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counted(database_url, tmp_path, monkeypatch, 2) as (api, clock):
        one, same, neighbour = (api.customer(key) for key in ("acme", "acme", "globex"))
        answers = await asyncio.gather(*(post(caller) for caller in (one, same) * 10))
        limited = [answer for answer in answers if answer.status_code == 429]
        assert {refused(answer) for answer in limited} == {(429, "RATE_LIMITED", "1")}
        assert len(answers) - len(limited) == 11, "5 seconds' worth and the one that is due"
        assert (await post(neighbour)).status_code == 200
        assert (await post(await api.service())).status_code == 200
        clock.now = 0.5
        assert [(await post(same)).status_code for _ in "12"] == [200, 429]


def test_a_rate_is_kept_to_the_request_over_any_time() -> None:
    now = 0.0
    rates = Rates(customer_per_second=10, service_per_second=0, clock=lambda: now)
    customer = Viewer(ViewerKind.CUSTOMER, "acme")
    taken, waits = 0, set[int]()
    for tick in range(10_000):
        now = tick / 100
        try:
            rates.take(customer)
            taken += 1
        except RateLimited as limited:
            waits.add(limited.retry_after_seconds)
    assert waits == {1}
    assert abs(taken - 10 * (100 + BURST_SECONDS)) <= 1
    for _ in range(10_000):
        rates.take(Viewer(ViewerKind.SERVICE, "billing"))


async def test_an_export_is_a_request_like_any_other(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counted(database_url, tmp_path, monkeypatch, 0.2) as (api, _):
        account = await (await api.service()).opened("acme")
        customer = api.customer("acme")
        files = [await customer.http.get("/export", params={"account": account}) for _ in "12"]
        assert [file.status_code for file in files] == [200, 200]
        assert refused(await customer.http.get("/export")) == (429, "RATE_LIMITED", "5")


async def test_an_operation_on_a_socket_is_a_request_like_any_other(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counted(database_url, tmp_path, monkeypatch, 0.2) as (api, _):
        customer = api.customer("acme")
        url = f"{api.url.replace('http', 'ws', 1)}/graphql"
        subprotocols = [Subprotocol("graphql-transport-ws")]
        async with connect(url, subprotocols=subprotocols) as socket:
            payload = {"authorization": f"Bearer {customer.token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv()) == {"type": "connection_ack"}
            ended: list[Any] = []
            for number in "123":
                message = {"id": number, "type": "subscribe", "payload": ASKED}
                await socket.send(json.dumps(message))
                while (said := json.loads(await socket.recv()))["type"] == "next":
                    pass
                ended.append((said["type"], said.get("payload", [{}])[0].get("extensions")))
        assert ended == [("complete", None)] * 2 + [("error", {"code": "RATE_LIMITED"})]
        assert refused(await post(customer)) == (429, "RATE_LIMITED", "5")


async def test_a_busy_server_turns_requests_away_before_it_reads_them(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, max_concurrent_requests=1) as api:
        service = await api.service()
        account = await service.opened("acme")
        async with held(api):
            waiting = asyncio.create_task(
                service.do("recordCharge", account=account, amount=1, idempotencyKey="waits")
            )
            await eventually(lambda: api.process.load.now == 1)
            assert refused(await post(service)) == (503, "OVERLOADED", "1")
            assert refused(await post(api.caller("nobody"))) == (503, "OVERLOADED", "1")
        assert (await waiting)["__typename"] == "ChargeRecorded"
        assert (await post(service)).status_code == 200


async def test_a_write_that_takes_too_long_is_settled_by_its_key(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, request_timeout_seconds=2.0) as api:
        service = await api.service()
        account = await service.opened("acme")
        charge = {"account": account, "amount": 7, "idempotencyKey": "slow"}
        body = {"query": document("recordCharge"), "variables": {"input": charge}}
        async with held(api):
            assert refused(await post(service, body)) == (200, "TIMEOUT", None)
            assert refused(await post(service, body, GRAPHQL_JSON)) == (504, "TIMEOUT", None)
        settled = await service.do("recordCharge", **charge)
        assert settled["__typename"] == "ChargeRecorded"
        assert settled["replayed"] is True
        assert (await service.balance(account))[0] == 993


async def test_no_statement_of_the_server_runs_for_ever(api: Api) -> None:
    fenced = api.process.services.fence.around(1)
    for reads in (api.process.services.db, fenced):
        assert await reads.fetchval("show statement_timeout") == "25s"


async def test_the_schema_is_told_and_graphiql_is_shown_where_a_setting_says_so_only(
    database_url: str, tmp_path: Path
) -> None:
    bare = Settings()  # pyright: ignore[reportCallIssue]
    assert (bare.introspection, bare.graphiql) == (False, False)
    tools = with_tools(bare)
    assert (tools.introspection, tools.graphiql) == (True, True)
    chosen = with_tools(Settings(introspection=False))  # pyright: ignore[reportCallIssue]
    assert (chosen.introspection, chosen.graphiql) == (False, True)
    async with served(database_url, tmp_path, introspection=False, graphiql=False) as api:
        service = await api.service()
        for query in (
            graphql.get_introspection_query(),
            '{ __type(name: "Account") { name } }',
            "{ viewer { kind } ...f } fragment f on Query { __schema { queryType { name } } }",
        ):
            errors = (await service.answer(query))["errors"]
            codes = {error["extensions"]["code"] for error in errors}
            assert codes == {"GRAPHQL_VALIDATION_FAILED"}
        assert (await service.ask("{ __typename }")) == {"__typename": "Query"}
        page = await api.caller(None).http.get("/graphql", headers={"Accept": "text/html"})
        assert page.status_code == 401


@pytest.mark.parametrize("introspection", [False, True])
async def test_what_is_misspelt_names_nothing_where_the_schema_is_not_told(
    database_url: str, tmp_path: Path, introspection: bool
) -> None:
    async with served(database_url, tmp_path, introspection=introspection) as api:
        service = await api.service()
        account = await service.opened("acme")
        filtered = (
            "query ($f: UsageFilter) "
            "{ viewer { account { usage(filter: $f) { nodes { __typename } } } } }"
        )
        asked: list[tuple[str, dict[str, Any]]] = [
            ("{ viewr { kind } }", {}),
            ("{ viewer { knd } }", {}),
            ('{ account(ky: "a") { id } }', {}),
            ("{ viewer { ... on Viewr { kind } } }", {}),
            (filtered.replace("filter: $f", 'filter: {campain: "a"}'), {"f": None}),
            (filtered.replace("filter: $f", "filter: {kinds: [CHARG]}"), {"f": None}),
            ("query ($f: UsageFiltr) { viewer { kind } }", {}),
            (filtered, {"f": {"campain": "a"}}),
            (filtered, {"f": {"kinds": ["CHARG"]}}),
            ("query ($id: ID!) { account(id: $id) { balanc } }", {"id": account}),
        ]
        for query, variables in asked:
            body = {"query": query, "variables": variables}
            answer = await service.http.post("/graphql", json=body)
            assert ("Did you mean" in answer.text) == introspection, (query, answer.text)
        async with socket_of(service) as socket:
            await socket.subscribe("1", filtered, f={"kinds": ["CHARG"]})
            assert ("Did you mean" in str(await socket.hear())) == introspection


async def test_of_many_mistakes_the_first_are_told(service: Caller) -> None:
    fields = " ".join(f"kin{n}" for n in range(200))
    errors = (await service.answer(f"{{ viewer {{ {fields} }} }}"))["errors"]
    assert len(errors) == 6
    assert "Too many" in errors[-1]["message"]


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ viewer { kind } }", 2),
        ("{ viewer { account { usage(first: 10) { nodes { __typename } } } } }", 23),
        ("query A { viewer { kind } } query B { viewer { account { name } } }", 3),
    ],
)
async def test_what_an_operation_costs_is_told_to_who_asks(
    service: Caller, query: str, cost: int
) -> None:
    name = "B" if "query B" in query else None
    body = {"query": query, "operationName": name, "extensions": {"cost": True}}
    told = (await post(service, body)).json()["extensions"]["cost"]
    assert told["cost"] == cost
    assert told["limits"] == {"depth": 20, "fields": 600, "aliases": 50, "cost": LIMITS.cost}
    assert "extensions" not in (await post(service, body | {"extensions": {}})).json()
