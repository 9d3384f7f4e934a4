"""The feed: the only reader of entries as lines.

Owns pages by keyset on (account, seq), the filters, and following an account from a cursor. Every read here is bounded by
its limit, never by the account's history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.database import Database
from models.records import Entry, EntryKind
from models.rows import ENTRY, Ref, entry_of

SEQ_MAX = 2**31 - 1
SEARCHED_JOBS_MAX = 1_000
"""A search by job key looks at this many of the newest jobs that match."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which lines; all of what is given must hold. `start` and `end` are half-open and go by `recorded_at`.

    `search` is `#` and a seq, or the beginning of a job's key.
    """

    kinds: frozenset[EntryKind] | None = None
    campaign: str | None = None
    reason_code: str | None = None
    job_seq: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Up to `limit` lines between two seqs, both exclusive: the newest of them, or `from_oldest`."""

    limit: int
    older_than: int | None = None
    newer_than: int | None = None
    from_oldest: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first, and whether there are more on either side."""

    entries: list[Entry]
    has_older: bool
    has_newer: bool


class _Arguments(list[Any]):
    def add(self, value: Any) -> str:
        self.append(value)
        return f"${len(self)}"


async def page(
    db: Database,
    account_id: int,
    slice_: Slice,
    filter_: Filter | None = None,
    within: tuple[int, int] | None = None,
) -> Page:
    """One page of an account's lines. `within` keeps to a statement's lines: (opening_seq, closing_seq]."""
    after, last = within or (0, SEQ_MAX)
    arguments = _Arguments()
    sql = _page_sql(
        arguments,
        account_id,
        slice_,
        filter_ or Filter(),
        newer_than=max(after, slice_.newer_than or 0),
        older_than=min(last, SEQ_MAX - 1) + 1
        if slice_.older_than is None
        else min(slice_.older_than, last + 1),
    )
    rows = await db.fetch(sql, *arguments)
    more = len(rows) > slice_.limit
    entries = [entry_of(row) for row in rows[: slice_.limit]]
    if slice_.from_oldest:
        entries.reverse()
        return Page(entries, has_older=slice_.newer_than is not None, has_newer=more)
    return Page(entries, has_older=more, has_newer=slice_.older_than is not None)


def _page_sql(
    arguments: _Arguments,
    account_id: int,
    slice_: Slice,
    filter_: Filter,
    newer_than: int,
    older_than: int,
) -> str:
    account = arguments.add(account_id)
    order = f"order by x.seq {'asc' if slice_.from_oldest else 'desc'} limit {arguments.add(slice_.limit + 1)}"
    where = [
        f"x.account_id = {account}",
        f"x.seq < {arguments.add(older_than)}::int",
        f"x.seq > {arguments.add(newer_than)}::int",
        *_conditions(arguments, account, filter_),
    ]
    source = "entry x"
    if filter_.kinds is not None or filter_.reason_code is not None:
        # One ordered walk per reason, each bounded by the limit: no filter reads on until it has found enough.
        chosen = []
        if filter_.kinds is not None:
            chosen.append(f"c.kind = any({arguments.add(sorted(filter_.kinds))}::text[])")
        if filter_.reason_code is not None:
            chosen.append(f"c.code = {arguments.add(filter_.reason_code)}")
        source = (
            f"(select x.* from reason c cross join lateral (select x.* from entry x where "
            f"{' and '.join([*where, 'x.reason_code = c.code'])} {order}) x where {' and '.join(chosen)}) x"
        )
        where = []
    inner = f"select x.* from {source} {'where ' + ' and '.join(where) if where else ''} {order}"
    direction = "asc" if slice_.from_oldest else "desc"
    return f"select {ENTRY} from ({inner}) e join reason r on r.code = e.reason_code order by e.seq {direction}"


def _conditions(arguments: _Arguments, account: str, filter_: Filter) -> list[str]:
    conditions: list[str] = []
    if filter_.campaign is not None:
        conditions.append(f"x.campaign = {arguments.add(filter_.campaign)}")
    if filter_.job_seq is not None:
        job = arguments.add(filter_.job_seq)
        conditions.append(f"(x.seq = {job}::int or x.charge_seq = {job}::int)")
    if filter_.start is not None:
        conditions.append(f"x.seq > {_last_seq_before(arguments, account, filter_.start)}")
    if filter_.end is not None:
        conditions.append(f"x.seq <= {_last_seq_before(arguments, account, filter_.end)}")
    if filter_.search is not None:
        conditions.append(_search(arguments, account, filter_.search))
    return conditions


def _last_seq_before(arguments: _Arguments, account: str, instant: datetime) -> str:
    return (
        f"coalesce((select t.seq from entry t where t.account_id = {account} and t.recorded_at < "
        f"{arguments.add(instant)} order by t.recorded_at desc, t.seq desc limit 1), 0)"
    )


def _search(arguments: _Arguments, account: str, text: str) -> str:
    digits = text.removeprefix("#")
    if text.startswith("#") and digits.isascii() and digits.isdigit() and len(digits) <= 10:
        return f"x.seq = {arguments.add(min(int(digits), SEQ_MAX))}::int"
    # `~>=~` compares bytes, as the index of keys does: a prefix search with a plan that does not depend on the text.
    prefix = arguments.add(text)
    jobs = (
        f"array(select j.charge_seq from job j where j.account_id = {account} and j.key ~>=~ {prefix} "
        f"and j.key ~<~ ({prefix} || U&'\\+10FFFF') order by j.charge_seq desc limit {SEARCHED_JOBS_MAX})"
    )
    return f"(x.seq = any({jobs}) or x.charge_seq = any({jobs}))"


async def later(db: Database, account_id: int, seq: int, limit: int) -> list[Entry]:
    """Up to `limit` lines booked after line `seq`, in order."""
    rows = await db.fetch(
        f"select {ENTRY} from entry e join reason r on r.code = e.reason_code "
        "where e.account_id = $1 and e.seq > $2 order by e.seq limit $3",
        account_id,
        seq,
        limit,
    )
    return [entry_of(row) for row in rows]


async def heads(db: Database, account_ids: Sequence[int]) -> dict[int, int]:
    """The seq of each account's last line, 0 where it has none; unknown accounts are left out."""
    rows = await db.fetch(
        "select id, last_seq from account where id = any($1::bigint[])", account_ids
    )
    return {row["id"]: row["last_seq"] for row in rows}


async def entries(db: Database, refs: Sequence[Ref]) -> dict[Ref, Entry]:
    """The lines with these refs; those that do not exist are left out."""
    return {
        (entry.account_id, entry.seq): entry for entry in await _wanted(db, refs, "e.seq = w.seq")
    }


async def refunds_of(db: Database, refs: Sequence[Ref]) -> dict[Ref, list[Entry]]:
    """Each charge's refunds, in the order they landed; charges without one are left out."""
    found: defaultdict[Ref, list[Entry]] = defaultdict(list)
    for entry in await _wanted(db, refs, "e.charge_seq = w.seq"):
        if entry.charge_seq is not None:
            found[entry.account_id, entry.charge_seq].append(entry)
    return dict(found)


async def _wanted(db: Database, refs: Sequence[Ref], matches: str) -> list[Entry]:
    rows = await db.fetch(
        f"select {ENTRY} from unnest($1::bigint[], $2::int[]) as w(account_id, seq) "
        f"join entry e on e.account_id = w.account_id and {matches} "
        "join reason r on r.code = e.reason_code order by e.account_id, e.seq",
        [account_id for account_id, _ in refs],
        [seq for _, seq in refs],
    )
    return [entry_of(row) for row in rows]
