"""GraphQL over HTTP to the letter, streams, and the other doors."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import asyncpg
import httpx
import pytest

from app.pages import DIST
from tests.api.support import Api, Caller, document, events, served

JSON = "application/json; charset=utf-8"
GRAPHQL = "application/graphql-response+json; charset=utf-8"
TYPENAME = {"query": "{ __typename }"}


async def post(caller: Caller, body: Any, accept: str | None = None) -> httpx.Response:
    headers = {} if accept is None else {"Accept": accept}
    return await caller.http.post("/graphql", json=body, headers=headers)


ACCEPTED: list[tuple[str | None, str]] = [
    (None, JSON),
    ("*/*", JSON),
    ("application/json", JSON),
    ("application/graphql-response+json", GRAPHQL),
    ("application/graphql-response+json, application/json;q=0.9", GRAPHQL),
    ("application/graphql-response+json;q=0.5, application/json", JSON),
    ("application/graphql-response+json; charset=utf-8, */*", GRAPHQL),
    ("text/plain", JSON),
    ("application/json;q=nonsense", JSON),
]


async def test_the_answer_has_the_media_type_that_is_wanted(service: Caller) -> None:
    for accept, answered in ACCEPTED:
        response = await post(service, TYPENAME, accept)
        assert (response.status_code, response.headers["content-type"]) == (200, answered), accept
        assert response.json() == {"data": {"__typename": "Query"}}


async def test_a_document_at_fault_is_400_to_a_client_of_the_specification_only(
    service: Caller,
) -> None:
    for query, name in (
        ("{", None),
        ("{ nothing }", None),
        ("query ($a: ID!) { node(id: $a) { id } }", None),
        ("query A { __typename } query B { __typename }", None),
        ("query A { __typename }", "B"),
        ("fragment F on Query { __typename }", None),
    ):
        for accept, status in (("application/json", 200), (GRAPHQL.partition(";")[0], 400)):
            response = await post(service, {"query": query, "operationName": name}, accept)
            assert response.status_code == status, query
            assert "data" not in response.json()
    partly = await post(service, {"query": "{ account { id } }"}, GRAPHQL)
    assert (partly.status_code, partly.json()["data"]) == (200, {"account": None})


async def test_queries_can_be_asked_by_get_and_mutations_cannot(service: Caller) -> None:
    asked = {
        "query": "query A($key: String) { account(key: $key) { id } } query B { __typename }",
        "variables": json.dumps({"key": "none"}),
        "operationName": "A",
    }
    response = await service.http.get("/graphql", params=asked)
    assert (response.status_code, response.json()) == (200, {"data": {"account": None}})
    given = json.dumps({"input": {"key": "a", "name": "A"}})
    mutation = {"query": document("openAccount"), "variables": given}
    response = await service.http.get("/graphql", params=mutation)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await service.ask('{ account(key: "a") { id } }')) == {"account": None}
    for params in (
        {"query": "{ __typename }", "variables": "nonsense"},
        {"query": "{ __typename }", "variables": "[]"},
        {"query": ""},
        {"variables": "{}"},
    ):
        response = await service.http.get("/graphql", params=params)
        assert response.status_code == 400, params
    twice = await service.http.get("/graphql?query=%7B__typename%7D&query=%7B__typename%7D")
    assert twice.status_code == 400


async def test_one_of_several_operations_must_be_named(service: Caller) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    named = await post(service, {"query": query, "operationName": "B"})
    assert named.json() == {"data": {"b": "Query"}}
    for _ in range(2):
        assert await service.code(query) == "GRAPHQL_VALIDATION_FAILED"


async def test_other_methods_are_told_which_to_use(service: Caller) -> None:
    for method in ("PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"):
        response = await service.http.request(method, "/graphql")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST"), method
        if method != "HEAD":
            assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", method


async def test_a_subscription_needs_a_stream(service: Caller) -> None:
    account = await service.opened()
    query = "subscription ($id: ID!) { usageEntryLanded(account: $id) { edge { cursor } } }"
    response = await post(service, {"query": query, "variables": {"id": account}})
    assert response.status_code == 400
    assert "text/event-stream" in response.json()["errors"][0]["message"]


LANDED = (
    "subscription ($id: ID!, $since: String, $kinds: [EntryKind!]) { usageEntryLanded("
    "account: $id, since: $since, kinds: $kinds) { edge { cursor node { ... on LedgerEntry "
    "{ seq balanceAfter } } } account { balance headCursor } } }"
)


async def test_a_query_gets_one_answer_where_a_stream_would_be_taken_too(service: Caller) -> None:
    both = "application/graphql-response+json, application/json, text/event-stream"
    answer = await service.http.post(
        "/graphql", json={"query": "{ viewer { kind } }"}, headers={"accept": both}
    )
    assert answer.headers["content-type"].startswith("application/graphql-response+json")
    assert answer.json() == {"data": {"viewer": {"kind": "SERVICE"}}}
    account = await service.opened("acme")
    subscription = f'subscription {{ refundLanded(account: "{account}") {{ edge {{ cursor }} }} }}'
    async with service.http.stream(
        "POST", "/graphql", json={"query": subscription}, headers={"accept": both}
    ) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")


async def test_lines_land_in_a_stream_each_once_and_in_order(service: Caller) -> None:
    account = await service.opened(granted=500)
    start = (await service.balance(account))[1]
    async with events(service, LANDED, id=account, since=start) as stream:
        writing = asyncio.create_task(
            service.do_all(
                "recordCharge",
                [{"account": account, "idempotencyKey": f"k{n}", "amount": 1} for n in range(300)],
            )
        )
        landed = [(await anext(stream))["data"]["usageEntryLanded"] for _ in range(300)]
        await writing
    assert [event["edge"]["node"]["seq"] for event in landed] == list(range(2, 302))
    for event in landed:
        assert event["account"]["balance"] == event["edge"]["node"]["balanceAfter"]
        assert event["account"]["headCursor"] == event["edge"]["cursor"]


async def test_only_the_wanted_kinds_land(service: Caller) -> None:
    account = await service.opened(granted=500)
    refunds = (
        "subscription ($id: ID!) { refundLanded(account: $id) { edge { node { __typename } } } }"
    )
    async with (
        events(service, LANDED, id=account, since=None, kinds=["REFUND", "ADJUSTMENT"]) as chosen,
        events(service, refunds, id=account) as refunded,
    ):
        charged = await service.do("recordCharge", account=account, amount=10)
        back = {"charge": charged["entry"]["id"], "amount": 3, "reasonCode": "GOODWILL"}
        await service.do("refundCharge", **back)
        await service.do("refundCharge", **back)
        seqs = [
            (await anext(chosen))["data"]["usageEntryLanded"]["edge"]["node"]["seq"]
            for _ in range(2)
        ]
        kinds = [(await anext(refunded))["data"]["refundLanded"]["edge"] for _ in range(2)]
    assert seqs == [3, 4]
    assert kinds == [{"node": {"__typename": "Refund"}}] * 2


async def test_a_subscription_at_fault_says_so_and_completes(service: Caller) -> None:
    account = await service.opened()
    for given, code in (
        ({"id": account, "since": "nonsense"}, "BAD_USER_INPUT"),
        ({"id": "nonsense"}, "NOT_FOUND"),
        ({"id": account, "kinds": ["NONE"]}, "BAD_USER_INPUT"),
    ):
        async with events(service, LANDED, **given) as stream:
            told = [event async for event in stream]
        assert [error["extensions"]["code"] for event in told for error in event["errors"]] == [
            code
        ]


async def test_a_stream_ends_when_its_token_does(api: Api, service: Caller) -> None:
    account = await service.opened("acme")
    short = api.customer("acme", exp=int(time.time()) - 58)
    async with events(short, LANDED, id=account) as stream:
        told = [event async for event in stream]
    assert [error["extensions"]["code"] for event in told for error in event["errors"]] == [
        "TOKEN_EXPIRED"
    ]


async def test_a_stopping_server_completes_its_streams(api: Api, service: Caller) -> None:
    account = await service.opened()
    async with events(service, LANDED, id=account) as stream:
        api.process.stop()
        async with asyncio.timeout(20):
            assert [event async for event in stream] == []


@pytest.mark.parametrize(
    "cause", [ConnectionRefusedError(), asyncpg.TooManyConnectionsError("sorry, too many clients")]
)
async def test_a_database_that_is_away_is_503_and_comes_back(
    api: Api, service: Caller, monkeypatch: pytest.MonkeyPatch, cause: Exception
) -> None:
    def away(*_: object) -> Any:
        raise cause

    newcomer = await api.service()
    with monkeypatch.context() as patched:
        patched.setattr("models.service_keys.verify", away)
        response = await post(newcomer, TYPENAME)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert (await post(newcomer, TYPENAME)).status_code == 200


async def test_a_fault_of_ours_is_masked_to_a_request_id(
    service: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> Any:
        raise RuntimeError("secret cause")

    with monkeypatch.context() as patched:
        patched.setattr("models.accounts.by_key", fault)
        response = await post(service, {"query": '{ account(key: "a") { id } }'})
    (error,) = response.json()["errors"]
    request_id = response.headers["x-request-id"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": request_id}
    assert response.status_code == 200
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("cause", "status", "code"),
    [(ConnectionRefusedError(), 503, "UNAVAILABLE"), (RuntimeError("secret"), 500, "INTERNAL")],
)
async def test_an_export_that_cannot_be_begun_says_why_as_every_door_does(
    service: Caller, monkeypatch: pytest.MonkeyPatch, cause: Exception, status: int, code: str
) -> None:
    def fail(*_: object) -> Any:
        raise cause

    file = {"account": await service.opened()}
    with monkeypatch.context() as patched:
        patched.setattr("models.feed.page", fail)
        response = await service.http.get("/export", params=file)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (status, code)
    assert response.headers.get("retry-after") == ("1" if status == 503 else None)
    assert "secret" not in response.text
    assert (await service.http.get("/export", params=file)).status_code == 200


@pytest.mark.parametrize("bound", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
async def test_an_export_may_begin_and_end_where_the_calendar_does(
    service: Caller, bound: str, zone: str
) -> None:
    file = {"account": await service.opened(), "timeZone": zone}
    for name in ("from", "to"):
        response = await service.http.get("/export", params=file | {name: bound})
        assert response.status_code == 200
        lines = response.text.splitlines()
        assert len(lines) == 1 + ((name == "from") is bound.startswith("0001"))
        assert bound[:4] in response.headers["content-disposition"]


async def test_answers_are_for_nobody_else_to_keep(service: Caller) -> None:
    response = await post(service, TYPENAME)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"].startswith("default-src 'none'")


HELD_TO = (
    "x-request-id: ",
    "x-content-type-options: nosniff",
    "x-frame-options: deny",
    "frame-ancestors 'none'",
)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("GET /healthz HTTP/1.1\r\nHost: a", 200),
        ("GET / HTTP/1.1\r\nHost: a", 307),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        ("GET /healthz HTTP/1.1", 400),
        ("GET /graphql HTTP/1.1\r\nHost: a", 401),
        ("GET /export HTTP/1.1\r\nHost: a", 401),
        ("GET /nothing HTTP/1.1\r\nHost: a", 404),
        ("GET /assets/nothing HTTP/1.1\r\nHost: a", 404),
        ("PUT /healthz HTTP/1.1\r\nHost: a", 405),
    ],
)
async def test_every_answer_has_an_id_and_what_browsers_are_held_to(
    api: Api, asked: str, status: int
) -> None:
    url = httpx.URL(api.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"{asked}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.close()
    assert head.startswith(f"http/1.1 {status} ")
    assert [name for name in HELD_TO if name not in head] == []


async def test_the_operators_doors_answer_without_a_credential(api: Api) -> None:
    anyone = api.caller(None)
    assert (await anyone.http.get("/healthz")).text == "ok\n"
    async with asyncio.timeout(20):  # the bell connects in the background
        while (ready := await anyone.http.get("/readyz")).status_code != 200:
            assert ready.json()["problems"]
            await asyncio.sleep(0.02)
    assert ready.json() == {"ready": True, "problems": []}
    api.process.stop()
    ready = await anyone.http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert (await anyone.http.get("/nothing")).status_code == 404
    home = await anyone.http.get("/")
    assert home.headers["location"] == "/billing/usage"


async def test_nobody_is_sent_to_an_address_of_a_scheme_that_only_a_proxy_knows(api: Api) -> None:
    claims = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
    async with httpx.AsyncClient(base_url=api.url, headers=claims) as client:
        home = await client.get("/")
        assert (home.status_code, home.headers["location"]) == (307, "/billing/usage")
        for path in ("/graphql/", "/billing/usage/", "/export/"):
            assert (await client.get(path)).status_code == 404, path


@pytest.mark.skipif(not DIST.exists(), reason="web/dist is missing: ./dev builds it.")
async def test_a_browser_gets_pages_compressed_and_under_a_strict_policy(api: Api) -> None:
    anyone = api.caller(None)
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding": "br"}
    page = await anyone.http.get("/graphql", headers=browser)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    asset = max((DIST / "assets").rglob("*.js"), key=lambda path: path.stat().st_size)
    path = f"/assets/{asset.relative_to(DIST / 'assets')}"
    for encoding in ("gzip", "identity"):
        found = await anyone.http.get(path, headers={"Accept-Encoding": encoding})
        assert found.content == asset.read_bytes()
        assert found.headers.get("content-encoding", "identity") == encoding
        assert "immutable" in found.headers["cache-control"]
    for nothing in ("/assets/none.js", "/assets/../graphiql.html", "/assets/%2e%2e/graphiql.html"):
        assert (await anyone.http.get(nothing)).status_code == 404


async def test_only_allowed_origins_may_call_from_other_pages(
    database_url: str, tmp_path: Any
) -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    async with served(database_url, tmp_path, allowed_origins=("https://app.test",)) as api:
        anyone = api.caller(None)
        for origin, allowed in (("https://app.test", True), ("https://evil.test", False)):
            headers = {"Origin": origin, **preflight}
            response = await anyone.http.options("/graphql", headers=headers)
            assert (response.headers.get("access-control-allow-origin") == origin) is allowed


async def test_no_answer_waits_for_the_client_to_acknowledge_half_of_it(service: Caller) -> None:
    took: list[float] = []
    for _ in range(30):
        began = time.perf_counter()
        await service.ask("{ viewer { kind } }")
        took.append(time.perf_counter() - began)
    assert min(took[10:]) < 0.030, "a delayed acknowledgement costs 0.040"
