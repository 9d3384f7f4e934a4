"""Does a page, or a charge, cost more on an account with a longer history? `./dev bench growth`"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import asyncpg
import orjson
import uvloop

from benchmarks import data, report
from benchmarks.contenders import ours
from benchmarks.measuring import Load, Place, Requests, Round, answer, load, post
from benchmarks.picture import Lines, drawn_lines
from benchmarks.stage import Stage, staged
from benchmarks.write import Charges
from models.migrate import migrate
from resolvers.access import Scope
from schema import ids

QUERY = """query Page($account: ID!, $after: String, $before: String, $filter: UsageFilter) {
account(id: $account) { balance usage(first: 50, after: $after, before: $before, filter: $filter) {
pageInfo { hasNextPage endCursor } edges { node { __typename
... on LedgerEntry { id seq amount balanceAfter campaign occurredAt recordedAt
reason { code title detail fault } } ... on Refund { automatic charge { id amount } } } } } } }"""
RARE = {"campaign": "rare"}
PAGES: dict[str, tuple[int | None, dict[str, str] | None]] = {
    "newest page": (None, None),
    "deepest page": (71, None),
    "rare campaign": (None, RARE),
    "deepest of a rare campaign": (9_953, RARE),
}
"""The line that a page follows, None for one that is still to come, and the page's filter."""
CURSORS_AFTER, CURSORS_BEFORE = 1_000, 20
"""As many take turns at both ends of a page: so many together that none is remembered."""
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
    asked = {
        (kind, size): _requests(place, stage, accounts, kind, size)
        for size in options.lines
        for kind in PAGES
    }
    rounds: dict[tuple[str, str], list[Round]] = {}
    for number, kind in itertools.product(range(options.rounds + 1), [*PAGES, CHARGES]):
        for size in options.lines:
            if kind == CHARGES:
                charges = Charges(key, [accounts[f"growth-{size}"]], f"{size}-{number}")
                work = Load(charges.requests("ours", place, "hot"), mark=b'"balanceAfter"')
                one = await load(place, work, 64, options.seconds)
            else:
                await _check(place, next(asked[kind, size])[1])
                work = Load(asked[kind, size], mark=b"endCursor")
                one = await load(place, work, 1, options.seconds)
            if number:  # the first round warms up
                rounds.setdefault((f"{size:,}", kind), []).append(one)
    return rounds


async def _accounts(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select key, id from account")
    await connection.close()
    return {row["key"]: row["id"] for row in rows}


def _requests(
    place: Place, stage: Stage, accounts: dict[str, int], kind: str, size: int
) -> Requests:
    token = stage.credentials.customer(f"growth-{size}")
    account = ids.account(accounts[f"growth-{size}"])
    follows, chosen = PAGES[kind]
    first = size + 1 if follows is None else follows
    for number in itertools.count():
        before, after = divmod(number % (CURSORS_AFTER * CURSORS_BEFORE), CURSORS_AFTER)
        turn = {"after": ids.cursor(first + after), "before": ids.cursor(before)}
        body = {"query": QUERY, "variables": {"account": account, "filter": chosen} | turn}
        yield number, post(place.url, "/graphql", token, orjson.dumps(body))


async def _check(place: Place, request: bytes) -> None:
    """A page that is measured holds 50 lines."""
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
