"""Promises of `replay`: the ledger agrees with the trace to the credit, however it was stopped."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from models import service_keys
from models.database import Database
from tests.app.support import Running, command, lines, rows, until
from tests.app.traces import REAL_TRACE, small, write

SLICE_ROWS = 300


@dataclass
class Target:
    """A server on a database of the test's own, as in production, and a key to write with."""

    database_url: str
    port: int
    folder: Path
    server: Running | None = None
    key: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.server = Running("serve", "--port", str(self.port), **_settings(self.database_url))
        self.server.wait_for("Serving at")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.server
        self.server.end(number)

    @property
    def arguments(self) -> list[str | Path]:
        key_file = self.folder / "key"
        key_file.write_text(self.key)
        return ["--url", self.url, "--token-file", key_file]


@pytest.fixture
def target(database_url: str, tmp_path: Path) -> Generator[Target]:
    """A running server."""
    with _serving(database_url, tmp_path) as target:
        yield target


@contextlib.contextmanager
def _serving(database_url: str, folder: Path) -> Generator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    target = Target(database_url, port, folder, key=asyncio.run(_service_key(database_url)))
    target.start()
    yield target
    target.stop()


def _settings(database_url: str) -> dict[str, str]:
    return {"database_url": database_url, "require_durable_database": "false"}


async def _service_key(database_url: str) -> str:
    db = await Database.connect(database_url)
    scopes = ("read", "accounts:write", "grants:write", "charges:write", "import")
    key = await service_keys.create(db, "replay", scopes)
    await db.close()
    return key


