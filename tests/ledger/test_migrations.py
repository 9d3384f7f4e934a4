"""A migrated database is what is claimed, on the oldest and the newest PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError
from tortoise.migrations.autodetector import MigrationAutodetector

from models.audit.fences import CLAIMED, claimed, found, missing
from models.database import Database, DatabaseUnusable, orm_config
from models.migrate import migrate
from tests.conftest import execute, with_database
from tests.ledger.support import Ledger
from tests.ledger.test_audit import a_ledger_of_everything


@pytest.fixture(params=["18", "15"])
def migrating_url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database on each PostgreSQL that is supported."""
    fixture = {"18": "empty_database_url", "15": "postgres_15_database_url"}[request.param]
    return request.getfixturevalue(fixture)


async def test_a_migrated_database_has_every_constraint_trigger_index_and_function_claimed(
    migrating_url: str, tmp_path: Path
) -> None:
    await migrate(migrating_url)
    db = await Database.connect(migrating_url)
    try:
        fences = await found(db)
        assert await missing(db) == []
    finally:
        await db.close()
    there = tmp_path / "fences.txt"
    there.write_text("\n".join(sorted(fences)) + "\n", encoding="utf-8")
    assert sorted(fences) == claimed(), (
        f"The migrations make other fences than {CLAIMED.name} claims. If that is meant, copy"
        f" {there} over {CLAIMED}."
    )


async def test_a_ledger_of_everything_keeps_its_promises_on_every_postgresql_supported(
    migrating_url: str,
) -> None:
    await migrate(migrating_url)
    async with AsyncExitStack() as stack:
        db = await Database.connect(migrating_url)
        stack.push_async_callback(db.close)
        ledger = Ledger(migrating_url, db, stack)
        stack.push_async_callback(ledger.writer.close)
        await a_ledger_of_everything(ledger)
        await ledger.audited()


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: str) -> None:
    execute(
        postgres,
        "create database latin encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'",
    )
    latin = with_database(postgres, "latin")
    with pytest.raises(DatabaseUnusable, match="UTF8"):
        asyncio.run(migrate(latin))
    execute(postgres, "drop database latin")


async def test_four_processes_that_migrate_at_once_make_one_schema(
    empty_database_url: str,
) -> None:
    await asyncio.gather(*[migrate(empty_database_url) for _ in range(4)])
    db = await Database.connect(empty_database_url)
    try:
        assert await missing(db) == []
        assert await db.fetchval("select count(*) from reason") == 27
    finally:
        await db.close()


async def test_a_migration_of_a_migrated_database_keeps_every_row(ledger: Ledger) -> None:
    await a_ledger_of_everything(ledger)
    image = await ledger.image()
    await migrate(ledger.url)
    assert await ledger.image() == image


async def test_a_migration_that_fails_half_way_leaves_nothing_behind(
    empty_database_url: str,
) -> None:
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("create function statement(bigint, timestamptz, timestamptz)"
                                 " returns int language sql as 'select 1'")  # fmt: skip
        with pytest.raises(OperationalError, match="statement"):
            await migrate(empty_database_url)
        assert await connection.fetchval("select to_regclass('entry')") is None
        await connection.execute("drop function statement(bigint, timestamptz, timestamptz)")
        await migrate(empty_database_url)
        assert await connection.fetchval("select count(*) from entry") == 0
    finally:
        await connection.close()


async def test_the_migrations_lead_to_the_models_as_they_are() -> None:
    config = orm_config("postgres://nobody@localhost/nothing")
    with TortoiseContext() as orm:
        await orm.init(config=config)
        assert orm.apps is not None
        pending = await MigrationAutodetector(orm.apps, config["apps"]).changes()
        assert [str(writer.operations) for writer in pending] == []
        await orm.close_connections()
