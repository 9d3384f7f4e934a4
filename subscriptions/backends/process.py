"""The bell within one process: for a server that runs alone, with no broker to fail.

Owns nothing but the ring itself. Lines that another process books are found by the bell's poll.
"""

from __future__ import annotations

from collections.abc import Collection

from subscriptions.backends.base import Backend


class ProcessBackend(Backend):
    name = "in-process"

    async def connect(self) -> None:
        self.up()

    async def disconnect(self) -> None:
        self.down()

    def committed(self, account_ids: Collection[int]) -> None:
        self.hear(" ".join(map(str, account_ids)))
