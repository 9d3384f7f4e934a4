"""The public keys that customers' tokens are signed with: from a file, or from their issuer's URL.

Owns which keys are accepted, each with its one algorithm, and the memory of fetched ones. Owns no
verification of tokens (`identity`).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol, cast

import httpx
import jwt
import structlog

log = structlog.get_logger(__name__)

ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""The one algorithm of each kind of key: a token cannot choose another."""

RENEW_SECONDS = 300.0
"""How old the fetched keys become: the delay with which a withdrawn one is no longer accepted."""

UNKNOWN_SECONDS = 60.0
"""How often an unknown `kid` may cause a fetch."""

RETRY_SECONDS = 5.0
FETCH_SECONDS = 5.0
JWKS_BYTES_MAX = 262_144
KEYS_MAX = 100

_RSA_BITS_MIN = 2_048


class SigningKeys(Protocol):
    """Where a token's key is looked up."""

    @property
    def version(self) -> int:
        """Another number whenever a key may have been withdrawn."""
        ...

    @property
    def problem(self) -> str | None:
        """What is wrong with the keys, in a sentence for the operator, or None."""
        ...

    async def find(self, kid: Any) -> jwt.PyJWK | None:
        """The key of that name."""
        ...


class FixedKeys:
    """Keys that stay as they are."""

    version = 0
    problem = None

    def __init__(self, keys: Mapping[str | None, jwt.PyJWK]) -> None:
        self._keys = keys

    @classmethod
    def of(cls, jwks: Mapping[str, Any]) -> FixedKeys:
        """Read a JSON Web Key Set of public keys.

        Raises: ValueError where a key is private, symmetric, weak or of an unknown kind.
        """
        keys = [_public_key(entry) for entry in jwks.get("keys", [])]
        if len({key.key_id for key in keys}) != len(keys):
            raise ValueError("Each key of the JWKS needs its own kid.")
        return cls({key.key_id: key for key in keys})

    async def find(self, kid: Any) -> jwt.PyJWK | None:
        return self._keys.get(kid) if isinstance(kid, str | None) else None


class FetchedKeys:
    """Keys that their issuer publishes at a URL and changes when it likes.

    Guarantees: keys once fetched are kept while the URL does not answer; whatever tokens arrive,
    the URL is asked at most once in `UNKNOWN_SECONDS` on their account.
    """

    def __init__(self, url: str) -> None:
        self.version = 0
        self._url = url
        self._client = httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._text = b""
        self._asked_at = 0.0
        self._fetching = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fetch once, and from then on regularly. A URL that does not answer is asked again."""
        await self._fetch()
        self._task = asyncio.create_task(self._renew(), name="jwks")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._client.aclose()

    @property
    def problem(self) -> str | None:
        return None if self._keys else "The keys of customers' tokens have not been fetched yet."

    async def find(self, kid: Any) -> jwt.PyJWK | None:
        if not isinstance(kid, str | None):
            return None
        if kid not in self._keys and (self._may_ask() or self._fetching.locked()):
            async with self._fetching:
                if kid not in self._keys and self._may_ask():
                    await self._fetch()
        return self._keys.get(kid)

    def _may_ask(self) -> bool:
        return time.monotonic() - self._asked_at >= UNKNOWN_SECONDS

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS if self._keys else RETRY_SECONDS)
            async with self._fetching:
                await self._fetch()

    async def _fetch(self) -> None:
        """Ask the URL; whatever goes wrong, the keys stay as they were."""
        self._asked_at = time.monotonic()
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                text = await self._download()
            keys = _usable(json.loads(text))
        except (httpx.HTTPError, OSError, TimeoutError, ValueError, RecursionError) as error:
            log.warning("the keys of customers' tokens were not fetched", error=repr(error))
            return
        if not keys:
            log.warning("the URL of customers' keys has none that can be used")
        elif text != self._text:
            self._keys, self._text = keys, text
            self.version += 1
            log.info("the keys of customers' tokens are new", keys=len(keys))

    async def _download(self) -> bytes:
        async with self._client.stream("GET", self._url) as response:
            response.raise_for_status()
            text = bytearray()
            async for chunk in response.aiter_bytes():
                text += chunk
                if len(text) > JWKS_BYTES_MAX:
                    raise ValueError(f"The JWKS has more than {JWKS_BYTES_MAX} bytes.")
            return bytes(text)


def _usable(jwks: Any) -> dict[str | None, jwt.PyJWK]:
    """The keys of a published set that tokens may be signed with; others are left out."""
    if not isinstance(jwks, dict):
        raise ValueError("The answer is no JWKS.")
    entries = cast("dict[str, Any]", jwks).get("keys")
    if not isinstance(entries, list):
        raise ValueError("The answer is no JWKS.")
    found: dict[str | None, jwt.PyJWK] = {}
    for entry in cast("list[Any]", entries)[:KEYS_MAX]:
        try:
            if entry.get("use", "sig") != "sig":
                continue
            key = _public_key(entry)
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("a published key is not used", error=str(error))
            continue
        found.setdefault(key.key_id, key)
    return found


def _public_key(entry: Mapping[str, Any]) -> jwt.PyJWK:
    kind = entry.get("kty")
    if kind not in ALGORITHMS or "d" in entry:
        raise ValueError("The JWKS must hold public keys of kty RSA, EC or OKP only.")
    if entry.get("alg", ALGORITHMS[kind]) != ALGORITHMS[kind]:
        raise ValueError(f"A key of kty {kind} is used with {ALGORITHMS[kind]} only.")
    try:
        key = jwt.PyJWK(dict(entry))
    except jwt.PyJWTError as error:
        raise ValueError(f"The JWKS has a key that cannot be read: {error}") from error
    if key.algorithm_name != ALGORITHMS[kind]:
        raise ValueError("The curve of an EC key must be P-256, of an OKP key Ed25519.")
    if kind == "RSA" and key.key.key_size < _RSA_BITS_MIN:
        raise ValueError(f"An RSA key must have at least {_RSA_BITS_MIN} bits.")
    return key
