"""Traces for the tests of the replay: small, and with every kind of row the real one has."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

from tests.app.support import ROOT

REAL_TRACE = ROOT.parent / "shared" / "data" / "gentd26_requests.csv"

COLUMNS = [
    "gmt_create",
    "predict_type",
    "predict_status",
    "exec_time_seconds",
    "groupId",
    "prompt_length",
    "negative_prompt_length",
    "num_images_per_prompt",
    "num_inference_steps",
    "checkpoint_model_version_id",
    "num_lora",
]


def row(
    at: str,
    account: str,
    status: str = "SUCCEED",
    seconds: str = "20.0",
    images: str = "1.0",
    steps: str = "30.0",
    loras: str = "0",
) -> list[str]:
    """One data row on 15 November 2024, `at` being hh:mm:ss."""
    return [
        f"2024-11-15 {at}", "TXT_2_IMG", status, seconds, account, "54.0", "", images, steps,
        "M0001", loras,
    ]  # fmt: skip


def write(path: Path, rows: list[list[str]]) -> Path:
    """A trace with these rows."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return path


def small(prefix: str = "") -> list[list[str]]:
    """Six accounts side by side, 90 rows: two silent requests with more to come after them, one at
    the end, failures, exact duplicates, jobs that overlap, ties, blanks.
    """
    rows: list[list[str]] = []
    for minute, name in itertools.product(range(15), "ABCDEF"):
        status = "FAILED" if (minute + ord(name)) % 7 == 0 else "SUCCEED"
        seconds = "95.0" if name == "B" else "20.0"
        at = f"10:{minute:02}:00"
        rows.append(row(at, prefix + name, status, seconds, images="4.0", loras="1"))
    rows[3 * 6] = row("10:03:00", prefix + "A", "PENDING", "")
    rows[7 * 6 + 2] = row("10:07:00", prefix + "C", "PROCESSING", "", images="8.0")
    rows[14 * 6 + 5] = row("10:14:00", prefix + "F", "PENDING", "", images="", steps="")
    rows[9 * 6 + 3] = rows[8 * 6 + 3]
    return rows
