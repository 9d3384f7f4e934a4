"""Promises of the commands beside a server: results on standard output, errors as a sentence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.demonstration import book_demonstration
from models.database import Database
from models.reasons import Catalogue
from models.writer import Writer
from tests.app.support import RunningServer, command, command_here, rows
from tests.app.traces import small, write
from tests.conftest import execute

LAST_TWO = """
{ account(key: "northwind") { usage(first: 2) { nodes {
  __typename ... on LedgerEntry { amount balanceAfter reason { code detail } job { status } }
} } } }
"""


def test_a_customers_token_is_printed_alone_and_speaks_for_its_account(
    demonstration: RunningServer,
) -> None:
    ended = command("token", "--account", "globex", "--data", demonstration.data_dir)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("\n") == 1
    viewer = demonstration.ask(ended.stdout.strip(), "{ viewer { account { key } } }")["viewer"]
    assert viewer["account"]["key"] == "globex"


def test_a_service_key_is_made_once_per_set_of_scopes(
    demonstration: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        command_here(
            capsys, "token", "--service", "--scopes", scopes, "--data", demonstration.data_dir
        )
        for scopes in ("read,charges:write", "charges:write, read", "read")
    ]
    assert [ended.stderr for ended in asked] == ["", "", ""]
    keys = [ended.stdout.strip() for ended in asked]
    assert keys[0] == keys[1] != keys[2]
    viewer = demonstration.ask(keys[0], "{ viewer { kind scopes } }")["viewer"]
    assert viewer == {"kind": "SERVICE", "scopes": ["charges:write", "read"]}
    everything = command_here(capsys, "token", "--service", "--data", demonstration.data_dir)
    assert everything.stdout.strip() == demonstration.service_key


def test_a_failing_job_lands_its_charge_and_then_its_refund(
    demonstration: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = command_here(capsys, "demo-failure", "--data", demonstration.data_dir)
    assert (ended.returncode, ended.stderr) == (0, "")
    refund, charge = demonstration.ask(demonstration.service_key, LAST_TWO)["account"]["usage"][
        "nodes"
    ]
    assert (charge["__typename"], charge["amount"]) == ("Charge", -60)
    assert (refund["__typename"], refund["amount"]) == ("Refund", 60)
    assert refund["reason"]["code"] == "PROVIDER_ERROR"
    assert refund["job"] == {"status": "FAILED"}
    told = [line for line in ended.stdout.splitlines() if line.startswith("  line")]
    assert "−60 credits" in told[0]
    assert "+60 credits   Error at our provider" in told[1]
    assert told[1].endswith(f"balance {refund['balanceAfter']:,}")


def test_an_audit_beside_a_running_server_finds_nothing(demonstration: RunningServer) -> None:
    ended = command("audit", "--data", demonstration.data_dir)
    assert (ended.returncode, ended.stdout) == (0, "0 findings\n")


def test_an_audit_names_the_line_that_was_altered_behind_the_ledgers_back(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(book(database_url))
    execute(
        database_url,
        "set session_replication_role = replica; update entry set amount = amount + 1 "
        "where seq = 5 and account_id = (select id from account where key = 'northwind')",
    )
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", database_url)
    ended = command_here(capsys, "audit")
    assert ended.returncode == 1
    named = [line for line in ended.stdout.splitlines() if "account northwind, line 5" in line]
    assert named
    assert ended.stdout.splitlines()[-1].endswith(" findings")


async def book(database_url: str) -> None:
    db = await Database.connect(database_url)
    writer = Writer(db, Catalogue(db))
    await book_demonstration(db, writer, datetime.now(UTC))
    await writer.close()
    await db.close()


def test_an_address_alone_leads_to_the_servers_credential(
    demonstration: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = write(tmp_path / "trace.csv", small()[:6])
    ended = command_here(capsys, "replay", trace, "--url", demonstration.url)
    assert ended.returncode == 0
    assert "6 accounts compared, 0 with a difference" in ended.stdout


def test_a_reason_is_added_once(
    demonstration: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("reason", "add", "RENDER_LOST", "--kind", "refund", "--title", "A frame was lost")
    options = ("--fault", "platform", "--data", demonstration.data_dir)
    first, second = (
        command_here(capsys, *arguments, *options),
        command_here(capsys, *arguments, *options),
    )
    assert (first.returncode, first.stdout) == (0, "Added RENDER_LOST.\n")
    assert (second.returncode, second.stderr) == (
        1,
        "Error: The catalogue already has RENDER_LOST.\n",
    )
    address = (demonstration.data_dir / "postgres.url").read_text().strip()
    assert rows(address, "select kind, title, fault from reason where code = 'RENDER_LOST'") == [
        ("REFUND", "A frame was lost", "PLATFORM")
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("token",), 2, "Say either --account KEY or --service."),
        (("token", "--account", "a", "--service"), 2, "Say either --account KEY or --service."),
        (("token", "--service", "--scopes", "reed"), 2, "There is no scope reed. The scopes are"),
        (("token", "--account", "nobody"), 1, "There is no database in"),
        (("demo-failure",), 1, "No server is running on"),
        (("replay", "/no/such.csv", "--url", "http://127.0.0.1:9"), 1, "no demonstration's cred"),
        (("serve",), 1, "USAGE_FEED_DATABASE_URL is not set"),
        (("run", "--port", "65536"), 2, "0<=x<=65535"),
    ],
)
def test_a_command_that_cannot_do_its_work_says_why_in_a_sentence(
    arguments: tuple[str, ...],
    status: int,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = () if arguments[0] == "serve" else ("--data", tmp_path)
    ended = command_here(capsys, *arguments, *data)
    assert ended.returncode == status
    assert sentence in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_account_is_an_error_and_no_token(
    demonstration: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = command_here(capsys, "token", "--account", "nobody", "--data", demonstration.data_dir)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "Error: There is no account 'nobody'.\n"


@pytest.mark.parametrize(
    ("database_url", "sentence"),
    [
        ("postgresql://127.0.0.1:9/feed", "The database 127.0.0.1:9/feed does not answer"),
        ("mysql://host/feed", "USAGE_FEED_DATABASE_URL is wrong"),
    ],
)
def test_a_database_that_cannot_be_used_is_a_sentence(
    database_url: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", database_url)
    ended = command_here(capsys, "token", "--service", "--data", tmp_path)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
