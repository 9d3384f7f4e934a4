"""uvicorn's HTTP connection, with an end for clients that do not ask, do not finish, do not read,
or send what nobody asked for.

Owns how long a connection waits for its client, and how much it takes in beside bodies. uvicorn
waits for ever and takes in all, so that whoever opens connections and says nothing, or says nothing
but headers, has everything. Owns no request (`http`) and no socket (`connection`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_BYTES_MAX = 32_768


class HttpProtocol(HttpToolsProtocol):
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
    _under_way: Any = None
    _unheard_bytes = 0
    """What came in that was neither a whole head nor a body: the parser keeps it, however long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._asking = self._later(self.seconds_to_ask)

    def data_received(self, data: bytes) -> None:
        self._unheard_bytes += len(data)
        super().data_received(data)
        if self._unheard_bytes > HEADER_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn declares
        if cycle is not None and not cycle.response_complete:
            self._asking = _cancelled(self._asking)
        elif self._asking is None and not (self._is_handed_over or self.transport.is_closing()):
            is_left_over = cycle is not None and cycle.more_body
            wait = self.seconds_to_finish if is_left_over else self.seconds_to_ask
            self._asking = self._later(wait)

    def on_headers_complete(self) -> None:
        self._unheard_bytes = 0
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > HEADER_BYTES_MAX:
            raise ValueError("the head is too large")  # the parser refuses the request with 400
        super().on_headers_complete()
        # What trails a body goes to the copy: it was not there when the request was let in.
        self.headers = self.headers.copy()

    def on_body(self, body: bytes) -> None:
        self._unheard_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unheard_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(msg)
        self._forget_what_is_asked()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._under_way = cycle
        super()._start_asgi_task(cycle, app)

    def handle_websocket_upgrade(self) -> None:
        self._asking = _cancelled(self._asking)
        self._is_handed_over = True
        super().handle_websocket_upgrade()
        self.parser = None  # it and this hold each other: sockets would be left to the collector

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
        self._forget_what_is_asked()
        self._asking = _cancelled(self._asking)
        self._listening = _cancelled(self._listening)
        super().connection_lost(exc)

    def _forget_what_is_asked(self) -> None:
        """Nobody hears the answers any more: not to the request under way, which uvicorn takes for
        the last that came in, and not to those in line behind it.
        """
        asked: list[Any] = [self._under_way, *(cycle for cycle, _ in self.pipeline)]
        self.pipeline.clear()
        for cycle in asked:
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _later(self, seconds: float) -> asyncio.TimerHandle:
        abort: Callable[[], None] = self.transport.abort
        return self.loop.call_later(seconds, abort)


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
