"""Exporting a feed: every line of a period and filter, newest first, page by page.

Owns access and the walk. Owns no format (`app.export`) and no reading (`models.feed`,
`models.jobs`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from models import feed, jobs
from models.database import Reads
from models.records import Account, Entry, Job
from resolvers import accounts
from resolvers.access import Viewer
from resolvers.errors import NotFound
from resolvers.usage import check_filter

PAGE_SIZE = 50
"""Read and shown in one go: lines with much metadata take 50 µs each."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line and the job that it paid for or gave back, if any."""

    entry: Entry
    job: Job | None


async def account_to_export(db: Reads, viewer: Viewer, account_id: int | None) -> Account:
    """The account, where the viewer may read it. Raises: NotFound, Forbidden."""
    account = await accounts.by_id(db, viewer, account_id)
    if account is None:
        raise NotFound
    return account


async def lines(
    db: Reads,
    account: Account,
    filter: feed.Filter,  # noqa: A002 - the contract's word
) -> AsyncGenerator[list[Line], None]:
    """The account's lines that `filter` keeps, as pages of at most `PAGE_SIZE`.

    Raises: BadInput before the first page.
    Guarantees: no connection is held between pages; lines that land meanwhile are not in it.
    """
    check_filter(filter)
    older_than: int | None = account.last_seq + 1
    while older_than is not None and filter.kinds != frozenset():
        page = await feed.page(db, account.id, feed.Slice(PAGE_SIZE, older_than), filter)
        paid = [(account.id, e.job_seq) for e in page.entries if e.job_seq is not None]
        found = await jobs.by_charges(db, list(dict.fromkeys(paid))) if paid else {}
        yield [
            Line(e, found.get((account.id, e.job_seq)) if e.job_seq is not None else None)
            for e in page.entries
        ]
        older_than = page.entries[-1].seq if page.has_older else None
