"""uvicorn's WebSocket connection, with an end for clients that stop reading.

Owns how long a connection waits for its reader and the codes with which the server itself closes.
uvicorn waits for ever, and closes with 1011, which the npm graphql-ws client takes as final;
after 1013 it comes back. Owns no messages: those are `schema.websocket`'s.
"""

from __future__ import annotations

import asyncio

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

TRY_AGAIN_LATER = 1013
INVALID_DATA = 1007


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection. Guarantees: a client that reads nothing costs no more than its buffers, and
    no longer than `seconds_to_send` and then `seconds_to_linger`.
    """

    seconds_to_send = 20.0
    seconds_to_linger = 20.0
    seconds_to_linger_at_shutdown = 1.0

    async def send(self, message: ASGISendEvent) -> None:
        if not self.writable.is_set():
            try:
                async with asyncio.timeout(self.seconds_to_send):
                    await self.writable.wait()
            except TimeoutError:
                self._give_up("The client reads too slowly")
                raise ClientDisconnected from None
        await super().send(message)

    def keepalive_timeout(self) -> None:
        self.pong_timer = None
        self._give_up("No answer to a ping")

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not _is_utf8(b"".join(self.frames)):
            self.conn.send_close(INVALID_DATA, "A message must be UTF-8")
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def shutdown(self) -> None:
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


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
