"""Where benchmarks take place: an embedded PostgreSQL with its durable settings, servers that each
have the first CPU to themselves, and load that has the others, with PostgreSQL.

Owns processes and CPUs. Owns no data and no measure.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from app.credentials import Credentials
from app.embedded import EmbeddedPostgres
from benchmarks.measuring import Place

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 60.0
POLL_SECONDS = 0.02
FIRST_CPU = min(os.sched_getaffinity(0))
_ADDRESS = re.compile(r"http://\S+")
_POSTGRES = {"max_connections": "200", "max_wal_size": "4GB", "checkpoint_timeout": "30min"}


class NoContender(Exception):
    """A contender did not start; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A server to compare: its command, and what it is told as environment variables."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Stage:
    """A database of our own, and whoever is compared on it."""

    folder: Path
    dsn: str
    database: int
    credentials: Credentials
    running: ExitStack

    def start(self, contender: Contender) -> tuple[Place, subprocess.Popen[bytes]]:
        """Start a contender on the first CPU; where it answers.

        Raises: NoContender.
        """
        log = self.folder / f"{contender.name.replace(' ', '-')}.log"
        with log.open("wb") as output, _on_the_first_cpu():
            process = subprocess.Popen(
                contender.command,
                cwd=ROOT,
                env=_bare_environment() | {"DATABASE_URL": self.dsn, **contender.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.running.callback(process.wait)
        self.running.callback(process.kill)
        gives_up_at = time.monotonic() + START_SECONDS_MAX
        while not (address := _ADDRESS.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > gives_up_at:
                raise NoContender(f"{contender.name} did not start: {log.read_text()[-2_000:]}")
            time.sleep(POLL_SECONDS)
        return Place(address[0], process.pid, self.database), process

    async def execute(self, sql: str) -> None:
        """Run statements as the database's owner."""
        connection = await asyncpg.connect(self.dsn)
        await connection.execute(sql)
        await connection.close()


@contextmanager
def staged() -> Generator[Stage]:
    """A fresh stage; this process, and PostgreSQL with it, keeps off the first CPU."""
    allowed = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        if len(allowed) > 1:
            os.sched_setaffinity(0, allowed - {FIRST_CPU})
            running.callback(os.sched_setaffinity, 0, allowed)
        postgres = running.enter_context(EmbeddedPostgres(folder, settings=_POSTGRES))
        database = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
        with ExitStack() as contenders:
            yield Stage(folder, postgres.dsn, database, Credentials(folder), contenders)


@contextmanager
def _on_the_first_cpu() -> Generator[None]:
    """What is started here has the first CPU, and no other."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {FIRST_CPU})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def _bare_environment() -> dict[str, str]:
    """The environment without settings of a server of the caller's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USAGE_FEED_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NODE_ENV": "production"}
