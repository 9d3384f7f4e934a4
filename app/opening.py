"""Opening the database that a command works on: the operator's, or a data folder's embedded one.

Owns the choice between the two and the sentences for a database that cannot be used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from app.embedded import EmbeddedPostgres
from app.settings import Settings
from models.database import CONNECTION_LOST, Database, DatabaseUnusable

COMMAND_POOL_SIZE = 4


@contextmanager
def database_address(settings: Settings, data_dir: Path, *, create: bool = False) -> Generator[str]:
    """The address of the database, with the embedded server running where that is the one.

    Raises: EmbeddedPostgresError; DatabaseUnusable where the folder has none and none may be made.
    """
    if settings.database_url:
        yield settings.database_url
        return
    if not create and not (data_dir / "postgres").exists():
        raise DatabaseUnusable(
            f"There is no database in {data_dir} yet: ./dev run makes it. "
            "--data names another folder."
        )
    with EmbeddedPostgres(data_dir) as server:
        yield server.dsn


@asynccontextmanager
async def opened(
    address: str, pool_size: int = COMMAND_POOL_SIZE, *, migrate: bool = False
) -> AsyncGenerator[Database]:
    """A connected database with a ledger in it, brought to the current schema where asked to.

    Raises: DatabaseUnusable.
    """
    try:
        if migrate:
            from models.migrate import migrate as migrate_database

            await migrate_database(address)
        db = await Database.connect(address, pool_size)
    except Exception as error:
        raise _unusable(address, error) or error from error
    try:
        if await db.fetchval("select to_regclass('account')") is None:
            raise DatabaseUnusable(
                f"There is no ledger in the database {_name(address)} yet: ./dev run makes it."
            )
        yield db
    finally:
        await db.close()


def _unusable(address: str, error: Exception) -> DatabaseUnusable | None:
    name = _name(address)
    if hasattr(error, "sqlstate"):
        return DatabaseUnusable(f"The database {name} refuses: {error}.")
    if isinstance(error, CONNECTION_LOST):
        return DatabaseUnusable(f"The database {name} does not answer: {error or 'timeout'}.")
    return None


def _name(address: str) -> str:
    """The address as it may be shown: without a password."""
    parts = urlsplit(address)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
