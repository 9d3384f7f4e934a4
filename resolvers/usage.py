"""Pages of lines and jobs: access, the bounds of a page, the bounds of a filter.

Owns what may be asked. Owns no reading (`models.feed`, `models.jobs`) and no cursor's form
(`schema.ids`).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from models import feed, jobs
from models.database import Reads
from models.intents import CODE_LENGTH_MAX, KEY_LENGTH_MAX, NAME_LENGTH_MAX
from models.records import Entry, Job, JobStatus
from models.validation import check_text
from resolvers.access import Scope, Viewer, admit
from resolvers.errors import BadInput

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 100


class Window(NamedTuple):
    """The page asked for: `after` and `before` are seqs; the list is newest first."""

    first: int | None = None
    after: int | None = None
    last: int | None = None
    before: int | None = None

    def slice(self) -> feed.Slice:
        """Raises: BadInput where `first` and `last` are out of bounds or both given."""
        if self.first is not None and self.last is not None:
            raise BadInput("Give first or last, not both.")
        return feed.Slice(
            limit=_page_size("first", self.first)
            if self.last is None
            else _page_size("last", self.last),
            older_than=self.after,
            newer_than=self.before,
            from_oldest=self.last is not None,
        )


class Question(NamedTuple):
    """Which page of an account's lines."""

    account_id: int
    window: Window
    filter: feed.Filter


async def page(
    db: Reads, viewer: Viewer, asked: Question, within: tuple[int, int] | None = None
) -> feed.Page:
    """The page asked for; `within` keeps to a statement's lines: (opening_seq, closing_seq].

    Raises: BadInput, Forbidden.
    """
    piece, wanted = asked.window.slice(), asked.filter
    check_filter(wanted)
    if not admit(viewer, Scope.READ, asked.account_id) or wanted.kinds == frozenset():
        return feed.Page([], has_older=False, has_newer=False)
    return await feed.page(db, asked.account_id, piece, wanted, within)


async def entry(db: Reads, viewer: Viewer, account_id: int, seq: int) -> Entry | None:
    """The account's line number `seq`, or None."""
    if not admit(viewer, Scope.READ, account_id) or seq < 1:
        return None
    return (await feed.entries(db, [(account_id, seq)])).get((account_id, seq))


async def jobs_page(
    db: Reads,
    viewer: Viewer,
    account_id: int,
    status: JobStatus | None,
    first: int | None,
    after: int | None,
) -> tuple[list[Job], bool]:
    """A page of the account's jobs, newest first, and whether older ones follow."""
    limit = _page_size("first", first)
    if not admit(viewer, Scope.READ, account_id):
        return [], False
    return await jobs.page(db, account_id, status, limit, after)


async def job(db: Reads, viewer: Viewer, account_id: int, key: str) -> Job | None:
    """The account's job of that key, or None."""
    if not admit(viewer, Scope.READ, account_id) or check_text("key", key, KEY_LENGTH_MAX):
        return None
    return await jobs.by_key(db, account_id, key)


def check_filter(filter: feed.Filter) -> None:  # noqa: A002 - the contract's word
    """Raises: BadInput for what no line could have."""
    if filter is feed.ALL:
        return
    check_period(filter.start, filter.end)
    _check("campaign", filter.campaign, NAME_LENGTH_MAX)
    _check("reasonCode", filter.reason_code, CODE_LENGTH_MAX)
    _check("search", filter.search, KEY_LENGTH_MAX)


def check_period(start: datetime | None, end: datetime | None) -> None:
    """Raises: BadInput for a half-open period that holds no instant."""
    if start is not None and end is not None and start >= end:
        raise BadInput("from must be earlier than to.")


def _page_size(name: str, asked: int | None) -> int:
    if asked is None:
        return PAGE_SIZE_DEFAULT
    if not 1 <= asked <= PAGE_SIZE_MAX:
        raise BadInput(f"{name} must be from 1 to {PAGE_SIZE_MAX}.")
    return asked


def _check(field: str, value: str | None, length_max: int) -> None:
    problem = check_text(field, value, length_max)
    if problem is not None:
        raise BadInput(problem.message)
