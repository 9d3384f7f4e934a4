"""The database as its owner, for what the server's role may not do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.process import Process
from models.database import Database


@asynccontextmanager
async def owner_of(process: Process) -> AsyncGenerator[Database]:
    """A connection to the process's database that acts as nobody but its owner."""
    db = await Database.connect(process.services.db.dsn, pool_size=1)
    try:
        yield db
    finally:
        await db.close()
