"""The bell over Redis or Valkey pub/sub: the process that wrote publishes after its commit, every
process listens.

Owns the Redis connections and their way back after a loss. Redis keeps nothing for those who were
away, so each confirmed subscription counts as news of any account, and what could not be published
is kept and published later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import redis.asyncio as aioredis
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from models.listen import Backoff
from subscriptions.backends.base import CHANNEL, PROBE_SECONDS, RESYNC, WAITING_MAX, Backend

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 5.0
CANCEL_AGAIN_SECONDS = 0.5


class RedisBackend(Backend):
    name = "Redis"

    def __init__(self, url: str, probe_seconds: float = PROBE_SECONDS) -> None:
        super().__init__()
        self._probe_seconds = probe_seconds
        # The client's own retries would reconnect behind our back: a loss must be seen to be told.
        self._client = aioredis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url,
            decode_responses=True,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._unpublished: set[str] = set()
        self._to_publish = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        self._tasks = [
            asyncio.create_task(_keep_trying(self._listen, self.down), name="redis-listen"),
            asyncio.create_task(_keep_trying(self._publish, _nothing), name="redis-publish"),
        ]

    async def disconnect(self) -> None:
        await _ended(self._tasks)
        await self._client.aclose()

    def committed(self, account_ids: Collection[int]) -> None:
        self._unpublished.update(map(str, account_ids))
        if len(self._unpublished) > WAITING_MAX:
            self._unpublished = {RESYNC}
        self._to_publish.set()

    async def _listen(self, works: Callable[[], None]) -> None:
        """Hear the channel until the connection is lost."""
        pubsub: Any = self._client.pubsub()  # pyright: ignore[reportUnknownMemberType]
        try:
            await pubsub.subscribe(CHANNEL)
            probed = False
            while True:
                message = await pubsub.get_message(timeout=self._probe_seconds)
                if message is None:
                    if probed:
                        raise TimeoutError(f"no answer for {self._probe_seconds:g} s")
                    await pubsub.ping()
                elif message["type"] == "subscribe":
                    works()
                    self.up()
                elif message["type"] == "message":
                    self.hear(message["data"])
                probed = message is None
        finally:
            await pubsub.aclose()

    async def _publish(self, works: Callable[[], None]) -> None:
        """Publish what was committed, for as long as Redis takes it."""
        while True:
            await self._to_publish.wait()
            self._to_publish.clear()
            batch, self._unpublished = self._unpublished, set()
            try:
                await self._client.publish(CHANNEL, " ".join(batch))  # pyright: ignore[reportUnknownMemberType]
            except BaseException:
                self._unpublished |= batch
                self._to_publish.set()
                raise
            works()


async def _keep_trying(
    work: Callable[[Callable[[], None]], Awaitable[None]], on_lost: Callable[[], None]
) -> None:
    backoff = Backoff()
    while True:
        try:
            await work(backoff.reset)
        except Exception as error:  # whatever broke it, a new connection is the remedy
            log.warning("the Redis connection failed", error=repr(error))
        on_lost()
        await backoff.wait()


async def _ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """End tasks. The client swallows a cancellation that finds it connecting, so it is repeated."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)


def _nothing() -> None:
    """Losing the publishing connection loses no hearing."""
