"""Load over kept connections, and its measure: how soon, how many, and the CPU time it took.

Owns the client, which shares its CPU with PostgreSQL and so must be lean: run it on uvloop; it has
no streams and no parser beyond an answer's length. Owns no server and no request's text.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PATIENCE_SECONDS = 30.0

Requests = Iterator[tuple[int, bytes]]
"""Requests without end, each with a number by which its answer is known."""


class WrongAnswer(Exception):
    """A server answered something else than it was asked; its words are the message."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load showed; CPU time is per request."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    database_cpu_us: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender answers, and the processes whose CPU time is its own."""

    url: str
    server: int
    database: int


@dataclass(slots=True)
class Load:
    """One round's clients and what they were answered."""

    requests: Requests
    mark: bytes
    """What a right answer's body holds."""
    until: float = float("inf")
    latencies: list[float] = field(default_factory=list[float])
    answered: list[int] = field(default_factory=list[int])


def post(url: str, path: str, token: str | None, body: bytes) -> bytes:
    """The bytes of one POST of a JSON body."""
    return b"%b%d\r\n\r\n%b" % (_head(url, path, token), len(body), body)


@lru_cache(maxsize=1_024)
def _head(url: str, path: str, token: str | None) -> bytes:
    credential = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n{credential}"
        "Content-Type: application/json\r\nContent-Length: "
    )
    return head.encode()


async def answer(url: str, request: bytes) -> bytes:
    """The body of the answer to one request.

    Raises: WrongAnswer for any status but 200.
    """
    client = await _connected(url, Load(iter([(0, request)]), b""))
    await client.gone
    return client.body


async def load(place: Place, work: Load, connections: int, seconds: float) -> Round:
    """Load a server from so many connections, each asking again as soon as it is answered.

    Raises: WrongAnswer; ConnectionError where the server goes away.
    """
    before = cpu_seconds(family(place.server)), cpu_seconds(family(place.database))
    begin = time.perf_counter()
    work.until = begin + seconds
    clients = [await _connected(place.url, work) for _ in range(connections)]
    async with asyncio.timeout(seconds + PATIENCE_SECONDS):
        await asyncio.gather(*(client.gone for client in clients))
    took = time.perf_counter() - begin
    after = cpu_seconds(family(place.server)), cpu_seconds(family(place.database))
    count = len(work.latencies)
    percentiles = statistics.quantiles(work.latencies, n=100)
    return Round(
        count / took,
        percentiles[49] * 1e3,
        percentiles[98] * 1e3,
        (after[0] - before[0]) / count * 1e6,
        (after[1] - before[1]) / count * 1e6,
    )


async def load_until_it_ends(url: str, work: Load, connections: int) -> None:
    """Load a server until it goes away, as one that is killed does."""
    clients = [await _connected(url, work) for _ in range(connections)]
    await asyncio.gather(*(client.gone for client in clients), return_exceptions=True)


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time that these processes have taken so far."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


class _Client(asyncio.Protocol):
    """One connection: asks, and asks again as soon as it is answered."""

    def __init__(self, work: Load) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.body = b""
        self._work = work
        self._received = b""
        self._asked_at = 0.0
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask(time.perf_counter())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.gone.done():
            self.gone.set_exception(exc or ConnectionResetError("the server went away"))

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        head, end, body = received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
        if end and not (length and head.startswith(b"HTTP/1.1 200")):
            self._fail(received)
        elif not end or len(body) < int(length):
            self._received = received
        else:
            self._received = b""
            self._answered(body)

    def _answered(self, body: bytes) -> None:
        self.body = body
        work, now = self._work, time.perf_counter()
        if work.mark not in body:
            self._fail(body)
            return
        work.latencies.append(now - self._asked_at)
        work.answered.append(self._number)
        if now < work.until:
            self._ask(now)
        else:
            self._end()

    def _ask(self, now: float) -> None:
        following = next(self._work.requests, None)
        if following is None:
            self._end()
            return
        self._number, request = following
        self._asked_at = now
        self._transport.write(request)

    def _end(self) -> None:
        self.gone.set_result(None)
        self._transport.close()

    def _fail(self, said: bytes) -> None:
        if not self.gone.done():
            self.gone.set_exception(WrongAnswer(said[:2_000].decode(errors="replace")))
        self._transport.close()


async def _connected(url: str, work: Load) -> _Client:
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(
        lambda: _Client(work), parts.hostname or "", parts.port or 0
    )
    return client
