"""Results over a long HTTP response: server-sent events, and Apollo's multipart.

Owns the rhythm of a stream: one result after the other as fast as the client reads, and a sign of
life between them.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any, cast

import orjson
from starlette.responses import Response, StreamingResponse
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import (
    HTTPStreamTransport,
    MultipartSubscriptionTransport,
    SSETransport,
)

from app.results import body_of
from schema import errors

SIGN_OF_LIFE_SECONDS = 12.0

_TRANSPORTS: tuple[HTTPStreamTransport, ...] = (SSETransport(), MultipartSubscriptionTransport())


def transport_for(accept: str) -> HTTPStreamTransport | None:
    """How a client that accepts this wants a stream; None where it wants a plain answer."""
    if not accept:
        return None
    return next((transport for transport in _TRANSPORTS if transport.accepts(accept)), None)


def response(
    results: AsyncGenerator[Any, None],
    transport: HTTPStreamTransport,
    request_id: str,
    expires_at: float | None,
) -> Response:
    """A response that lasts as long as the results and the credential do."""
    bodies = _bodies(results, request_id, expires_at)
    return StreamingResponse(
        _chunks(bodies, transport),
        headers={**transport.headers, "Cache-Control": "no-store, no-transform"},
    )


async def _chunks(
    bodies: AsyncGenerator[dict[str, Any] | None, None], transport: HTTPStreamTransport
) -> AsyncGenerator[str, None]:
    async with aclosing(bodies):
        async for body in bodies:
            if body is None:
                yield transport.heartbeat_message(_encode)
            else:
                yield transport.encode_next(cast("GraphQLHTTPResponse", body), _encode)
    yield transport.encode_complete()


async def _bodies(
    results: AsyncGenerator[Any, None], request_id: str, expires_at: float | None
) -> AsyncGenerator[dict[str, Any] | None, None]:
    """The body of each result, and None for a sign of life between them."""
    upcoming = asyncio.ensure_future(anext(results))
    try:
        while True:
            left = math.inf if expires_at is None else expires_at - time.time()
            await asyncio.wait({upcoming}, timeout=max(0.0, min(SIGN_OF_LIFE_SECONDS, left)))
            if left <= 0:
                yield errors.error_body("The token has expired.", "TOKEN_EXPIRED")
                return
            if not upcoming.done():
                yield None
                continue
            try:
                result = upcoming.result()
            except StopAsyncIteration:
                return
            yield body_of(result, request_id)
            upcoming = asyncio.ensure_future(anext(results))
    finally:
        upcoming.cancel()
        with suppress(BaseException):
            await upcoming
        await results.aclose()


def _encode(body: object) -> str:
    return orjson.dumps(body).decode()
