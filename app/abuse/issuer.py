"""Customers' tokens, right ones and forged ones, and the keys that the server is told to accept.

Owns an issuer of the suite's own, and every trick with a token that it knows. Owns no checking.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.abuse.test"
AUDIENCE = "usage-feed"
CLAIM = "account"
TOKEN_SECONDS = 3_600
PADDING_LENGTH = 9_000


class Issuer:
    """Signs tokens with a key of each kind."""

    def __init__(self) -> None:
        self._rsa = rsa.generate_private_key(65537, 2048)
        self._ec = ec.generate_private_key(ec.SECP256R1())
        self._ed = ed25519.Ed25519PrivateKey.generate()
        self._foreign = rsa.generate_private_key(65537, 2048)

    def publish(self, folder: Path) -> Path:
        """Write the public keys as a JWKS."""
        keys = [
            {**RSAAlgorithm.to_jwk(self._rsa.public_key(), as_dict=True), "kid": "rsa"},
            {**ECAlgorithm.to_jwk(self._ec.public_key(), as_dict=True), "kid": "ec"},
            {**OKPAlgorithm.to_jwk(self._ed.public_key(), as_dict=True), "kid": "ed"},
        ]
        path = folder / "jwks.json"
        path.write_text(json.dumps({"keys": keys}))
        return path

    def token(self, account: Any, /, **claims: Any) -> str:
        """A right token, but for the claims that are given; None leaves one out."""
        return self._signed(_claims(account, claims), {"kid": "ed"})

    def _signed(self, claims: dict[str, Any], headers: dict[str, Any]) -> str:
        return jwt.encode(claims, self._ed, "EdDSA", headers=headers)

    @cached_property
    def forged(self) -> dict[str, str]:
        """Tokens that must not pass, by what is wrong with each."""
        claims = _claims(account := "stranger-0", {})
        good = self._signed(claims, {"kid": "ed"})
        head, body, signature = good.split(".")
        return {
            **self._of_other_algorithms(claims),
            **self._of_other_keys(claims),
            **self._of_wrong_claims(account),
            "cut in its signature": good[:-20],
            "cut in its claims": f"{head}.{body[:-9]}.{signature}",
            "without a signature": f"{head}.{body}.",
            "of two parts": f"{head}.{body}",
            "of five parts": f"{head}..{body}.{signature}.{signature}",
            "altered in its claims": f"{head}.{_part(claims | {CLAIM: 'good'})}.{signature}",
            "with garbage for a header": f"{_encoded(b'[]')}.{body}.{signature}",
            "with deep JSON for a header": f"{_encoded(b'[' * 4_000)}.{body}.{signature}",
            "longer than any": f"{good}{'a' * PADDING_LENGTH}",
        }

    def _of_other_algorithms(self, claims: dict[str, Any]) -> dict[str, str]:
        public = self._rsa.public_key()
        encoding, form = serialization.Encoding, serialization.PublicFormat
        pem = public.public_bytes(encoding.PEM, form.SubjectPublicKeyInfo)
        der = public.public_bytes(encoding.DER, form.SubjectPublicKeyInfo)
        forged = {
            f"of algorithm {name}": f"{_part({'alg': name, 'kid': 'rsa'})}.{_part(claims)}."
            for name in ("none", "None", "NONE", "nOnE", "")
        }
        for name, secret in {"PEM": pem, "DER": der, "nothing": b""}.items():
            forged[f"of HS256 with {name} of the public key"] = _mac(claims, secret)
        head, body = _part({"alg": "ES256", "kid": "ec"}), _part(claims)
        forged["of ES256 with a signature of zeros"] = f"{head}.{body}.{_encoded(bytes(64))}"
        forged["of RS512"] = jwt.encode(claims, self._rsa, "RS512", headers={"kid": "rsa"})
        forged["of RS256 under the kid of another kind"] = jwt.encode(
            claims, self._rsa, "RS256", headers={"kid": "ed"}
        )
        return forged

    def _of_other_keys(self, claims: dict[str, Any]) -> dict[str, str]:
        own = RSAAlgorithm.to_jwk(self._foreign.public_key(), as_dict=True)
        tricks: dict[str, dict[str, Any]] = {
            "jwk": {"kid": "rsa", "jwk": own},
            "jku": {"kid": "rsa", "jku": "http://127.0.0.1:9/jwks.json"},
            "x5u": {"kid": "rsa", "x5u": "http://127.0.0.1:9/chain.pem"},
            "x5c": {"kid": "rsa", "x5c": ["AAAA"]},
            "kid that leaves the folder": {"kid": "../../../../../../dev/null"},
            "kid that ends a query": {"kid": "rsa' union select 'a' --"},
            "kid with NUL": {"kid": "rsa\0"},
            "kid that nobody knows": {"kid": "unknown"},
            "no kid": {},
            "crit": {"kid": "rsa", "crit": ["exp"]},
        }
        return {
            f"of a foreign key by {name}": jwt.encode(
                claims, self._foreign, "RS256", headers=headers
            )
            for name, headers in tricks.items()
        } | {
            "with a kid that is a list": f"{_part({'alg': 'RS256', 'kid': ['rsa']})}."
            f"{_part(claims)}.{_encoded(bytes(256))}"
        }

    def _of_wrong_claims(self, account: str) -> dict[str, str]:
        now = int(time.time())
        wrong: dict[str, dict[str, Any]] = {
            "replayed after its end": {"exp": now - 3_600},
            "that never ends": {"exp": None},
            "that ends in a word": {"exp": "never"},
            "that ends in no time known": {"exp": float("inf")},
            "that begins later": {"nbf": now + 3_600},
            "for another audience": {"aud": "another"},
            "for no audience": {"aud": None},
            "of another issuer": {"iss": "https://issuer.elsewhere.test"},
            "of no issuer": {"iss": None},
            "without an account": {CLAIM: None},
            "for a list of accounts": {CLAIM: [account, "good"]},
            "for every account": {CLAIM: {"$ne": ""}},
            "for an account with NUL": {CLAIM: f"{account}\0"},
        }
        return {name: self.token(account, **claims) for name, claims in wrong.items()}


def _claims(account: Any, given: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    stated = {CLAIM: account, "iss": ISSUER, "aud": AUDIENCE, "exp": now + TOKEN_SECONDS, **given}
    return {name: value for name, value in stated.items() if value is not None}


def _mac(claims: dict[str, Any], secret: bytes) -> str:
    signed = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{_part(claims)}"
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
