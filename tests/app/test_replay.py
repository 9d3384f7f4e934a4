"""Promises of `replay`: the ledger agrees with the trace to the credit, however it was stopped."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from models import service_keys
from models.database import Database
from tests.app.support import Running, command_here, lines, rows, until
from tests.app.traces import REAL_TRACE, small, write
from tests.conftest import execute, with_database

SLICE_ROWS = 300
STEPS = 6 * 2 + 90 * 2 - 3
SCOPES = ("read", "accounts:write", "grants:write", "charges:write", "import")


class Target:
    """A server as in production, and the key of a service that writes to it."""

    def __init__(self, database_url: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        key_file = folder / "key"
        key_file.write_text(asyncio.run(_service_key(database_url)))
        self.options = ("--url", self.url, "--token-file", key_file)

    def start(self) -> None:
        self.server = Running(
            *("serve", "--port", str(self.port)),
            database_url=self.database_url,
            require_durable_database="false",
        )
        self.server.wait_for("Serving at")


@pytest.fixture(scope="module")
def target(
    postgres: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Target]:
    """One server for all tests here, each of which has accounts of its own."""
    execute(postgres, f"create database replayed template {migrated_template}")
    target = Target(with_database(postgres, "replayed"), tmp_path_factory.mktemp("key"))
    target.start()
    yield target
    target.server.end(signal.SIGTERM)
    execute(postgres, "drop database replayed with (force)")


@pytest.fixture(scope="module")
def whole(target: Target, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """The ledger of the small trace, replayed in one go."""
    trace = write(tmp_path_factory.mktemp("trace") / "trace.csv", small("whole-"))
    replay = Running("replay", trace, *target.options)
    assert replay.ended() == 0, replay.said
    assert "6 accounts compared, 0 with a difference" in replay.said
    assert f"{STEPS} steps booked, 0 replayed, 0 refused" in replay.said
    return lines(target.database_url, "whole-")


async def _service_key(database_url: str) -> str:
    db = await Database.connect(database_url)
    key = await service_keys.create(db, "replay", SCOPES)
    await db.close()
    return key


def test_a_second_replay_moves_nothing(
    target: Target, whole: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = write(tmp_path / "trace.csv", small("whole-"))
    again = command_here(capsys, "replay", trace, *target.options)
    assert again.returncode == 0
    assert f"0 steps booked, {STEPS} replayed, 0 refused" in again.stdout
    assert lines(target.database_url, "whole-") == whole


def test_lines_are_dated_and_named_as_the_trace_says(target: Target, whole: list[Any]) -> None:
    told = rows(
        target.database_url,
        "select e.seq, e.kind, e.amount, e.reason_code, "
        "to_char(e.recorded_at at time zone 'utc', 'DD HH24:MI:SS'), j.key, j.status "
        "from entry e join account a on a.id = e.account_id "
        "left join job j on j.account_id = e.account_id and j.charge_seq = e.job_seq "
        "where a.key = 'whole-A' order by e.seq limit 8",
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
    keys = rows(
        target.database_url,
        "select k.key from idempotency_key k join account a on a.id = k.account_id "
        "where a.key = 'whole-A' and k.key like '1:%' order by k.key",
    )
    assert keys == [("1:finish",), ("1:grant",), ("1:start",)]


def test_a_replay_killed_half_way_and_run_again_ends_in_the_same_ledger(
    target: Target, whole: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = write(tmp_path / "trace.csv", small("halved-"))
    first = Running("replay", trace, *target.options)
    # The accounts with a silent request wait 2 seconds for its refund: there it is killed.
    until(
        lambda: rows(
            target.database_url,
            "select 1 from job j join account a on a.id = j.account_id "
            "where a.key like 'halved-%' and j.deadline_at - j.started_at < '9 s'",
        )
    )
    first.end(signal.SIGKILL)
    half = lines(target.database_url, "halved-")
    again = command_here(capsys, "replay", trace, *target.options)
    assert again.returncode == 0
    counted = re.search(r"(\d+) steps booked, (\d+) replayed, 0 refused", again.stdout)
    assert counted
    assert int(counted[1]) > 0
    assert int(counted[2]) > 0
    assert 0 < len(half) < len(whole)
    assert lines(target.database_url, "halved-") == whole


def test_a_replay_outlives_a_killed_server_and_ends_in_the_same_ledger(
    target: Target, whole: list[Any], tmp_path: Path
) -> None:
    trace = write(tmp_path / "trace.csv", small("outlived-"))
    replay = Running("replay", trace, *target.options)
    until(lambda: lines(target.database_url, "outlived-"))
    target.server.end(signal.SIGKILL)
    half = lines(target.database_url, "outlived-")
    target.start()
    assert replay.ended() == 0, replay.said
    assert "6 accounts compared, 0 with a difference" in replay.said
    assert 0 < len(half) < len(whole)
    assert lines(target.database_url, "outlived-") == whole


def test_a_ledger_that_differs_from_the_trace_is_named_and_fails(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = small("differs-")
    first = write(tmp_path / "trace.csv", given[:12])
    assert command_here(capsys, "replay", first, *target.options).returncode == 0
    shorter = write(tmp_path / "shorter.csv", given[:11])
    told = command_here(capsys, "replay", shorter, *target.options)
    assert told.returncode == 1
    assert "6 accounts compared, 1 with a difference" in told.stdout
    assert "Different: differs-F" in told.stdout
    given[11][2] = "FAILED"
    other = write(tmp_path / "other.csv", given[:12])
    refused = command_here(capsys, "replay", other, *target.options)
    assert refused.returncode == 1
    assert "1 refused" in refused.stdout
    assert "account differs-F, row 12, finish: IdempotencyConflict" in refused.stdout


def test_a_slice_of_the_real_trace_ends_without_a_difference(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not REAL_TRACE.exists():
        pytest.skip("The shared trace gentd26_requests.csv is not beside the checkout.")
    with REAL_TRACE.open() as file:
        text = "".join(next(file) for _ in range(SLICE_ROWS + 1))
    trace = tmp_path / "slice.csv"
    trace.write_text(text)
    first = command_here(capsys, "replay", trace, *target.options)
    assert first.returncode == 0
    assert "0 with a difference" in first.stdout
    again = command_here(capsys, "replay", trace, *target.options)
    assert again.returncode == 0
    assert "0 steps booked" in again.stdout


def test_a_server_that_is_not_there_or_refuses_the_key_is_a_sentence(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = write(tmp_path / "trace.csv", small()[:1])
    wrong_key = tmp_path / "key"
    wrong_key.write_text("uf_x")
    options = ("replay", trace, "--token-file", wrong_key, "--url")
    nobody = command_here(capsys, *options, "http://127.0.0.1:9")
    assert nobody.returncode == 1
    assert "http://127.0.0.1:9 does not answer" in nobody.stderr
    stranger = command_here(capsys, *options, target.url)
    assert stranger.returncode == 1
    assert "does not accept the credential" in stranger.stderr
