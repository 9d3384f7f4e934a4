"""The servers that a benchmark compares, each a process of its own: `python -m
benchmarks.contenders NAME DSN` prints its address once it answers, and serves until it is killed.

- `ours`: this server, as `./dev run` starts it.
- `graphql-core`: this server with graphql-core's executor in place of the compiled one.
- `floor`: what somebody writes who needs this one page and nothing else: a bare ASGI function, two
  statements on one connection of a pool, one orjson.dumps. It verifies the same token.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import sys
from dataclasses import replace
from typing import Any

import asyncpg
import orjson
import structlog
import uvicorn
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.process import running
from app.server import _spare_what_stays as spare_what_stays
from app.server import bound, make_server, url_of
from app.settings import Settings
from models.database import SERVER_ROLE, Database
from models.rows import ACCOUNT
from resolvers.identity import Identity
from schema.schema import build_schema

HOST = "127.0.0.1"
_TYPES = {"CHARGE": "Charge", "REFUND": "Refund", "GRANT": "Grant", "ADJUSTMENT": "Adjustment"}
_PAGE = """select e.seq, e.kind, e.amount, e.balance_after, e.detail, e.campaign, e.rule,
e.recorded_at, r.code, r.title, r.fault from (select * from entry where account_id = $1
order by seq desc limit 51) e join reason r on r.code = e.reason_code order by e.seq desc"""


async def ours(dsn: str, *, compiled: bool) -> None:
    settings = Settings(
        database_url=dsn, customer_requests_per_second=0, service_requests_per_second=0
    )
    with bound(HOST, 0) as listener:
        async with running(settings) as process:
            if not compiled:
                stock = build_schema(StrawberryGraphQLCoreExecutionContext)
                process = replace(process, schema=stock)  # noqa: PLW2901
            spare_what_stays()
            await make_server(process, lambda: _up(url_of(listener, HOST))).serve([listener])


async def floor(dsn: str) -> None:
    db = await Database.connect(dsn, role=SERVER_ROLE)
    identity = Identity(db, None)
    session = {"plan_cache_mode": "force_generic_plan", "jit": "off"}
    async with asyncpg.create_pool(dsn, reset=_leave, server_settings=session) as pool:
        with bound(HOST, 0) as listener:
            config = uvicorn.Config(
                _floor_app(identity, pool), lifespan="off", log_config=None, access_log=False
            )
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve([listener]))
            while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
                await asyncio.sleep(0.01)
            spare_what_stays()
            _up(url_of(listener, HOST))
            await serving


async def _leave(_: Any) -> None:
    """The statements here leave nothing behind on a connection."""


def _floor_app(identity: Identity, pool: asyncpg.Pool) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope["headers"])
        await identity.viewer(headers[b"authorization"].decode())
        body = b""
        more = True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        answer = await _floor_page(pool, orjson.loads(body)["variables"]["id"])
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(answer)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": answer})

    return app


async def _floor_page(pool: asyncpg.Pool, global_id: str) -> bytes:
    account_id = int(base64.b64decode(global_id).removeprefix(b"Account:"))
    async with pool.acquire() as connection:
        account = await connection.fetchrow(
            f"select {ACCOUNT} from account a where a.id = $1",  # noqa: S608
            account_id,
        )
        rows = await connection.fetch(_PAGE, account_id)
    edges = [_floor_edge(account_id, row) for row in rows[:50]]
    info = {"hasNextPage": len(rows) > 50, "endCursor": edges[-1]["cursor"]}
    usage = {"pageInfo": info, "edges": edges}
    shown = {"id": global_id, "balance": account["balance"], "usage": usage}
    return orjson.dumps({"data": {"account": shown}})


def _floor_edge(account_id: int, row: asyncpg.Record) -> dict[str, Any]:
    seq, kind, amount, after, detail, campaign, rule, recorded_at, code, title, fault = row
    node = {
        "__typename": _TYPES[kind],
        "id": base64.b64encode(b"Entry:%d:%d" % (account_id, seq)).decode(),
        "seq": seq,
        "amount": amount,
        "balanceAfter": after,
        "reason": {"code": code, "title": title, "detail": detail, "fault": fault},
        "campaign": campaign,
        "recordedAt": recorded_at.isoformat(timespec="microseconds")[:-6] + "Z",
    }
    if kind == "REFUND":
        node["automatic"] = rule is not None
    return {"cursor": base64.b64encode(b"seq:%d" % seq).decode(), "node": node}


def _up(address: str) -> None:
    print(address, flush=True)


def main() -> None:
    name, dsn = sys.argv[1:]
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=quiet)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    work = floor(dsn) if name == "floor" else ours(dsn, compiled=name == "ours")
    with asyncio.Runner(loop_factory=uvicorn.Config(_up).get_loop_factory()) as runner:
        runner.run(work)


if __name__ == "__main__":
    main()
