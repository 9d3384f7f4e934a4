"""A client's end of a connection, byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.websocket import SUBPROTOCOL
from tests.live.door import Door, Message


@asynccontextmanager
async def connected(there: Door) -> AsyncGenerator[sockets.socket]:
    """A connection that reads only what the test reads."""
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    raw.setblocking(False)
    port = int(there.url.rpartition(":")[2])
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    try:
        yield raw
    finally:
        raw.close()


@asynccontextmanager
async def raw_socket(there: Door) -> AsyncGenerator[sockets.socket]:
    """The same once it has shaken hands."""
    loop = asyncio.get_running_loop()
    port = int(there.url.rpartition(":")[2])
    handshake = (
        f"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    async with connected(there) as raw:
        await loop.sock_sendall(raw, handshake.encode())
        assert b"101" in await loop.sock_recv(raw, 4_096)
        yield raw


async def say(raw: sockets.socket, message: Message) -> None:
    text = json.dumps(message).encode()
    header = bytes([0x81, 0xFE]) + len(text).to_bytes(2, "big") + bytes(4)  # masked with zeros
    await asyncio.get_running_loop().sock_sendall(raw, header + text)


async def rest_of(raw: sockets.socket) -> bytes:
    """Everything the server sent, to the end."""
    received = bytearray()
    async with asyncio.timeout(20):
        while chunk := await asyncio.get_running_loop().sock_recv(raw, 1 << 20):
            received += chunk
    return bytes(received)


def close_frame(code: int, reason: str) -> bytes:
    return bytes([0x88, 2 + len(reason)]) + code.to_bytes(2, "big") + reason.encode()
