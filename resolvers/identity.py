"""From an Authorization header to a viewer.

Owns the rules for customers' JWTs and the short memory for services' keys. Owns no cryptography:
PyJWT verifies signatures, `models.service_keys` compares keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import jwt
import structlog

from models import accounts, service_keys
from models.database import Database
from models.intents import KEY_LENGTH_MAX
from models.service_keys import ServiceKey
from models.validation import check_text
from resolvers.access import Viewer, ViewerKind
from resolvers.errors import Unauthenticated
from resolvers.signing_keys import ALGORITHMS, SigningKeys

LEEWAY_SECONDS = 60
"""Clocks step: how far a token's times may be off."""

TOKEN_LENGTH_MAX = 8_192
KEY_MEMORY_SECONDS = 10.0
"""For how long a service's key that was found valid is not looked up again: the delay of a
revocation.
"""

log = structlog.get_logger(__name__)

_K = TypeVar("_K")
_V = TypeVar("_V")

_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a customer's JWT must be: who issued it (None: anyone with a key), for whom (None:
    nobody in particular), and the claim that names the account's key.
    """

    issuer: str | None
    audience: str | None
    account_claim: str
    keys: SigningKeys

    @property
    def required_claims(self) -> list[str]:
        given = {"exp": True, "iss": self.issuer, "aud": self.audience}
        return [claim for claim, wanted in given.items() if wanted is not None]


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token was found to say, good until `expires_at` and while the keys stay the same."""

    account_key: str
    expires_at: float
    keys_version: int


class Identity:
    """Finds the viewer behind a credential; one per process."""

    def __init__(
        self,
        db: Database,
        rules: TokenRules | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._rules = rules
        self._clock = clock
        self._services: dict[bytes, tuple[float, Viewer]] = {}
        self._tokens: dict[bytes, _Verified] = {}
        self._accounts: dict[str, int] = {}
        self._uses: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait until every use of a key is recorded."""
        await asyncio.gather(*self._tasks)

    @property
    def keys(self) -> SigningKeys | None:
        """The keys of customers' tokens; None where no customer is let in."""
        return self._rules.keys if self._rules else None

    async def viewer(self, authorization: str | None, *, remembered: bool = True) -> Viewer:
        """The viewer that an Authorization header's bearer token speaks for.

        Not `remembered`: a service's key is looked up whatever was found a moment ago, as whoever
        reviews one that is long in use must.
        Raises: Unauthenticated, in the same words whatever is wrong with it.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= TOKEN_LENGTH_MAX:
            raise Unauthenticated
        if token.startswith(service_keys.PREFIX):
            return await self._service(token, remembered)
        return await self._customer(token)

    async def _service(self, secret: str, remembered: bool) -> Viewer:
        digest = hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
        until, viewer = self._services.get(digest, (0.0, None))
        if remembered and viewer is not None and self._clock() < until:
            return viewer
        key = await service_keys.verify(self._db, secret)
        if key is None:
            self._services.pop(digest, None)
            raise Unauthenticated
        self._note_use(key.id)
        viewer = _service_viewer(key)
        _remember(self._services, digest, (self._clock() + KEY_MEMORY_SECONDS, viewer))
        return viewer

    def _note_use(self, key_id: int) -> None:
        """Record that a key is in use, once in a while and in nobody's way."""
        now = self._clock()
        if now - self._uses.get(key_id, -math.inf) < service_keys.USE_NOTED_SECONDS:
            return
        _remember(self._uses, key_id, now)
        task = asyncio.create_task(self._record_use(key_id), name="note-use")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _record_use(self, key_id: int) -> None:
        try:
            await service_keys.note_use(self._db, key_id)
        except Exception as error:
            log.warning("the use of a key was not recorded", key=key_id, error=repr(error))

    async def _customer(self, token: str) -> Viewer:
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._tokens.get(digest)
        if known is None or not self._still_holds(known):
            known = await self._verified(token)
        _remember(self._tokens, digest, known)
        key = known.account_key
        account_id = self._accounts.get(key)
        if account_id is None:
            account = await accounts.by_key(self._db, key)
            if account is not None:
                account_id = account.id
                _remember(self._accounts, key, account_id)
        return Viewer(ViewerKind.CUSTOMER, key, account_id, expires_at=known.expires_at)

    def _still_holds(self, known: _Verified) -> bool:
        same_keys = self._rules is not None and self._rules.keys.version == known.keys_version
        return same_keys and time.time() < known.expires_at

    async def _verified(self, token: str) -> _Verified:
        rules = self._rules
        if rules is None:
            raise Unauthenticated
        try:
            key = await rules.keys.find(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise Unauthenticated
            version = rules.keys.version
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHMS[key.key_type or ""]],
                issuer=rules.issuer,
                audience=rules.audience,
                leeway=LEEWAY_SECONDS,
                options={
                    "require": rules.required_claims,
                    "verify_aud": rules.audience is not None,
                },
            )
            expires_at = float(claims["exp"]) + LEEWAY_SECONDS
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
            # The last three: JSON in a shape that PyJWT does not foresee.
            raise Unauthenticated from None
        account_key = claims.get(rules.account_claim)
        if not isinstance(account_key, str) or check_text("key", account_key, KEY_LENGTH_MAX):
            raise Unauthenticated
        return _Verified(account_key, expires_at, version)


def _service_viewer(key: ServiceKey) -> Viewer:
    return Viewer(ViewerKind.SERVICE, key.name, scopes=key.scopes)


def _remember(memory: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep the newest `_REMEMBERED_MAX` entries."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > _REMEMBERED_MAX:
        del memory[next(iter(memory))]
