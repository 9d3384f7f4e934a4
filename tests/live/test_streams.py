"""Subscriptions over long HTTP responses: server-sent events, and multipart as Apollo asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from app.faults.verdict import Verdict
from tests.live.door import LANDED, VIEWER, Door, Message
from tests.live.support import eventually

FROM_THE_START = "c2VxOjA="
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0,application/json'


@dataclass
class Events:
    """One response, read event by event."""

    response: httpx.Response
    chunks: AsyncGenerator[str, None]
    buffer: str = ""

    async def hear(self) -> tuple[str, Message | None]:
        """The next event's name and data; a sign of life is named `:`."""
        async with asyncio.timeout(10):
            while "\r\n\r\n" not in self.buffer:
                self.buffer += await anext(self.chunks)
        event, _, self.buffer = self.buffer.partition("\r\n\r\n")
        if event.startswith(":"):
            return ":", None
        name, data = event.split("\r\n")
        text = data.removeprefix("data:").strip()
        return name.removeprefix("event: "), json.loads(text) if text else None

    async def hear_more(self) -> tuple[str, Message | None]:
        """The next event that is no mere sign of life."""
        heard = await self.hear()
        while heard[0] == ":":
            heard = await self.hear()
        return heard

    async def hear_seq(self) -> int:
        name, data = await self.hear_more()
        assert name == "next"
        assert data is not None
        return data["data"]["usageEntryLanded"]["edge"]["node"]["seq"]

    async def ended(self) -> bool:
        assert self.buffer == ""
        async with asyncio.timeout(10):
            return [chunk async for chunk in self.chunks] == []


