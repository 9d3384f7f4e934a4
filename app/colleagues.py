"""How the workers behind one port tell their measures as one: whichever is asked asks them all.

Owns a socket per worker in the supervisor's folder, and the joining of what they say. Owns no
measure (`metrics`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 3.0


@asynccontextmanager
async def telling(place: Path, text: Callable[[], Awaitable[bytes]]) -> AsyncGenerator[None]:
    """Tell a worker's measures to whoever connects to its socket, until the end of the block."""

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await text())
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_unix_server(tell, place)
    try:
        yield
    finally:
        server.close()


async def told_by(places: Sequence[Path]) -> bytes:
    """The measures of the workers with these sockets, each sample with its worker's number; one
    that is silent is left out, and `usage_feed_worker_up` says so.
    """
    texts = await asyncio.gather(*(_told(place) for place in places))
    registry = CollectorRegistry()
    registry.register(_Joined(texts))
    return generate_latest(registry)


async def _told(place: Path) -> str:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(place)
            try:
                return (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        log.warning("a worker does not tell its measures", worker=place.stem, error=repr(error))
        return ""


class _Joined(Collector):
    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        up = Metric("usage_feed_worker_up", "Whether the worker told its measures.", "gauge")
        families = {up.name: up}
        for number, text in enumerate(self._texts):
            worker = {"worker": str(number)}
            up.add_sample(up.name, worker, bool(text))
            for family in text_string_to_metric_families(text):
                kept = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    kept.samples.append(sample._replace(labels={**sample.labels, **worker}))
        yield from families.values()
