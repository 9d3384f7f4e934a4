"""The audit: every promise of the ledger that rows can show, recomputed from the rows.

Owns the walk over a database and the findings it ends in; `checks` says what must hold of each kind
of row, `fences` what the database itself must enforce. Owns no repair: an audit only reads.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import asyncpg

from models.audit.checks import SOURCES, Source
from models.audit.fences import missing
from models.database import Database

LINES_PER_CHUNK = 50_000
"""What one read covers, in whole accounts: the memory it takes is the database's work_mem."""
STATEMENT_SECONDS = 3_600.0
FENCES = 0
"""The number under which a missing fence is found: it may belong to several promises."""

PROMISES = {
    FENCES: "The database enforces what is claimed",
    1: "Every movement has a line",
    2: "The arithmetic is the customer's",
    3: "Every line says why",
    4: "A refund belongs to a charge",
    5: "A failed job is refunded once, with no human",
    6: "A retry is the same answer",
    7: "No charge takes more than is available",
    10: "A period closes",
}
"""The promises that rows can show, by their number in docs/guarantees.md."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as promised; `account`, `seq` and `job` (keys) name its row."""

    promise: int
    account: str | None
    seq: int | None
    job: str | None
    sentence: str

    def __str__(self) -> str:
        row = [
            f"account {self.account}" if self.account is not None else "",
            f"line {self.seq}" if self.seq is not None else "",
            f"job {self.job}" if self.job is not None else "",
        ]
        where = ", ".join(part for part in row if part)
        parts = (f"{self.promise} {PROMISES[self.promise]}", where, self.sentence)
        return ": ".join(part for part in parts if part)


async def audit(db: Database, progress: Callable[[int, int], None]) -> list[Finding]:
    """Read the whole ledger, as of one moment, and find what is not as promised.

    `progress` hears how many units of the whole have been read. Takes time linear in the rows, and
    may run beside a working server.
    """
    findings = [Finding(FENCES, None, None, None, sentence) for sentence in await missing(db)]
    async with (
        db.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        chunks = await _chunks(connection)
        done, whole = 0, len(SOURCES) * sum(size for _, _, size in chunks)
        progress(done, whole)
        for after, last, size in chunks:
            for source in SOURCES:
                findings += [finding async for finding in _read(connection, source, after, last)]
                done += size
                progress(done, whole)
    return findings


async def _chunks(connection: asyncpg.pool.PoolConnectionProxy) -> list[tuple[int, int, int]]:
    """Ranges of account ids, (after, last], with the lines and accounts in each: none left out."""
    rows = await connection.fetch(
        "select max(id) as last, sum(lines)::bigint as size from ("
        "  select id, last_seq + 1 as lines,"
        "         div(sum(last_seq + 1) over (order by id) - 1, $1::bigint) as chunk"
        "  from account"
        ") a group by chunk order by last",
        LINES_PER_CHUNK,
        timeout=STATEMENT_SECONDS,
    )
    lasts: list[int] = [row["last"] for row in rows[:-1]] + [2**63 - 1]
    sizes: list[int] = [row["size"] for row in rows] or [1]
    return list(zip([-(2**63), *lasts], lasts, sizes, strict=False))


async def _read(
    connection: asyncpg.pool.PoolConnectionProxy, source: Source, after: int, last: int
) -> AsyncIterator[Finding]:
    for row in await connection.fetch(source.sql(), after, last, timeout=STATEMENT_SECONDS):
        shown = dict(row)
        for check, broken in zip(source.checks, row["broken"], strict=True):
            if broken:
                sentence = check.sentence.format_map(shown)
                yield Finding(
                    check.promise,
                    row["account_key"],
                    shown.get("seq"),
                    shown.get("job_key"),
                    sentence,
                )


__all__ = ["FENCES", "PROMISES", "Finding", "audit"]
