"""The servers in Python, each a process of its own: `python -m benchmarks.live_contenders NAME DSN
JWKS` prints its address once it answers, and serves until it is killed.

- `ours`: this server, as it ships.
- `strawberry`: this server's schema, bell and follower behind Strawberry's own view for ASGI and
  graphql-core's executor, which is how Strawberry is served by its documentation.
- `floor`: what somebody writes who needs this one subscription and nothing else: a bare ASGI
  function that renders each line once. It checks no token.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import structlog
import uvicorn
import uvloop
from strawberry.asgi import GraphQL
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from app.process import Process, running
from app.server import serve
from app.settings import Settings
from resolvers.access import Scope, Viewer, ViewerKind
from schema.context import Context
from schema.schema import build_schema

App = Callable[[Any, Any, Any], Awaitable[None]]
_LINES = """select e.account_id, e.seq, e.kind, e.amount, e.balance_after, e.detail, e.campaign,
e.recorded_at, r.code, r.title, r.fault from unnest($1::bigint[], $2::int[]) w(account_id, seq)
join entry e on e.account_id = w.account_id and e.seq > w.seq
join reason r on r.code = e.reason_code order by e.account_id, e.seq"""


class _Stock(GraphQL[Context, None]):
    process: Process

    async def get_context(self, request: Any, response: Any) -> Context:
        viewer = Viewer(ViewerKind.SERVICE, "bench", scopes=frozenset({Scope.READ}))
        return Context(viewer, self.process.services)


async def strawberry(settings: Settings) -> None:
    async with running(settings) as process:
        schema = build_schema(StrawberryGraphQLCoreExecutionContext)
        app = _Stock(schema, subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL])
        app.process = process
        await _served(app)


class _Floor:
    def __init__(self, reader: asyncpg.Connection, heads: dict[int, int]) -> None:
        self._reader = reader
        self._heads = heads
        self._rung: set[int] = set()
        self._bell = asyncio.Event()
        self._subscribers: defaultdict[str, set[Any]] = defaultdict(set)

    @classmethod
    @asynccontextmanager
    async def over(cls, dsn: str) -> AsyncGenerator[_Floor]:
        reader, listener = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
        heads = dict(map(tuple, await reader.fetch("select id, last_seq from account")))
        floor = cls(reader, heads)
        await listener.add_listener("usage_feed", floor.ring)
        delivering = asyncio.create_task(floor.deliver())
        yield floor
        delivering.cancel()

    def ring(self, *told: Any) -> None:
        self._rung.update(map(int, told[3].split()))
        self._bell.set()

    async def deliver(self) -> None:
        while True:
            await self._bell.wait()
            self._bell.clear()
            accounts, self._rung = list(self._rung), set()
            seqs = [self._heads[account] for account in accounts]
            for row in await self._reader.fetch(_LINES, accounts, seqs):
                self._heads[row["account_id"]] = row["seq"]
                account, text = _rendered(row)
                message = {"type": "websocket.send", "text": text}
                for send in list(self._subscribers[account]):
                    await send(message)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})
        accounts: set[str] = set()
        while (event := await receive())["type"] != "websocket.disconnect":
            message = orjson.loads(event["text"])
            if message["type"] == "connection_init":
                await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
            elif message["type"] == "subscribe":
                accounts.add(message["payload"]["variables"]["account"])
                self._subscribers[message["payload"]["variables"]["account"]].add(send)
        for account in accounts:
            self._subscribers[account].discard(send)


def _rendered(row: asyncpg.Record) -> tuple[str, str]:
    account_id, seq, kind, amount, after, detail, campaign, recorded_at, code, title, fault = row
    account = base64.b64encode(b"Account:%d" % account_id).decode()
    node = {
        "__typename": kind.capitalize(),
        "id": base64.b64encode(b"Entry:%d:%d" % (account_id, seq)).decode(),
        "seq": seq,
        "kind": kind,
        "amount": amount,
        "balanceAfter": after,
        "reason": {"code": code, "title": title, "detail": detail, "fault": fault},
        "campaign": campaign,
        "recordedAt": recorded_at.isoformat(timespec="microseconds")[:-6] + "Z",
    }
    edge = {"cursor": base64.b64encode(b"seq:%d" % seq).decode(), "node": node}
    landed = {"edge": edge, "account": {"id": account, "balance": after}}
    payload = {"data": {"usageEntryLanded": landed}}
    return account, orjson.dumps({"id": "1", "type": "next", "payload": payload}).decode()


async def floor(settings: Settings) -> None:
    async with _Floor.over(str(settings.database_url)) as app:
        await _served(app)


async def _served(app: App) -> None:
    """Serve as uvicorn does by default, with the collector kept off what stays, as ours does."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(0.01)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    _up(f"http://127.0.0.1:{listener.getsockname()[1]}")
    await serving


def _up(address: str) -> None:
    print(address, flush=True)


def main() -> None:
    name, dsn, jwks = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    settings = Settings(
        host="127.0.0.1",
        port=0,
        database_url=dsn,
        jwt_keys_file=Path(jwks),
        customer_requests_per_second=0,
        service_requests_per_second=0,
    )  # pyright: ignore[reportCallIssue]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if name == "ours":
            runner.run(serve(settings, _up))
        else:
            runner.run({"strawberry": strawberry, "floor": floor}[name](settings))


if __name__ == "__main__":
    main()
