"""The benchmarks still run: figures that nobody can repeat are worth nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_a_reading_benchmark_measures_this_server_and_the_floor() -> None:
    ended = subprocess.run(
        (
            *(sys.executable, "-P", "-m", "benchmarks.read", "--contenders", "ours", "floor"),
            *("--rounds", "1", "--seconds", "0.3", "--connections", "2", "--customers", "2"),
        ),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    rows = [line.split(" | ") for line in ended.stdout.splitlines()[2:]]
    assert [(row[0], row[1]) for row in rows] == [("| 2", "ours"), ("| 2", "floor")]
    assert all(float(row[2].replace(",", "")) > 0 for row in rows)
