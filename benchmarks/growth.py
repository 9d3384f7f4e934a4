"""Does a page, or a charge, cost more on an account with a longer history? `./dev bench growth`"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

import asyncpg
import orjson
import uvloop

from benchmarks import data, report
from benchmarks.contenders import ours
from benchmarks.measuring import Load, Place, Round, answer, load, post
from benchmarks.picture import Lines, drawn_lines
from benchmarks.stage import Stage, staged
from benchmarks.write import Charges
from models.migrate import migrate
from resolvers.access import Scope
from schema import ids

QUERY = """query Page($account: ID!, $after: String, $filter: UsageFilter) {
account(id: $account) { balance usage(first: 50, after: $after, filter: $filter) {
pageInfo { hasNextPage endCursor } edges { node { __typename
... on LedgerEntry { id seq amount balanceAfter campaign occurredAt recordedAt
reason { code title detail fault } } ... on Refund { automatic charge { id amount } } } } } } }"""
RARE: dict[str, object] = {"filter": {"campaign": "rare"}}
PAGES: dict[str, Callable[[int, int], dict[str, object]]] = {
    "newest page": lambda size, turn: {"after": ids.cursor(size + 1 + turn)},
    "deepest page": lambda size, turn: {"after": ids.cursor(51 + turn)},
    "rare campaign": lambda size, turn: RARE | {"after": ids.cursor(size + 1 + turn)},
    "deepest of a rare campaign": lambda size, turn: RARE | {"after": ids.cursor(9_953 + turn)},
}
"""What is asked for, of so many lines, at each turn; a cursor may stand before the newest line."""
TURNS = 1_000
"""As many pages are not remembered."""
CHARGES = "charges at 64 connections"
FILL = Path(__file__).with_name("growth.sql").read_text()


async def measured(stage: Stage, options: argparse.Namespace) -> dict[tuple[str, str], list[Round]]:
    """The rounds of every size and kind of request, interleaved, the first left out."""
    await migrate(stage.dsn)
    for size in options.lines:
        print(f"Making an account of {size:,} lines.", flush=True)
        await stage.execute(FILL % {"lines": size})
    await stage.execute("vacuum analyze")
    await stage.execute("checkpoint")
    accounts = await _accounts(stage.dsn)
    key = await data.service_token(stage.dsn, Scope.CHARGES_WRITE)
    place = stage.start(ours(stage))[0]
    rounds: dict[tuple[str, str], list[Round]] = {}
    for number, kind in itertools.product(range(options.rounds + 1), [*PAGES, CHARGES]):
        for size in options.lines:
            account = accounts[f"growth-{size}"]
            if kind == CHARGES:
                requests = Charges(key, [account], f"{size}-{number}").requests(
                    "ours", place, "hot"
                )
                work = Load(requests, mark=b'"balanceAfter"')
                one = await load(place, work, 64, options.seconds)
            else:
                token = stage.credentials.customer(f"growth-{size}")
                pages = _pages(place, token, account, kind, size)
                await _check(place, pages)
                work = Load(enumerate(itertools.cycle(pages)), mark=b"endCursor")
                one = await load(place, work, 1, options.seconds)
            if number:  # the first round warms up
                rounds.setdefault((f"{size:,}", kind), []).append(one)
    return rounds


async def _accounts(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select key, id from account")
    await connection.close()
    return {row["key"]: row["id"] for row in rows}


def _pages(place: Place, token: str, account: int, kind: str, size: int) -> list[bytes]:
    about = {"account": ids.account(account)}
    asked = [{"query": QUERY, "variables": about | PAGES[kind](size, t)} for t in range(TURNS)]
    return [post(place.url, "/graphql", token, orjson.dumps(one)) for one in asked]


async def _check(place: Place, pages: list[bytes]) -> None:
    """Every page that is measured holds 50 lines."""
    for request in (pages[0], pages[-1]):
        told = orjson.loads(await answer(place.url, request))
        lines = told["data"]["account"]["usage"]["edges"]
        assert len(lines) == 50, f"{len(lines)} lines: {told.get('errors')}"


def _picture(rounds: report.Rounds, sizes: list[int]) -> str:
    measures = {
        "p50_ms": "p50 ms",
        "server_cpu_us": "server CPU µs",
        "database_cpu_us": "PostgreSQL CPU µs",
    }
    drawn: list[Lines] = []
    for measure, title in measures.items():
        found = report.medians(rounds, measure)
        series = {kind: [found[f"{size:,}", kind] for size in sizes] for kind in PAGES}
        drawn.append(Lines(f"A page, {title}", sizes, series))
    found = report.medians(rounds, "requests_per_second")
    charges = {CHARGES: [found[f"{size:,}", CHARGES] for size in sizes]}
    return drawn_lines("growth", [*drawn, Lines("Charges a second", sizes, charges)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument(
        "--lines", type=int, nargs="+", default=[10**4, 10**5, 10**6, 10**7], help="at least 9,953"
    )
    report.add_options(parser)
    options = parser.parse_args()
    with staged() as stage:
        rounds = uvloop.run(measured(stage, options))
    text = report.table(rounds, "request", [f"{options.lines[0]:,}"], "lines")
    print(text)
    if options.publish:
        report.publish("growth", text, _picture(rounds, options.lines))


if __name__ == "__main__":
    main()
