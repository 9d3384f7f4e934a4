"""What one server process holds while it runs, and the order in which it starts and stops.

Owns the lifetimes of the database's pool, the bell, the writer and the sweep. Owns no socket
(`server`) and no route
(`asgi`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from app.metrics import Metrics
from app.pressure import Held, Load, Rates
from app.settings import Settings, SettingsError
from app.time_limit import TimeLimit
from app.trusted import Trusted
from models.database import CONNECTION_LOST, SERVER_ROLE, SWEEP_ROLE, Database
from models.fence import Fence
from models.reasons import Catalogue
from models.sweep import BATCH, sweep
from models.writer import Writer
from resolvers.identity import Identity, TokenRules
from resolvers.signing_keys import FetchedKeys, FixedKeys, SigningKeys
from resolvers.turns import Turns
from schema.context import Services
from schema.schema import UsageSchema, build_schema
from subscriptions.bell import Bell

log = structlog.get_logger(__name__)

READY_SECONDS = 2.0
STREAMS_MAX = 100
"""Of one account's customers at a time, exports included."""

SWEEPS_IN_A_ROW_MAX = 20
"""Full batches taken without a pause: jobs that cannot be ended must not keep it spinning."""


@dataclass(frozen=True, slots=True)
class Process:
    """Everything that answers requests. `stopping` is set once, before connections are closed."""

    settings: Settings
    services: Services
    identity: Identity
    schema: UsageSchema
    rates: Rates
    load: Load
    metrics: Metrics
    trusted: Trusted
    time_limit: TimeLimit
    streams: Held = field(default_factory=lambda: Held("streams", STREAMS_MAX))
    exports: Turns = field(default_factory=Turns)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self) -> None:
        """Begin to stop: subscriptions end, and nothing that follows the feed is begun."""
        self.stopping.set()
        self.services.bell.stop()

    async def problems(self) -> list[str]:
        """What keeps the process from serving, a sentence each; empty when it is ready."""
        found: list[str] = []
        if self.stopping.is_set():
            found.append("The server is stopping.")
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self.services.db.fetchval("select 1")
        except Exception as error:  # whatever it is: the answer is that the database is away
            log.warning("the database does not answer", error=repr(error))
            found.append("The database does not answer.")
        if self.services.bell.problem:
            found.append(self.services.bell.problem)
        if self.identity.keys is not None and self.identity.keys.problem:
            found.append(self.identity.keys.problem)
        return found


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Process]:
    """Start against a migrated database; stop in the order that loses nothing.

    Raises: SettingsError, DatabaseUnusable, or what the database's connection raises.
    """
    if settings.database_url is None:
        raise SettingsError(
            "USAGE_FEED_DATABASE_URL is not set; ./dev run brings its own database."
        )
    rules, trusted = token_rules(settings), trusted_documents(settings)
    async with AsyncExitStack() as stack:
        if rules is not None and isinstance(rules.keys, FetchedKeys):
            stack.push_async_callback(rules.keys.close)
            await rules.keys.start()
        db = await Database.connect(settings.database_url, settings.database_pool_size, SERVER_ROLE)
        stack.push_async_callback(db.close)
        fence = Fence(settings.database_url, settings.database_pool_size)
        stack.push_async_callback(fence.close)
        if settings.require_durable_database:
            await db.refuse_unless_durable()
        bell = Bell.over(db, settings.broker_url)
        await bell.start()
        stack.push_async_callback(bell.close)
        catalogue = Catalogue(db)
        metrics = Metrics()
        writer = Writer(db, catalogue, on_committed=bell.committed, on_batch=metrics.booked)
        stack.push_async_callback(writer.close)
        customers_writer = Writer(fence.around(None), catalogue)
        stack.push_async_callback(customers_writer.close)
        identity = Identity(db, rules)
        stack.push_async_callback(identity.close)
        rates = Rates(settings.customer_requests_per_second, settings.service_requests_per_second)
        process = Process(
            settings,
            Services(db, fence, catalogue, writer, customers_writer, bell),
            identity,
            build_schema(introspection=settings.introspection, rates=rates),
            rates,
            Load(settings.max_concurrent_requests),
            metrics,
            trusted,
            TimeLimit(settings.request_timeout_seconds),
        )
        sweep_db = await Database.connect(settings.database_url, 1, SWEEP_ROLE)
        stack.push_async_callback(sweep_db.close)
        sweep_writer = Writer(sweep_db, catalogue, bell.committed, metrics.booked)
        stack.push_async_callback(sweep_writer.close)
        sweeping = _sweep(process, sweep_db, sweep_writer)
        sweeper = asyncio.create_task(sweeping, name="sweep")
        stack.push_async_callback(_ended, sweeper)
        stack.callback(process.stop)
        yield process


def token_rules(settings: Settings) -> TokenRules | None:
    """The rules for customers' tokens; None where no keys are set.

    Raises: SettingsError where the keys cannot be used.
    """
    keys = _signing_keys(settings)
    if keys is None:
        return None
    return TokenRules(settings.jwt_issuer, settings.jwt_audience, settings.jwt_account_claim, keys)


def _signing_keys(settings: Settings) -> SigningKeys | None:
    if settings.jwks_url is not None:
        return FetchedKeys(settings.jwks_url)
    if settings.jwt_keys_file is None:
        return None
    try:
        return FixedKeys.of(json.loads(settings.jwt_keys_file.read_bytes()))
    except (OSError, ValueError, AttributeError) as error:
        raise SettingsError(f"USAGE_FEED_JWT_KEYS_FILE cannot be used: {error}") from error


def trusted_documents(settings: Settings) -> Trusted:
    """The documents of the operator's manifests. Raises: SettingsError."""
    try:
        return Trusted.read(settings.trusted_documents, only=settings.trusted_documents_only)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"USAGE_FEED_TRUSTED_DOCUMENTS cannot be used: {error}") from error


async def _sweep(process: Process, db: Database, writer: Writer) -> None:
    """Every interval, end the jobs whose deadline has passed; on every instance at once, in a role
    that can do nothing else.
    """
    catalogue = process.services.catalogue
    while not process.stopping.is_set():
        try:
            for _ in range(SWEEPS_IN_A_ROW_MAX):
                if await sweep(db, catalogue, writer) < BATCH:
                    break
        except CONNECTION_LOST as lost:
            log.warning("the sweep waits for the database", error=repr(lost))
        except Exception:
            log.exception("the sweep failed and is tried again")
        with suppress(TimeoutError):
            await asyncio.wait_for(process.stopping.wait(), process.settings.sweep_interval_seconds)


async def _ended(task: asyncio.Task[None]) -> None:
    await task
