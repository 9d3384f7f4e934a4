"""Customers' keys by their issuer's URL: fetched, renewed, withdrawn, and kept when it is away."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from resolvers import signing_keys
from tests.api.support import Api, Keys, issuer_keys, served
from tests.live.support import eventually

ASKED = {"query": "{ viewer { account { key } } }"}


@dataclass
class Issuer:
    """Somebody who publishes keys."""

    keys: Keys = field(default_factory=Keys)
    names: list[str] = field(default_factory=lambda: ["ed", "rsa"])
    status: int = 200
    asked: int = 0
    body: bytes | None = None
    url: str = ""

    def jwks(self) -> bytes:
        if self.body is not None:
            return self.body
        shown = [key for key in self.keys.jwks()["keys"] if key["kid"] in self.names]
        foreign = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
        sealing = {**shown[0], "use": "enc", "kid": "sealing"} if shown else foreign
        return json.dumps({"keys": [foreign, sealing, None, *shown]}).encode()


@pytest.fixture
def issuer() -> Generator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            self.send_response(issuer.status)
            self.end_headers()
            self.wfile.write(issuer.jwks())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield issuer
    server.shutdown()
    thread.join()
    server.server_close()


@asynccontextmanager
async def serving(url: str, issuer: Issuer, folder: Path) -> AsyncGenerator[Api]:
    async with served(url, folder, jwt_keys_file=None, jwks_url=issuer.url) as api:
        yield api


async def status(api: Api, token: str) -> int:
    return (await api.caller(token).http.post("/graphql", json=ASKED)).status_code


async def until(asked: Callable[[], Awaitable[int]], wanted: int) -> None:
    """Ask until the answer is the one that is waited for."""
    for _ in range(200):
        if await asked() == wanted:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"not {wanted} within ten seconds")


async def test_a_published_key_opens_the_door_and_no_other_kind_of_key_does(
    database_url: str, tmp_path: Path, issuer: Issuer
) -> None:
    async with serving(database_url, issuer, tmp_path) as api:
        assert await status(api, issuer.keys.token("acme", "ed")) == 200
        assert await status(api, issuer.keys.token("acme", "rsa")) == 200
        forged = jwt.encode({"account_key": "acme"}, "secret" * 9, headers={"kid": "secret"})
        assert await status(api, forged) == 401
        assert await status(api, Keys().token("acme", "ed")) == 401
        claims = jwt.decode(issuer.keys.token("acme"), options={"verify_signature": False})
        sealed = jwt.encode(claims, issuer.keys.private["ed"], "EdDSA", headers={"kid": "sealing"})
        assert await status(api, sealed) == 401
        assert issuer.asked == 1


async def test_however_many_unknown_keys_are_named_the_issuer_is_asked_once_a_minute(
    database_url: str, tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(database_url, issuer, tmp_path) as api:
        assert signing_keys.UNKNOWN_SECONDS == 60
        tokens = [issuer.keys.token("acme", "ec") for _ in range(20)]
        assert set(await asyncio.gather(*(status(api, token) for token in tokens))) == {401}
        assert issuer.asked == 1, "the minute began with the start"
        issuer.names.append("ec")
        keys = api.process.identity.keys
        assert isinstance(keys, signing_keys.FetchedKeys)
        monkeypatch.setattr(keys, "_asked_at", keys._asked_at - 60)  # pyright: ignore[reportPrivateUsage]
        assert set(await asyncio.gather(*(status(api, token) for token in tokens))) == {200}
        assert issuer.asked == 2


async def test_a_withdrawn_key_shuts_the_door_on_tokens_that_were_verified_before(
    database_url: str, tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "RENEW_SECONDS", 0.1)
    async with serving(database_url, issuer, tmp_path) as api:
        withdrawn, kept = issuer.keys.token("acme", "rsa"), issuer.keys.token("acme", "ed")
        assert [await status(api, withdrawn), await status(api, kept)] == [200, 200]
        issuer.names.remove("rsa")
        await until(lambda: status(api, withdrawn), 401)
        assert await status(api, kept) == 200


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"{}", b'{"keys": []}', b"[" * 100_000, b" " * 300_000]
)
async def test_keys_are_kept_while_the_issuer_answers_nonsense_or_not_at_all(
    database_url: str,
    tmp_path: Path,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes,
) -> None:
    monkeypatch.setattr(signing_keys, "RENEW_SECONDS", 0.05)
    async with serving(database_url, issuer, tmp_path) as api:
        issuer.body, issuer.status = body, 200 if body != b"{}" else 500
        before = issuer.asked
        await eventually(lambda: issuer.asked >= before + 3)  # so two answers have been read
        assert await status(api, issuer.keys.token("acme")) == 200


async def test_a_server_that_starts_before_its_issuer_says_so_and_then_lets_customers_in(
    database_url: str, tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "RETRY_SECONDS", 0.1)
    issuer.status = 503
    async with serving(database_url, issuer, tmp_path) as api:
        ready = await api.caller(None).http.get("/readyz")
        assert ready.status_code == 503
        assert "keys of customers' tokens" in ready.text
        service = await api.service()
        await service.opened("acme")
        issuer.status = 200
        await until(lambda: status(api, issuer.keys.token("acme")), 200)
        assert (await service.http.get("/readyz")).status_code == 200


async def test_a_token_is_verified_once_and_not_a_moment_longer_than_it_lasts(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = 0
    decode = jwt.decode

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal verified
        verified += 1
        return decode(*args, **options)

    monkeypatch.setattr(jwt, "decode", counted)
    customer, other = api.customer("acme"), api.customer("other")
    for _ in range(5):
        await customer.ask(ASKED["query"])
        await other.ask(ASKED["query"])
    assert verified == 2
    monkeypatch.setattr("resolvers.identity.LEEWAY_SECONDS", 0)
    ends_at = int(time.time()) + 4
    short = issuer_keys().token("acme", exp=ends_at)
    assert [await status(api, short), await status(api, short)] == [200, 200]
    assert verified == 3
    await asyncio.sleep(ends_at + 0.1 - time.time())
    assert await status(api, short) == 401
