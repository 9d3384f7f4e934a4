"""What the hand-written contenders share: serving an ASGI function, its body and its answer, and a
pool whose statements leave nothing behind.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE_LINES = 50
SEQ_MAX = 2**31 - 1
PAGE = Path(__file__).with_name("page.sql").read_text()
DSN = os.environ.get("DATABASE_URL", "")


def serve(make_app: Callable[[], Awaitable[Any]]) -> None:
    """Serve the application that `make_app` makes, on a free port, and say where."""

    async def serving() -> None:
        app = await make_app()
        with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listener:
            config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
            gc.collect()
            gc.freeze()
            print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
            await uvicorn.Server(config).serve([listener])

    with asyncio.Runner(loop_factory=uvicorn.Config(serve).get_loop_factory()) as runner:
        runner.run(serving())


async def pool() -> asyncpg.Pool:
    """A pool of connections whose plans do not depend on parameters."""
    session = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
    return await asyncpg.create_pool(DSN, reset=_leave_as_it_is, server_settings=session)


async def body_of(receive: Receive) -> bytes:
    """A request's body."""
    message = await receive()
    body: bytes = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    return body


async def respond(send: Send, status: int, body: bytes) -> None:
    """Send an answer of JSON."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _leave_as_it_is(_: Any) -> None:
    pass
