"""The catalogue of reasons, as a table that only grows.

Owns reading it (kept in memory: it is small and rows never change their meaning) and adding to it.
"""

from __future__ import annotations

from models.database import Database
from models.outcomes import InvalidInput
from models.records import EntryKind, Fault, Reason
from models.tables import ReasonRow
from models.validation import check_choice, check_text


class ReasonExists(Exception):
    """The catalogue already has a reason with that code."""


class Catalogue:
    """The reasons of one database."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._by_code: dict[str, Reason] = {}

    async def all(self) -> list[Reason]:
        """Every reason, in the catalogue's order: by kind, then by code."""
        await self._load()
        return sorted(self._by_code.values(), key=lambda r: (r.kind, r.code))

    async def get(self, code: str) -> Reason | None:
        """The reason with that code. One that another process added is found at its first use."""
        if code not in self._by_code:
            await self._load()
        return self._by_code.get(code)

    async def add(self, code: str, kind: str, title: str, fault: str) -> InvalidInput | None:
        """Add a reason that entries of `kind` may have.

        Raises: ReasonExists.
        """
        problem = (
            check_text("code", code, 100)
            or check_choice("kind", kind, list(EntryKind))
            or check_text("title", title, 200)
            or check_choice("fault", fault, list(Fault))
        )
        if problem:
            return problem
        added = await self._db.fetchval(
            "insert into reason (code, kind, title, fault) values ($1, $2, $3, $4)"
            " on conflict (code) do nothing returning true",
            code,
            kind,
            title,
            fault,
        )
        if not added:
            raise ReasonExists(code)
        return None

    async def _load(self) -> None:
        rows = await self._db.rows(ReasonRow)
        self._by_code = {
            row.code: Reason(row.code, row.kind, row.title, Fault(row.fault)) for row in rows
        }
