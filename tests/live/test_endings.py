"""How sockets and streams end: silent readers, restarts, and the npm client that comes back."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.connection import WebSocketProtocol
from tests.live.door import LANDED, Door, door
from tests.live.support import busily, eventually
from tests.live.wire import close_frame, connected, raw_socket, rest_of, say

FROM_THE_START = "c2VxOjA="
LINES = 6_000
EMPTY_CLOSE = b"\x88\x80" + bytes(4)


class Impatient(WebSocketProtocol):
    """Gives up on a silent client soon."""

    seconds_to_send = 0.5
    seconds_to_linger = 1.0


class Patient(WebSocketProtocol):
    """Gives up on nobody while a test lasts."""

    seconds_to_send = 120.0
    seconds_to_linger = 120.0


async def _introduce(raw: sockets.socket, there: Door) -> None:
    token = {"authorization": f"Bearer {there.token}"}
    await say(raw, {"type": "connection_init", "payload": token})


async def _follow_more_than_buffers_hold(raw: sockets.socket, there: Door) -> None:
    """Book 6 MB of lines and subscribe to them."""
    await there.grant(LINES, metadata="x" * 1_000)
    await _introduce(raw, there)
    query = LANDED.replace("{ seq }", "{ seq metadata }")
    variables = {"account": there.account, "since": FROM_THE_START}
    payload = {"query": query, "variables": variables}
    await say(raw, {"id": "1", "type": "subscribe", "payload": payload})
    await eventually(lambda: there.process.services.bell.followers == 1)


async def _stop_in_time(there: Door) -> None:
    began = time.monotonic()
    await there.stop()
    assert time.monotonic() - began < busily(3)


async def test_a_client_that_stops_reading_is_closed_with_1013_behind_what_it_has_not_read(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path, protocol=Impatient) as there, raw_socket(there) as raw:
        await _follow_more_than_buffers_hold(raw, there)
        await eventually(lambda: there.process.services.bell.followers == 0)
        received = await rest_of(raw)
        assert received.endswith(close_frame(1013, "The client reads too slowly"))
        assert received.count(b'"type":"next"') < LINES


async def test_a_client_that_never_reads_again_is_let_go_of(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path, protocol=Impatient) as there, raw_socket(there) as raw:
        await _follow_more_than_buffers_hold(raw, there)
        assert there.connections() == 1
        await eventually(lambda: there.connections() == 0, within_seconds=5)


async def test_a_client_that_answers_no_ping_is_closed_with_1013(
    database_url: str, tmp_path: Path
) -> None:
    """uvicorn's 1011 would be final to the npm client."""
    async with (
        door(database_url, tmp_path, protocol=Impatient, ping_seconds=0.3) as there,
        raw_socket(there) as raw,
    ):
        await _introduce(raw, there)
        assert (await rest_of(raw)).endswith(close_frame(1013, "No answer to a ping"))


async def test_a_stop_tells_every_subscriber_to_come_back_within_2_seconds(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path) as there, AsyncExitStack() as stack:
        key = await there.service_key()
        subscribed = [await stack.enter_async_context(there.introduced(key)) for _ in range(100)]
        idle = [await stack.enter_async_context(there.introduced(key)) for _ in range(20)]
        for socket in subscribed:
            await socket.follow("1", there.account)
        bell = there.process.services.bell
        await eventually(lambda: bell.followers == 100)
        await there.grant(1)
        for socket in subscribed:
            assert await socket.hear_seq() == 1
        began = time.monotonic()
        await there.stop()
        codes = [(await socket.closed())[0] for socket in subscribed + idle]
        assert time.monotonic() - began < busily(2)
        assert codes == [1012] * 120
        assert bell.followers == 0


async def test_a_stop_does_not_wait_for_a_client_that_reads_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path) as there, raw_socket(there) as raw:
        await _follow_more_than_buffers_hold(raw, there)
        await asyncio.sleep(0.5)
        await _stop_in_time(there)


async def test_a_stop_does_not_wait_for_an_event_stream_that_nobody_reads(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with door(database_url, tmp_path) as there, connected(there) as raw:
        await there.grant(LINES, metadata="x" * 1_000)
        variables = {"account": there.account, "since": FROM_THE_START}
        query = LANDED.replace("{ seq }", "{ seq metadata }")
        body = json.dumps({"query": query, "variables": variables})
        request = (
            "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Accept: text/event-stream\r\nAuthorization: Bearer {there.token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        await asyncio.get_running_loop().sock_sendall(raw, request.encode())
        await eventually(lambda: there.process.services.bell.followers == 1)
        await asyncio.sleep(0.5)
        await _stop_in_time(there)
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_a_stopped_server_completes_its_event_streams(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path) as there, there.http() as client:
        body = {"query": LANDED, "variables": {"account": there.account, "since": FROM_THE_START}}
        headers = {"Accept": "text/event-stream"}
        async with client.stream("POST", "/graphql", json=body, headers=headers) as response:
            assert response.status_code == 200
            await there.grant(2)
            chunks = response.aiter_text()
            received = ""
            while received.count("event: next") < 2:
                received += await anext(chunks)
            began = time.monotonic()
            stopping = asyncio.ensure_future(there.stop())
            received += "".join([chunk async for chunk in chunks])
            await stopping
            assert time.monotonic() - began < busily(2)
        assert received.count("event: next") == 2
        assert received.rstrip().endswith("event: complete\r\ndata:")


async def test_a_stop_is_in_order_beside_a_client_that_said_goodbye_and_reads_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path, protocol=Patient) as there, raw_socket(there) as raw:
        await _follow_more_than_buffers_hold(raw, there)
        await asyncio.sleep(0.5)
        await asyncio.get_running_loop().sock_sendall(raw, EMPTY_CLOSE)
        await eventually(lambda: there.process.services.bell.followers == 0)
        assert there.connections() == 1, "what it has not read keeps it open"
        await _stop_in_time(there)
