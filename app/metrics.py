"""What the process tells Prometheus at `/metrics`.

Owns the names and the reading of measures. Owns nothing that is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from models.database import CONNECTION_LOST
from models.sweep import Unresolved, unresolved

if TYPE_CHECKING:
    from app.process import Process

log = structlog.get_logger(__name__)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JOBS_MEMORY_SECONDS = 5.0
"""However often it is scraped, the database is asked no more often than this."""

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000)


class Metrics:
    """The measures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "usage_feed_requests",
            "Answers begun, by door and status.",
            ("door", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "usage_feed_request_seconds",
            "Time until an answer begins.",
            ("door",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._counted: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._batches = Histogram(
            "usage_feed_writer_batch_intents",
            "Intents booked by one call of the database.",
            buckets=_SIZES,
            registry=self._registry,
        )
        self._errors = Counter(
            "usage_feed_errors",
            "Errors in the answers to operations, by code; INTERNAL is a fault of ours.",
            ("code",),
            registry=self._registry,
        )
        self.sockets = Gauge("usage_feed_sockets", "Open sockets.", registry=self._registry)
        self.socket_operations = Gauge(
            "usage_feed_socket_operations_running",
            "Operations that run on sockets, those that follow an account included.",
            registry=self._registry,
        )
        self._socket_operations = Counter(
            "usage_feed_socket_operations", "Operations begun on sockets.", registry=self._registry
        )
        self._socket_closes = Counter(
            "usage_feed_socket_closes",
            "Sockets that the server closed, by code.",
            ("code",),
            registry=self._registry,
        )
        self._asked_at = float("-inf")
        self._unresolved: Unresolved | None = None

    def answered(self, door: str, status: int, seconds: float) -> None:
        """An answer begins."""
        counted = self._counted.get((door, status))
        if counted is None:
            labelled = self._requests.labels(door, str(status)), self._seconds.labels(door)
            counted = self._counted[door, status] = labelled
        requests, timed = counted
        requests.inc()
        timed.observe(seconds)

    def told(self, errors: Iterable[dict[str, Any]]) -> None:
        """Errors go out."""
        for error in errors:
            self._errors.labels(error["extensions"]["code"]).inc()

    def operates(self) -> None:
        """An operation begins on a socket."""
        self._socket_operations.inc()
        self.socket_operations.inc()

    def closed(self, code: int) -> None:
        """The server closes a socket."""
        self._socket_closes.labels(str(code)).inc()

    def booked(self, intents: int) -> None:
        """The writer sends a batch to the database."""
        self._batches.observe(intents)

    async def text(self, process: Process) -> bytes:
        """All measures as Prometheus reads them."""
        if time.monotonic() - self._asked_at > JOBS_MEMORY_SECONDS:
            self._asked_at = time.monotonic()
            try:
                self._unresolved = await unresolved(process.services.db)
            except CONNECTION_LOST as lost:
                log.warning("the database is away", error=repr(lost))
                self._unresolved = None
        state = _State(process, self._unresolved)
        registry = CollectorRegistry()
        registry.register(state)
        return generate_latest(self._registry) + generate_latest(registry)


class _State(Collector):
    """What is read at the moment of asking."""

    def __init__(self, process: Process, jobs: Unresolved | None) -> None:
        self._process = process
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        services = self._process.services
        pool = GaugeMetricFamily(
            "usage_feed_database_connections",
            "Connections to the database, by pool and state.",
            labels=("pool", "state"),
        )
        size, idle = services.db.pool.get_size(), services.db.pool.get_idle_size()
        fence_size, fence_idle = services.fence.counts()
        pool.add_metric(("server", "idle"), idle)
        pool.add_metric(("server", "busy"), size - idle)
        pool.add_metric(("customers", "idle"), fence_idle)
        pool.add_metric(("customers", "busy"), fence_size - fence_idle)
        yield pool
        bell = services.bell
        yield _gauge("database_up", "Whether the database answered.", self._jobs is not None)
        known = self._process.schema.operations_known
        yield _gauge("operations_known", "Operations known by their text, with their plans.", known)
        yield _gauge("requests_in_execution", "Requests in execution.", self._process.load.now)
        yield _gauge("bell_up", "Whether the bell hears its broker.", bell.healthy)
        yield _gauge("bell_followers", "Subscribers that follow an account.", bell.followers)
        yield _gauge("bell_accounts", "Accounts that are followed.", bell.accounts)
        yield _gauge("bell_healed", "Followers that only the poll found behind.", bell.healed)
        if self._jobs is not None:
            yield _gauge("jobs_running", "Jobs that have not ended.", self._jobs.running)
            yield _gauge(
                "refunds_owed", "Jobs past their deadline, not yet refunded.", self._jobs.due
            )
            yield _gauge(
                "oldest_job_seconds", "Age of the oldest unresolved job.", self._jobs.oldest_seconds
            )


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"usage_feed_{name}", meaning, value=float(value))
