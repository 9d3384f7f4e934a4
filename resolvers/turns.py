"""Turns: what takes long is done one at a time, and whoever asks for much of it waits longest.

Owns the order. Owns no work.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """One turn at a time; those who wait are served by asker, and by arrival within an asker's.

    An asker who waits for a thousand turns is one of many to the next asker, not a thousand.
    """

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, asker: Hashable) -> AsyncGenerator[None]:
        """Wait for a turn and have it until the end of the block."""
        if self._is_taken:
            await self._turn_of(asker)
        self._is_taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _turn_of(self, asker: Hashable) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(asker, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given to one who has gone
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give the turn to the first of the asker who has waited longest since its last one."""
        while self._waiting:
            asker, line = self._waiting.popitem(last=False)
            turn = line.popleft()
            if line:
                self._waiting[asker] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._is_taken = False
