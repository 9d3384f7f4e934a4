"""What the backends share: a bounded inbox, and a state of health that has a sentence.

Owns how messages wait to be heard. Owns no connection: each backend has its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from broadcaster import BroadcastBackend, Event

CHANNEL = "usage_feed"
"""The one channel. A message is ids of accounts in decimal, a blank between two, or `RESYNC`."""

RESYNC = "*"
"""Stands for any account: something may have been missed, so look at all of them."""

WAITING_MAX = 100_000
PROBE_SECONDS = 5.0


class Backend(BroadcastBackend):
    """A broadcaster backend that coalesces: an account that rings twice before it is heard rings
    once.
    """

    name = "bell"

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._some = asyncio.Event()
        self._down_since: float | None = time.monotonic()

    @property
    def problem(self) -> str | None:
        """A sentence on what is wrong, or None."""
        if self._down_since is None:
            return None
        seconds = time.monotonic() - self._down_since
        return f"The {self.name} connection has been down for {seconds:.0f} s and is being renewed."

    def committed(self, account_ids: Collection[int]) -> None:
        """Tell every process that lines of these accounts are committed, where the database does
        not.
        """

    def up(self) -> None:
        """The connection hears from now on; what was said before is unknown."""
        self._down_since = None
        self.hear(RESYNC)

    def down(self) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()

    def hear(self, message: str) -> None:
        self._waiting.update(message.split())
        if len(self._waiting) > WAITING_MAX:
            self._waiting = {RESYNC}
        self._some.set()

    async def next_published(self) -> Event:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        waiting, self._waiting = self._waiting, set[str]()
        return Event(CHANNEL, " ".join(waiting))  # one turn for a thousand accounts, not a thousand

    async def subscribe(self, group: str) -> None:
        assert group == CHANNEL  # noqa: S101 - a connection hears one channel from its start

    async def unsubscribe(self, group: str) -> None:
        pass
