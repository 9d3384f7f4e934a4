"""Jobs whose deadline has passed with no report.

Owns finding them and the intents that end them; the writer and the rule decide. Safe on every
instance at once: whoever locks the job first ends it, and the others find it ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from models.database import Database
from models.intents import ExpireJob
from models.outcomes import Done, JobAlreadyFinished, JobNotFound
from models.reasons import Catalogue
from models.records import JobStatus
from models.refund_rule import default_code, rule
from models.writer import Writer

BATCH = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """Jobs that have not ended."""

    running: int
    due: int
    """Those past their deadline: refunds that are owed."""
    oldest_seconds: float
    """Since the oldest one started."""


async def unresolved(db: Database) -> Unresolved:
    """Count the jobs that have not ended."""
    row = await db.fetchrow(
        "select count(*) as running, count(*) filter (where due_at <= now()) as due, "
        "coalesce(extract(epoch from now() - min(started_at)), 0)::float8 as oldest_seconds "
        "from job where status = 'RUNNING'"
    )
    return Unresolved(**row) if row else Unresolved(0, 0, 0.0)


async def sweep(db: Database, catalogue: Catalogue, writer: Writer) -> int:
    """End the jobs that are due, at most `BATCH`, and answer how many were found.

    As many as `BATCH`: there may be more.
    """
    due = await db.fetch(
        "select account_id, charge_seq from job where status = 'RUNNING' and due_at <= now() "
        "order by due_at limit $1",
        BATCH,
    )
    if not due:
        return 0
    reason = await catalogue.get(default_code(JobStatus.EXPIRED, None))
    ruling = reason and rule(JobStatus.EXPIRED, reason, None, None)
    if ruling is None:
        raise LookupError("the catalogue lacks the refund reason of an expired job")
    outcomes = await writer.book_many(
        [
            ExpireJob(account_id=row["account_id"], charge_seq=row["charge_seq"], ruling=ruling)
            for row in due
        ]
    )
    for row, outcome in zip(due, outcomes, strict=True):
        if not isinstance(outcome, Done | JobAlreadyFinished | JobNotFound):
            log.error(
                "a due job could not be ended", job=tuple(row), outcome=type(outcome).__name__
            )
    return len(due)
