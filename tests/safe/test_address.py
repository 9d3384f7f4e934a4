"""A database's address is read as libpq reads it, for migrations and queries alike."""

from __future__ import annotations

import pytest

from models.database import Database
from models.migrate import migrate
from models.tables import ReasonRow


@pytest.mark.parametrize(
    "options", ["sslmode=prefer", "application_name=x&target_session_attrs=any"]
)
async def test_what_an_address_says_beside_host_and_name_is_heeded(
    empty_database_url: str, options: str
) -> None:
    address = f"{empty_database_url}?{options}"
    await migrate(address)
    db = await Database.connect(address)
    try:
        assert len(await db.rows(ReasonRow)) == await db.fetchval("select count(*) from reason")
    finally:
        await db.close()
