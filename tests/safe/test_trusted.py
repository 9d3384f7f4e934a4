"""Documents by their id, and nothing else where a setting says so."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql.language.parser import Parser
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from app.accept import GRAPHQL_JSON
from app.process import trusted_documents
from app.questions import Question
from app.settings import Settings, SettingsError, load_settings
from app.trusted import THE_PAGES, NotSupported, Trusted
from schema import documents
from tests.api.support import Api, Caller, document, served
from tests.live.door import Socket

VIEWER = "query Who { viewer { account { key } } }"
LANDED = (
    "subscription Landed($account: ID!, $since: String) "
    "{ usageEntryLanded(account: $account, since: $since) { edge { cursor } } }"
)
START = "c2VxOjA="


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def written(path: Path, *texts: str) -> Path:
    path.write_text(json.dumps({sha256(text): text for text in texts}))
    return path


@pytest.fixture
async def strict(database_url: str, tmp_path: Path) -> AsyncGenerator[Api]:
    """A server that answers two manifests and nothing else."""
    apollo = tmp_path / "apollo.json"
    operations = [{"id": "grants/1", "name": "G", "type": "mutation", "body": GRANT}]
    head = {"format": "apollo-persisted-query-manifest", "version": 1}
    apollo.write_text(json.dumps(head | {"operations": operations}))
    manifests = (written(tmp_path / "ours.json", VIEWER, LANDED, OPEN), apollo)
    async with served(
        database_url, tmp_path, trusted_documents=manifests, trusted_documents_only=True
    ) as api:
        yield api


GRANT, OPEN = document("grantCredits"), document("openAccount")


def by_hash(text: str) -> dict[str, Any]:
    """As Apollo Client and urql ask."""
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}}


def by_id(document_id: str) -> dict[str, Any]:
    """As the appendix of GraphQL over HTTP asks, and Relay's network function may."""
    return {"documentId": document_id}


async def post(caller: Caller, body: dict[str, Any], accept: str = "*/*") -> httpx.Response:
    return await caller.http.post("/graphql", json=body, headers={"Accept": accept})


def refused(response: httpx.Response) -> tuple[int, str]:
    (error,) = response.json()["errors"]
    assert "data" not in response.json()
    return response.status_code, error["extensions"]["code"]


async def test_a_document_is_asked_for_by_its_id_over_every_door(strict: Api) -> None:
    service, customer = await strict.service(), strict.customer("acme")
    given = {"input": {"key": "acme", "name": "Acme"}}
    opened = await post(service, by_hash(OPEN) | {"variables": given})
    account = opened.json()["data"]["openAccount"]["account"]["id"]
    grant = {"account": account, "idempotencyKey": "g", "amount": 5, "reasonCode": "GRANT_PLAN"}
    booked = await post(service, by_id("grants/1") | {"variables": {"input": grant}})
    assert booked.json()["data"]["grantCredits"]["entry"]["amount"] == 5
    shown = {"data": {"viewer": {"account": {"key": "acme"}}}}
    for asked in (by_hash(VIEWER), by_id(sha256(VIEWER)), by_id(f"sha256:{sha256(VIEWER)}")):
        assert (await post(customer, asked)).json() == shown
        assert (await post(customer, asked | {"query": ""})).json() == shown
        assert (await post(customer, asked | {"query": VIEWER})).json() == shown
        assert (await customer.http.get("/graphql", params=as_parameters(asked))).json() == shown
    follow = by_hash(LANDED) | {"variables": {"account": account, "since": START}}
    async with socket_of(customer) as socket:
        await socket.say({"type": "subscribe", "id": "1", "payload": follow})
        assert "usageEntryLanded" in (await socket.hear())["payload"]["data"]
        await socket.say(
            {"type": "subscribe", "id": "2", "payload": {"query": "", **by_hash(VIEWER)}}
        )
        assert (await socket.hear())["payload"] == shown
        assert await socket.hear() == {"type": "complete", "id": "2"}
    headers = {"Accept": "text/event-stream"}
    async with customer.http.stream("POST", "/graphql", json=follow, headers=headers) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                assert "usageEntryLanded" in line
                break


