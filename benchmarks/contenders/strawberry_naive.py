"""Strawberry and Tortoise as tutorials show them: models for tables, a resolver per relation."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.asgi import GraphQL
from tortoise import Tortoise, fields
from tortoise.models import Model

from benchmarks.contenders.serving import DSN, serve


class AccountTable(Model):
    id = fields.BigIntField(primary_key=True)
    balance = fields.BigIntField()

    class Meta(Model.Meta):
        table = "account"


class ReasonTable(Model):
    code = fields.CharField(max_length=64, primary_key=True)
    title = fields.TextField()
    fault = fields.TextField()

    class Meta(Model.Meta):
        table = "reason"


class EntryTable(Model):
    """Its key is (account_id, seq); a Tortoise model has one column for a key."""

    seq = fields.IntField(primary_key=True)
    account_id = fields.BigIntField()
    kind = fields.TextField()
    amount = fields.BigIntField()
    balance_after = fields.BigIntField()
    campaign = fields.TextField(null=True)
    occurred_at = fields.DatetimeField()
    recorded_at = fields.DatetimeField()
    reason_code = fields.TextField()
    detail = fields.TextField(null=True)
    rule = fields.TextField(null=True)
    charge_seq = fields.IntField(null=True)

    class Meta(Model.Meta):
        table = "entry"


@strawberry.type
class Reason:
    code: str
    title: str
    detail: str | None
    fault: str


@strawberry.interface
class LedgerEntry:
    row: strawberry.Private[Any]

    @strawberry.field
    def id(self) -> strawberry.ID:
        return strawberry.ID(_encoded(f"Entry:{self.row.account_id}:{self.row.seq}"))

    @strawberry.field
    def seq(self) -> int:
        return self.row.seq

    @strawberry.field
    def amount(self) -> int:
        return self.row.amount

    @strawberry.field
    def balance_after(self) -> int:
        return self.row.balance_after

    @strawberry.field
    def campaign(self) -> str | None:
        return self.row.campaign

    @strawberry.field
    def occurred_at(self) -> datetime:
        return self.row.occurred_at

    @strawberry.field
    def recorded_at(self) -> datetime:
        return self.row.recorded_at

    @strawberry.field
    async def reason(self) -> Reason:
        reason = await ReasonTable.get(code=self.row.reason_code)
        return Reason(
            code=reason.code, title=reason.title, detail=self.row.detail, fault=reason.fault
        )


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
class Refund(LedgerEntry):
    @strawberry.field
    def automatic(self) -> bool:
        return self.row.rule is not None

    @strawberry.field
    async def charge(self) -> Charge:
        row = await EntryTable.get(account_id=self.row.account_id, seq=self.row.charge_seq)
        return Charge(row=row)


UsageEntry = Annotated[Charge | Refund | Grant | Adjustment, strawberry.union("UsageEntry")]
_TYPES = {"CHARGE": Charge, "REFUND": Refund, "GRANT": Grant, "ADJUSTMENT": Adjustment}


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
    row: strawberry.Private[Any]

    @strawberry.field
    def balance(self) -> int:
        return self.row.balance

    @strawberry.field
    async def usage(self, first: int = 50) -> UsageConnection:
        of_account = EntryTable.filter(account_id=self.row.id)
        rows = await of_account.order_by("-seq").limit(first + 1)
        edges = [UsageEdge(node=_TYPES[row.kind](row=row)) for row in rows[:first]]
        end = _encoded(f"seq:{rows[len(edges) - 1].seq}") if edges else None
        info = PageInfo(has_next_page=len(rows) > first, end_cursor=end)
        return UsageConnection(page_info=info, edges=edges)


@strawberry.type
class Query:
    @strawberry.field
    async def account(self, id: strawberry.ID) -> Account | None:  # noqa: A002
        account_id = int(base64.b64decode(id).removeprefix(b"Account:"))
        row = await AccountTable.get_or_none(id=account_id)
        return Account(row=row) if row else None


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def make_app() -> Any:
    await Tortoise.init(
        db_url=DSN.replace("postgresql://", "asyncpg://"), modules={"models": [__name__]}
    )
    schema = strawberry.Schema(Query, types=[Charge, Refund, Grant, Adjustment])
    return GraphQL[Any, None](schema)


if __name__ == "__main__":
    serve(make_app)
