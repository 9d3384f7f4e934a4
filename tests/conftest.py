"""What every test may ask for: real servers, fresh databases, a browser.

A missing thing that this machine cannot be given skips the tests that need it, by name.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from app.embedded import EmbeddedPostgres
from models.migrate import migrate

POSTGRES_15_BINARIES = Path("/usr/lib/postgresql/15/bin")
TEMPLATE = "template_feed"
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`."""
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out, rather than report them as skipped, unless asked for."""
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of the session's PostgreSQL, as its superuser."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as server:
        yield server.dsn


@pytest.fixture(scope="session")
def postgres_15(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a PostgreSQL 15, the oldest that is supported."""
    if not (POSTGRES_15_BINARIES / "postgres").exists():
        pytest.skip("Debian's package postgresql-15 is not installed.")
    folder = tmp_path_factory.mktemp("postgres-15")
    with EmbeddedPostgres(folder, durable=False, binaries=POSTGRES_15_BINARIES) as server:
        yield server.dsn


@pytest.fixture(scope="session")
def migrated_template(postgres: str) -> str:
    """The name of a database, migrated once, that others are copied from."""
    execute(postgres, f"create database {TEMPLATE}")
    asyncio.run(migrate(with_database(postgres, TEMPLATE)))
    return TEMPLATE


@pytest.fixture
def database_url(postgres: str, migrated_template: str) -> Generator[str]:
    """The address of a migrated database of the test's own."""
    yield from _fresh_database(postgres, f"template {migrated_template}")


@pytest.fixture
def empty_database_url(postgres: str) -> Generator[str]:
    """The address of an empty database of the test's own."""
    yield from _fresh_database(postgres)


@pytest.fixture
def postgres_15_database_url(postgres_15: str) -> Generator[str]:
    """The address of an empty database of the test's own on PostgreSQL 15."""
    yield from _fresh_database(postgres_15)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium for Playwright's `executable_path`."""
    if path := shutil.which("chromium"):
        return path
    pytest.skip("Debian's package chromium is not installed.")


def _fresh_database(server: str, options: str = "") -> Generator[str]:
    name = f"test_{next(_numbers)}"
    execute(server, f"create database {name} {options}")
    yield with_database(server, name)
    execute(server, f"drop database {name} with (force)")


def with_database(server: str, name: str) -> str:
    """The address of another database of the same server."""
    return f"{server.rpartition('/')[0]}/{name}"


def execute(dsn: str, statement: str) -> None:
    """Run one statement on a connection of its own."""

    async def run() -> None:
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
