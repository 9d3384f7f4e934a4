"""Credentials of the demonstration: the keys that `run` and `token` hand out.

Owns the folder `DIR/demonstration` (0700, its files 0600): the key pair that signs customers'
tokens, made once, and the service keys it asked the ledger for, one per set of scopes. Owns no
checking of credentials: a server does that, here as in production, from the public keys alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from app.settings import Settings, SettingsError
from models import service_keys
from models.database import Database
from resolvers.access import Scope

ISSUER = "usage-feed-demonstration"
AUDIENCE = "usage-feed"
ACCOUNT_CLAIM = "account"
SERVICE_NAME = "demonstration"
TOKEN_PERIOD_SECONDS = 30 * 24 * 3600
ALL_SCOPES: list[str] = sorted(Scope)
_KEY_ID = "demonstration"


class Credentials:
    """What the demonstration in `data_dir` signs and remembers; untouched before the first use."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "demonstration"

    @property
    def jwks_file(self) -> Path:
        """The file with the public keys of customers' tokens."""
        path = self.folder / "jwks.json"
        public = OKPAlgorithm.to_jwk(self._signing_key().public_key(), as_dict=True)
        text = json.dumps({"keys": [public | {"kid": _KEY_ID, "alg": "EdDSA", "use": "sig"}]})
        if not path.exists() or path.read_text() != text:
            write_private(path, text)
        return path

    def accepted_by(self, settings: Settings) -> Settings:
        """Those settings, for a server that accepts these customers' tokens.

        Raises: SettingsError where the operator has keys of their own.
        """
        own = (
            settings.jwt_keys_file,
            settings.jwks_url,
            settings.jwt_issuer,
            settings.jwt_audience,
        )
        if any(own):
            raise SettingsError(
                "`run` signs its customers' tokens itself. Unset USAGE_FEED_JWT_KEYS_FILE, "
                "USAGE_FEED_JWKS_URL, USAGE_FEED_JWT_ISSUER and USAGE_FEED_JWT_AUDIENCE, "
                "or use `serve`."
            )
        return settings.model_copy(
            update={
                "jwt_keys_file": self.jwks_file,
                "jwt_issuer": ISSUER,
                "jwt_audience": AUDIENCE,
                "jwt_account_claim": ACCOUNT_CLAIM,
            }
        )

    def customer(self, account_key: str) -> str:
        """A customer's token for an account: the same for up to 30 days, good for 30 more."""
        expires_at = (int(time.time()) // TOKEN_PERIOD_SECONDS + 2) * TOKEN_PERIOD_SECONDS
        claims = {ACCOUNT_CLAIM: account_key, "iss": ISSUER, "aud": AUDIENCE, "exp": expires_at}
        return jwt.encode(claims, self._signing_key(), algorithm="EdDSA", headers={"kid": _KEY_ID})

    async def service(self, db: Database, scopes: Collection[str]) -> str:
        """A service's key with exactly these scopes, made at the first call and kept."""
        with self.locked():
            kept = self.kept_service(scopes)
            if kept and await service_keys.verify(db, kept):
                return kept
            secret = await service_keys.create(db, SERVICE_NAME, scopes)
            keys = self._service_keys() | {_name_of(scopes): secret}
            write_private(self.folder / "service-keys.json", json.dumps(keys, indent=1))
            return secret

    def kept_service(self, scopes: Collection[str]) -> str | None:
        """The service's key that an earlier call made, unseen by any database."""
        return self._service_keys().get(_name_of(scopes))

    @contextmanager
    def locked(self) -> Generator[None]:
        """Hold the folder, which is made if need be, against other processes."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _service_keys(self) -> dict[str, str]:
        path = self.folder / "service-keys.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def _signing_key(self) -> Ed25519PrivateKey:
        path = self.folder / "signing-key.pem"
        if not path.exists():
            with self.locked():
                if not path.exists():
                    write_private(path, _new_key())
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        return cast("Ed25519PrivateKey", key)


def _name_of(scopes: Collection[str]) -> str:
    return " ".join(sorted(scopes))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _new_key() -> str:
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )
