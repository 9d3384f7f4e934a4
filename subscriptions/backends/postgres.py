"""The bell over PostgreSQL: the database rings inside the writing transaction, this process
listens.

Owns the joint between broadcaster and `models.listen`, which owns the connection.
"""

from __future__ import annotations

from models.listen import Listener
from subscriptions.backends.base import CHANNEL, PROBE_SECONDS, Backend


class PostgresBackend(Backend):
    name = "PostgreSQL LISTEN"

    def __init__(self, dsn: str, probe_seconds: float = PROBE_SECONDS) -> None:
        super().__init__()
        self._listener = Listener(
            dsn,
            CHANNEL,
            on_message=self.hear,
            on_up=self.up,
            on_lost=self.down,
            probe_seconds=probe_seconds,
        )

    async def connect(self) -> None:
        self._listener.open()

    async def disconnect(self) -> None:
        await self._listener.close()
