"""A server of the test's own, real sockets into it, and credentials for them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.asgi import create_app
from app.connection import WebSocketProtocol
from app.process import Process, running
from app.server import bound, make_server, url_of
from app.settings import Settings
from app.websocket import SUBPROTOCOL, Sockets
from models import service_keys
from models.intents import GrantCredits, OpenAccount
from models.outcomes import Done
from tests.owner import owner_of

Message = dict[str, Any]
ALL_SCOPES = ("read", "accounts:write", "grants:write", "charges:write", "refunds:write")

LANDED = """subscription($account: ID!, $since: String) {
  usageEntryLanded(account: $account, since: $since) {
    edge { cursor node { ... on LedgerEntry { seq } } } } }"""

VIEWER = "{ viewer { kind } }"


def request(**fields: object) -> Message:
    """A subscribe message with a query that anyone may ask."""
    return {"id": "1", "type": "subscribe", "payload": {"query": VIEWER, **fields}}


class Signer:
    """Signs customers' tokens."""

    def __init__(self, folder: Path) -> None:
        self._key = Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [public]}))

    def token(self, account_key: str, seconds: float = 3600.0) -> str:
        claims = {"account": account_key, "exp": time.time() + seconds}
        return jwt.encode(claims, self._key, algorithm="EdDSA")


@dataclass
class Door:
    """A running server and one account in it."""

    process: Process
    url: str
    signer: Signer
    account_key: str
    account_id: int
    stop: Callable[[], Awaitable[None]]
    connections: Callable[[], int]
    account: str = ""
    grants: int = 0

    @property
    def token(self) -> str:
        return self.signer.token(self.account_key)

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/graphql"

    async def service_key(self) -> str:
        async with owner_of(self.process) as db:
            return await service_keys.create(db, "test", ALL_SCOPES)

    async def grant(self, lines: int = 1, metadata: Any = None) -> None:
        """Book lines for the account."""
        intents = [
            GrantCredits(
                account_id=self.account_id,
                idempotency_key=f"grant-{self.grants + n}",
                amount=1,
                reason_code="GRANT_PROMO",
                metadata=metadata,
            )
            for n in range(lines)
        ]
        self.grants += lines
        for outcome in await self.process.services.writer.book_many(intents):
            assert isinstance(outcome, Done), outcome

    @asynccontextmanager
    async def socket(self, **given: Any) -> AsyncGenerator[Socket]:
        """A socket that has said nothing yet."""
        given.setdefault("subprotocols", [Subprotocol(SUBPROTOCOL)])
        async with connect(self.websocket_url, max_size=None, **given) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def introduced(self, token: str | None = None, **given: Any) -> AsyncGenerator[Socket]:
        """A socket whose client the server knows."""
        async with self.socket(**given) as socket:
            await socket.introduce(token or self.token)
            yield socket

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=20
        )


@dataclass
class Socket:
    """A client's end."""

    connection: ClientConnection

    async def say(self, message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def introduce(self, token: str) -> None:
        payload = {"authorization": f"Bearer {token}"}
        await self.say({"type": "connection_init", "payload": payload})
        assert await self.hear() == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str, **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self.say({"id": id_, "type": "subscribe", "payload": payload})

    async def follow(self, id_: str, account: str, since: str | None = None) -> None:
        await self.subscribe(id_, LANDED, account=account, since=since)

    async def hear(self, within_seconds: float = 10.0) -> Message:
        async with asyncio.timeout(within_seconds):
            return json.loads(await self.connection.recv())

    async def hear_seq(self) -> int:
        message = await self.hear()
        assert message["type"] == "next", message
        return message["payload"]["data"]["usageEntryLanded"]["edge"]["node"]["seq"]

    async def hears_nothing(self, for_seconds: float = 0.3) -> bool:
        try:
            await self.hear(for_seconds)
        except TimeoutError:
            return True
        return False

    async def closed(self, within_seconds: float = 10.0) -> tuple[int, str]:
        """The close code and reason, whatever else arrives before."""
        async with asyncio.timeout(within_seconds):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
            await self.connection.wait_closed()
        return self.connection.close_code or 0, self.connection.close_reason or ""

    async def is_open(self) -> bool:
        await self.say({"type": "ping", "payload": {"still": "there"}})
        return await self.hear() == {"type": "pong", "payload": {"still": "there"}}


@asynccontextmanager
async def door(
    database_url: str,
    folder: Path,
    protocol: type[WebSocketProtocol] | None = None,
    ping_seconds: float = 20.0,
    port: int = 0,
    signer: Signer | None = None,
    **limits: Any,
) -> AsyncGenerator[Door]:
    """A server with an account; with `limits` of its sockets, and `protocol`, of the test's own."""
    signer = signer or Signer(folder)
    settings = Settings(
        database_url=database_url,
        require_durable_database=False,
        jwt_keys_file=signer.jwks,
        shutdown_grace_seconds=5,
    )  # pyright: ignore[reportCallIssue]
    async with running(settings) as process:
        listening = asyncio.Event()
        server = make_server(process, listening.set)
        app = create_app(process, sockets=Sockets(process, **limits))
        server.config.app = app
        server.config.ws = protocol or WebSocketProtocol
        server.config.ws_ping_interval = server.config.ws_ping_timeout = ping_seconds
        with bound("127.0.0.1", port) as listener:
            serving = asyncio.create_task(server.serve([listener]))
            await listening.wait()

            async def stop() -> None:
                server.should_exit = True
                await serving

            opened = await process.services.writer.book(
                OpenAccount(idempotency_key="ada", name="Ada")
            )
            assert isinstance(opened, Done)
            url = url_of(listener, "127.0.0.1")
            there = Door(
                process,
                url,
                signer,
                "ada",
                opened.account.id,
                stop,
                lambda: len(server.server_state.connections),
            )
            there.account = await _global_id(there)
            try:
                yield there
            finally:
                await stop()


async def _global_id(there: Door) -> str:
    async with there.http() as client:
        answer = await client.post("/graphql", json={"query": "{ viewer { account { id } } }"})
        return answer.json()["data"]["viewer"]["account"]["id"]
