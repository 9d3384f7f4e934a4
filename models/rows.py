"""How the ledger's rows become its nouns.

Owns the column lists that every reader selects and the one mapping from a row to a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol, cast

from models.records import (
    Entry,
    EntryKind,
    Fault,
    Job,
    JobStatus,
    Reason,
    RefundDecision,
)


class Row(Protocol):
    """A row of a query, or a composite value in one: its columns by their names."""

    def __getitem__(self, index: str, /) -> Any: ...


Ref = tuple[int, int]
"""An entry, or a job by its charge: (account id, seq)."""

ACCOUNT = (
    "a.id, a.key, a.name, a.unit, a.scale, a.time_zone, a.overdraft_limit, a.balance, a.last_seq"
)
"""To select from `account a`, in the order of `Account`."""

ENTRY = (
    "e.account_id, e.seq, e.kind, e.amount, e.balance_after, "
    "e.granted_after, e.charged_after, e.refunded_after, e.adjusted_after, e.detail, e.campaign, "
    "e.charge_seq, e.job_seq, e.corrects_seq, e.rule, e.author, e.note, "
    "nullif(e.occurred_at, e.recorded_at), e.recorded_at, e.metadata, "
    "e.reason_code, r.title, r.fault"
)
"""To select from `entry e join reason r on r.code = e.reason_code`, in the order of `Entry`; the
reason's own columns come last, but for its kind, which is the line's.

An instant costs as much to read as a dozen numbers, and most lines have one and the same twice.
"""

ENTRY_COLUMNS = len(Entry._fields) + 2

JOB = (
    "j.account_id, j.charge_seq, j.key, j.operation, j.campaign, j.status, j.started_at, "
    "j.deadline_at, j.finished_at, j.decision_code, j.decision_detail, j.decision_refunded, "
    "j.decision_rule, r.kind as reason_kind, r.title, r.fault"
)
"""To select from `job j left join reason r on r.code = j.decision_code`."""


_KINDS = {str(kind): kind for kind in EntryKind}
_KIND, _OCCURRED_AT, _RECORDED_AT, _REASON = map(
    Entry._fields.index, ("kind", "occurred_at", "recorded_at", "reason")
)
_new: Callable[[type[Entry], list[Any]], Entry] = cast("Any", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]


def reason_of(code: str, row: Row) -> Reason:
    return _reason(code, row["reason_kind"], row["title"], row["fault"])


@lru_cache(maxsize=1_024)
def _reason(code: str, kind: str, title: str, fault: str) -> Reason:
    return Reason(code=code, kind=kind, title=title, fault=Fault(fault))


def entries_of(rows: Iterable[Iterable[Any]]) -> list[Entry]:
    """Map rows that begin with `ENTRY`."""
    # A page's every value passes here: its columns stand in the order of the fields, so that a line
    # takes a tenth of what reading them by name does.
    reasons: dict[str, Reason] = {}
    entries: list[Entry] = []
    for row in rows:
        values = list(row)
        kind = values[_KIND]
        values[_KIND] = _KINDS[kind]
        values[_OCCURRED_AT] = values[_OCCURRED_AT] or values[_RECORDED_AT]
        code = values[_REASON]
        reason = reasons.get(code)
        if reason is None:
            reason = reasons[code] = _reason(code, kind, *values[_REASON + 1 : ENTRY_COLUMNS])
        values[_REASON:] = (reason,)
        entries.append(_new(Entry, values))
    return entries


def job_of(row: Row, reason: Reason | None = None) -> Job:
    """Map a row of `JOB`, or a bare row of the table whose decision's `reason` is known."""
    decision = None
    if row["decision_code"] is not None:
        decision = RefundDecision(
            refunded=row["decision_refunded"],
            reason=reason or reason_of(row["decision_code"], row),
            detail=row["decision_detail"],
            rule=row["decision_rule"],
        )
    return Job(
        account_id=row["account_id"],
        charge_seq=row["charge_seq"],
        key=row["key"],
        operation=row["operation"],
        campaign=row["campaign"],
        status=JobStatus(row["status"]),
        started_at=row["started_at"],
        deadline_at=row["deadline_at"],
        finished_at=row["finished_at"],
        decision=decision,
    )
