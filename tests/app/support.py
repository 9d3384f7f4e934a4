"""Commands as a user runs them, and what the database then holds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from app.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 60.0


def environment(**settings: str) -> dict[str, str]:
    """An environment with these settings alone: `database_url` is USAGE_FEED_DATABASE_URL."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith("USAGE_FEED_")}
    named = {f"USAGE_FEED_{name.upper()}": value for name, value in settings.items()}
    return bare | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | named


def command(
    *arguments: str | Path, stdin: str | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, from a folder that is not the checkout."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "app", *map(str, arguments)],
        cwd="/",
        env=environment(**settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def command_here(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> subprocess.CompletedProcess[str]:
    """The same within this process, which saves its start."""
    given = [str(argument) for argument in arguments]
    with pytest.raises(SystemExit) as ended:
        main(given)
    said = capsys.readouterr()
    status = ended.value.code
    return subprocess.CompletedProcess(given, int(status or 0), said.out, said.err)


class Running:
    """A command that goes on, with what it has said so far."""

    def __init__(self, *arguments: str | Path, **settings: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app", *map(str, arguments)],
            cwd="/",
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line

    def wait_for(self, pattern: str) -> str:
        """The first match of a pattern in what is said."""
        until(lambda: re.search(pattern, self.said) or self.process.poll() is not None)
        found = re.search(pattern, self.said)
        assert found, f"ended with {self.process.returncode}: {self.said}"
        return found[0]

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit status."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the command's end; the exit status."""
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stdout
        self.process.stdout.close()
        return status


class RunningServer(Running):
    """`run` on a data folder, once it serves."""

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        super().__init__("run", "--port", str(port), "--data", data_dir)
        self.data_dir = data_dir
        try:
            self.wait_for("Ctrl-C stops everything")
        except BaseException:
            self.process.kill()
            self.ended()
            raise
        self.url = self.wait_for(r"http://127\.0\.0\.1:\d+")
        self.customer_token = self.wait_for(r"(?<=usage#token=)\S+")
        self.service_key = self.wait_for(r"uf_[\w-]{43}")

    def ask(self, token: str, query: str, **variables: Any) -> dict[str, Any]:
        """The data of one operation, which must have no errors."""
        response = httpx.post(
            f"{self.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"authorization": f"Bearer {token}"},
            timeout=PATIENCE_SECONDS,
        )
        answer = response.json()
        assert "errors" not in answer, answer
        return answer["data"]


def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds; what it answered."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < patience, "waited for too long"
        time.sleep(0.02)
    return answer


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that work in a folder or name it."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(folder) in line or str(folder) in str((entry / "cwd").readlink()):
                found.append(line)
        except OSError:
            continue
    return found


def rows(dsn: str, sql: str, *args: Any) -> list[tuple[Any, ...]]:
    """What a query answers, on a connection of its own."""

    async def read() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(dsn)
        try:
            return [tuple(row.values()) for row in await connection.fetch(sql, *args)]
        finally:
            await connection.close()

    return asyncio.run(read())


def lines(dsn: str, prefix: str = "") -> list[tuple[Any, ...]]:
    """Every line of the accounts whose keys begin so, as a customer would compare them."""
    return rows(
        dsn,
        "select substr(a.key, length($1) + 1), e.seq, e.kind, e.amount, e.balance_after, "
        "e.reason_code, e.recorded_at "
        "from entry e join account a on a.id = e.account_id where starts_with(a.key, $1) "
        "order by a.key, e.seq",
        prefix,
    )


def server_note(data_dir: Path) -> dict[str, Any]:
    """What `run` tells the commands beside it."""
    return json.loads((data_dir / "demonstration" / "server.json").read_text())
