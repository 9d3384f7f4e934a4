"""A charge as one statement, one commit each, by hand over plain tables. It checks no key."""

from __future__ import annotations

from typing import Any

import asyncpg
import orjson

from benchmarks.contenders.serving import App, Receive, Scope, Send, body_of, pool, respond, serve

_CHARGE = """
with moved as (
    update plain.account set balance = balance - $3, last_seq = last_seq + 1
    where id = $1 and balance >= $3
    returning id, last_seq, balance
)
insert into plain.entry (account_id, seq, idempotency_key, kind, amount, balance_after, reason_code)
select id, last_seq, $2, 'CHARGE', -$3, balance, 'USAGE_CHARGE' from moved
returning seq, balance_after"""
_BOOKED = """
select seq, balance_after from plain.entry where account_id = $1 and idempotency_key = $2"""


async def make_app() -> App:
    connections = await pool()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        given: dict[str, Any] = orjson.loads(await body_of(receive))
        account, key = given["account"], given["idempotencyKey"]
        try:
            row = await connections.fetchrow(_CHARGE, account, key, given["amount"])
        except asyncpg.UniqueViolationError:
            row = await connections.fetchrow(_BOOKED, account, key)
        if row is None:
            await respond(send, 409, b'{"error":"InsufficientCredits"}')
            return
        answer = {"seq": row["seq"], "balanceAfter": row["balance_after"]}
        await respond(send, 200, orjson.dumps(answer))

    return app


if __name__ == "__main__":
    serve(make_app)
