"""The stage: a database, a server with the settings of production, and the accounts on it.

Owns how it is put up and taken down, and what it costs and says. Owns no case.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from app.abuse.issuer import AUDIENCE, CLAIM, ISSUER, Issuer
from app.credentials import ALL_SCOPES
from app.embedded import EmbeddedPostgres
from app.faults.servers import ROOT, START_SECONDS_MAX, answers, free_port
from models import service_keys
from models.database import Database
from models.intents import GrantCredits, Intent, OpenAccount
from models.migrate import migrate
from models.outcomes import Done
from models.reasons import Catalogue
from models.writer import Writer
from schema import ids

STRANGERS = 40
"""Accounts that attack in turn, so that none of them spends its rate."""

LINES_OF_ANY = 300
LINES_OF_LONG = 6_000
METADATA_OF_LONG = {"padding": "x" * 2_000}
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Server:
    """One server process."""

    port: int
    pid: int
    log: Path

    @property
    def cpu_seconds(self) -> float:
        """What the process has used of the processors so far, all its threads together."""
        return time.clock_gettime(~self.pid << 3 | 2)  # the kernel's name of another one's clock

    @property
    def memory_bytes(self) -> int:
        """What of its memory is resident."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def is_running(self) -> bool:
        return Path(f"/proc/{self.pid}/fd").exists()


@dataclass
class Stage:
    """What cases act on. `open` is a second server, with introspection on, for bombs."""

    db: Database
    writer: Writer
    issuer: Issuer
    server: Server
    open: Server
    service_key: str
    accounts: dict[str, str]
    """Ids by key: `good` behaves, `long` has a long feed, `stranger-N` attack, `target` is
    written to.
    """
    _turn: Iterator[int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def stranger(self) -> str:
        """The key of the account whose turn it is to attack."""
        return f"stranger-{next(self._turn) % STRANGERS}"

    def token(self, account: str | None = None) -> str:
        """A right token of an account; without one, of whose turn it is to attack."""
        return self.issuer.token(account or self.stranger())

    def tracebacks(self) -> int:
        """How many the servers have logged."""
        logs = (self.server.log, self.open.log)
        return sum(log.read_text(errors="replace").count("Traceback") for log in logs)


@asynccontextmanager
async def stage(folder: Path, *, durable: bool = True) -> AsyncGenerator[Stage]:
    """Put everything up in an empty folder."""
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "database", durable=durable)
        address = await asyncio.to_thread(postgres.start)
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        await migrate(address)
        db = await Database.connect(address, 4)
        stack.push_async_callback(db.close)
        issuer = Issuer()
        environment = {
            "DATABASE_URL": address,
            "REQUIRE_DURABLE_DATABASE": str(durable),
            "JWT_KEYS_FILE": str(issuer.publish(folder)),
            "JWT_ISSUER": ISSUER,
            "JWT_AUDIENCE": AUDIENCE,
            "JWT_ACCOUNT_CLAIM": CLAIM,
        }
        writer = Writer(db, Catalogue(db))
        stack.push_async_callback(writer.close)
        accounts = await _accounts(writer)
        service_key = await service_keys.create(db, "abused", ALL_SCOPES)
        server = await stack.enter_async_context(_server(environment, folder / "server.log"))
        shown = environment | {"INTROSPECTION": "true"}
        open_ = await stack.enter_async_context(_server(shown, folder / "open.log"))
        turn = itertools.count()
        yield Stage(db, writer, issuer, server, open_, service_key, accounts, turn)


async def _accounts(writer: Writer) -> dict[str, str]:
    accounts: dict[str, str] = {}
    keys = ["good", "long", "target", *(f"stranger-{n}" for n in range(STRANGERS))]
    for key in keys:
        outcome = await writer.book(OpenAccount(idempotency_key=key, name=key))
        if not isinstance(outcome, Done):
            raise RuntimeError(f"An account could not be opened: {outcome}")
        accounts[key] = ids.account(outcome.account.id)
        lines = LINES_OF_LONG if key == "long" else LINES_OF_ANY
        metadata = METADATA_OF_LONG if key == "long" else None
        wanted: list[Intent] = [
            GrantCredits(
                account_id=outcome.account.id,
                idempotency_key=f"line-{n}",
                amount=100,
                reason_code="GRANT_PLAN",
                metadata=metadata,
            )
            for n in range(lines)
        ]
        for first in range(0, lines, 500):
            await writer.book_many(wanted[first : first + 500])
    return accounts


@asynccontextmanager
async def _server(settings: Mapping[str, str], log: Path) -> AsyncGenerator[Server]:
    port = free_port()
    given = {f"USAGE_FEED_{name}": value for name, value in settings.items()}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "app", "serve", "--port", str(port)),
            env={**os.environ, **given, "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(START_SECONDS_MAX):
            while not answers(port):
                if process.returncode is not None:
                    raise RuntimeError(f"The server did not start: see {log}")
                await asyncio.sleep(0.05)
        yield Server(port, process.pid, log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
