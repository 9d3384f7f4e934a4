"""A limit of time that many requests share.

Owns its one timer. A timer of its own for each request, set, taken back and never rung, costs more
than reading the request does.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

_LOOKS = 8
"""How often it looks within the limit: so late it may be, by its share."""


class OutOfTime(Exception):
    """The limit's time is up."""


class TimeLimit:
    """`with limit:` gives what is awaited within it `seconds`, and up to an eighth more.

    Raises: OutOfTime where that was not enough. A task is under one limit at a time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun: dict[asyncio.Task[Any], float] = {}
        """Oldest first, as what began first is late first."""
        self._late: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._begun[_this_task()] = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._seconds / _LOOKS, self._look, loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task = _this_task()
        if self._begun.pop(task, None) is not None:
            return
        self._late.discard(task)
        if task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise OutOfTime from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() - self._seconds
        while self._begun and (oldest := next(iter(self._begun.items())))[1] <= due:
            task = oldest[0]
            del self._begun[task]
            self._late.add(task)
            task.cancel()
        waits = bool(self._begun)
        self._timer = loop.call_later(self._seconds / _LOOKS, self._look, loop) if waits else None


def _this_task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a limit of time is for tasks")
    return task
