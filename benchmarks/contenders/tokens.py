"""Checking a customer's token as somebody does who writes a server by hand: the signature once, the
expiry every time.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import asyncpg
import jwt

_REMEMBERED_MAX = 10_000


class Refused(Exception):
    """The token speaks for nobody."""


class Tokens:
    """Which account a bearer token speaks for."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: dict[bytes, tuple[int, float]] = {}
        (key,) = json.loads(Path(os.environ["JWKS_FILE"]).read_text())["keys"]
        self._key = jwt.PyJWK(key)

    async def account_of(self, authorization: bytes) -> int:
        """The account's id. Raises: Refused."""
        account_id, expires_at = self._known.get(authorization) or await self._read(authorization)
        if time.time() > expires_at:
            del self._known[authorization]
            raise Refused
        return account_id

    async def _read(self, authorization: bytes) -> tuple[int, float]:
        try:
            claims = jwt.decode(
                authorization.removeprefix(b"Bearer "),
                self._key,
                algorithms=["EdDSA"],
                issuer=os.environ["JWT_ISSUER"],
                audience=os.environ["JWT_AUDIENCE"],
            )
            account_id = await self._pool.fetchval(
                "select id from account where key = $1", claims[os.environ["JWT_CLAIM"]]
            )
        except (jwt.PyJWTError, KeyError):
            raise Refused from None
        if account_id is None:
            raise Refused
        if len(self._known) >= _REMEMBERED_MAX:
            self._known.clear()
        self._known[authorization] = account_id, claims["exp"]
        return self._known[authorization]
