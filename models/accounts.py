"""Reading accounts. Their balances are moved by lines only; see `writer`."""

from __future__ import annotations

from collections.abc import Sequence

from models.database import Reads
from models.records import Account
from models.rows import ACCOUNT


async def by_ids(db: Reads, ids: Sequence[int]) -> dict[int, Account]:
    rows = await db.fetch(f"select {ACCOUNT} from account a where a.id = any($1::bigint[])", ids)
    return {row["id"]: Account(*row) for row in rows}


async def by_id(db: Reads, account_id: int) -> Account | None:
    row = await db.fetchrow(
        f"select {ACCOUNT} from account a where a.id = $1",
        account_id,
        binding=f"select {ACCOUNT} from bound_account($1) a",
    )
    return Account(*row) if row else None


async def by_key(db: Reads, key: str) -> Account | None:
    row = await db.fetchrow(f"select {ACCOUNT} from account a where a.key = $1", key)
    return Account(*row) if row else None
