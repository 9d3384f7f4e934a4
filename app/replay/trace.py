"""A trace of real requests, as the ledger traffic it stands for.

Owns reading the CSV and its arithmetic: which steps each account takes, in which order, and what
the ledger must hold when they are done. Owns no sending (`driver`) and no comparing (`comparison`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from operator import attrgetter
from pathlib import Path

GRANT_CREDITS = 50_000
GRANT_HOURS_BEFORE = 24
DEADLINE_SECONDS = 3_600
DEADLINE_SECONDS_OF_THE_SILENT = 2
STEPS_PER_IMAGE_CREDIT = 10
IMAGES_WHERE_BLANK = 1
STEPS_WHERE_BLANK = 30

_COLUMNS = (
    "gmt_create",
    "predict_type",
    "predict_status",
    "exec_time_seconds",
    "groupId",
    "num_images_per_prompt",
    "num_inference_steps",
    "num_lora",
)


class TraceError(Exception):
    """The file is no trace; the message says where and why."""


class Ending(Enum):
    """How a request ended; the silent ones never report."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SILENT = "SILENT"


_ENDINGS = {
    "SUCCEED": Ending.SUCCEEDED,
    "FAILED": Ending.FAILED,
    "PENDING": Ending.SILENT,
    "PROCESSING": Ending.SILENT,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One request. `number` is its place among the data rows, from 1."""

    number: int
    account: str
    operation: str
    credits: int
    started_at: datetime
    ended_at: datetime
    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that the product's services do for one account."""

    at: datetime
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(Step):
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Step):
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start(Step):
    operation: str
    credits: int
    deadline_seconds: int
    awaits_refund: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish(Step):
    failed: bool


@dataclass(slots=True)
class Expected:
    """What the trace's own arithmetic says of one account: magnitudes, and its number of lines."""

    granted: int = 0
    charged: int = 0
    refunded: int = 0
    lines: int = 0

    @property
    def balance(self) -> int:
        return self.granted - self.charged + self.refunded


@dataclass(slots=True)
class AccountTrace:
    """One account's steps, in order, and what they must come to."""

    key: str
    steps: list[Step] = field(default_factory=list[Step])
    expected: Expected = field(default_factory=Expected)


def read_trace(path: Path) -> list[AccountTrace]:
    """The accounts of a trace, in the order of their first rows.

    Raises: TraceError, OSError.
    """
    by_account: dict[str, list[Row]] = {}
    for row in _read_rows(path):
        by_account.setdefault(row.account, []).append(row)
    if not by_account:
        raise TraceError(f"{path} has no rows.")
    return [_account_trace(rows) for rows in by_account.values()]


def _read_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise TraceError(f"{path} is no trace: it lacks the column {', '.join(missing)}.")
            for number, cells in enumerate(reader, start=1):
                try:
                    yield _row(number, cells)
                except (KeyError, TypeError, ValueError) as error:
                    raise TraceError(
                        f"{path}, data row {number}: cannot be read ({error})."
                    ) from error
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is no trace: {error}.") from error


def _row(number: int, cells: dict[str, str]) -> Row:
    started_at = datetime.strptime(cells["gmt_create"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    return Row(
        number=number,
        account=cells["groupId"],
        operation=cells["predict_type"].lower(),
        credits=_price(cells),
        started_at=started_at,
        ended_at=started_at + timedelta(seconds=float(cells["exec_time_seconds"] or 0)),
        ending=_ENDINGS[cells["predict_status"]],
    )


def _price(cells: dict[str, str]) -> int:
    images = _whole(cells["num_images_per_prompt"], IMAGES_WHERE_BLANK)
    steps = _whole(cells["num_inference_steps"], STEPS_WHERE_BLANK)
    return images * -(-steps // STEPS_PER_IMAGE_CREDIT) + _whole(cells["num_lora"], 0)


def _whole(cell: str, where_blank: int) -> int:
    number = float(cell) if cell else where_blank
    if number != int(number):
        raise ValueError(f"{cell} is no whole number")
    return int(number)


def _account_trace(rows: list[Row]) -> AccountTrace:
    first = min(rows, key=lambda row: (row.started_at, row.number))
    opened_at = first.started_at - timedelta(hours=GRANT_HOURS_BEFORE)
    steps: list[Step] = []
    expected = Expected(granted=GRANT_CREDITS, lines=1)
    for row in rows:
        silent = row.ending is Ending.SILENT
        steps.append(
            Start(
                at=row.started_at,
                row=row.number,
                operation=row.operation,
                credits=row.credits,
                deadline_seconds=DEADLINE_SECONDS_OF_THE_SILENT if silent else DEADLINE_SECONDS,
                awaits_refund=silent,
            )
        )
        if not silent:
            steps.append(
                Finish(at=row.ended_at, row=row.number, failed=row.ending is Ending.FAILED)
            )
        refunded = row.ending is not Ending.SUCCEEDED
        expected.charged += row.credits
        expected.refunded += row.credits if refunded else 0
        expected.lines += 2 if refunded else 1
    steps.sort(key=attrgetter("at", "row"))  # stable: a start stays before its own finish
    opening: list[Step] = [
        Open(at=opened_at, row=rows[0].number, account=rows[0].account),
        Grant(at=opened_at, row=rows[0].number, credits=GRANT_CREDITS),
    ]
    return AccountTrace(rows[0].account, opening + steps, expected)
