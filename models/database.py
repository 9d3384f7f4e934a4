"""The connection to PostgreSQL: one pool, its codecs, and the durability it must have.

Owns how rows travel. Owns no SQL of the ledger.
"""

from __future__ import annotations

import json
from typing import Any, Protocol, Self, TypeVar

import asyncpg
from tortoise.context import TortoiseContext
from tortoise.models import Model

M = TypeVar("M", bound=Model)

CONNECTION_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    ConnectionError,
    OSError,
    TimeoutError,
)
"""After any of these a statement may or may not have been committed."""

_SESSION = {
    "application_name": "usage-feed",
    # Whoever waited for a lock must see what its last holder committed.
    "default_transaction_isolation": "read committed",
    # A plan that depends on its parameters is made anew at every call, for more than a page's cost.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

SERVER_ROLE = "usage_feed_server"
CUSTOMER_ROLE = "usage_feed_customer"
SWEEP_ROLE = "usage_feed_sweep"
COMMAND_SECONDS = 30.0
STATEMENT_SECONDS = 25
"""How long a statement of the server's may run in the database, whoever still waits for it."""


class DatabaseUnusable(Exception):
    """The database cannot keep the ledger's promises; the message says why and what to do."""


class Reads(Protocol):
    """What a reader needs of a database: the whole of it, or what one customer may see."""

    async def fetch(self, sql: str, *args: Any, binding: str | None = None) -> list[asyncpg.Record]:
        """The rows. `binding` asks the same about the one account whose id is the first argument,
        and binds a connection to it: for readers behind a fence.
        """
        ...

    async def fetchrow(
        self, sql: str, *args: Any, binding: str | None = None
    ) -> asyncpg.Record | None: ...

    async def fetchval(self, sql: str, *args: Any) -> Any: ...


class Database:
    """A pool of connections that read and write the ledger's types."""

    def __init__(self, dsn: str, pool: asyncpg.Pool, orm: TortoiseContext) -> None:
        self.dsn = dsn
        self.pool = pool
        self._orm = orm

    @classmethod
    async def connect(cls, dsn: str, pool_size: int = 10, role: str | None = None) -> Self:
        """Open a pool of up to `pool_size` connections, with one standing, acting as `role`."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=pool_size,
            init=_set_codecs,
            reset=_leave_as_it_is,
            command_timeout=COMMAND_SECONDS,
            server_settings=_session(role),
        )
        orm = TortoiseContext()
        with orm:  # models are bound to their tables while the context is current
            await orm.init(config=orm_config(dsn))
        return cls(dsn, pool, orm)

    async def close(self) -> None:
        await self._orm.close_connections()
        await self.pool.close()

    async def rows(self, model: type[M], **where: Any) -> list[M]:
        """The rows of a Tortoise model, by equality of the named columns."""
        with self._orm:  # held while the query is built and never across an await: tasks share it
            query = model.filter(**where).using_db(self._orm.connections.get("default"))
        return await query

    async def fetch(self, sql: str, *args: Any, binding: str | None = None) -> list[asyncpg.Record]:
        return await self.pool.fetch(sql, *args)

    async def fetchrow(
        self, sql: str, *args: Any, binding: str | None = None
    ) -> asyncpg.Record | None:
        return await self.pool.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self.pool.fetchval(sql, *args)

    async def execute(self, sql: str, *args: Any) -> str:
        return await self.pool.execute(sql, *args)

    async def refuse_unless_durable(self) -> None:
        """Check that an acknowledged line survives a crash of the database's machine.

        Raises: DatabaseUnusable where fsync, full_page_writes or synchronous_commit is off.
        """
        off = [
            name
            for name in ("fsync", "full_page_writes", "synchronous_commit")
            if await self.fetchval("select current_setting($1)", name) == "off"
        ]
        if off:
            raise DatabaseUnusable(
                f"The database runs with {', '.join(off)} off: acknowledged lines could be lost. "
                "Turn it on, or set USAGE_FEED_REQUIRE_DURABLE_DATABASE=false to accept that."
            )


async def connect(dsn: str, role: str) -> asyncpg.Connection:
    """Open a single connection that acts as `role`."""
    connection = await asyncpg.connect(
        dsn, command_timeout=COMMAND_SECONDS, server_settings=_session(role)
    )
    await _set_codecs(connection)
    return connection


def _session(role: str | None) -> dict[str, str]:
    if role is None:
        return _SESSION
    # A foreign key that is checked at commit keeps the plan of its first check, and a table that
    # was small then may be read as a whole for each line ever after.
    return _SESSION | {
        "role": role,
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "enable_seqscan": "off",
    }


def orm_config(dsn: str) -> dict[str, Any]:
    """Tortoise's configuration, with a small pool: the hot paths do not go through it."""

    async def to_dsn(
        *_: Any, host: None, port: int, user: None, password: None, database: None, **options: Any
    ) -> asyncpg.Connection:
        # Tortoise reads an address in its own way; `sslmode` and several hosts are not among it.
        return await asyncpg.connect(dsn, **options)

    credentials = {"connect": to_dsn, "minsize": 1, "maxsize": 2}
    return {
        "connections": {
            "default": {"engine": "tortoise.backends.asyncpg", "credentials": credentials}
        },
        "apps": {"models": {"models": ["models.tables"], "migrations": "models.migrations"}},
        "use_tz": True,
        "timezone": "UTC",
    }


async def _leave_as_it_is(_: Any) -> None:
    """No round trip when a connection is given back: statements here leave nothing behind."""


async def _set_codecs(connection: asyncpg.Connection) -> None:
    # Binary, because only binary codecs apply inside the composite types that `book` speaks.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + json.dumps(value, ensure_ascii=False).encode(),
        decoder=lambda data: json.loads(data[1:]),
    )
