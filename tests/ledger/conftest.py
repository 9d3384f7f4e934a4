"""Ledgers for the proofs, each in a database of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack

import pytest

from models.database import Database
from tests.ledger.support import Ledger


@pytest.fixture
async def unaudited_ledger(database_url: str) -> AsyncGenerator[Ledger]:
    """A ledger that a test may spoil."""
    async with AsyncExitStack() as stack:
        db = await Database.connect(database_url)
        stack.push_async_callback(db.close)
        ledger = Ledger(database_url, db, stack)
        stack.push_async_callback(ledger.writer.close)
        yield ledger


@pytest.fixture
async def ledger(unaudited_ledger: Ledger) -> AsyncGenerator[Ledger]:
    """A ledger whose every row is audited when the test has ended."""
    yield unaudited_ledger
    await unaudited_ledger.audited()
