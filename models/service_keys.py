"""Services' credentials: opaque, 256 random bits, stored as their hash.

Owns the life of a key: made, used, rotated, revoked. A name has one live key, or two while it is
rotated.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import asyncpg

from models.database import Database
from models.validation import check_text

PREFIX = "uf_"
NAME_LENGTH_MAX = 100
LIVE_MAX = 2
USE_NOTED_SECONDS = 60
"""How exact the time of a key's last use is."""

_LIVE = "revoked_at is null and (expires_at is null or expires_at > now())"


class KeyRefused(Exception):
    """A key cannot be made, rotated or revoked as asked; the message says why."""


@dataclass(frozen=True, slots=True)
class ServiceKey:
    id: int
    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key; its secret is not."""

    id: int
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    live: bool


async def create(db: Database, name: str, scopes: Collection[str]) -> str:
    """Make a key beside whatever keys the name has, and return its secret, which is not kept and
    cannot be shown again.
    """
    async with db.pool.acquire() as connection:
        return await _insert(connection, name, scopes)


async def issue(db: Database, name: str, scopes: Collection[str]) -> str:
    """Make the only live key of a name, and return its secret.

    Raises: KeyRefused.
    """
    problem = check_text("name", name, NAME_LENGTH_MAX)
    if problem:
        raise KeyRefused(problem.message)
    async with _alone(db) as connection:
        if await _live(connection, name):
            raise KeyRefused(f"{name} has a live key: rotate it, or revoke it first.")
        return await _insert(connection, name, scopes)


async def rotate(db: Database, name: str, expires_in_hours: float | None = None) -> str:
    """Make a second key with the scopes of the first, and return its secret.

    The first stays live until it is revoked, or for `expires_in_hours`.
    Raises: KeyRefused.
    """
    async with _alone(db) as connection:
        live = await _live(connection, name)
        if not live:
            raise KeyRefused(f"{name} has no live key.")
        if len(live) >= LIVE_MAX:
            raise KeyRefused(f"{name} has {len(live)} live keys: revoke the older with --old.")
        if expires_in_hours is not None:
            await connection.execute(
                "update service_key set expires_at = now() + make_interval(secs => $2) "
                "where id = $1",
                live[0]["id"],
                expires_in_hours * 3_600,
            )
        return await _insert(connection, name, live[0]["scopes"])


async def revoke(db: Database, name: str, *, old: bool = False, every: bool = False) -> int:
    """Revoke the live key of a name; where it has more, the older ones (`old`) or all (`every`).

    Returns: how many were revoked.
    Raises: KeyRefused.
    """
    async with _alone(db) as connection:
        ids = [row["id"] for row in await _live(connection, name)]
        if not ids:
            raise KeyRefused(f"{name} has no live key.")
        if len(ids) > 1 and not (old or every):
            raise KeyRefused(f"{name} has {len(ids)} live keys: say --old or --all.")
        if len(ids) == 1 and old and not every:
            raise KeyRefused(f"{name} has one live key only: revoke it without --old.")
        doomed = ids[:-1] if old and not every else ids
        await connection.execute(
            "update service_key set revoked_at = now() where id = any ($1::int[])", doomed
        )
        return len(doomed)


async def verify(db: Database, secret: str) -> ServiceKey | None:
    """The key that `secret` is, unless it is unknown, expired or revoked."""
    row = await db.fetchrow(
        f"select id, name, scopes from service_key where hash = $1 and {_LIVE}",
        _hash(secret),
    )
    return ServiceKey(row["id"], row["name"], frozenset(row["scopes"])) if row else None


async def note_use(db: Database, key_id: int) -> None:
    """Record that the key is in use now; a later use within the minute need not be told."""
    await db.execute(
        "update service_key set last_used_at = now() where id = $1 "
        "and (last_used_at is null or last_used_at <= now() - make_interval(secs => $2))",
        key_id,
        float(USE_NOTED_SECONDS),
    )


async def all_keys(db: Database) -> list[KeyRecord]:
    """Every key there ever was, by name and age."""
    rows = await db.fetch(
        "select id, name, scopes, created_at, last_used_at, expires_at, revoked_at, "
        f"{_LIVE} as live from service_key order by name, id"
    )
    return [KeyRecord(**row) for row in rows]


_Connection: TypeAlias = "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy"


@asynccontextmanager
async def _alone(db: Database) -> AsyncGenerator[_Connection]:
    """A transaction beside which no other changes keys."""
    async with db.pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table service_key in share row exclusive mode")
        yield connection


async def _live(connection: _Connection, name: str) -> list[asyncpg.Record]:
    """The live keys of a name, the oldest first."""
    return await connection.fetch(
        f"select id, scopes from service_key where name = $1 and {_LIVE} order by id", name
    )


async def _insert(connection: _Connection, name: str, scopes: Collection[str]) -> str:
    secret = PREFIX + secrets.token_urlsafe(32)
    await connection.execute(
        "insert into service_key (name, scopes, hash, created_at) values ($1, $2, $3, now())",
        name,
        sorted(scopes),
        _hash(secret),
    )
    return secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
