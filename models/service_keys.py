"""Services' credentials: opaque, 256 random bits, stored as their hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass

from models.database import Database

PREFIX = "uf_"


@dataclass(frozen=True, slots=True)
class ServiceKey:
    id: int
    name: str
    scopes: frozenset[str]


async def create(db: Database, name: str, scopes: Collection[str]) -> str:
    """Make a key and return its secret, which is not kept and cannot be shown again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    await db.execute(
        "insert into service_key (name, scopes, hash, created_at) values ($1, $2, $3, now())",
        name,
        sorted(scopes),
        _hash(secret),
    )
    return secret


async def verify(db: Database, secret: str) -> ServiceKey | None:
    """The key that `secret` is, unless it is unknown or revoked."""
    row = await db.fetchrow(
        "select id, name, scopes from service_key where hash = $1 and revoked_at is null",
        _hash(secret),
    )
    return ServiceKey(row["id"], row["name"], frozenset(row["scopes"])) if row else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()
