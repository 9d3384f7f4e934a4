"""What belongs to the lines of a page: one query per kind for all of them, read with the page.

Owns what is read for which question. Owns no access: whoever has the lines may see what belongs to
them, for it is of the same account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from models import feed, jobs
from models.database import Reads
from models.records import Entry, EntryKind, Job, JobStatus
from models.rows import Ref


class Asked(NamedTuple):
    """Which of it is wanted: the lines that lines name, the refunds of charges, the jobs."""

    entries: bool
    refunds: bool
    jobs: bool


@dataclass(frozen=True, slots=True)
class Related:
    """Lines, the refunds of charges, and jobs, by their refs. None: not read."""

    entries: dict[Ref, Entry] | None = None
    refunds: dict[Ref, list[Entry]] | None = None
    jobs: dict[Ref, Job] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether none of it can change any more."""
        return all(job.status is not JobStatus.RUNNING for job in (self.jobs or {}).values())


NOTHING = Related()


async def related(db: Reads, page: feed.Page, asked: Asked, last_seq: int) -> Related:
    """What belongs to a page's lines, up to line `last_seq`; the refunds of the charges that they
    name as well.
    """
    if not any(asked):
        return NOTHING
    entries = {(line.account_id, line.seq): line for line in page.named}
    refunds = found_jobs = None
    if asked.refunds:
        charges = {
            (line.account_id, line.seq)
            for line in (*page.entries, *page.named)
            if line.kind is EntryKind.CHARGE
        }
        refunds = await feed.refunds_of(db, list(charges), last_seq)
    wanted = {(line.account_id, line.job_seq) for line in page.entries if line.job_seq}
    if asked.jobs and wanted:
        found_jobs = await jobs.by_charges(db, list(wanted))
    return Related(entries if asked.entries else None, refunds, found_jobs)
