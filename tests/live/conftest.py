"""Servers and ledgers for the live tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from app.faults.servers import RedisServer
from subscriptions.bell import Bell
from tests.live.door import Door, door
from tests.live.support import NEVER_SECONDS, Ledger, running


@pytest.fixture
def redis_server() -> Generator[RedisServer]:
    """A Redis-compatible server of the test's own."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def ledger(database_url: str) -> AsyncGenerator[Ledger]:
    """A ledger with nobody listening but PostgreSQL itself."""
    async with Ledger.at(database_url) as ledger:
        yield ledger


@pytest.fixture
async def bell(ledger: Ledger) -> AsyncGenerator[Bell]:
    """A bell over PostgreSQL that never polls: what it delivers, a message told of."""
    bell = Bell.over(ledger.db, None, poll_seconds=NEVER_SECONDS)
    async with running(bell):
        yield bell


@pytest.fixture
async def there(database_url: str, tmp_path: Path) -> AsyncGenerator[Door]:
    """A server as it ships."""
    async with door(database_url, tmp_path) as there:
        yield there
