"""A PostgreSQL connection that listens to one channel and keeps itself alive.

Owns the LISTEN connection: its probe, its way back after a loss, and saying when it is up and when
it is lost. Owns no meaning of a notification and reads no table: whoever is told `on_up` reads
again, since whatever was sent while nobody listened is gone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import asyncpg
import structlog

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
_BACKOFF_SECONDS = (0.1, 2.0)


class Backoff:
    """Waits that double up to a limit, each shortened by chance so that many processes do not
    return at once.
    """

    def __init__(self) -> None:
        self._attempt = 0

    def reset(self) -> None:
        self._attempt = 0

    async def wait(self) -> None:
        shortest, longest = _BACKOFF_SECONDS
        seconds = min(longest, shortest * 2 ** min(self._attempt, 16))
        self._attempt += 1
        await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311


class Listener:
    """Listens to `channel` for as long as it is open, across any number of lost connections.

    One task owns the connection, so no two commands ever meet on it. `on_up` is called each time
    the server has confirmed LISTEN, the first time too; `on_lost` each time a connection or an
    attempt failed.
    """

    def __init__(
        self,
        dsn: str,
        channel: str,
        *,
        on_message: Callable[[str], None],
        on_up: Callable[[], None],
        on_lost: Callable[[], None],
        probe_seconds: float,
    ) -> None:
        self._dsn = dsn
        self._channel = channel
        self._on_message = on_message
        self._on_up = on_up
        self._on_lost = on_lost
        self._probe_seconds = probe_seconds
        self._backoff = Backoff()
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._task = asyncio.create_task(self._run(), name="listen")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
                log.warning("the LISTEN connection was closed by the server")
            except Exception as error:  # whatever broke it, a new connection is the remedy
                log.warning("the LISTEN connection failed", error=repr(error))
            self._on_lost()
            await self._backoff.wait()

    async def _listen(self) -> None:
        """Listen until the connection is lost."""
        connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=ANSWER_SECONDS,
            server_settings={"application_name": f"listen {self._channel}"},
        )
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(self._channel, self._hear)
            self._backoff.reset()
            self._on_up()
            while not await _happens(lost, within_seconds=self._probe_seconds):
                await connection.execute("SELECT 1")  # a half-open connection fails only when used
        finally:
            connection.terminate()

    def _hear(self, connection: object, pid: int, channel: str, message: object) -> None:
        self._on_message(str(message))


async def _happens(event: asyncio.Event, within_seconds: float) -> bool:
    try:
        async with asyncio.timeout(within_seconds):  # wait_for can swallow a cancellation
            await event.wait()
    except TimeoutError:
        return False
    return True
