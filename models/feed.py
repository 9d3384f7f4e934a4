"""The feed: the only reader of entries as lines.

Owns pages by keyset on (account, seq), the filters, and following an account from a cursor. Every
read here is bounded by its limit, never by the account's history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from models.database import Reads
from models.records import Account, Entry, EntryKind
from models.rows import ACCOUNT, ENTRY, ENTRY_COLUMNS, Ref, entries_of

SEQ_MAX = 2**31 - 1
SEARCHED_JOBS_MAX = 1_000
"""A search by job key looks at this many of the newest jobs that match."""


class Filter(NamedTuple):
    """Which lines; all of what is given must hold.

    `start` and `end` are half-open and go by `recorded_at`.
    `search` is `#` and a seq, or the beginning of a job's key.
    """

    kinds: frozenset[EntryKind] | None = None
    campaign: str | None = None
    reason_code: str | None = None
    job_seq: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    search: str | None = None


ALL = Filter()


@dataclass(frozen=True, slots=True)
class Slice:
    """Up to `limit` lines between two seqs, both exclusive: the newest, or `from_oldest`."""

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
    beyond: Entry | None = None
    """The line after the last, in the direction of reading: it was read to know of it."""


class _Arguments(list[Any]):
    def add(self, value: Any) -> str:
        self.append(value)
        return f"${len(self)}"


async def page(
    db: Reads,
    account_id: int,
    slice_: Slice,
    filter_: Filter = ALL,
    within: tuple[int, int] | None = None,
) -> Page:
    """One page of an account's lines.

    `within` keeps to a statement's lines: (opening_seq, closing_seq].
    """
    after, last = within or (0, SEQ_MAX)
    arguments = _Arguments()
    sql = _page_sql(
        arguments,
        account_id,
        slice_,
        filter_,
        newer_than=max(after, slice_.newer_than or 0),
        older_than=min(last, SEQ_MAX - 1) + 1
        if slice_.older_than is None
        else min(slice_.older_than, last + 1),
    )
    return _page_of(await db.fetch(sql, *arguments), slice_)


async def account_and_page(
    db: Reads, account_id: int, slice_: Slice
) -> tuple[Account, Page] | None:
    """The account and a page of its newest lines, not `from_oldest`, in one round trip."""
    older_than = SEQ_MAX if slice_.older_than is None else slice_.older_than
    rows = await db.fetch(
        _OPENING,
        account_id,
        older_than,
        slice_.newer_than or 0,
        slice_.limit + 1,
        binding=_BINDING_OPENING,
    )
    if not rows:
        return None
    account = Account(*rows[0][ENTRY_COLUMNS])
    return account, _page_of(rows if rows[0][0] is not None else [], slice_)


def _opening(account: str) -> str:
    return (
        f"select {ENTRY}, case when e.seq < least(a.last_seq, $2::int - 1) then null "
        f"else row({ACCOUNT}) end from {account} left join lateral (select x.* from entry x "
        "where x.account_id = a.id and x.seq < $2::int and x.seq > $3::int "
        "order by x.seq desc limit $4) e on true "
        "left join reason r on r.code = e.reason_code order by e.seq desc"
    )


_OPENING = _opening("(select * from account where id = $1) a")
# Nothing is looked for before the connection is bound, for it is looked for by what that returned.
# The account is read again, since what binds is a function that has a snapshot of its own: a line
# could land in between, and be in the balance but not on the page.
_BINDING_OPENING = _opening(
    "(select id from bound_account($1) limit 1) b "
    "cross join lateral (select * from account where id = b.id limit 1) a"
)


def _page_of(rows: Iterable[Iterable[Any]], slice_: Slice) -> Page:
    entries = entries_of(rows)
    beyond = entries.pop() if len(entries) > slice_.limit else None
    more = beyond is not None
    if slice_.from_oldest:
        entries.reverse()
        return Page(entries, slice_.newer_than is not None, more, beyond)
    return Page(entries, more, slice_.older_than is not None, beyond)


def _page_sql(
    arguments: _Arguments,
    account_id: int,
    slice_: Slice,
    filter_: Filter,
    newer_than: int,
    older_than: int,
) -> str:
    account = arguments.add(account_id)
    direction = "asc" if slice_.from_oldest else "desc"
    order = f"order by x.seq {direction} limit {arguments.add(slice_.limit + 1)}"
    bounds = [
        f"x.account_id = {account}",
        f"x.seq < {arguments.add(older_than)}::int",
        f"x.seq > {arguments.add(newer_than)}::int",
    ]
    if filter_.start is not None:
        bounds.append(f"x.seq > {_last_seq_before(arguments, account, filter_.start)}")
    if filter_.end is not None:
        bounds.append(f"x.seq <= {_last_seq_before(arguments, account, filter_.end)}")
    source = _source(arguments, account, filter_, bounds, order)
    return (
        f"select {ENTRY} from (select x.* from {source} {order}) e "
        f"join reason r on r.code = e.reason_code order by e.seq {direction}"
    )


def _source(
    arguments: _Arguments, account: str, filter_: Filter, bounds: list[str], order: str
) -> str:
    """Where the lines come from: always an ordered index walk that stops at the limit."""
    seq = _seq_searched(filter_.search)
    if seq is not None:
        bounds = [*bounds, f"x.seq = {arguments.add(seq)}::int"]
    by_reason = _conditions(
        arguments, {"c.code = {}": filter_.reason_code, "c.kind = any({}::text[])": filter_.kinds}
    )
    by_line = _conditions(arguments, {"x.campaign = {}": filter_.campaign})
    where = " and ".join(bounds + by_line)
    if filter_.job_seq is not None or (filter_.search is not None and seq is None):
        jobs = _jobs(arguments, account, filter_, seq)
        within = " and ".join([where, *by_reason])
        return (
            f"(select x.* from ({jobs}) j cross join lateral ("
            f"select * from entry where account_id = {account} and seq = j.charge_seq union all "
            f"select * from entry where account_id = {account} and charge_seq = j.charge_seq"
            f") x join reason c on c.code = x.reason_code where {within}) x"
        )
    if by_reason or by_line:
        # One walk per reason: no filter reads on and on until it has found enough.
        chosen = " and ".join(["true", *by_reason])
        return (
            f"(select x.* from reason c cross join lateral (select x.* from entry x "
            f"where {where} and x.reason_code = c.code {order}) x where {chosen}) x"
        )
    return f"entry x where {where}"


def _conditions(
    arguments: _Arguments, wanted: dict[str, str | frozenset[EntryKind] | None]
) -> list[str]:
    return [
        condition.format(arguments.add(sorted(value) if isinstance(value, frozenset) else value))
        for condition, value in wanted.items()
        if value is not None
    ]


def _jobs(arguments: _Arguments, account: str, filter_: Filter, seq: int | None) -> str:
    where = [f"j.account_id = {account}"]
    if filter_.job_seq is not None:
        where.append(f"j.charge_seq = {arguments.add(filter_.job_seq)}::int")
    if filter_.search is not None and seq is None:
        # Compared by bytes, as the index of keys is: one plan for every text.
        prefix = arguments.add(filter_.search)
        where.append(f"j.key ~>=~ {prefix} and j.key ~<~ ({prefix} || U&'\\+10FFFF')")
    return (
        f"select j.charge_seq from job j where {' and '.join(where)} "
        f"order by j.charge_seq desc limit {SEARCHED_JOBS_MAX}"
    )


def _seq_searched(text: str | None) -> int | None:
    digits = (text or "").removeprefix("#")
    if (
        text
        and text.startswith("#")
        and digits.isascii()
        and digits.isdigit()
        and len(digits) <= 10
    ):
        return min(int(digits), SEQ_MAX)
    return None


def _last_seq_before(arguments: _Arguments, account: str, instant: datetime) -> str:
    return (
        f"coalesce((select t.seq from entry t where t.account_id = {account} and t.recorded_at < "
        f"{arguments.add(instant)} order by t.recorded_at desc, t.seq desc limit 1), 0)"
    )


async def later(db: Reads, account_id: int, seq: int, limit: int) -> list[Entry]:
    """Up to `limit` lines booked after line `seq`, in order."""
    rows = await db.fetch(
        f"select {ENTRY} from entry e join reason r on r.code = e.reason_code "
        "where e.account_id = $1 and e.seq > $2 order by e.seq limit $3",
        account_id,
        seq,
        limit,
    )
    return entries_of(rows)


async def later_of(db: Reads, places: Sequence[Ref], limit: int) -> list[list[Entry]]:
    """For each (account, seq), up to `limit` lines of the account booked after `seq`, in order."""
    rows = await db.fetch(
        f"select {ENTRY}, w.place from unnest($1::bigint[], $2::int[]) "
        "with ordinality as w(account_id, seq, place) cross join lateral (select * from entry "
        "where account_id = w.account_id and seq > w.seq order by seq limit $3) e "
        "join reason r on r.code = e.reason_code order by w.place, e.seq",
        [account_id for account_id, _ in places],
        [seq for _, seq in places],
        limit,
    )
    found: list[list[Entry]] = [[] for _ in places]
    for row, entry in zip(rows, entries_of(rows), strict=True):
        place: int = row["place"]
        found[place - 1].append(entry)
    return found


async def heads(db: Reads, account_ids: Sequence[int]) -> dict[int, int]:
    """The seq of each account's last line, 0 where it has none; unknown accounts are left out."""
    rows = await db.fetch(
        "select id, last_seq from account where id = any($1::bigint[])", account_ids
    )
    return {row["id"]: row["last_seq"] for row in rows}


