"""Load and its measure: requests over kept connections, and the CPU time that processes took."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of load showed."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    database_cpu_us: float


def request_bytes(url: str, token: str, body: bytes) -> bytes:
    """One POST of a GraphQL body."""
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def answer(url: str, request: bytes) -> bytes:
    """The body of the answer to one request."""
    reader, writer = await _connected(url)
    try:
        return await _one(reader, writer, request)
    finally:
        writer.close()


async def round_of(
    url: str, request: bytes, connections: int, seconds: float, server: int, database: int
) -> Round:
    """Load a server from so many connections, each asking again as soon as it is answered."""
    latencies: list[float] = []
    before = cpu_seconds([server]), cpu_seconds(_family(database))
    begin = time.perf_counter()
    await asyncio.gather(
        *(_client(url, request, begin + seconds, latencies) for _ in range(connections))
    )
    took = time.perf_counter() - begin
    after = cpu_seconds([server]), cpu_seconds(_family(database))
    count = len(latencies)
    percentiles = statistics.quantiles(latencies, n=100)
    return Round(
        count / took,
        percentiles[49] * 1e3,
        percentiles[98] * 1e3,
        (after[0] - before[0]) / count * 1e6,
        (after[1] - before[1]) / count * 1e6,
    )


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


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


async def _client(url: str, request: bytes, until: float, latencies: list[float]) -> None:
    reader, writer = await _connected(url)
    while (begin := time.perf_counter()) < until:
        await _one(reader, writer, request)
        latencies.append(time.perf_counter() - begin)
    writer.close()


async def _connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bytes:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length))
