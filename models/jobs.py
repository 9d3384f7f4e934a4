"""Reading jobs. The writer starts and ends them."""

from __future__ import annotations

from collections.abc import Sequence

from models.database import Reads
from models.records import Job, JobStatus
from models.rows import JOB, Ref, job_of

_FROM = "from job j left join reason r on r.code = j.decision_code"


async def by_charges(db: Reads, refs: Sequence[Ref]) -> dict[Ref, Job]:
    """Each charge's job, by the charge's ref; charges without one are left out."""
    rows = await db.fetch(
        f"select {JOB} from unnest($1::bigint[], $2::int[]) as w(account_id, seq) "
        "join job j on j.account_id = w.account_id and j.charge_seq = w.seq "
        "left join reason r on r.code = j.decision_code",
        [account_id for account_id, _ in refs],
        [seq for _, seq in refs],
    )
    return {(row["account_id"], row["charge_seq"]): job_of(row) for row in rows}


async def by_key(db: Reads, account_id: int, key: str) -> Job | None:
    row = await db.fetchrow(
        f"select {JOB} {_FROM} where j.account_id = $1 and j.key = $2", account_id, key
    )
    return job_of(row) if row else None


async def page(
    db: Reads, account_id: int, status: JobStatus | None, limit: int, older_than: int | None
) -> tuple[list[Job], bool]:
    """Up to `limit` jobs, newest first, and whether older ones follow."""
    by_status = "and j.status = $4" if status else ""
    rows = await db.fetch(
        f"select {JOB} {_FROM} where j.account_id = $1 and j.charge_seq < coalesce($2, 2147483647) "
        f"{by_status} order by j.charge_seq desc limit $3",
        account_id,
        older_than,
        limit + 1,
        *([status] if status else []),
    )
    return [job_of(row) for row in rows[:limit]], len(rows) > limit
