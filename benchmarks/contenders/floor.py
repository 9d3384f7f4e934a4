"""The floor: what somebody writes by hand who needs this one page and nothing else. A bare ASGI
function, one statement, tuples to dicts, one orjson.dumps. It checks the customer's token.
"""

from __future__ import annotations

import binascii
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from benchmarks.contenders.serving import (
    PAGE,
    PAGE_LINES,
    SEQ_MAX,
    App,
    Receive,
    Scope,
    Send,
    body_of,
    pool,
    respond,
    serve,
)
from benchmarks.contenders.tokens import Refused, Tokens

_TYPES = {"CHARGE": "Charge", "REFUND": "Refund", "GRANT": "Grant", "ADJUSTMENT": "Adjustment"}


async def make_app() -> App:
    lines = await pool()
    tokens = Tokens(lines)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            viewer = await tokens.account_of(headers.get(b"authorization", b""))
        except Refused:
            await respond(send, 401, b'{"errors":[{"message":"Sign in."}]}')
            return
        variables = orjson.loads(await body_of(receive))["variables"]
        account_id = int(_decoded(variables["account"], "Account:"))
        shown = None
        if account_id == viewer:
            after = variables.get("after")
            older_than = int(_decoded(after, "seq:")) if after else SEQ_MAX
            shown = _account(account_id, await lines.fetch(PAGE, account_id, older_than))
        answer = orjson.dumps({"data": {"account": shown}}, option=orjson.OPT_UTC_Z)
        await respond(send, 200, answer)

    return app


def _account(account_id: int, rows: list[asyncpg.Record]) -> dict[str, Any]:
    edges = [_edge(account_id, *row) for row in rows[:PAGE_LINES] if row[1] is not None]
    end = _encoded(f"seq:{edges[-1]['node']['seq']}") if edges else None
    return {
        "balance": rows[0][0],
        "usage": {
            "pageInfo": {"hasNextPage": len(rows) > PAGE_LINES, "endCursor": end},
            "edges": edges,
        },
    }


def _edge(
    account_id: int,
    _balance: int,
    seq: int,
    kind: str,
    amount: int,
    balance_after: int,
    campaign: str | None,
    occurred_at: datetime,
    recorded_at: datetime,
    code: str,
    title: str,
    detail: str | None,
    fault: str,
    automatic: bool,
    charge_seq: int | None,
    charge_amount: int | None,
) -> dict[str, Any]:
    node: dict[str, Any] = {
        "__typename": _TYPES[kind],
        "id": _encoded(f"Entry:{account_id}:{seq}"),
        "seq": seq,
        "amount": amount,
        "balanceAfter": balance_after,
        "campaign": campaign,
        "occurredAt": occurred_at,
        "recordedAt": recorded_at,
        "reason": {"code": code, "title": title, "detail": detail, "fault": fault},
    }
    if charge_seq is not None:
        node["automatic"] = automatic
        node["charge"] = {
            "id": _encoded(f"Entry:{account_id}:{charge_seq}"),
            "amount": charge_amount,
        }
    return {"node": node}


def _encoded(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).decode()


def _decoded(text: str, prefix: str) -> str:
    return binascii.a2b_base64(text).decode().removeprefix(prefix)


if __name__ == "__main__":
    serve(make_app)
