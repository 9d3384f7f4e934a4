"""Only a credential that is right in every part opens the door, and only as far as it says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.process import token_rules
from app.settings import Settings, SettingsError
from models import service_keys
from resolvers.access import Scope
from tests.api.support import AUDIENCE, CLAIM, ISSUER, Api, Caller, document, issuer_keys

ASKED = {"query": "{ viewer { kind } __schema { queryType { name } } }"}


def signed(key: Any, algorithm: str, headers: dict[str, Any], **claims: Any) -> str:
    stated = {CLAIM: "acme", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600}
    return jwt.encode({**stated, **claims}, key, algorithm=algorithm, headers=headers)


def wrong_tokens() -> dict[str, str]:
    """Tokens each wrong in one part."""
    keys, now = issuer_keys(), int(time.time())
    right = keys.token("acme")
    header, payload, signature = right.split(".")
    pem = (
        keys.private["rsa"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    forged = base64.urlsafe_b64encode(b'{"alg":"none","kid":"ed"}').rstrip(b"=").decode()
    nested = base64.urlsafe_b64encode(b"[" * 4_000).decode()
    return {
        "expired": keys.token("acme", exp=now - 61),
        "not yet": keys.token("acme", nbf=now + 90),
        "issued later": keys.token("acme", iat=now + 90),
        "never expires": keys.token("acme", exp=None),
        "other issuer": keys.token("acme", iss="https://other.test"),
        "no issuer": keys.token("acme", iss=None),
        "other audience": keys.token("acme", aud="other"),
        "no audience": keys.token("acme", aud=None),
        "no account": keys.token(None),
        "account number": keys.token(5),
        "account empty": keys.token(""),
        "account with NUL": keys.token("a\0b"),
        "account too long": keys.token("a" * 256),
        "unknown key": signed(keys.private["ed"], "EdDSA", {"kid": "other"}),
        "no key named": signed(keys.private["ed"], "EdDSA", {}),
        "another's signature": signed(ed25519.Ed25519PrivateKey.generate(), "EdDSA", {"kid": "ed"}),
        "another kind of key": signed(keys.private["rsa"], "RS256", {"kid": "ed"}),
        "another hash": signed(keys.private["rsa"], "RS512", {"kid": "rsa"}),
        "public key as a secret": _with_public_key_as_secret(pem),
        "unsigned": f"{forged}.{payload}.",
        "cut": right[:-2],
        "other payload": f"{header}.{payload[:-1]}A.{signature}",
        "nonsense": "abc",
        "nested header": f"{nested}.{payload}.{signature}",
        "too long": right + "A" * 9_000,
        "unknown service key": service_keys.PREFIX + "A" * 43,
        "cut service key": service_keys.PREFIX,
    }


def _with_public_key_as_secret(pem: bytes) -> str:
    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {CLAIM: "acme", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600}
    text = part(b'{"alg":"HS256","kid":"rsa"}') + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.digest(pem, text, hashlib.sha256))).decode()


async def test_each_kind_of_key_opens_the_door(api: Api, service: Caller) -> None:
    await service.opened("acme")
    for kid in ("rsa", "ec", "ed"):
        customer = api.caller(issuer_keys().token("acme", kid))
        assert (await customer.ask("{ viewer { kind } }"))["viewer"]["kind"] == "CUSTOMER"
    late = api.customer("acme", exp=int(time.time()) - 30, nbf=int(time.time()) + 30)
    assert (await late.ask("{ viewer { account { key } } }"))["viewer"]["account"]["key"] == "acme"


async def test_a_credential_wrong_in_any_part_is_refused_in_the_same_words(
    api: Api, service: Caller
) -> None:
    await service.opened("acme")
    texts: set[str] = set()
    for name, token in wrong_tokens().items():
        response = await service.http.post(
            "/graphql", json=ASKED, headers={"Authorization": f"Bearer {token}"}
        )
        assert response.status_code == 401, (name, response.text)
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert "data" not in response.json()
        texts.add(response.text)
    assert len(texts) == 1


async def test_without_a_credential_not_even_the_schema_is_told(api: Api) -> None:
    anyone = api.caller(None)
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        for body in (ASKED, {"query": "{"}, 5):
            response = await anyone.http.post("/graphql", json=body, headers=headers)
            assert response.status_code == 401
    response = await anyone.http.get("/graphql", params=ASKED)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (
        401,
        "UNAUTHENTICATED",
    )


async def test_of_several_credentials_the_first_counts(api: Api, service: Caller) -> None:
    right, wrong = [("Authorization", f"Bearer {token}") for token in (service.token, "nonsense")]
    for headers, status in (([right, wrong], 200), ([wrong, right], 401)):
        response = await api.caller(None).http.post("/graphql", json=ASKED, headers=headers)
        assert response.status_code == status


async def test_the_scheme_is_read_in_any_case(api: Api, service: Caller) -> None:
    response = await service.http.post(
        "/graphql", json=ASKED, headers={"Authorization": f"bEaReR   {service.token}"}
    )
    assert response.json()["data"]["viewer"]["kind"] == "SERVICE"


NEEDS: dict[str, tuple[Scope, dict[str, Any]]] = {
    "openAccount": (Scope.ACCOUNTS_WRITE, {"key": "new", "name": "New"}),
    "grantCredits": (Scope.GRANTS_WRITE, {"amount": 1, "reasonCode": "GRANT_PLAN"}),
    "recordCharge": (Scope.CHARGES_WRITE, {"amount": 1}),
    "refundCharge": (Scope.REFUNDS_WRITE, {"reasonCode": "GOODWILL", "charge": "none"}),
    "adjustBalance": (
        Scope.ADJUSTMENTS_WRITE,
        {"amount": 1, "reasonCode": "MANUAL_CORRECTION", "note": "n"},
    ),
    "startJob": (
        Scope.CHARGES_WRITE,
        {"key": "k", "operation": "o", "amount": 1, "deadlineSeconds": 60},
    ),
    "finishJob": (Scope.CHARGES_WRITE, {"key": "k", "status": "FAILED"}),
}


async def test_a_scope_allows_what_it_names_and_nothing_else(api: Api, service: Caller) -> None:
    account = await service.opened("acme")
    for scope in Scope:
        one = await api.service(scope, name="one scope")
        assert (await one.ask("{ viewer { scopes } }"))["viewer"]["scopes"] == [scope]
        for mutation, (needed, given) in NEEDS.items():
            wanted = dict(given)
            if mutation != "openAccount":
                wanted["idempotencyKey"] = f"{scope} {mutation}"
            if mutation not in ("openAccount", "refundCharge"):
                wanted["account"] = account
            answer = await one.answer(document(mutation), input=wanted)
            codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
            assert codes == ([] if needed is scope else ["FORBIDDEN"]), (scope, mutation, answer)
        for query in (
            '{ account(key: "acme") { id } }',
            f'{{ account(id: "{account}") {{ id }} }}',
            f'{{ node(id: "{account}") {{ id }} }}',
            f'{{ nodes(ids: ["{account}"]) {{ id }} }}',
        ):
            answer = await one.answer(query)
            codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
            assert codes == ([] if scope is Scope.READ else ["FORBIDDEN"]), (scope, query)


async def test_history_is_booked_by_the_import_scope_only(api: Api, service: Caller) -> None:
    account = await service.opened("acme", granted=0)
    given = {
        "account": account,
        "idempotencyKey": "history",
        "amount": 5,
        "reasonCode": "GRANT_PLAN",
        "recordedAt": "2026-01-01T00:00:00Z",
    }
    granter = await api.service(Scope.GRANTS_WRITE)
    assert await granter.code(document("grantCredits"), input=given) == "FORBIDDEN"
    importer = await api.service(Scope.GRANTS_WRITE, Scope.IMPORT)
    booked = await importer.ask(document("grantCredits"), input=given)
    assert booked["grantCredits"]["entry"]["recordedAt"] == "2026-01-01T00:00:00.000000Z"


async def test_what_a_writer_without_read_gets_back_opens_no_feed(
    api: Api, service: Caller
) -> None:
    account = await service.opened("acme")
    writer = await api.service(Scope.CHARGES_WRITE)
    answer = await writer.answer(
        "mutation ($input: RecordChargeInput!) { recordCharge(input: $input) { "
        "... on ChargeRecorded { entry { amount } account { balance usage { nodes { __typename } } "
        "} } } }",
        input={"account": account, "idempotencyKey": "k", "amount": 1},
    )
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_the_author_of_an_adjustment_is_whoever_holds_the_key(api: Api) -> None:
    support = await api.service(name="support desk")
    account = await support.opened("acme")
    made = await support.do(
        "adjustBalance", account=account, amount=-1, reasonCode="CHARGEBACK", note="n"
    )
    assert made["entry"]["author"] == "support desk"


def jwks_settings(folder: Path, jwks: Any) -> Settings:
    path = folder / "keys.json"
    path.write_text(json.dumps(jwks))
    given: dict[str, Any] = {"jwt_keys_file": path, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    return Settings(**given)


def test_keys_that_would_weaken_the_door_are_refused_at_start(tmp_path: Path) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    good = {**OKPAlgorithm.to_jwk(private.public_key(), as_dict=True), "kid": "a"}
    weak = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - the point of the test
    p384 = ec.generate_private_key(ec.SECP384R1()).public_key()
    assert token_rules(jwks_settings(tmp_path, {"keys": [good]})) is not None
    wrong: dict[str, Any] = {
        "private key": [{**OKPAlgorithm.to_jwk(private, as_dict=True), "kid": "a"}],
        "symmetric": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a"}],
        "weak": [{**RSAAlgorithm.to_jwk(weak, as_dict=True), "kid": "a"}],
        "other curve": [{**ECAlgorithm.to_jwk(p384, as_dict=True), "kid": "a"}],
        "other algorithm": [{**good, "alg": "RS256"}],
        "same name twice": [good, good],
        "no key": [{}],
        "broken": [{**good, "x": "AA"}],
    }
    for keys in wrong.values():
        settings = jwks_settings(tmp_path, {"keys": keys})
        with pytest.raises(SettingsError, match="USAGE_FEED_JWT_KEYS_FILE"):
            token_rules(settings)
    for not_a_set in (None, "keys", 5):
        settings = jwks_settings(tmp_path, not_a_set)
        with pytest.raises(SettingsError):
            token_rules(settings)
