"""What belongs to the lines of a page: one query per kind for all of them, read with the page.

Owns what is read for which question. Owns no access: whoever has the lines may see what belongs to
them, for it is of the same account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from models import feed, jobs
from models.database import Reads
from models.feed import Page
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

    def charge_of(self, refund: Entry) -> Entry:
        """The charge of a refund, where lines were read. Raises: LookupError."""
        return (self.entries or {})[refund.account_id, refund.charge_seq or 0]

    def refunded(self, charge: Entry) -> int:
        """The sum of a charge's refunds, where refunds were read."""
        refunds = (self.refunds or {}).get((charge.account_id, charge.seq))
        return sum(refund.amount for refund in refunds) if refunds else 0

    @property
    def is_settled(self) -> bool:
        """Whether none of it can change any more."""
        return all(job.status is not JobStatus.RUNNING for job in (self.jobs or {}).values())


NOTHING = Related()


async def related(db: Reads, page: Page, asked: Asked, last_seq: int) -> Related:
    """What belongs to a page's lines, up to line `last_seq`; the refunds of the charges that they
    name as well.
    """
    lines = page.entries
    if not any(asked):
        return NOTHING
    entries = refunds = of_jobs = None
    if asked.entries:
        entries = await _named(db, lines, page.beyond)
    if asked.refunds:
        charges = {
            (line.account_id, line.seq)
            for line in (*lines, *(entries or {}).values())
            if line.kind is EntryKind.CHARGE
        }
        refunds = await feed.refunds_of(db, list(charges), last_seq)
    if asked.jobs:
        paid = {(line.account_id, line.job_seq) for line in lines if line.job_seq}
        of_jobs = await jobs.by_charges(db, list(paid)) if paid else {}
    return Related(entries, refunds, of_jobs)


async def _named(db: Reads, lines: Sequence[Entry], beyond: Entry | None) -> dict[Ref, Entry]:
    """The lines that these name, among others. Nearly always they stand close."""
    near = {(line.account_id, line.seq): line for line in lines}
    if beyond is not None:
        near[beyond.account_id, beyond.seq] = beyond
    missing = [
        ref
        for line in lines
        if (seq := line.charge_seq or line.corrects_seq)
        and (ref := (line.account_id, seq)) not in near
    ]
    return near | await feed.entries(db, missing) if missing else near
