"""Waiting until somebody waits for a lock that a test holds."""

from __future__ import annotations

import asyncio

from models.database import Database

_WAITING = """
select from pg_locks join pg_stat_activity using (pid)
where not granted and datname = current_database()
"""


async def somebody_waits(db: Database) -> None:
    """Wait until a statement in this database waits for a lock."""
    async with asyncio.timeout(30):
        while not await db.fetch(_WAITING):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
