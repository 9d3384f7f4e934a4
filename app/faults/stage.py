"""The stage that faults happen on: a database, a broker, two servers, and proxies between them all.

Owns how it is put up and taken down, and the accounts on it. Owns no fault (`faults`).
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from app.credentials import ALL_SCOPES, Credentials
from app.embedded import EmbeddedPostgres
from app.faults.proxy import Proxy
from app.faults.servers import RedisServer, UsageFeedServer
from app.settings import Settings
from models.database import CONNECTION_LOST, Database
from models.intents import OpenAccount
from models.migrate import migrate
from models.outcomes import Done
from models.reasons import Catalogue
from models.writer import Writer
from schema import ids

SERVERS = 2
POOL_SIZE = 5
BODY_BYTES_MAX = 2_000_000
GRACE_SECONDS = 3
OVERDRAFT_LIMIT = 1_000_000_000


@dataclass(frozen=True)
class Follower:
    """What it takes to follow one account."""

    account_id: int
    id: str
    token: str


@dataclass
class Stage:
    """Everything that can be broken. `db` is a way to the database that no proxy is in."""

    folder: Path
    db: Database
    servers: list[UsageFeedServer]
    redis: RedisServer | None
    to_database: Proxy
    to_redis: Proxy | None
    to_servers: Proxy
    accounts: list[Follower]
    service_key: str
    clock: Path | None
    """Holds the seconds by which the first server's clock is moved; None without a C compiler."""

    @property
    def url(self) -> str:
        """Where clients find the servers."""
        return f"http://127.0.0.1:{self.to_servers.port}"

    async def database_answers(self) -> None:
        """Wait until the database takes statements again."""
        while True:
            try:
                async with asyncio.timeout(5):
                    await self.db.fetchval("select 1")
                return
            except CONNECTION_LOST:
                await asyncio.sleep(0.1)

    async def servers_ready(self) -> None:
        """Wait until every server takes connections."""
        async with asyncio.timeout(60):
            await asyncio.gather(*(server.ready() for server in self.servers))


@asynccontextmanager
async def stage(folder: Path, accounts: int, broker: str) -> AsyncGenerator[Stage]:
    """Put everything up in `folder`, with so many empty accounts, over `postgres` or `redis`."""
    async with AsyncExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "database", settings={"max_connections": "60"})
        address = await asyncio.to_thread(postgres.start)
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        await migrate(address)
        db = await Database.connect(address, POOL_SIZE)
        stack.push_async_callback(db.close)
        database = urlsplit(address)
        to_database = Proxy(("127.0.0.1", database.port or 5432))
        await stack.enter_async_context(to_database.running())
        redis, to_redis = None, None
        if broker == "redis":
            redis = RedisServer()
            await asyncio.to_thread(redis.start)
            stack.callback(redis.stop)
            to_redis = await stack.enter_async_context(Proxy(("127.0.0.1", redis.port)).running())
        credentials = Credentials(folder)
        environment = _environment(credentials, _through(address, to_database.port), to_redis)
        clock = folder / "clock"
        shim = await asyncio.to_thread(_compiled_clock, folder)
        moved = {"LD_PRELOAD": str(shim), "FAULTS_CLOCK": str(clock)} if shim else {}
        servers = [
            UsageFeedServer(environment | (moved if n == 0 else {}), folder / f"server-{n}.log")
            for n in range(SERVERS)
        ]
        to_servers = Proxy(*(("127.0.0.1", server.port) for server in servers))
        await stack.enter_async_context(to_servers.running())
        followers = await _open_accounts(db, credentials, accounts)
        for server in servers:
            server.open()
            stack.push_async_callback(server.close)
        set_up = Stage(
            folder,
            db,
            servers,
            redis,
            to_database,
            to_redis,
            to_servers,
            followers,
            await credentials.service(db, ALL_SCOPES),
            clock if shim else None,
        )
        await set_up.servers_ready()
        yield set_up


def _environment(
    credentials: Credentials, database_url: str, to_redis: Proxy | None
) -> dict[str, str]:
    keys = credentials.accepted_by(Settings())  # pyright: ignore[reportCallIssue]
    given = {
        "DATABASE_URL": database_url,
        "DATABASE_POOL_SIZE": str(POOL_SIZE),
        "MAX_BODY_BYTES": str(BODY_BYTES_MAX),
        "SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS),
        "JWT_KEYS_FILE": str(keys.jwt_keys_file),
        "JWT_ISSUER": str(keys.jwt_issuer),
        "JWT_AUDIENCE": str(keys.jwt_audience),
        "JWT_ACCOUNT_CLAIM": keys.jwt_account_claim,
        "BROKER_URL": f"redis://127.0.0.1:{to_redis.port}" if to_redis else "",
    }
    return {f"USAGE_FEED_{name}": value for name, value in given.items()}


def _through(address: str, port: int) -> str:
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}"))


def _compiled_clock(folder: Path) -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, shim = Path(__file__).with_name("clock.c"), folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    return shim


async def _open_accounts(db: Database, credentials: Credentials, number: int) -> list[Follower]:
    writer = Writer(db, Catalogue(db))
    opened: list[Follower] = []
    for n in range(number):
        key = f"customer-{n}"
        outcome = await writer.book(
            OpenAccount(idempotency_key=key, name=key, overdraft_limit=OVERDRAFT_LIMIT)
        )
        if not isinstance(outcome, Done):
            raise RuntimeError(f"An account could not be opened: {outcome}")
        account = outcome.account
        opened.append(Follower(account.id, ids.account(account.id), credentials.customer(key)))
    await writer.close()
    return opened
