"""Promise 8: what was acknowledged is there, whatever became of the database at any moment."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Generator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.embedded import EmbeddedPostgres
from models.database import Database, DatabaseUnusable
from models.intents import RecordCharge
from models.migrate import migrate
from models.outcomes import Done, OutcomeUnknown
from models.records import EntryKind
from tests.ledger.support import Ledger

WRITERS = 4
CHARGES = 40
KILLS = 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def durable_url(folder: Path) -> Generator[str]:
    """The address of a durable server of the test's own, as `./dev run` starts one."""
    with EmbeddedPostgres(folder) as server:
        yield server.dsn


@pytest.mark.timeout(120)
async def test_a_database_killed_under_its_writers_loses_and_doubles_nothing(
    durable_url: str, folder: Path
) -> None:
    await migrate(durable_url)
    async with AsyncExitStack() as stack:
        db = await Database.connect(durable_url)
        stack.push_async_callback(db.close)
        await db.refuse_unless_durable()
        ledger = Ledger(durable_url, db, stack)
        stack.push_async_callback(ledger.writer.close)
        account_id = await ledger.open(granted=1_000)
        unknown = 0
        acknowledged: set[str] = set()

        async def spend(number: int) -> None:
            nonlocal unknown
            writer = await ledger.another_writer()
            for n in range(CHARGES):
                key = f"{number}:{n}"
                intent = RecordCharge(account_id=account_id, idempotency_key=key, amount=1)
                while not isinstance(outcome := await writer.book(intent), Done):
                    assert isinstance(outcome, OutcomeUnknown)
                    unknown += 1
                    await asyncio.sleep(0.02)
                acknowledged.add(key)

        async def kill() -> None:
            for share in range(1, KILLS + 1):
                while len(acknowledged) < share * WRITERS * CHARGES // (KILLS + 1):  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                pid = int((folder / "postgres" / "postmaster.pid").read_text().split("\n")[0])
                os.kill(pid, signal.SIGKILL)

        await asyncio.gather(kill(), *[spend(number) for number in range(WRITERS)])
        assert unknown > 0
        charges = [x for x in await ledger.lines(account_id) if x.kind is EntryKind.CHARGE]
        assert len(charges) == WRITERS * CHARGES
        await ledger.audited()


async def test_a_database_that_could_lose_lines_is_refused(database_url: str) -> None:
    db = await Database.connect(database_url)
    try:
        with pytest.raises(DatabaseUnusable, match="fsync, full_page_writes off"):
            await db.refuse_unless_durable()
    finally:
        await db.close()
