"""A charge in Strawberry and Tortoise as tutorials show it: a transaction, a lock, two saves."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.asgi import GraphQL
from tortoise import Tortoise, fields
from tortoise.models import Model
from tortoise.transactions import in_transaction

from benchmarks.contenders.serving import DSN, serve


class AccountTable(Model):
    id = fields.BigIntField(primary_key=True)
    balance = fields.BigIntField()
    last_seq = fields.IntField()

    class Meta(Model.Meta):
        schema = "plain"
        table = "account"


class EntryTable(Model):
    """Its key is (account_id, seq); a Tortoise model has one column for a key."""

    idempotency_key = fields.CharField(max_length=255, primary_key=True)
    account_id = fields.BigIntField()
    seq = fields.IntField()
    kind = fields.TextField()
    amount = fields.BigIntField()
    balance_after = fields.BigIntField()
    reason_code = fields.TextField()

    class Meta(Model.Meta):
        schema = "plain"
        table = "entry"


@strawberry.type
class Entry:
    seq: int
    balance_after: int


@strawberry.type
class Query:
    @strawberry.field
    def here(self) -> bool:
        return True


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def record_charge(self, account: int, idempotency_key: str, amount: int) -> Entry:
        async with in_transaction():
            locked: Any = await AccountTable.select_for_update().get(id=account)
            booked: Any = await EntryTable.get_or_none(
                account_id=account, idempotency_key=idempotency_key
            )
            if booked:
                return Entry(seq=booked.seq, balance_after=booked.balance_after)
            if locked.balance < amount:
                raise ValueError("insufficient credits")
            locked.balance -= amount
            locked.last_seq += 1
            await locked.save()
            await EntryTable.create(
                account_id=account,
                seq=locked.last_seq,
                idempotency_key=idempotency_key,
                kind="CHARGE",
                amount=-amount,
                balance_after=locked.balance,
                reason_code="USAGE_CHARGE",
            )
            return Entry(seq=locked.last_seq, balance_after=locked.balance)


async def make_app() -> Any:
    await Tortoise.init(
        db_url=DSN.replace("postgresql://", "asyncpg://"), modules={"models": [__name__]}
    )
    return GraphQL[Any, None](strawberry.Schema(Query, Mutation))


if __name__ == "__main__":
    serve(make_app)
