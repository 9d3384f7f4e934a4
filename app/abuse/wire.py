"""Bytes over TCP, well formed or not, and what came back, in a few words.

Owns a client that refuses nothing: every byte is the caller's. Owns no cases.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

ANSWER_SECONDS = 60.0
"""More than the server waits for anybody: 40 s for two pings' answers."""
HANDSHAKE = (
    "GET /graphql HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SUBPROTOCOL = {"Sec-WebSocket-Protocol": "graphql-transport-ws"}
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """One HTTP response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    def json(self) -> Any:
        """Raises: ValueError where the body is no JSON."""
        return json.loads(self.body)

    def __str__(self) -> str:
        """The status, and the error's code or the refusal's name where there is one."""
        with suppress(ValueError, TypeError, LookupError, AttributeError):
            return f"{self.status} {_said(self.json())}".strip()
        return str(self.status)


def _said(body: Any) -> str:
    if body.get("errors"):
        return body["errors"][0]["extensions"]["code"]
    answers: list[Any] = list(body["data"].values())
    first: Any = answers[0]
    if isinstance(first, list):
        first = cast("list[Any]", first)[0]
    return first["__typename"] if "message" in first else ""


class Line:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Send, as far as the server takes it."""
        with suppress(OSError):
            self.writer.write(data)
            await self.writer.drain()

    async def reply(self) -> Reply | None:
        """The next response; None where the connection ends instead."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await self.reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                pairs = (line.partition(":") for line in lines[1:] if line)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                return Reply(int(lines[0].split()[1]), headers, await self._body(headers))
        except (OSError, EOFError, ValueError, LookupError, asyncio.LimitOverrunError):
            return None

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            chunks: list[bytes] = []
            while size := int(await self.reader.readline(), 16):
                chunks.append(await self.reader.readexactly(size))
                await self.reader.readline()
            await self.reader.readline()
            return b"".join(chunks)
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        return await self.reader.read() if headers.get("connection") == "close" else b""

    async def told(self) -> str:
        """What the server answers, or `closed`."""
        reply = await self.reply()
        return "closed" if reply is None else str(reply)

    async def is_ended(self) -> bool:
        """Whether the server ends the connection, whatever it sends before."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


@asynccontextmanager
async def connected(port: int, *, receive_bytes: int | None = None) -> AsyncGenerator[Line]:
    """A connection, with a receive buffer as small as wanted; reset at the end of the block."""
    end = socket.socket()
    end.setblocking(False)
    if receive_bytes is not None:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=end, limit=1_048_576)
    except BaseException:
        end.close()
        raise
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


def request(
    method: str, target: str, headers: Headers, body: bytes = b"", *, length: bool = True
) -> bytes:
    """A request's bytes; `Host` and `Content-Length` are added unless given."""
    given = {name.lower() for name in headers}
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in given:
        lines.append("Host: 127.0.0.1")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length and body and "content-length" not in given:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def exchanged(port: int, data: bytes) -> str:
    """What one connection that sends these bytes is answered first."""
    async with connected(port) as line:
        sending = asyncio.create_task(line.send(data))
        try:
            return await line.told()
        finally:
            sending.cancel()


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, bits: int = 0
) -> bytes:
    """A WebSocket frame; `bits` are its reserved ones."""
    size, mask_bit = len(payload), 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | bits << 4 | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    return head + b"\0\0\0\0" + payload  # a mask of zeros leaves the payload as it is


class Socket(Line):
    """One WebSocket connection, which answers no ping unless told to."""

    answers_pings = False

    async def say(self, *messages: object) -> None:
        """Send messages, as JSON."""
        await self.send(b"".join(frame(TEXT, json.dumps(each).encode()) for each in messages))

    async def introduce(self, token: str) -> str:
        """Say who one is; returns what the server says."""
        credential = {"authorization": f"Bearer {token}"}
        await self.say({"type": "connection_init", "payload": credential})
        return await self.hear_word()

    async def hear(self, within_seconds: float | None = ANSWER_SECONDS) -> dict[str, Any] | int:
        """The next message, or the code of the close: 1006 where there is none."""
        try:
            async with asyncio.timeout(within_seconds):
                while True:
                    opcode, payload = await self._frame()
                    if opcode == TEXT:
                        return json.loads(payload)
                    if opcode == PING and self.answers_pings:
                        await self.send(frame(PONG, payload))
                    if opcode == CLOSE:
                        return struct.unpack("!H", payload[:2])[0] if payload else 1005
        except (OSError, EOFError):
            return 1006

    async def hear_word(self) -> str:
        """The next message in a word: its type, and the code of an error; or `closed` and why."""
        heard = await self.hear()
        if isinstance(heard, int):
            return f"closed {heard}"
        errors = heard["payload"] if heard["type"] == "error" else ()
        if heard["type"] == "next":
            errors = heard["payload"].get("errors") or ()
        return " ".join([heard["type"], *(error["extensions"]["code"] for error in errors[:1])])

    async def closes(self) -> str:
        """How the server closes, whatever it says before."""
        while True:
            heard = await self.hear()
            if isinstance(heard, int):
                return f"closed {heard}"

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(size)


@asynccontextmanager
async def socket_to(
    port: int, headers: Headers = SUBPROTOCOL, *, receive_bytes: int | None = None
) -> AsyncGenerator[Socket]:
    """A WebSocket connection that has said nothing yet. Raises: Refused."""
    async with connected(port, receive_bytes=receive_bytes) as line:
        head = HANDSHAKE.format(host=f"127.0.0.1:{port}")
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await line.send(f"{head}\r\n".encode("latin-1"))
        status = await _handshake(line)
        if status != 101:
            raise Refused(status)
        yield Socket(line.reader, line.writer)


async def _handshake(line: Line) -> int:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await line.reader.readuntil(b"\r\n\r\n")
            return int(head.split()[1])
    except (OSError, EOFError):
        return 0


class Refused(Exception):
    """The handshake was answered with this status; 0 where with none."""

    def __init__(self, status: int) -> None:
        super().__init__(f"handshake {status}")
        self.status = status


def a_name() -> str:
    """A name that nobody has used."""
    return os.urandom(9).hex()
