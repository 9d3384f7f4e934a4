"""Bringing a database to the current schema, one process at a time."""

from __future__ import annotations

import asyncpg
from tortoise.context import TortoiseContext
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget

from models.database import DatabaseUnusable, orm_config

SERVER_VERSION_MIN = 150_000
_LOCK = 0x75736167  # any constant: the name of the lock between two migrating processes


async def migrate(dsn: str) -> None:
    """Apply every migration the database lacks.

    Raises: DatabaseUnusable on a PostgreSQL older than 15, or where texts are not in UTF8.
    Guarantees: safe to run from many processes at once; each migration is all or nothing.
    """
    guard = await asyncpg.connect(dsn)
    try:
        if guard.get_server_version().major * 10_000 < SERVER_VERSION_MIN:
            raise DatabaseUnusable("Usage Feed needs PostgreSQL 15 or later.")
        if (encoding := guard.get_settings().server_encoding) != "UTF8":
            raise DatabaseUnusable(
                f"The database's encoding is {encoding}, which cannot hold every text. Create it "
                "with: create database ... encoding 'UTF8' template template0"
            )
        await guard.execute("select pg_advisory_lock($1)", _LOCK)
        config = orm_config(dsn)
        orm = TortoiseContext()
        with orm:
            await orm.init(config=config)
            executor = MigrationExecutor(orm.connections.get("default"), config["apps"])
            try:
                await executor.migrate([MigrationTarget(app_label="models", name="__latest__")])
            finally:
                await orm.close_connections()
    finally:
        await guard.close()
