"""Listening: one socket, one server process, stopped in order.

Owns the address, signals and the limits of connections. Owns nothing that answers (`asgi`,
`process`).
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp

from app.asgi import create_app
from app.connection import WebSocketProtocol
from app.logs import pass_over_what_was_given_up
from app.patience import HttpProtocol
from app.process import Process, running
from app.settings import Settings
from models.validation import check_time_zone

WEBSOCKET_BYTES_MAX = 131_072
KEEP_ALIVE_SECONDS = 30
BACKLOG = 2_048
COLLECTOR_THRESHOLDS = (2_000, 2, 50)
"""How many new objects are looked at in one go: 2,000 take 1 ms, three times as many 3. All of them
take up to 100 and hold little garbage, but that little is large: after 300,000 new ones it goes.
"""

SWITCH_SECONDS = 0.0001
"""How long the loop waits for another thread to stand aside: by itself Python lets it wait 5 ms, at
each of the ten or so steps of a request.
"""


class Server(uvicorn.Server):
    """A uvicorn server whose subscriptions end before its connections do."""

    def __init__(
        self, config: uvicorn.Config, on_listening: Callable[[], None], on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._on_listening = on_listening
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():  # asyncio does so only where the protocol is named
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Stop in order, as after SIGTERM."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn's own raises the signal again at the end, which would cut off whoever closes
        # after us.
        loop = asyncio.get_running_loop()
        handled = (signal.SIGINT, signal.SIGTERM)
        for number in handled:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)


async def serve(settings: Settings, on_listening: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; `on_listening` hears the address once requests are answered.

    Raises: OSError where the port is taken; what `process.running` raises.
    """
    with bound(settings.host, settings.port) as listener:
        async with running(settings) as process:
            address = url_of(listener, settings.host)
            await favour_the_loop(process)
            pass_over_what_was_given_up()
            server = make_server(process, lambda: on_listening(address) if on_listening else None)
            await server.serve([listener])


async def favour_the_loop(process: Process) -> None:
    """Keep short what the loop has to wait for: what else the first who needs it would make ready,
    the thread that judges documents, and the garbage collector, which looks neither at what lives
    as long as the process nor often at the thousands of sockets that live nearly as long.
    """
    await run_in_threadpool(check_time_zone, "", "UTC")  # all zones, and what streams are sent by
    await process.schema.execute("{ __typename }")
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def make_server(
    process: Process,
    on_listening: Callable[[], None],
    measures: Callable[[], Awaitable[bytes]] | None = None,
) -> Server:
    """The server of one process; `measures` are those of more than itself."""
    app: ASGIApp = create_app(process, measures=measures)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks where a request came from, or by which scheme
        backlog=BACKLOG,
        http=HttpProtocol,
        ws=WebSocketProtocol,
        ws_max_size=WEBSOCKET_BYTES_MAX,
        ws_per_message_deflate=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(process.settings.shutdown_grace_seconds)),
    )
    return Server(config, on_listening, process.stop)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def reserved(host: str, port: int) -> socket.socket:
    """A socket on an address that several processes share; it does not listen yet.

    Connections are spread among those that do. Raises: OSError where another holds the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserving = socket.socket(family)
    try:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserving.bind((host, port))
    except BaseException:
        reserving.close()
        raise
    return reserving


def url_of(listener: socket.socket, host: str) -> str:
    """The address that a listener is reached at."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    port = listener.getsockname()[1]
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
