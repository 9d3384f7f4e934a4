"""Promises of `run`: one command, nothing lost, nothing left running."""

from __future__ import annotations

import shlex
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.app.support import (
    RunningServer,
    command_here,
    lines,
    processes_of,
    rows,
    server_note,
    until,
)

OWN_ACCOUNT = "{ viewer { kind account { key name balance usage { nodes { __typename } } } } }"
CHARGE = """
mutation($input: RecordChargeInput!) {
  recordCharge(input: $input) { ... on ChargeRecorded { entry { seq } replayed } }
}
"""


def test_the_printed_link_is_the_customers_and_shows_its_month(
    demonstration: RunningServer,
) -> None:
    viewer = demonstration.ask(demonstration.customer_token, OWN_ACCOUNT)["viewer"]
    assert viewer["kind"] == "CUSTOMER"
    assert viewer["account"]["key"] == "northwind"
    assert viewer["account"]["name"] == "Northwind Studio"
    assert len(viewer["account"]["usage"]["nodes"]) == 50
    assert "?token=" not in demonstration.said


def test_the_printed_curl_answers_as_pasted(demonstration: RunningServer) -> None:
    line = demonstration.wait_for(r"curl .*")
    said = subprocess.check_output(shlex.split(line))
    account = orjson.loads(said)["data"]["account"]
    assert account["name"] == "Northwind Studio"
    assert len(account["usage"]["nodes"]) == 3


def test_the_demonstrations_secrets_are_readable_by_their_owner_alone(
    demonstration: RunningServer,
) -> None:
    folder = demonstration.data_dir / "demonstration"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert {"signing-key.pem", "service-keys.json", "server.json"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_stop_leaves_nothing_running_and_a_second_start_keeps_data_and_credentials(
    tmp_path: Path,
) -> None:
    first = RunningServer(tmp_path)
    address = (tmp_path / "postgres.url").read_text().strip()
    booked = lines(address)
    assert server_note(tmp_path)["url"] == first.url
    assert first.end(signal.SIGINT) == 0
    assert processes_of(tmp_path) == []
    assert not (tmp_path / "demonstration" / "server.json").exists()
    second = RunningServer(tmp_path)
    try:
        assert second.customer_token == first.customer_token
        assert second.service_key == first.service_key
        assert "Booked the demonstration" not in second.said
        assert lines((tmp_path / "postgres.url").read_text().strip()) == booked
    finally:
        assert second.end(signal.SIGTERM) == 0
    assert processes_of(tmp_path) == []


def test_kill_9_loses_nothing_acknowledged_and_the_next_start_mends_the_rest(
    tmp_path: Path,
) -> None:
    first = RunningServer(tmp_path)
    account = first.ask(first.service_key, '{ account(key: "northwind") { id } }')["account"]["id"]
    answered = [_charge(first, account, n)["entry"]["seq"] for n in range(20)]
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = RunningServer(tmp_path)
    try:
        again = [_charge(second, account, n) for n in range(20)]
        assert [result["entry"]["seq"] for result in again] == answered
        assert all(result["replayed"] for result in again)
        assert server_note(tmp_path)["url"] == second.url
    finally:
        assert second.end(signal.SIGTERM) == 0
    until(lambda: not processes_of(tmp_path))


def _charge(server: RunningServer, account: str, number: int) -> dict[str, Any]:
    given = {"account": account, "idempotencyKey": f"kill-{number}", "amount": 1}
    return server.ask(server.service_key, CHARGE, input=given)["recordCharge"]


def test_a_taken_port_is_said_before_anything_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = command_here(capsys, "run", "--port", str(port), "--data", tmp_path / "data")
    assert ended.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use" in ended.stderr
    assert "--port" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "data" / "postgres").exists()


def test_an_operators_own_token_settings_are_not_silently_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_FEED_JWT_ISSUER", "https://example.com")
    ended = command_here(capsys, "run", "--port", "0", "--data", tmp_path)
    assert ended.returncode == 1
    assert "Unset USAGE_FEED_JWT_KEYS_FILE" in ended.stderr


def test_run_uses_an_operators_database_and_refuses_one_that_could_lose_lines(
    tmp_path: Path,
    empty_database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", empty_database_url)
    ended = command_here(capsys, "run", "--port", "0", "--data", tmp_path)
    assert ended.returncode == 1
    assert "The database runs with fsync" in ended.stderr
    assert rows(empty_database_url, "select count(*) from entry") == [(0,)]
    assert not (tmp_path / "postgres").exists()
