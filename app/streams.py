"""Results over a long HTTP response: server-sent events, and Apollo's multipart.

Owns the rhythm of a stream: one result after the other as fast as the client reads, and a sign of
life between them.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, cast

import orjson
import structlog
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from strawberry.http import GraphQLHTTPResponse
from strawberry.http.streaming import HTTPStreamTransport

from models.database import CONNECTION_LOST
from resolvers.access import Viewer, ViewerKind
from resolvers.errors import Unauthenticated
from resolvers.identity import KEY_MEMORY_SECONDS
from schema import errors

log = structlog.get_logger(__name__)

SIGN_OF_LIFE_SECONDS = 12.0


async def response(
    results: AsyncGenerator[Any, None],
    transport: HTTPStreamTransport,
    viewer: Viewer,
    accepted: asyncio.Event,
    tell: Callable[[Any], dict[str, Any]],
    review: Callable[[], Awaitable[Any]],
    held: AsyncExitStack,
) -> Response:
    """A response that lasts as long as the results and the credential do, which `review` tells by
    raising Unauthenticated; `tell` makes a result's body, and what is `held` is let go at the end.

    Guarantees: begins once the subscription is accepted, so that whatever a client does after it
    sees the response lands in the stream.
    """
    stream = _Stream(results, viewer, tell, review)
    held.push_async_callback(stream.close)
    await stream.accepted(accepted)
    headers = {**transport.headers, "Cache-Control": "no-store, no-transform"}
    return LongResponse(_chunks(stream, transport), headers, held.pop_all())


class LongResponse(StreamingResponse):
    """A response that lets go of what is held for it however it ends, begun or not."""

    def __init__(
        self, content: AsyncIterable[str | bytes], headers: dict[str, str], held: AsyncExitStack
    ) -> None:
        super().__init__(content, headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


class _Stream:
    def __init__(
        self,
        results: AsyncGenerator[Any, None],
        viewer: Viewer,
        tell: Callable[[Any], dict[str, Any]],
        review: Callable[[], Awaitable[Any]],
    ) -> None:
        self._results = results
        self._tell = tell
        self._expires_at = math.inf if viewer.expires_at is None else viewer.expires_at
        self._review = review
        self._reviewed_at = time.monotonic()
        self._review_seconds = KEY_MEMORY_SECONDS if viewer.kind is ViewerKind.SERVICE else math.inf
        self._upcoming = asyncio.ensure_future(anext(results))

    async def accepted(self, accepted: asyncio.Event) -> None:
        """Wait until the operation is accepted, or has its first result."""
        waiting = asyncio.create_task(accepted.wait())
        try:
            await asyncio.wait({waiting, self._upcoming}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def bodies(self) -> AsyncGenerator[dict[str, Any] | None, None]:
        """The body of each result, and None for a sign of life between them."""
        while True:
            left = self._expires_at - time.time()
            seconds = max(0.0, min(SIGN_OF_LIFE_SECONDS, self._review_seconds, left))
            await asyncio.wait({self._upcoming}, timeout=seconds)
            if left <= 0:
                yield errors.error_body("The token has expired.", "TOKEN_EXPIRED")
                return
            if not await self._stands():
                yield errors.error_body("The key is no longer valid.", Unauthenticated.code)
                return
            if not self._upcoming.done():
                yield None
                continue
            try:
                result = self._upcoming.result()
            except StopAsyncIteration:
                return
            yield self._tell(result)
            self._upcoming = asyncio.ensure_future(anext(self._results))

    async def _stands(self) -> bool:
        """Whether the key, where it is one and it is time, is still valid."""
        if time.monotonic() - self._reviewed_at < self._review_seconds:
            return True
        self._reviewed_at = time.monotonic()
        try:
            await self._review()
        except Unauthenticated:
            return False
        except CONNECTION_LOST as lost:  # a database that is away revokes nobody
            log.warning("a key could not be reviewed", error=repr(lost))
        return True

    async def close(self) -> None:
        self._upcoming.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._upcoming
        await self._results.aclose()


async def _chunks(stream: _Stream, transport: HTTPStreamTransport) -> AsyncGenerator[str, None]:
    async for body in stream.bodies():
        if body is None:
            yield transport.heartbeat_message(_encode)
        else:
            yield transport.encode_next(cast("GraphQLHTTPResponse", body), _encode)
    yield transport.encode_complete()


def _encode(body: object) -> str:
    return orjson.dumps(body).decode()
