"""uvicorn's HTTP connection, with an end for clients that do not ask, do not finish, or do not
read.

Owns how long a connection waits for its client. uvicorn waits for ever, so that whoever opens
connections and says nothing has them all. Owns no request (`http`) and no socket (`connection`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class HttpProtocol(H11Protocol):
    """One connection. Guarantees: it is ended where the head of a request is not there
    `seconds_to_ask` after it was due, where what follows an answer is not read to its end in
    `seconds_to_finish`, and where nothing is read in `seconds_to_listen`, or soon at a shutdown.
    """

    seconds_to_ask = 20.0
    seconds_to_finish = 5.0
    seconds_to_listen = 20.0
    seconds_to_listen_at_shutdown = 1.0

    _asking: asyncio.TimerHandle | None = None
    _listening: asyncio.TimerHandle | None = None
    _is_handed_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._asking = self._later(self.seconds_to_ask)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn declares
        if cycle is not None and not cycle.response_complete:
            self._asking = _cancelled(self._asking)
        elif self._asking is None and not (self._is_handed_over or self.transport.is_closing()):
            is_left_over = cycle is not None and cycle.more_body
            wait = self.seconds_to_finish if is_left_over else self.seconds_to_ask
            self._asking = self._later(wait)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._asking = _cancelled(self._asking)
        self._is_handed_over = True
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._listening = self._later(self.seconds_to_listen)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._listening = _cancelled(self._listening)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._later(self.seconds_to_listen)  # what is unread keeps a closed connection open

    def shutdown(self) -> None:
        super().shutdown()
        self.seconds_to_listen = self.seconds_to_listen_at_shutdown
        if self._listening is not None or self.transport.is_closing():
            _cancelled(self._listening)
            self._listening = self._later(self.seconds_to_listen)

    def connection_lost(self, exc: Exception | None) -> None:
        self._asking = _cancelled(self._asking)
        self._listening = _cancelled(self._listening)
        super().connection_lost(exc)

    def _later(self, seconds: float) -> asyncio.TimerHandle:
        abort: Callable[[], None] = self.transport.abort
        return self.loop.call_later(seconds, abort)


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
