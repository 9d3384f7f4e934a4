"""SIGTERM with the house full and lines landing without a pause: everybody is told, and soon."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import signal
import sys
from pathlib import Path

from app.faults.servers import UsageFeedServer
from models import service_keys
from schema import ids
from tests.live.door import LANDED
from tests.live.support import Ledger, busily, eventually

SOCKETS, STREAMS, ACCOUNTS = 1_000, 200, 20
OPENING_AT_ONCE = 50
LINES_AT_ONCE, LINES = 5, 20
FULL_SECONDS_MAX = 60.0
TAIL_BYTES = 100
_SERVICE_RESTART = b"\x03\xf4"
"""Close code 1012 as it stands in a frame, and in no JSON."""
_UPGRADE = """GET /graphql HTTP/1.1\r
Host: localhost\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: {key}\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Protocol: graphql-transport-ws\r
Authorization: Bearer {token}\r
\r
"""
_POST = """POST /graphql HTTP/1.1\r
Host: localhost\r
Accept: text/event-stream\r
Content-Type: application/json\r
Content-Length: {length}\r
Authorization: Bearer {token}\r
\r
"""


class Subscriber(asyncio.Protocol):
    """A client that remembers how much came and how it ended, and is quick about it."""

    def __init__(self, opening: bytes, after_answer: bytes = b"") -> None:
        self._opening = opening
        self._after_answer = after_answer
        self.received = 0
        self.tail = b""
        self.ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        if not self.tail:
            self._transport.write(self._after_answer)
        self.received += data.count(b'"usageEntryLanded"')
        self.tail = (self.tail + data)[-TAIL_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(exc)


def over_socket(token: str, account: str) -> Subscriber:
    key = base64.b64encode(os.urandom(16)).decode()
    payload = {"query": LANDED, "variables": {"account": account}}
    said = [{"type": "connection_init"}, {"id": "1", "type": "subscribe", "payload": payload}]
    return Subscriber(_UPGRADE.format(key=key, token=token).encode(), b"".join(map(_frame, said)))


def _frame(message: object) -> bytes:
    data = json.dumps(message).encode()
    size = len(data)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
    return head + bytes(4) + data  # a mask of zeros


def over_stream(token: str, account: str) -> Subscriber:
    body = json.dumps({"query": LANDED, "variables": {"account": account}}).encode()
    return Subscriber(_POST.format(token=token, length=len(body)).encode() + body)


async def _open(port: int, subscribers: list[Subscriber]) -> None:
    gate = asyncio.Semaphore(OPENING_AT_ONCE)

    async def one(subscriber: Subscriber) -> None:
        async with gate:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: subscriber, "127.0.0.1", port)
            await eventually(lambda: bool(subscriber.tail), busily(FULL_SECONDS_MAX))

    await asyncio.gather(*map(one, subscribers))


async def test_everybody_is_told_of_a_stop_within_2_seconds_while_lines_pour_in(
    database_url: str, tmp_path: Path
) -> None:
    async with Ledger.at(database_url) as ledger:
        token = await service_keys.create(ledger.db, "test", ["read"])
        accounts = [await ledger.account() for _ in range(ACCOUNTS)]
        named = [ids.account(account) for account in accounts]
        environment = {
            "USAGE_FEED_DATABASE_URL": database_url,
            "USAGE_FEED_REQUIRE_DURABLE_DATABASE": "false",
            "USAGE_FEED_SERVICE_REQUESTS_PER_SECOND": "0",
        }
        server = UsageFeedServer(environment, tmp_path / "server.log")
        server.open()
        try:
            await server.ready()
            sockets = [over_socket(token, named[n % ACCOUNTS]) for n in range(SOCKETS)]
            streams = [over_stream(token, named[n % ACCOUNTS]) for n in range(STREAMS)]
            everybody = sockets + streams
            await _open(server.port, everybody)
            pouring = asyncio.create_task(_pour(ledger, accounts * LINES_AT_ONCE, everybody))
            await eventually(
                lambda: all(one.received >= LINES for one in everybody), busily(FULL_SECONDS_MAX)
            )
            took = await server.end(signal.SIGTERM)
            pouring.cancel()
            await asyncio.wait([one.ended for one in everybody], timeout=5)
        finally:
            await server.close()
    told = [_SERVICE_RESTART in one.tail for one in sockets]
    completed = ["event: complete" in one.tail.decode() for one in streams]
    assert (told.count(True), completed.count(True)) == (SOCKETS, STREAMS)
    assert took < busily(2)
    assert "Traceback" not in (tmp_path / "server.log").read_text()


TOLD_WHILE_STARTING = """
import os, runpy, signal, uvloop, asyncio, app.cli
class Reading(asyncio.Protocol):
    def data_received(self, data):
        os.kill(os.getpid(), signal.SIGTERM)
        sum(range(10**6))
async def start():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Reading, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    connecting = await loop.create_connection(asyncio.Protocol, *address)
    connecting[0].write(b"x")
    await asyncio.sleep(20)
app.cli.commands.main = lambda *_, **__: app.cli._run(start())
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""


async def test_a_stop_that_falls_into_a_librarys_callback_is_heard(tmp_path: Path) -> None:
    """While a server starts; once it serves, its loop hears of signals between callbacks."""
    starting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TOLD_WHILE_STARTING),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(starting.communicate(), busily(15))
    assert (starting.returncode, said.decode()) == (130, "Stopped.\n")


async def _pour(ledger: Ledger, accounts: list[int], readers: list[Subscriber]) -> None:
    """As fast as the readers take it: behind megabytes of lines nobody hears of a stop in time."""
    for rounds in itertools.count(1):
        await ledger.grant_each(accounts)
        least = (rounds - 1) * LINES_AT_ONCE
        while any(one.received < least for one in readers):  # noqa: ASYNC110 - they set no event
            await asyncio.sleep(0.01)
