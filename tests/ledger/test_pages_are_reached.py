"""What a page costs does not grow with its account: it is reached through an index and read from
there on.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from models import feed
from models.database import CUSTOMER_ROLE, SERVER_ROLE, Database, connect
from models.feed import Filter, Slice
from models.records import EntryKind
from tests.ledger.support import instant

HISTORY = (Path(__file__).parents[2] / "benchmarks" / "growth.sql").read_text()
SMALL, LARGE = 5_000, 500_000
BLOCKS_MORE_MAX = 40
"""What a long account's page may read more than a short one's: a level more of an index, on each of
the walks that a filter takes.
"""

ROWS_MAX = 300
"""Of any step of a plan, for a page of 50."""

UNREAD = {("Seq Scan", table) for table in ("account", "entry", "job")}

Read = Callable[["Asked", int, int], Awaitable[Any]]
"""Reads something of an account that has so many lines."""

READS: dict[str, Read] = {
    "account and first page": lambda db, own, _: feed.account_and_page(db, own, Slice(50)),
    "account and deep page": lambda db, own, _: feed.account_and_page(db, own, Slice(50, 60)),
    "first page": lambda db, own, _: feed.page(db, own, Slice(50)),
    "deep page": lambda db, own, _: feed.page(db, own, Slice(50, older_than=60)),
    "oldest page": lambda db, own, _: feed.page(db, own, Slice(50, from_oldest=True)),
    "a page of the middle": lambda db, own, lines: feed.page(db, own, Slice(50, lines // 2)),
    "a rare campaign": lambda db, own, _: feed.page(db, own, Slice(20), Filter(campaign="rare")),
    "no such campaign": lambda db, own, _: feed.page(db, own, Slice(50), Filter(campaign="x")),
    "a kind": lambda db, own, _: feed.page(
        db, own, Slice(50), Filter(kinds=frozenset({EntryKind.GRANT}))
    ),
    "a reason": lambda db, own, _: feed.page(
        db, own, Slice(50), Filter(reason_code="PROVIDER_ERROR")
    ),
    "a time": lambda db, own, _: feed.page(
        db, own, Slice(50), Filter(end=instant("2100-01-01 00:00:00"))
    ),
    "a number": lambda db, own, _: feed.page(db, own, Slice(50), Filter(search="#7")),
}


class Asked:
    """Reads that only say what they were asked."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.args: tuple[Any, ...] = ()

    async def fetch(self, sql: str, *args: Any, binding: str | None = None) -> list[Any]:
        self.statements = [sql] if binding is None else [sql, binding]
        self.args = args
        return []

    async def fetchrow(self, sql: str, *args: Any, binding: str | None = None) -> Any:
        raise NotImplementedError

    async def fetchval(self, sql: str, *args: Any) -> Any:
        raise NotImplementedError


@pytest.fixture
async def histories(database_url: str) -> AsyncGenerator[dict[int, int]]:
    """The ids of two accounts, by how many lines they have."""
    db = await Database.connect(database_url, 1)
    for lines in (SMALL, LARGE):
        await db.execute(HISTORY % {"lines": lines})
    await db.execute("vacuum analyze")
    yield {row["last_seq"]: row["id"] for row in await db.fetch("select id, last_seq from account")}
    await db.close()


async def test_a_page_of_a_long_account_is_reached_as_that_of_a_short_one(
    database_url: str, histories: dict[int, int]
) -> None:
    for role in (SERVER_ROLE, CUSTOMER_ROLE):
        connection = await connect(database_url, role)
        try:
            for name, asks in READS.items():
                small, large = [
                    await _blocks(connection, asks, account_id, lines)
                    for lines, account_id in sorted(histories.items())
                ]
                for less, more in zip(small, large, strict=True):
                    assert more <= less + BLOCKS_MORE_MAX, (role, name, small, large)
        finally:
            await connection.close()


async def _blocks(
    connection: asyncpg.Connection, asks: Read, account_id: int, lines: int
) -> list[int]:
    """How many blocks each form of the statement reads, on a connection bound to the account."""
    bind = "select set_config('usage_feed.account', $1, false)"
    await connection.fetchval(bind, str(account_id))
    asked = Asked()
    await asks(asked, account_id, lines)
    read: list[int] = []
    for sql in asked.statements:
        plan = await _plan(connection, sql, asked.args)
        for node in _nodes(plan):
            assert (node["Node Type"], node.get("Relation Name")) not in UNREAD, plan
            rows = node["Actual Rows"] * node["Actual Loops"]
            assert rows + node.get("Rows Removed by Filter", 0) <= ROWS_MAX, plan
        read.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    return read


async def _plan(connection: asyncpg.Connection, sql: str, args: tuple[Any, ...]) -> Any:
    """The plan that every execution takes, as it was executed now."""
    await connection.execute(f"prepare asked as {sql}")
    explain = "explain (analyze, buffers, timing off, format json) execute asked"
    given = ", ".join(map(_literal, args))
    await connection.fetchval(f"{explain}({given})")  # fills memories
    told: str = await connection.fetchval(f"{explain}({given})")
    await connection.execute("deallocate asked")
    return json.loads(told)[0]["Plan"]


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"array[{', '.join(map(_literal, value))}]"  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    return str(value) if isinstance(value, int) else f"'{value}'"


def _nodes(plan: Any) -> Generator[Any]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
