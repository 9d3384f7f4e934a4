"""npm graphql-sse and Apollo's two ways to subscribe, unmodified: what they come back from."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.faults.proxy import Proxy
from app.faults.servers import free_port
from models.intents import RecordCharge, RefundCharge
from models.outcomes import Done
from tests.clients.conftest import CLIENTS
from tests.live.door import Door, door
from tests.live.script import Script, running
from tests.live.support import eventually

FROM_THE_START = "c2VxOjA="
SOCKET = "apollo-socket"
every_client = pytest.mark.parametrize("which", ["graphql-sse", SOCKET, "apollo-multipart"])


def _client(
    node: str, which: str, url: str, account: str, *tokens: str
) -> AbstractAsyncContextManager[Script]:
    given = (f"{url}/graphql", account, FROM_THE_START, *tokens)
    return running(node, "follow.js", which, *given, folder=CLIENTS)


async def _refund(there: Door, n: int) -> None:
    """Book a charge and its refund: two lines."""
    writer = there.process.services.writer
    charged = await writer.book(
        RecordCharge(account_id=there.account_id, idempotency_key=f"charge-{n}", amount=1)
    )
    assert isinstance(charged, Done), charged
    assert charged.entry is not None
    refunded = await writer.book(
        RefundCharge(
            account_id=there.account_id,
            idempotency_key=f"refund-{n}",
            charge_seq=charged.entry.seq,
            amount=None,
            reason_code="PROVIDER_ERROR",
        )
    )
    assert isinstance(refunded, Done), refunded


@every_client
async def test_a_restart_costs_the_client_no_line_and_its_refund_lands(
    node: str, which: str, database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with door(database_url, tmp_path, port=port) as there:
        await there.grant(1)
        async with _client(node, which, there.url, there.account, there.token) as client:
            await client.has(1)
            await _refund(there, 1)
            await client.has(3)
            assert client.told("kind") == ["Grant", "Charge", "Refund"]
            await there.stop()
            for n in (2, 3):
                async with door(database_url, tmp_path, port=port, signer=there.signer) as again:
                    await _refund(again, n)
                    await client.has(1 + 2 * n)
                    await eventually(lambda s=again: s.process.services.bell.followers == 1)
            async with door(database_url, tmp_path, port=port, signer=there.signer) as again:
                await _refund(again, 4)
                await client.has(9)
                await client.end()
                await eventually(lambda: again.process.services.bell.followers == 0)


@every_client
async def test_a_connection_that_breaks_costs_the_client_no_line(
    node: str, which: str, database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path) as there:
        proxy = Proxy(("127.0.0.1", urlsplit(there.url).port or 0))
        async with (
            proxy.running(),
            _client(
                node, which, f"http://127.0.0.1:{proxy.port}", there.account, there.token
            ) as client,
        ):
            for n in range(3):
                await there.grant(4)
                await client.has(there.grants)
                if n == 1:
                    proxy.half_close()
                else:
                    proxy.cut()
            await there.grant(4)
            await client.has(there.grants)


@every_client
async def test_a_client_whose_token_expires_comes_back_with_a_fresh_one(
    node: str, which: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.identity.LEEWAY_SECONDS", 0)
    async with door(database_url, tmp_path) as there:
        tokens = [there.signer.token("ada", seconds=6), there.token]
        async with _client(node, which, there.url, there.account, *tokens) as client:
            await there.grant(3)
            await client.has(3)
            # A socket's client is closed with 4403 and comes back without a word.
            told = [] if which == SOCKET else ["TOKEN_EXPIRED"]
            bell = there.process.services.bell
            await eventually(lambda: client.told("reported") == told and bell.followers == 0)
            await there.grant(3)
            await client.has(6)
            assert client.told("reported") == told


@every_client
async def test_a_client_is_told_once_why_it_may_not_follow(
    node: str, which: str, database_url: str, tmp_path: Path
) -> None:
    async with door(database_url, tmp_path) as there:
        token = there.signer.token("somebody else")
        async with _client(node, which, there.url, there.account, token) as client:
            await eventually(lambda: bool(client.told("reported")))
            await asyncio.sleep(0.5)
            assert client.said == [{"reported": "NOT_FOUND"}]
