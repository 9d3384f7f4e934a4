"""Strawberry as fast as its own executor allows: the floor's one statement, plain attributes,
parsed and validated documents remembered, orjson.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

import asyncpg
import orjson
import strawberry
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks.contenders.serving import PAGE, PAGE_LINES, SEQ_MAX, pool, serve


@strawberry.type
class Reason:
    code: str
    title: str
    detail: str | None
    fault: str


@strawberry.interface
class LedgerEntry:
    id: strawberry.ID
    seq: int
    amount: int
    balance_after: int
    campaign: str | None
    occurred_at: datetime
    recorded_at: datetime
    reason: Reason


@strawberry.type
class Charge(LedgerEntry):
    pass


@strawberry.type
class Grant(LedgerEntry):
    pass


@strawberry.type
class Adjustment(LedgerEntry):
    pass


@strawberry.type
class ChargeGivenBack:
    id: strawberry.ID
    amount: int


@strawberry.type
class Refund(LedgerEntry):
    automatic: bool
    charge: ChargeGivenBack


UsageEntry = Annotated[Charge | Refund | Grant | Adjustment, strawberry.union("UsageEntry")]


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class UsageEdge:
    node: UsageEntry


@strawberry.type
class UsageConnection:
    page_info: PageInfo
    edges: list[UsageEdge]


@strawberry.type
class Account:
    balance: int
    rows: strawberry.Private[list[asyncpg.Record]]
    account_id: strawberry.Private[int]

    @strawberry.field
    def usage(self, first: int = PAGE_LINES) -> UsageConnection:
        edges = [UsageEdge(node=_line(self.account_id, row)) for row in self.rows[:first]]
        end = _encoded(f"seq:{edges[-1].node.seq}") if edges else None
        info = PageInfo(has_next_page=len(self.rows) > first, end_cursor=end)
        return UsageConnection(page_info=info, edges=edges)


@strawberry.type
class Query:
    @strawberry.field
    async def account(self, info: strawberry.Info[Any, None], id: strawberry.ID) -> Account | None:  # noqa: A002
        account_id = int(base64.b64decode(id).removeprefix(b"Account:"))
        rows: list[asyncpg.Record] = await info.context["pool"].fetch(PAGE, account_id, SEQ_MAX)
        return Account(balance=rows[0]["balance"], rows=rows, account_id=account_id)


def _line(account_id: int, row: asyncpg.Record) -> Charge | Refund | Grant | Adjustment:
    (_, seq, kind, amount, after, campaign, occurred_at, recorded_at) = row[:8]
    (code, title, detail, fault, automatic, charge_seq, charge_amount) = row[8:]
    given: dict[str, Any] = {
        "id": strawberry.ID(_encoded(f"Entry:{account_id}:{seq}")),
        "seq": seq,
        "amount": amount,
        "balance_after": after,
        "campaign": campaign,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "reason": Reason(code=code, title=title, detail=detail, fault=fault),
    }
    if kind == "REFUND":
        charge = strawberry.ID(_encoded(f"Entry:{account_id}:{charge_seq}"))
        given["charge"] = ChargeGivenBack(id=charge, amount=charge_amount)
        return Refund(**given, automatic=automatic)
    return {"CHARGE": Charge, "GRANT": Grant, "ADJUSTMENT": Adjustment}[kind](**given)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Door(GraphQL[Any, None]):
    """Strawberry's own, with orjson."""

    def __init__(self, schema: strawberry.Schema, lines: asyncpg.Pool) -> None:
        super().__init__(schema)
        self._lines = lines

    async def get_context(self, request: Any, response: Any) -> Any:
        return {"pool": self._lines}

    def encode_json(self, data: object) -> bytes:
        return orjson.dumps(data)


async def make_app() -> Door:
    schema = strawberry.Schema(
        Query,
        types=[Charge, Refund, Grant, Adjustment],
        extensions=[ParserCache, ValidationCache],
    )
    return Door(schema, await pool())


if __name__ == "__main__":
    serve(make_app)
