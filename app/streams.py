"""Results over a long HTTP response: server-sent events, and Apollo's multipart.

Owns the rhythm of a stream: one result after the other as fast as the client reads, and a sign of
life between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse
from strawberry.http.streaming import (
    HTTPStreamTransport,
    MultipartSubscriptionTransport,
    SSETransport,
)

from app.results import body_of

SIGN_OF_LIFE_SECONDS = 12.0

_TRANSPORTS: tuple[HTTPStreamTransport, ...] = (SSETransport(), MultipartSubscriptionTransport())


def transport_for(accept: str) -> HTTPStreamTransport | None:
    """How a client that accepts this wants a stream; None where it wants a plain answer."""
    if not accept:
        return None
    return next((transport for transport in _TRANSPORTS if transport.accepts(accept)), None)


def response(
    results: AsyncGenerator[Any, None], transport: HTTPStreamTransport, request_id: str
) -> Response:
    """A response that lasts as long as the results."""
    return StreamingResponse(
        _chunks(results, transport, request_id),
        headers={**transport.headers, "Cache-Control": "no-store, no-transform"},
    )


async def _chunks(
    results: AsyncGenerator[Any, None], transport: HTTPStreamTransport, request_id: str
) -> AsyncGenerator[str, None]:
    upcoming = asyncio.ensure_future(anext(results))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=SIGN_OF_LIFE_SECONDS)
            if not upcoming.done():
                yield transport.heartbeat_message(_encode)
                continue
            try:
                result = upcoming.result()
            except StopAsyncIteration:
                break
            yield transport.encode_next(body_of(result, request_id), _encode)  # pyright: ignore[reportArgumentType]
            upcoming = asyncio.ensure_future(anext(results))
        yield transport.encode_complete()
    finally:
        upcoming.cancel()
        with suppress(BaseException):
            await upcoming
        await results.aclose()


def _encode(body: object) -> str:
    return orjson.dumps(body).decode()
