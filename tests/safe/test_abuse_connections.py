"""A connection is held as long as its client asks, finishes and reads, and no longer."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.abuse.cases import JSON
from app.abuse.wire import Headers, Line, connected, request, socket_to
from app.patience import HttpProtocol
from tests.api.support import Api, Caller, issuer_keys, served
from tests.live.support import busily

ASKED = b'{"query": "{ viewer { kind } }"}'
SHORT_SECONDS = 0.4


@pytest.fixture
async def api(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Api]:
    """A server of little patience."""
    for name in ("seconds_to_ask", "seconds_to_finish", "seconds_to_listen"):
        monkeypatch.setattr(HttpProtocol, name, SHORT_SECONDS)
    async with served(database_url, tmp_path) as api:
        yield api


def port_of(api: Api) -> int:
    port = urlsplit(api.url).port
    assert port is not None
    return port


def credential() -> Headers:
    return {**JSON, "Authorization": f"Bearer {issuer_keys().token('acme')}"}


@pytest.mark.parametrize("begin", [b"", b"POST /gra", b"POST /graphql HTTP/1.1\r\nHost: a\r\nX:"])
async def test_a_connection_on_which_nothing_is_asked_is_ended(api: Api, begin: bytes) -> None:
    async with connected(port_of(api)) as line:
        began = time.monotonic()
        await line.send(begin)
        assert await line.is_ended()
        assert SHORT_SECONDS * 0.9 < time.monotonic() - began < SHORT_SECONDS + 2


@pytest.mark.parametrize("first", [b"", request("GET", "/healthz", {})])
async def test_a_head_that_arrives_letter_by_letter_is_not_waited_for(
    api: Api, first: bytes
) -> None:
    async with connected(port_of(api)) as line:
        await line.send(first)
        assert not first or await line.told() == "200"

        async def drip() -> None:
            for letter in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Y: " + b"z" * 200:
                await line.send(bytes([letter]))
                await asyncio.sleep(0.05)

        dripping, began = asyncio.create_task(drip()), time.monotonic()
        assert await line.is_ended()
        assert time.monotonic() - began < SHORT_SECONDS + 2
        dripping.cancel()


async def test_a_body_that_does_not_come_is_not_waited_for(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        served(database_url, tmp_path, request_timeout_seconds=0.5) as api,
        connected(port_of(api)) as line,
    ):
        headers = {**credential(), "Content-Length": "100"}
        await line.send(request("POST", "/graphql", headers, b'{"query": '))
        assert await line.told() == "408 BAD_USER_INPUT"


async def test_a_body_that_goes_on_after_its_answer_is_cut_off(api: Api) -> None:
    async with connected(port_of(api)) as line:
        headers = {**credential(), "Content-Length": "900000000"}
        await line.send(request("POST", "/graphql", headers, ASKED))
        assert await line.told() == "413 BAD_USER_INPUT"

        async def endless() -> None:
            while True:
                await line.send(b"a" * 100)
                await asyncio.sleep(0.02)

        going_on = asyncio.create_task(endless())
        assert await line.is_ended()
        going_on.cancel()


async def test_a_client_that_reads_nothing_is_let_go(
    api: Api,
    service: Caller,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The hundred honest connections that make the account long may wait for their turn.
    monkeypatch.setattr(HttpProtocol, "seconds_to_ask", 20.0)
    account = await service.opened("acme", granted=1)
    inputs = [
        {
            "account": account,
            "idempotencyKey": f"line-{n}",
            "amount": 1,
            "metadata": {"padding": "x" * 4_000},
            "reasonCode": "GRANT_PROMO",
        }
        for n in range(100)
    ]
    await asyncio.gather(*(service.do("grantCredits", **given) for given in inputs))
    target = f"/export.csv?account={account}"
    one = len((await service.http.get(target)).content)
    async with connected(port_of(api), receive_bytes=4_096) as line:
        await line.send(request("GET", target, credential()) * 40)
        await asyncio.sleep(busily(SHORT_SECONDS * 6))
        # What the system had taken from the server is still there to read; the rest is not.
        assert 0 < await rest_of(line) < 40 * one
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def rest_of(line: Line) -> int:
    """How many bytes arrive until the server ends the connection."""
    count = 0
    async with asyncio.timeout(60):
        with suppress(OSError):
            while data := await line.reader.read(65_536):
                count += len(data)
    return count


async def test_what_could_be_taken_for_two_requests_is_refused_and_the_connection_ended(
    api: Api,
) -> None:
    chunks = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    headers = {"Content-Length": str(len(chunks)), "Transfer-Encoding": "chunked"}
    async with connected(port_of(api)) as line:
        await line.send(request("POST", "/graphql", {**credential(), **headers}, chunks))
        assert await line.told() == "400"
        assert await line.told() == "closed"


@pytest.mark.parametrize("version", ["2.0", "9.9"])
async def test_another_http_is_not_guessed_at(api: Api, version: str) -> None:
    async with connected(port_of(api)) as line:
        await line.send(f"GET /healthz HTTP/{version}\r\nHost: a\r\n\r\n".encode())
        assert (await line.told())[:3] == "400"
        assert await line.told() == "closed"


async def test_a_socket_is_not_hurried(api: Api, service: Caller) -> None:
    await service.opened("acme")
    async with socket_to(port_of(api)) as socket:
        assert await socket.introduce(issuer_keys().token("acme")) == "connection_ack"
        await asyncio.sleep(SHORT_SECONDS * 4)
        await socket.say({"type": "ping"})
        assert await socket.hear_word() == "pong"


async def test_who_waits_for_what_is_to_come_is_not_hurried(api: Api, service: Caller) -> None:
    account = await service.opened("acme", granted=1)
    text = "subscription ($id: ID!) { usageEntryLanded(account: $id) { account { balance } } }"
    headers = {"Accept": "text/event-stream", "Authorization": credential()["Authorization"]}
    body = {"query": text, "variables": {"id": account}}
    async with service.http.stream("POST", "/graphql", json=body, headers=headers) as stream:
        await asyncio.sleep(SHORT_SECONDS * 4)
        await service.do("grantCredits", account=account, amount=5, reasonCode="GRANT_PROMO")
        landed = (line async for line in stream.aiter_lines() if '"balance":6' in line)
        async with asyncio.timeout(5):
            assert await anext(landed)


async def test_an_ended_socket_leaves_no_connection_to_the_collector(
    api: Api, service: Caller
) -> None:
    await service.opened("acme")
    gc.collect()
    gc.disable()
    try:
        before = connections_alive()
        for _ in range(20):
            async with socket_to(port_of(api)) as socket:
                assert await socket.introduce(issuer_keys().token("acme")) == "connection_ack"
        async with asyncio.timeout(5):
            while connections_alive() > before:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        gc.enable()


def connections_alive() -> int:
    """HTTP connections, those that became sockets included, that are still in memory."""
    return sum(isinstance(thing, HttpProtocol) for thing in gc.get_objects())


@pytest.mark.parametrize("hosts", ["", "Host: a\r\nHost: b\r\n"])
async def test_a_request_names_one_host(api: Api, hosts: str) -> None:
    async with connected(port_of(api)) as line:
        await line.send(f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode())
        assert await line.told() == "400 BAD_USER_INPUT"


HEAD = b"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"X-Long: ", id="a header"),
        pytest.param(CHUNKED + b"\r\n1;", id="a chunk's extension"),
        pytest.param(CHUNKED + b"\r\n0\r\nX: ", id="a trailer"),
    ],
)
async def test_nothing_beside_a_body_grows_without_end(api: Api, begun: bytes) -> None:
    async with connected(port_of(api)) as line:
        asks = f"Authorization: {credential()['Authorization']}\r\n".encode()
        await line.send(HEAD + asks + begun)
        await asyncio.sleep(0.1)  # what arrives in one piece is taken in whole
        await line.send(b"x" * 100_000)
        assert await line.told() == "400"
        assert await line.told() == "closed"


async def test_what_trails_a_body_is_no_header(api: Api) -> None:
    body = b'{"query":"{ viewer { kind } }"}'
    trailer = f"Authorization: {credential()['Authorization']}\r\n".encode()
    async with connected(port_of(api)) as line:
        await line.send(
            HEAD + CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, trailer)
        )
        assert await line.told() == "401 UNAUTHENTICATED"
