"""uvicorn's WebSocket connection, with an end for clients that stop reading.

Owns how long a connection waits for its reader and the codes with which the server itself closes.
uvicorn waits for ever, and closes with 1011, which the npm graphql-ws client takes as final;
after 1013 it comes back. Owns no messages: those are `websocket`'s.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import Any, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import State

TRY_AGAIN_LATER = 1013
INVALID_DATA = 1007
TOO_BIG = 1009
PARTS_MAX = 1_000
"""Frames of one message: empty ones would go on for ever, whatever the bytes of a message."""

PIECE_BYTES = 4_096
"""What is taken in before looking whether the connection is still wanted."""

_TEXT = 0x81
_MEDIUM = struct.Struct("!BBH")
_LARGE = struct.Struct("!BBQ")


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection. Guarantees: a client that reads nothing costs no more than its buffers, and
    no longer than `seconds_to_send` and then `seconds_to_linger`.
    """

    seconds_to_send = 20.0
    seconds_to_linger = 20.0
    seconds_to_linger_at_shutdown = 1.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        # An asyncio.Queue and an asyncio.Event are 4 KB, for messages that are hardly ever there.
        self.queue = cast("Any", _Inbox())
        self.writable = cast("Any", _Gate())

    async def send(self, message: ASGISendEvent) -> None:
        if not self.writable.is_set():
            try:
                async with asyncio.timeout(self.seconds_to_send):
                    await self.writable.wait()
            except TimeoutError:
                self._give_up("The client reads too slowly")
                raise ClientDisconnected from None
        if message["type"] == "websocket.send":
            self._send_text(message.get("text") or "")
            return
        await super().send(message)
        if message["type"] == "websocket.accept":
            self._forget_handshake()

    def data_received(self, data: bytes) -> None:
        for first in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():  # nobody looks at what follows
                return
            super().data_received(data[first : first + PIECE_BYTES])

    def _send_text(self, text: str) -> None:
        """Write one frame, as the server's side writes it: whole, unmasked and uncompressed."""
        if self.close_sent or self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        data = text.encode()
        size = len(data)
        if size < 126:
            head = bytes((_TEXT, size))
        elif size < 65_536:
            head = _MEDIUM.pack(_TEXT, 126, size)
        else:
            head = _LARGE.pack(_TEXT, 127, size)
        self.transport.write(head + data)

    def _forget_handshake(self) -> None:
        """Let go of what only the handshake needed: it is kept in many places for as long as the
        connection lasts.
        """
        cast("dict[str, Any]", self.scope).clear()
        self.request.headers.clear()
        self.response.headers.clear()

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self._give_up("No answer to a ping")

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= PARTS_MAX:
            self.conn.send_close(TOO_BIG, f"A message has at most {PARTS_MAX} frames")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.send_close(INVALID_DATA, "A message must be UTF-8")
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def shutdown(self) -> None:
        if self.transport.is_closing():  # uvicorn would say goodbye to a client that has said it
            self.stop_keepalive()
        else:
            super().shutdown()
        self.loop.call_later(self.seconds_to_linger_at_shutdown, self.transport.abort)

    def _give_up(self, reason: str) -> None:
        """Say goodbye behind whatever is still unread, and let go even if it is never read."""
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})
        self.conn.send_close(TRY_AGAIN_LATER, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.seconds_to_linger, self.transport.abort)


class _Inbox:
    """What the server has for the application, in order; as much of a queue as it takes."""

    __slots__ = ("_messages", "_taker")

    def __init__(self) -> None:
        self._messages: deque[Any] | None = None
        self._taker: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        if self._messages is None:
            self._messages = deque()
        self._messages.append(message)
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    async def get(self) -> Any:
        if self._messages is None:
            self._taker = asyncio.get_running_loop().create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        else:
            await asyncio.sleep(0)  # one at a turn, for who sends thousands at once
        assert self._messages  # noqa: S101 - nobody else takes
        message = self._messages.popleft()
        if not self._messages:
            self._messages = None
        return message

    def empty(self) -> bool:
        return self._messages is None


class _Gate:
    """An event that stands open nearly always, and costs nothing while it does."""

    __slots__ = ("_opened",)

    def __init__(self) -> None:
        self._opened: asyncio.Event | None = None

    def is_set(self) -> bool:
        return self._opened is None

    def set(self) -> None:
        if self._opened is not None:
            self._opened.set()
            self._opened = None

    def clear(self) -> None:
        if self._opened is None:
            self._opened = asyncio.Event()

    async def wait(self) -> None:
        if self._opened is not None:
            await self._opened.wait()


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