async def test_nothing_else_is_answered_and_what_was_wrong_is_said(strict: Api) -> None:
    customer = strict.customer("acme")
    unknown, text = by_hash("{ viewer { kind } }"), {"query": "{ viewer { kind } }"}
    for asked, code in (
        (unknown, "PERSISTED_QUERY_NOT_FOUND"),
        (by_id("nothing"), "PERSISTED_QUERY_NOT_FOUND"),
        (text, "DOCUMENT_NOT_TRUSTED"),
        (text | unknown, "DOCUMENT_NOT_TRUSTED"),
        (text | by_hash(VIEWER), "DOCUMENT_NOT_TRUSTED"),
        ({"query": VIEWER + " "}, "DOCUMENT_NOT_TRUSTED"),
        ({"query": "{ __schema { queryType { name } } }"}, "DOCUMENT_NOT_TRUSTED"),
    ):
        assert refused(await post(customer, asked)) == (200, code)
        assert refused(await post(customer, asked, GRAPHQL_JSON)) == (400, code)
        assert refused(await customer.http.get("/graphql", params=as_parameters(asked))) == (
            200,
            code,
        )
        assert refused(await post(customer, asked, "text/event-stream")) == (200, code)
        async with socket_of(customer) as socket:
            await socket.say({"type": "subscribe", "id": "1", "payload": asked})
            (error,) = (said := await socket.hear())["payload"]
            assert (said["type"], error["extensions"]["code"]) == ("error", code)
            assert await socket.is_open()
    for asked in ({"documentId": 5}, {"extensions": {"persistedQuery": {"sha256Hash": [VIEWER]}}}):
        assert refused(await post(customer, asked)) == (400, "BAD_USER_INPUT")
        async with socket_of(customer) as socket:
            await socket.say({"type": "subscribe", "id": "1", "payload": asked})
            assert (await socket.closed())[0] == 4400
    assert (
        await strict.caller(None).http.post("/graphql", json=by_hash(VIEWER))
    ).status_code == 401
    mutation = await customer.http.get("/graphql", params=as_parameters(by_hash(OPEN)))
    assert mutation.status_code == 405


async def test_an_id_costs_no_parsing_of_its_own(
    strict: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, parsed = strict.customer("acme"), list[str]()

    class Counted(Parser):
        def __init__(self, text: str, **options: Any) -> None:
            parsed.append(text)
            super().__init__(text, **options)

    monkeypatch.setattr(documents, "_Parser", Counted)
    for asked in (by_hash(VIEWER), by_id(sha256(VIEWER)), {"query": VIEWER}) * 3:
        assert (await post(customer, asked)).status_code == 200
    assert parsed == [VIEWER]


async def test_without_a_manifest_texts_are_answered_and_ids_are_said_to_be_unknown(
    api: Api,
) -> None:
    customer = api.customer("acme")
    assert "data" in (await post(customer, {"query": VIEWER} | by_hash(VIEWER))).json()
    with pytest.raises(NotSupported):
        Trusted({}).question(Question("", document_id=sha256(VIEWER)))
    assert refused(await post(customer, by_hash(VIEWER)))[1].startswith("PERSISTED_QUERY_NOT_")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": 5}', '{"a": " "}', '{"format": "x"', "{"])
def test_what_is_no_manifest_is_refused_at_start_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.json"
    for content in (text, None):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        settings = Settings(trusted_documents=(path,))  # pyright: ignore[reportCallIssue]
        with pytest.raises(SettingsError, match="USAGE_FEED_TRUSTED_DOCUMENTS cannot be used"):
            trusted_documents(settings)


def test_manifests_are_files_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USAGE_FEED_TRUSTED_DOCUMENTS", "a.json, b.json")
    assert load_settings().trusted_documents == (Path("a.json"), Path("b.json"))


def test_our_pages_documents_are_in_the_build_as_the_pages_send_them() -> None:
    if not THE_PAGES.is_file():
        pytest.skip("The page is not built: npm run build in web/.")
    ours = json.loads(THE_PAGES.read_text())
    assert len(ours) == 7
    assert {sha256(text) for text in ours.values()} == set(ours)
    element = (THE_PAGES.parent / "usage-feed.js").read_text()
    assert [text for text in ours.values() if text not in element] == []


def as_parameters(asked: dict[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in asked.items()
    }


@asynccontextmanager
async def socket_of(caller: Caller) -> AsyncGenerator[Socket]:
    """A socket that the server knows."""
    url = f"{caller.api.url.replace('http', 'ws', 1)}/graphql"
    async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
        socket = Socket(connection)
        await socket.introduce(caller.token or "")
        yield socket
