"""Subscribers in a process of their own, which count and do nothing else.

Run as `python -m benchmarks.live_clients`; takes commands, a line of JSON each, on standard input
and answers each with a line of JSON:

- `{"open": [[account, token], ...], "url": url, "query": query}` opens a socket for each and
  subscribes; answers with how many are open.
- `{"await": n, "seconds": s}` waits until n lines in all have arrived since the last such command;
  answers with how many did, when the last one did by the monotonic clock, when each did where they
  are few, and the text of the last.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import sys
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import orjson
import uvloop

OPENING_AT_ONCE = 32
ARRIVALS_TOLD_MAX = 1_000
_PING, _PONG = 0x89, 0x8A


class Tally:
    """What has arrived on all sockets of this process."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.text = b""
        self.wanted = 0
        self.enough = asyncio.Event()

    def add(self, text: bytes) -> None:
        self.arrivals.append(time.monotonic())
        self.text = text
        if len(self.arrivals) >= self.wanted:
            self.enough.set()

    async def wait(self, wanted: int, seconds: float) -> dict[str, Any]:
        """Wait for so many lines, and begin anew."""
        self.wanted = wanted
        self.enough.clear()
        if len(self.arrivals) < wanted:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.enough.wait(), seconds)
        arrivals, self.arrivals = self.arrivals, []
        return {
            "arrived": len(arrivals),
            "last": arrivals[-1] if arrivals else None,
            "arrivals": arrivals if len(arrivals) <= ARRIVALS_TOLD_MAX else [],
            "text": self.text.decode(),
        }


class Subscriber(asyncio.Protocol):
    """One socket: as much of WebSocket as it takes to subscribe once and count."""

    def __init__(self, tally: Tally, host: str, account: str, token: str, query: str) -> None:
        self._tally = tally
        self._host = host
        self._token = token
        payload = {"query": query, "variables": {"account": account}}
        self._subscribe = {"id": "1", "type": "subscribe", "payload": payload}
        self._buffer = b""
        self._upgraded = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"closed: {self._buffer!r}"))

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at = 0
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            self._upgraded = True
            authorization = {"authorization": f"Bearer {self._token}"}
            self._say({"type": "connection_init", "payload": authorization})
            at = end + 4
        while len(data) - at >= 2:
            length, begin = data[at + 1], at + 2
            if length == 126:
                length, begin = int.from_bytes(data[at + 2 : at + 4]), at + 4
            if len(data) < begin + length:
                break
            self._heard(data[at], data[begin : begin + length])
            at = begin + length
        self._buffer = data[at:]

    def _heard(self, opcode: int, payload: bytes) -> None:
        if b'"next"' in payload:
            self._tally.add(payload)
        elif opcode == _PING:
            self._frame(_PONG, payload)
        elif b"connection_ack" in payload:
            self._say(self._subscribe)
            self.ready.set_result(None)
        else:
            print(payload, file=sys.stderr)

    def _say(self, message: Any) -> None:
        self._frame(0x81, orjson.dumps(message))

    def _frame(self, opcode: int, payload: bytes) -> None:
        # A mask of zeros leaves the payload as it is.
        size = len(payload)
        head = (
            bytes([opcode, 0x80 | size]) if size < 126 else struct.pack("!BBH", opcode, 254, size)
        )
        self._transport.write(head + bytes(4) + payload)


async def opened(command: dict[str, Any], tally: Tally) -> int:
    """Open a socket for each subscription of a command."""
    parts = urlsplit(str(command["url"]))
    gate = asyncio.Semaphore(OPENING_AT_ONCE)

    async def one(account: str, token: str) -> None:
        async with gate:
            _, subscriber = await asyncio.get_running_loop().create_connection(
                lambda: Subscriber(tally, parts.netloc, account, token, command["query"]),
                str(parts.hostname),
                int(parts.port or 80),
            )
            await subscriber.ready

    await asyncio.gather(*(one(*who) for who in command["open"]))
    return len(command["open"])


async def main() -> None:
    tally = Tally()
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = orjson.loads(line)
        if "open" in command:
            answer: dict[str, Any] = {"open": await opened(command, tally)}
        else:
            answer = await tally.wait(command["await"], command["seconds"])
        print(orjson.dumps(answer).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
