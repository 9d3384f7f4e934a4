"""How much is asked at once: who is answered now, and who is told to come back.

Owns the rate of each account and each service, what each account holds open, and the number of
requests in execution. Owns no limits of a single operation (`schema.limits`) and none of a socket
(`websocket`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

from resolvers.access import Viewer, ViewerKind

BURST_SECONDS = 5.0
"""What was not asked for so long may be asked at once."""

JUDGING_SHARE = 0.25
"""Of a processor, for the new documents of one customer's account."""

JUDGING_BURST_SECONDS = 10.0
"""That is 2.5 s of a processor at once. A page with twenty new operations of sixty fields takes
0.4 s, on a machine three times as slow 1.3.
"""

UNSEEN_WAITING_MAX = 100
"""Documents of one customer's account that wait to be judged, each in the place of a request."""

_REMEMBERED_MAX = 10_000


class ComeBack(Exception):
    """The request was not looked at; the message says why, `retry_after_seconds` when to return."""

    status = 503
    code = "OVERLOADED"

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooSlow(Exception):
    """The answer took too long. A write may have been booked: its idempotency key settles it."""

    code = "TIMEOUT"

    def __init__(self) -> None:
        super().__init__(type(self).__doc__)


class RateLimited(ComeBack):
    """More was asked than this account or service may ask."""

    status = 429
    code = "RATE_LIMITED"


class Rates:
    """What each customer's account and each service may ask. A request is one, whatever it holds:
    batches are what services are meant to send, and what one request may cost is bounded elsewhere.
    What a customer has judged for the first time is counted by the time it takes, and apart: on no
    machine does it make requests fewer.
    """

    def __init__(
        self,
        customer_per_second: float,
        service_per_second: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the rates; 0 is no limit."""
        self._seconds = {
            kind: 1 / rate if rate else 0.0
            for kind, rate in (
                (ViewerKind.CUSTOMER, customer_per_second),
                (ViewerKind.SERVICE, service_per_second),
            )
        }
        self._requests = _Buckets(BURST_SECONDS, clock)
        self._judging = _Buckets(JUDGING_BURST_SECONDS, clock)

    def take(self, viewer: Viewer) -> None:
        """Count one request. Raises: RateLimited."""
        seconds = self._seconds[viewer.kind]
        if seconds:
            if wait := self._requests.wait(viewer):
                raise RateLimited(f"Too many requests. Come back in {wait} s.", wait)
            self._requests.pay(viewer, seconds)

    def wait(self, viewer: Viewer, waiting: int) -> None:
        """Let one more unseen document wait beside so many of its asker's. Raises: RateLimited."""
        if viewer.kind is ViewerKind.CUSTOMER:
            wait = self._judging.wait(viewer) or int(waiting >= UNSEEN_WAITING_MAX)
            if wait:
                raise RateLimited(f"Too many new documents at once. Come back in {wait} s.", wait)

    def spend(self, viewer: Viewer, cpu_seconds: float) -> None:
        """Count what it took to judge a document, or to make its plan."""
        if viewer.kind is ViewerKind.CUSTOMER and self._seconds[viewer.kind]:
            self._judging.pay(viewer, cpu_seconds / JUDGING_SHARE)


class _Buckets:
    """A token bucket for each customer's account and each service, measured in the seconds it takes
    to fill: it holds as many as `burst_seconds`.
    """

    def __init__(self, burst_seconds: float, clock: Callable[[], float]) -> None:
        self._burst_seconds = burst_seconds
        self._clock = clock
        self._paid_until: dict[tuple[ViewerKind, str], float] = {}

    def wait(self, viewer: Viewer) -> int:
        """In how many seconds there is something in it; 0 where there is now."""
        now = self._clock()
        paid_until = self._paid_until.get((viewer.kind, viewer.name), now)
        return max(0, math.ceil(paid_until - now - self._burst_seconds))

    def pay(self, viewer: Viewer, seconds: float) -> None:
        now, name = self._clock(), (viewer.kind, viewer.name)
        self._paid_until[name] = max(now, self._paid_until.get(name, now)) + seconds
        if len(self._paid_until) > _REMEMBERED_MAX:  # full ones are as good as none
            self._paid_until = {n: until for n, until in self._paid_until.items() if until > now}


class Held:
    """What each account's customers hold open for as long as they like, such as sockets: so many
    and no more. Services are known to us, and not counted.
    """

    def __init__(self, what: str, most: int) -> None:
        self.what = what
        self.most = most
        self._open: Counter[str] = Counter()

    def take(self, viewer: Viewer) -> None:
        """Hold one more. Raises: RateLimited."""
        if viewer.kind is ViewerKind.SERVICE:
            return
        if self._open[viewer.name] >= self.most:
            raise RateLimited(f"Too many {self.what} for this account: end one first.")
        self._open[viewer.name] += 1

    def give_back(self, viewer: Viewer) -> None:
        """Hold one less."""
        if viewer.kind is ViewerKind.SERVICE:
            return
        self._open[viewer.name] -= 1
        if not self._open[viewer.name]:
            del self._open[viewer.name]

    @contextmanager
    def by(self, viewer: Viewer) -> Generator[None]:
        """Hold one more until the end of the block. Raises: RateLimited."""
        self.take(viewer)
        try:
            yield
        finally:
            self.give_back(viewer)


class Load:
    """The requests in execution, each `with load:`. More than `most` are turned away before they
    are read.

    One that follows an account is in execution until it has its place in the feed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 0

    def check(self) -> None:
        """Raises: ComeBack where there is no room."""
        if self.now >= self._most:
            raise ComeBack("The server is busy. Come back in a second.")

    def __enter__(self) -> None:
        """Take the room of one request. Raises: ComeBack."""
        self.check()
        self.now += 1

    def __exit__(self, *_: object) -> None:
        self.now -= 1

    def begin(self) -> Beginning:
        """Take the room of one operation, until it says that it has begun. Raises: ComeBack."""
        self.check()
        self.now += 1
        return Beginning(self)


class Beginning:
    """The time from an operation's question to its first result, or to its place in the feed."""

    __slots__ = ("_load", "_timer", "is_late")

    def __init__(self, load: Load) -> None:
        self._load: Load | None = load
        self._timer: asyncio.TimerHandle | None = None
        self.is_late = False

    def within(self, seconds: float, give_up: Callable[[], object]) -> None:
        """Give up if it has not begun by then."""

        def late() -> None:
            self.is_late = True
            give_up()

        if self._load is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, late)

    def set(self) -> None:
        """It has begun, or ended; said again, it is said once."""
        if self._load is not None:
            self._load.now -= 1
            self._load = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