@asynccontextmanager
async def _events(
    there: Door, query: str, token: str | None = None, **variables: object
) -> AsyncGenerator[Events]:
    headers = {"Accept": "text/event-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = {"query": query, "variables": variables}
    async with (
        there.http() as client,
        client.stream("POST", "/graphql", json=body, headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Events(response, response.aiter_text())  # pyright: ignore[reportArgumentType]


async def test_every_line_after_the_cursor_arrives_as_an_event(there: Door) -> None:
    await there.grant(150)
    async with _events(there, LANDED, account=there.account, since=FROM_THE_START) as events:
        received = [await events.hear_seq() for _ in range(150)]
        for _ in range(10):
            await there.grant(5)
            received += [await events.hear_seq() for _ in range(5)]
    assert Verdict.on(received, range(1, 201)) == Verdict()


async def test_a_reader_that_leaves_leaves_nothing_behind(there: Door) -> None:
    bell = there.process.services.bell
    async with _events(there, LANDED, account=there.account):
        await eventually(lambda: bell.followers == 1)
    await eventually(lambda: bell.followers == 0)


async def test_an_account_holds_so_many_streams_open_and_no_more(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(there.process.streams, "most", 2)
    sse = {"Accept": "text/event-stream"}

    async with there.http() as http:

        def exported() -> Awaitable[httpx.Response]:
            return http.get("/export", params={"account": there.account})

        def streamed(query: str = VIEWER) -> Awaitable[httpx.Response]:
            return http.post("/graphql", json={"query": query}, headers=sse)

        async def in_the_end(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
            """The answer once there is room: what has ended is given back a moment later."""
            async with asyncio.timeout(20):
                while (answer := await ask()).status_code == 429:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.05)
            return answer

        async with _events(there, LANDED, account=there.account):
            async with _events(there, LANDED, account=there.account):
                for refused in (await streamed(), await exported()):
                    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
                    (error,) = refused.json()["errors"]
                    assert error["extensions"]["code"] == "RATE_LIMITED"
                async with _events(there, VIEWER, await there.service_key()) as others:
                    assert (await others.hear())[0] == "next"
            for _ in range(3):
                assert (await in_the_end(exported)).is_success
                assert '"CUSTOMER"' in (await in_the_end(streamed)).text
                refused = await in_the_end(lambda: streamed("subscription { nothing }"))
                assert "GRAPHQL_VALIDATION_FAILED" in refused.text


async def test_a_query_is_one_event_and_complete(there: Door) -> None:
    async with _events(there, "{ viewer { kind } }") as events:
        assert await events.hear() == ("next", {"data": {"viewer": {"kind": "CUSTOMER"}}})
        assert await events.hear() == ("complete", None)
        assert await events.ended()


async def test_a_get_is_answered_as_a_stream_too(there: Door) -> None:
    """A browser's EventSource can ask in no other way."""
    headers = {"Accept": "text/event-stream"}
    async with there.http() as client:
        answer = await client.get("/graphql", params={"query": VIEWER}, headers=headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = Events(answer, _nothing_more(), answer.text)
        assert await events.hear() == ("next", {"data": {"viewer": {"kind": "CUSTOMER"}}})
        assert await events.hear() == ("complete", None)


async def _nothing_more() -> AsyncGenerator[str, None]:
    return
    yield


async def test_a_mutation_is_one_event_and_complete(there: Door) -> None:
    query = """mutation($account: ID!) { grantCredits(input: {account: $account, amount: 5,
      idempotencyKey: "k", reasonCode: "GRANT_PROMO"}) { ... on CreditsGranted { replayed } } }"""
    key = await there.service_key()
    for replayed in (False, True):
        async with _events(there, query, key, account=there.account) as events:
            granted = {"grantCredits": {"replayed": replayed}}
            assert await events.hear() == ("next", {"data": granted})
            assert await events.hear() == ("complete", None)
            assert await events.ended()


async def test_there_is_no_single_connection_mode(there: Door) -> None:
    async with there.http() as client:
        for method in ("PUT", "DELETE"):
            answer = await client.request(method, "/graphql", params={"operationId": "1"})
            assert answer.status_code == 405


@pytest.mark.parametrize(
    ("query", "account", "code"),
    [
        ("{ viewer {", "", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "", "GRAPHQL_VALIDATION_FAILED"),
        (LANDED, "QWNjb3VudDo5OTk=", "NOT_FOUND"),
        (LANDED, [1], "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_run_is_one_event_with_its_error_and_complete(
    there: Door, capsys: pytest.CaptureFixture[str], query: str, account: object, code: str
) -> None:
    async with _events(there, query, account=account) as events:
        name, data = await events.hear()
        assert data is not None
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", code)
        assert await events.hear() == ("complete", None)
        assert await events.ended()
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_stream_ends_with_token_expired_when_its_token_does(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.identity.LEEWAY_SECONDS", 0)
    token = there.signer.token("ada", seconds=5)
    async with _events(there, LANDED, token, account=there.account, since=FROM_THE_START) as events:
        await there.grant(1)
        assert await events.hear_seq() == 1
        name, data = await events.hear_more()
        assert data is not None
        assert (name, data["errors"][0]["extensions"]["code"]) == ("next", "TOKEN_EXPIRED")
        assert await events.hear() == ("complete", None)
        assert await events.ended()
    await eventually(lambda: there.process.services.bell.followers == 0)


async def test_a_quiet_stream_shows_signs_of_life(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.streams.SIGN_OF_LIFE_SECONDS", 0.1)
    async with _events(there, LANDED, account=there.account, since=FROM_THE_START) as events:
        assert [await events.hear() for _ in range(3)] == [(":", None)] * 3
        await there.grant(1)
        assert await events.hear_seq() == 1


async def test_apollo_gets_its_lines_as_multipart(there: Door) -> None:
    variables = {"account": there.account, "since": FROM_THE_START}
    body = {"query": LANDED, "variables": variables}
    await there.grant(3)
    async with (
        there.http() as client,
        client.stream("POST", "/graphql", json=body, headers={"Accept": MULTIPART}) as response,
    ):
        assert response.headers["content-type"].startswith("multipart/mixed;boundary=graphql")
        received = ""
        async with asyncio.timeout(10):
            async for chunk in response.aiter_text():
                received += chunk
                if received.count('"usageEntryLanded"') == 3:
                    break
    parts = [part for part in received.split("\r\n") if '"payload"' in part]
    seqs = [
        json.loads(part)["payload"]["data"]["usageEntryLanded"]["edge"]["node"]["seq"]
        for part in parts
    ]
    assert seqs == [1, 2, 3]
