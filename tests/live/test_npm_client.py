"""The npm graphql-ws client, unmodified: what it comes back from, and how whole."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from app.faults.servers import free_port
from app.messages import Code
from app.websocket import SUBPROTOCOL
from tests.live.door import Door, door
from tests.live.script import Script, running
from tests.live.support import eventually

SCRIPT = Path(__file__).with_name("follow.mjs")
WEB = Path(__file__).parents[2] / "web" / "node_modules" / "graphql-ws"
FROM_THE_START = "c2VxOjA="


def npm_client(url: str, account: str, *tokens: str) -> AbstractAsyncContextManager[Script]:
    node = shutil.which("node")
    if node is None or not WEB.exists():
        pytest.skip("Node.js or the packages of web/ are not installed.")
    return running(node, SCRIPT.name, url, account, FROM_THE_START, *tokens, folder=SCRIPT.parent)


def _ends(client: Script) -> list[object]:
    return [*client.told("failed"), *client.told("complete")]


async def test_a_restart_costs_the_npm_client_no_line(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    heads = 0

    async def write(there: Door) -> None:
        nonlocal heads
        there.grants = heads
        for _ in range(10):
            await there.grant(3)
            await asyncio.sleep(0.02)
        heads = there.grants

    async with (
        door(database_url, tmp_path, port=port) as there,
        npm_client(there.websocket_url, there.account, there.token) as client,
    ):
        await write(there)
        await client.has(30)
        await there.stop()
        for _ in range(3):
            async with door(database_url, tmp_path, port=port, signer=there.signer) as again:
                await write(again)
                await client.has(heads)
        assert heads == 120
        assert client.told("closed")[0] == Code.SERVICE_RESTART
        assert _ends(client) == []


async def test_an_expired_token_makes_the_npm_client_come_back_with_a_fresh_one(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resolvers.identity.LEEWAY_SECONDS", 0)
    async with door(database_url, tmp_path) as there:
        tokens = [there.signer.token("ada", seconds=6), there.token]
        async with npm_client(there.websocket_url, there.account, *tokens) as client:
            await there.grant(5)
            await eventually(lambda: client.told("closed") == [Code.FORBIDDEN])
            await there.grant(5)
            await client.has(10)
            assert client.told("closed") == [Code.FORBIDDEN]
            assert _ends(client) == []


@pytest.mark.parametrize(
    "code",
    [Code.SERVICE_RESTART, Code.TRY_AGAIN_LATER, Code.FORBIDDEN, Code.INIT_TIMEOUT],
)
async def test_the_npm_client_comes_back_after_every_close_that_time_can_mend(code: int) -> None:
    connections = await _connections_after_a_close_with(code, until=3)
    assert connections == 3


@pytest.mark.parametrize(
    "code",
    [
        1011,
        Code.BAD_REQUEST,
        Code.UNAUTHORIZED,
        Code.SUBPROTOCOL_NOT_ACCEPTABLE,
        Code.SUBSCRIBER_EXISTS,
        Code.TOO_MANY_INITS,
    ],
)
async def test_the_npm_client_gives_up_after_a_close_that_is_its_own_fault(code: int) -> None:
    connections = await _connections_after_a_close_with(code, until=3)
    assert connections == 1


async def _connections_after_a_close_with(code: int, until: int) -> int:
    """How often the client connects to a server that closes with `code`."""
    connections = 0

    async def close(connection: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await connection.recv()
        await connection.close(code if connections < until else 1000)

    async with serve(close, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with npm_client(f"ws://127.0.0.1:{port}", "x", "token") as client:
            await eventually(lambda: bool(_ends(client)) or connections >= until)
    return connections
