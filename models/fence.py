"""The fence beneath the resolvers: connections on which only one account's lines are there.

Owns a small pool of connections in the role `usage_feed_customer`, each bound to an account. A
connection stays bound when it is given back, so that a customer who asks again costs no round trip
for the fence; one that is bound to another account is bound anew before it is lent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from models.database import CUSTOMER_ROLE, connect

T = TypeVar("T")

Fetch = Callable[..., Awaitable[T]]
"""A method of a prepared statement."""

STATEMENTS_MAX = 100
"""Of a connection; filters put together make more."""

_BIND = "select set_config('usage_feed.account', $1, false)"


@dataclass(slots=True)
class _Bound:
    connection: asyncpg.Connection
    account_id: int | None = None
    statements: dict[str, PreparedStatement] = field(default_factory=dict[str, PreparedStatement])

    async def run(self, fetch: Fetch[T], sql: str, *args: Any) -> T:
        """Execute a statement, prepared by its first use: to have asyncpg look for it at each takes
        as long as to execute it.
        """
        try:
            return await fetch(await self._prepared(sql), *args)
        except asyncpg.InvalidCachedStatementError:  # what it reads has other columns now
            self.statements.clear()
            return await fetch(await self._prepared(sql), *args)

    async def _prepared(self, sql: str) -> PreparedStatement:
        statement = self.statements.get(sql)
        if statement is None:
            if len(self.statements) >= STATEMENTS_MAX:
                self.statements.clear()
            statement = self.statements[sql] = await self.connection.prepare(sql)
        return statement


class Fence:
    """Lends connections that see one account. Opens at most `size`, and none before it must."""

    def __init__(self, dsn: str, size: int) -> None:
        self._dsn = dsn
        self._slots = asyncio.Semaphore(size)
        self._size = size
        self._idle: list[_Bound] = []
        self._open = 0

    def around(self, account_id: int | None) -> FencedReads:
        """Reads to which the lines of `account_id` alone exist; of None, no line does."""
        return FencedReads(self, account_id or 0)

    def counts(self) -> tuple[int, int]:
        """How many connections are open, and how many of them idle."""
        return self._open, len(self._idle)

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for bound in idle:
            await bound.connection.close()

    async def read(
        self,
        account_id: int,
        fetch: Fetch[T],
        sql: str,
        args: tuple[Any, ...],
        binding: str | None = None,
    ) -> T:
        """Do some reading on a connection bound to the account; `binding` does the same where there
        is none, and binds the connection by the way.

        Guarantees: a connection on which anything was cut short is never used again.
        """
        async with self._slots:
            bound = self._chosen(account_id) or await self._opened()
            try:
                if bound.account_id != account_id:
                    bound.account_id = None
                    if binding is not None:
                        sql = binding
                    else:
                        await bound.run(PreparedStatement.fetchval, _BIND, str(account_id))
                found = await bound.run(fetch, sql, *args)
                bound.account_id = account_id
            except asyncpg.PostgresError:
                self._give_back(bound)
                raise
            except BaseException:
                self._open -= 1
                bound.connection.terminate()
                raise
            self._give_back(bound)
            return found

    def _chosen(self, account_id: int) -> _Bound | None:
        """An idle connection that is still open: one bound to the account, or else, if no more may
        be opened, the one that has been idle for longest.
        """
        while self._idle:
            place = next(
                (n for n, bound in enumerate(self._idle) if bound.account_id == account_id), None
            )
            if place is None and self._open < self._size:
                return None
            bound = self._idle.pop(place or 0)
            if not bound.connection.is_closed():
                return bound
            self._open -= 1
        return None

    async def _opened(self) -> _Bound:
        self._open += 1
        try:
            return _Bound(await connect(self._dsn, CUSTOMER_ROLE))
        except BaseException:
            self._open -= 1
            raise

    def _give_back(self, bound: _Bound) -> None:
        if bound.connection.is_closed():
            self._open -= 1
        else:
            self._idle.append(bound)


class FencedReads:
    """Reads of one account, whatever the SQL asks for."""

    def __init__(self, fence: Fence, account_id: int) -> None:
        self._fence = fence
        self._account_id = account_id

    async def fetch(self, sql: str, *args: Any, binding: str | None = None) -> list[asyncpg.Record]:
        return await self._read(PreparedStatement.fetch, sql, args, binding)

    async def fetchrow(
        self, sql: str, *args: Any, binding: str | None = None
    ) -> asyncpg.Record | None:
        return await self._read(PreparedStatement.fetchrow, sql, args, binding)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._read(PreparedStatement.fetchval, sql, args)

    def _read(
        self, fetch: Fetch[T], sql: str, args: tuple[Any, ...], binding: str | None = None
    ) -> Awaitable[T]:
        own = self._account_id
        binds = binding if args[:1] == (own,) else None  # nobody else's account does
        return self._fence.read(own, fetch, sql, args, binds)
