"""How fast is a page of the feed, and what does it cost? `python -m benchmarks.read`"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson

from app.embedded import EmbeddedPostgres
from benchmarks.measuring import Round, answer, request_bytes, round_of
from models import service_keys
from models.database import Database
from models.intents import FinishJob, GrantCredits, Intent, OpenAccount, StartJob
from models.migrate import migrate
from models.outcomes import Done
from models.reasons import Catalogue
from models.records import JobStatus
from models.writer import Writer
from schema import ids

CONTENDERS = ["ours", "graphql-core", "floor"]
JOBS = 200
QUERY = """query Page($id: ID!) { account(id: $id) { id balance usage(first: 50) {
pageInfo { hasNextPage endCursor } edges { cursor node { __typename
... on LedgerEntry { id seq amount balanceAfter reason { code title detail fault } campaign
recordedAt } ... on Refund { automatic } } } } } }"""


async def booked(dsn: str) -> tuple[int, str]:
    """An account with charges and refunds, and a key that may read it."""
    await migrate(dsn)
    db = await Database.connect(dsn)
    writer = Writer(db, Catalogue(db))
    opened = await writer.book(OpenAccount(idempotency_key="bench", name="Bench"))
    assert isinstance(opened, Done)
    account = opened.account.id
    wanted: list[Intent] = [
        GrantCredits(
            account_id=account, idempotency_key="g", amount=10**6, reason_code="GRANT_PLAN"
        )
    ]
    for number in range(JOBS):
        wanted.append(_started(account, number))
        if number % 3 == 0:
            wanted.append(_failed(account, number))
    outcomes = await writer.book_many(wanted)
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    key = await service_keys.create(db, "bench", ["read"])
    await writer.close()
    await db.close()
    return account, key


def _started(account: int, number: int) -> Intent:
    return StartJob(
        account_id=account,
        idempotency_key=f"s{number}",
        key=f"job-{number}",
        job_operation="draft",
        amount=10 + number % 7,
        deadline_seconds=10**6,
        campaign="spring",
    )


def _failed(account: int, number: int) -> Intent:
    return FinishJob(
        account_id=account,
        idempotency_key=f"f{number}",
        key=f"job-{number}",
        status=JobStatus.FAILED,
        reason_code="PROVIDER_ERROR",
        detail="The provider did not answer.",
    )


def started(name: str, dsn: str, stack: ExitStack) -> tuple[str, int]:
    """A contender's address and process, on the first CPU alone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.contenders", name, dsn],
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    assert process.stdout is not None
    return process.stdout.readline().strip(), process.pid


async def measured(
    arguments: argparse.Namespace, folder: Path, dsn: str
) -> dict[tuple[str, int], list[Round]]:
    account, key = await booked(dsn)
    body = orjson.dumps({"query": QUERY, "variables": {"id": ids.account(account)}})
    database = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    rounds: dict[tuple[str, int], list[Round]] = {}
    with ExitStack() as stack:
        servers = {name: started(name, dsn, stack) for name in CONTENDERS}
        if len(cpus := os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(0, cpus - {min(cpus)})
        requests = {name: request_bytes(url, key, body) for name, (url, _) in servers.items()}
        told = [
            orjson.loads(await answer(url, requests[name])) for name, (url, _) in servers.items()
        ]
        assert told == [told[0]] * len(told), "the contenders do not answer the same"
        for number in range(arguments.rounds + 1):
            for connections in arguments.connections:
                for name, (url, pid) in servers.items():
                    one = await round_of(
                        url, requests[name], connections, arguments.seconds, pid, database
                    )
                    if number:  # the first round warms up
                        rounds.setdefault((name, connections), []).append(one)
    return rounds


def table(rounds: dict[tuple[str, int], list[Round]]) -> str:
    """The medians of the rounds, and each contender's share of the floor's requests."""
    lines = [
        "| connections | contender | req/s | of the floor | p50 ms | p99 ms | server CPU µs "
        "| PostgreSQL CPU µs |",
        "|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, connections in sorted(rounds, key=lambda key: key[1]):
        row: dict[str, float] = {
            field: statistics.median(getattr(one, field) for one in rounds[name, connections])
            for field in Round.__slots__
        }
        floor = statistics.median(one.requests_per_second for one in rounds["floor", connections])
        lines.append(
            f"| {connections} | {name} | {row['requests_per_second']:.0f} "
            f"| {row['requests_per_second'] / floor:.2f} | {row['p50_ms']:.1f} "
            f"| {row['p99_ms']:.1f} | {row['server_cpu_us']:.0f} | {row['database_cpu_us']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with EmbeddedPostgres(folder) as server:
            rounds: Any = asyncio.run(measured(arguments, folder, server.dsn))
    print(table(rounds))


if __name__ == "__main__":
    main()
