"""The floor for those who let PostgreSQL make the JSON: the same page and the same token, but the
text that the database answers is passed through.
"""

from __future__ import annotations

import binascii

import orjson

from benchmarks.contenders.serving import (
    PAGE,
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

_PAGE = f"""
with line as (select *, row_number() over (order by seq desc) as place from ({PAGE}) l)
select json_build_object('data', json_build_object('account', json_build_object(
    'balance', max(balance),
    'usage', json_build_object(
        'pageInfo', json_build_object(
            'hasNextPage', count(*) > 50,
            'endCursor', encode(convert_to('seq:' || min(seq) filter (where place <= 50), 'UTF8'),
                                'base64')),
        'edges', json_agg(json_build_object('node', (select json_build_object(
            '__typename', initcap(kind),
            'id', encode(convert_to('Entry:' || $1 || ':' || seq, 'UTF8'), 'base64'),
            'seq', seq, 'amount', amount, 'balanceAfter', balance_after, 'campaign', campaign,
            'occurredAt', occurred_at, 'recordedAt', recorded_at,
            'reason', json_build_object('code', code, 'title', title, 'detail', detail,
                                        'fault', fault),
            'automatic', automatic,
            'charge', case when charge_seq is not null then json_build_object(
                'id', encode(convert_to('Entry:' || $1 || ':' || charge_seq, 'UTF8'), 'base64'),
                'amount', charge_amount) end))) order by seq desc)
                             filter (where place <= 50)))))::text
from line"""  # noqa: S608


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
        account_id = int(binascii.a2b_base64(variables["account"]).removeprefix(b"Account:"))
        if account_id != viewer:
            await respond(send, 200, b'{"data":{"account":null}}')
            return
        answer: str = await lines.fetchval(_PAGE, account_id, SEQ_MAX)
        await respond(send, 200, answer.encode())

    return app


if __name__ == "__main__":
    serve(make_app)