async def entries(db: Reads, refs: Sequence[Ref]) -> dict[Ref, Entry]:
    """The lines with these refs; those that do not exist are left out."""
    return {
        (entry.account_id, entry.seq): entry for entry in await _wanted(db, refs, "e.seq = w.seq")
    }


async def refunds_of(
    db: Reads, refs: Sequence[Ref], last_seq: int = SEQ_MAX
) -> dict[Ref, list[Entry]]:
    """Each charge's refunds up to line `last_seq`, in the order they landed; charges without one
    are left out.
    """
    found: defaultdict[Ref, list[Entry]] = defaultdict(list)
    for entry in await _wanted(db, refs, "e.charge_seq = w.seq"):
        if entry.charge_seq is not None and entry.seq <= last_seq:
            found[entry.account_id, entry.charge_seq].append(entry)
    return dict(found)


async def _wanted(db: Reads, refs: Sequence[Ref], matches: str) -> list[Entry]:
    rows = await db.fetch(
        f"select {ENTRY} from unnest($1::bigint[], $2::int[]) as w(account_id, seq) "
        f"join entry e on e.account_id = w.account_id and {matches} "
        "join reason r on r.code = e.reason_code order by e.account_id, e.seq",
        [account_id for account_id, _ in refs],
        [seq for _, seq in refs],
    )
    return entries_of(rows)
