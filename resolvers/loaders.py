"""Batch reads for what a page's fields ask one by one: one query per kind and tick, never one per
line.

Each takes keys, with repeats, and returns as many answers in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence

from models import accounts, feed, jobs
from models.database import Reads
from models.records import Account, Entry, Job
from models.rows import Ref


async def accounts_by_id(db: Reads, ids: Sequence[int]) -> list[Account | None]:
    found = await accounts.by_ids(db, list(dict.fromkeys(ids)))
    return [found.get(account_id) for account_id in ids]


async def entries_by_ref(db: Reads, refs: Sequence[Ref]) -> list[Entry | None]:
    found = await feed.entries(db, list(dict.fromkeys(refs)))
    return [found.get(ref) for ref in refs]


async def refunds_by_charge(db: Reads, refs: Sequence[Ref]) -> list[list[Entry]]:
    found = await feed.refunds_of(db, list(dict.fromkeys(refs)))
    return [found.get(ref, []) for ref in refs]


async def jobs_by_charge(db: Reads, refs: Sequence[Ref]) -> list[Job | None]:
    found = await jobs.by_charges(db, list(dict.fromkeys(refs)))
    return [found.get(ref) for ref in refs]