def replayed(trace: Path, target: Target) -> Any:
    ended = command("replay", trace, *target.arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout


def test_a_replay_ends_without_a_difference_and_a_second_one_moves_nothing(
    target: Target, tmp_path: Path
) -> None:
    trace = write(tmp_path / "trace.csv", small())
    steps = 6 * 2 + 90 * 2 - 3
    told = replayed(trace, target)
    assert "6 accounts compared, 0 with a difference" in told
    assert f"{steps} steps booked, 0 replayed, 0 refused" in told
    booked = lines(target.database_url)
    again = replayed(trace, target)
    assert f"0 steps booked, {steps} replayed, 0 refused" in again
    assert lines(target.database_url) == booked


def test_lines_are_dated_and_named_as_the_trace_says(target: Target, tmp_path: Path) -> None:
    replayed(write(tmp_path / "trace.csv", small()), target)
    told = rows(
        target.database_url,
        "select e.seq, e.kind, e.amount, e.reason_code, "
        "to_char(e.recorded_at at time zone 'utc', 'DD HH24:MI:SS'), j.key, j.status "
        "from entry e join account a on a.id = e.account_id "
        "left join job j on j.account_id = e.account_id and j.charge_seq = e.job_seq "
        "where a.key = 'A' order by e.seq limit 8",
    )
    assert told == [
        (1, "GRANT", 50_000, "GRANT_PLAN", "14 10:00:00", None, None),
        (2, "CHARGE", -13, "JOB_CHARGE", "15 10:00:00", "1", "SUCCEEDED"),
        (3, "CHARGE", -13, "JOB_CHARGE", "15 10:01:00", "7", "SUCCEEDED"),
        (4, "CHARGE", -13, "JOB_CHARGE", "15 10:02:00", "13", "SUCCEEDED"),
        (5, "CHARGE", -3, "JOB_CHARGE", "15 10:03:00", "19", "EXPIRED"),
        (6, "REFUND", 3, "WORKER_LOST", "15 10:03:02", "19", "EXPIRED"),
        (7, "CHARGE", -13, "JOB_CHARGE", "15 10:04:00", "25", "SUCCEEDED"),
        (8, "CHARGE", -13, "JOB_CHARGE", "15 10:05:00", "31", "FAILED"),
    ]
    keys = rows(target.database_url, "select key from idempotency_key where key like '1:%'")
    assert sorted(keys) == [("1:finish",), ("1:grant",), ("1:start",)]


def test_a_replay_killed_half_way_and_run_again_ends_in_the_same_ledger(
    target: Target, tmp_path: Path, postgres: str, migrated_template: str
) -> None:
    trace = write(tmp_path / "trace.csv", small())
    # The accounts with a silent request wait 2 seconds for its refund: there it is killed.
    first = Running("replay", trace, *target.arguments)
    until(
        lambda: rows(
            target.database_url, "select 1 from job where deadline_at - started_at < '9 s'"
        )
    )
    first.end(signal.SIGKILL)
    half = len(lines(target.database_url))
    again = replayed(trace, target)
    booked, before = map(int, re.findall(r"(\d+) steps booked, (\d+) replayed", again)[0])
    assert booked > 0
    assert before > 0
    whole = lines(target.database_url)
    assert half < len(whole)
    assert whole == _uninterrupted(trace, tmp_path, postgres, migrated_template)


def test_a_replay_outlives_a_killed_server_and_ends_in_the_same_ledger(
    target: Target, tmp_path: Path, postgres: str, migrated_template: str
) -> None:
    trace = write(tmp_path / "trace.csv", small())
    replay = Running("replay", trace, *target.arguments)
    until(lambda: rows(target.database_url, "select 1 from job limit 1"))
    target.stop(signal.SIGKILL)
    target.start()
    assert replay.ended() == 0, replay.said
    assert "0 with a difference" in replay.said
    assert lines(target.database_url) == _uninterrupted(
        trace, tmp_path, postgres, migrated_template
    )


def test_a_ledger_that_differs_from_the_trace_is_named_and_fails(
    target: Target, tmp_path: Path
) -> None:
    trace = write(tmp_path / "trace.csv", small()[:12])
    replayed(trace, target)
    shorter = write(tmp_path / "shorter.csv", small()[:11])
    ended = command("replay", shorter, *target.arguments)
    assert ended.returncode == 1
    assert "6 accounts compared, 1 with a difference" in ended.stdout
    assert "Different: F" in ended.stdout
    other = [*small()[:11], [*small()[11][:2], "FAILED", *small()[11][3:]]]
    refused = command("replay", write(tmp_path / "other.csv", other), *target.arguments)
    assert refused.returncode == 1
    assert "1 refused" in refused.stdout
    assert "account F, row 12, finish: IdempotencyConflict" in refused.stdout


def test_a_slice_of_the_real_trace_ends_without_a_difference(
    target: Target, tmp_path: Path
) -> None:
    if not REAL_TRACE.exists():
        pytest.skip("The shared trace gentd26_requests.csv is not beside the checkout.")
    with REAL_TRACE.open() as file:
        text = "".join(next(file) for _ in range(SLICE_ROWS + 1))
    trace = tmp_path / "slice.csv"
    trace.write_text(text)
    assert "0 with a difference" in replayed(trace, target)
    assert "0 steps booked" in replayed(trace, target)


def test_a_server_that_is_not_there_or_refuses_the_key_is_a_sentence(
    target: Target, tmp_path: Path
) -> None:
    trace = write(tmp_path / "trace.csv", small()[:1])
    options = ("replay", trace, "--token-file", "-", "--url")
    nobody = command(*options, "http://127.0.0.1:9", stdin="uf_x")
    assert nobody.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in nobody.stderr
    stranger = command(*options, target.url, stdin="uf_x")
    assert stranger.returncode == 1
    assert "does not accept the credential" in stranger.stderr
    assert "Traceback" not in nobody.stderr + stranger.stderr


def _uninterrupted(
    trace: Path, folder: Path, postgres: str, template: str
) -> list[tuple[Any, ...]]:
    """The ledger that the same trace makes in one go."""
    from tests.conftest import execute, with_database

    name = f"uninterrupted_{folder.name[-20:].strip('_').replace('-', '_')}".lower()
    execute(postgres, f"create database {name} template {template}")
    with _serving(with_database(postgres, name), folder) as target:
        replayed(trace, target)
        told = lines(target.database_url)
    execute(postgres, f"drop database {name} with (force)")
    return told
