"""How many charges a second, spread and on one hot account, and is every acknowledged one there?
`./dev bench write`
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
from collections.abc import Iterator
from functools import cache

import orjson
import uvloop

from benchmarks import data, report
from benchmarks.contenders import (
    PLAIN_TABLES,
    in_node,
    in_python,
    node_is_here,
    ours,
)
from benchmarks.measuring import Load, Place, Requests, Round, load, load_until_it_ends, post
from benchmarks.stage import Contender, Stage, staged
from models.audit import audit
from models.database import Database
from resolvers.access import Scope
from schema import ids

MUTATION = """mutation Charge($input: RecordChargeInput!) { recordCharge(input: $input) {
__typename ... on ChargeRecorded { entry { seq balanceAfter } } } }"""
MUTATION_OF_STRAWBERRY = """
mutation Charge($account: Int!, $idempotencyKey: String!, $amount: Int!) {
recordCharge(account: $account, idempotencyKey: $idempotencyKey, amount: $amount) {
seq balanceAfter } }"""
MUTATION_OF_POSTGRAPHILE = """mutation Charge($input: RecordChargeInput!) {
recordCharge(input: $input) { result { seq balanceAfter } } }"""

FLOOR = "group commit"
PEER = "postgraphile"
EQUAL = "postgraphile ledger"
"""Keeps the same promises, by the same function of the database."""

ON_NODE = {PEER: "plain", EQUAL: "ledger"}
"""Contenders that run on Node, and the schema that each shows."""
CONTENDERS = ("ours", FLOOR, "one statement", "strawberry naive writes", *ON_NODE)
GROUPS = ("spread", "hot")


class Charges:
    """Charges of one credit without end, each under a key of its own."""

    def __init__(self, token: str, accounts: list[int], name: str = "charge") -> None:
        self._token = token
        self._name = name
        self._accounts = accounts
        self._numbers = itertools.count(1)

    def requests(self, name: str, place: Place, group: str) -> Requests:
        """Requests to a contender, each for another account, or all for the first."""
        accounts = self._accounts if group == "spread" else self._accounts[:1]
        turns = itertools.cycle(random.Random(1).sample(accounts, len(accounts)))  # noqa: S311
        return self._made(name, place, turns)

    def key_of(self, number: int) -> str:
        """The idempotency key of a charge."""
        return f"{self._name}-{number}"

    def _made(self, name: str, place: Place, turns: Iterator[int]) -> Requests:
        for number in self._numbers:
            body = orjson.dumps(_body(name, next(turns), self.key_of(number)))
            yield number, post(place.url, "/graphql", self._token, body)


_global_id = cache(ids.account)


def _body(name: str, account: int, key: str) -> dict[str, object]:
    charge = {"account": account, "idempotencyKey": key, "amount": 1}
    if name == "ours":
        return {
            "query": MUTATION,
            "variables": {"input": charge | {"account": _global_id(account)}},
        }
    if name in ON_NODE:
        given = {"accountId": str(account), "idempotencyKey": key, "amount": "1"}
        return {"query": MUTATION_OF_POSTGRAPHILE, "variables": {"input": given}}
    if name.startswith("strawberry"):
        return {"query": MUTATION_OF_STRAWBERRY, "variables": charge}
    return dict(charge)


async def measured(stage: Stage, options: argparse.Namespace) -> dict[tuple[str, str], list[Round]]:
    """The rounds of every contender, interleaved, the first left out; then what is left of them."""
    customers = await data.booked(stage, options.accounts, jobs=0)
    await stage.execute(PLAIN_TABLES.read_text())
    token = await data.service_token(stage.dsn, Scope.CHARGES_WRITE)
    charges = Charges(token, [customer.account_id for customer in customers])
    places = {name: stage.start(_contender(name, stage))[0] for name in options.contenders}
    rounds: dict[tuple[str, str], list[Round]] = {}
    for number, group in itertools.product(range(options.rounds + 1), GROUPS):
        for name, place in places.items():
            work = Load(charges.requests(name, place, group), mark=b'"balanceAfter"')
            one = await load(place, work, options.connections, options.seconds)
            if number:  # the first round warms up
                rounds.setdefault((name, group), []).append(one)
    print(f"Audit after it: {await findings(stage.dsn)} findings.")
    if options.kill:
        print(await killed(stage, charges, options))
    return rounds


async def killed(stage: Stage, charges: Charges, options: argparse.Namespace) -> str:
    """Kill this server with -9 under load; what became of the charges it had acknowledged."""
    acknowledged: list[int] = []
    for group in GROUPS:
        place, process = stage.start(ours(stage))
        work = Load(charges.requests("ours", place, group), mark=b'"balanceAfter"')
        asyncio.get_running_loop().call_later(options.seconds, process.kill)
        await load_until_it_ends(place.url, work, options.connections)
        acknowledged += work.answered
    db = await Database.connect(stage.dsn)
    there = await db.fetchval(
        "select count(*) from idempotency_key k join entry e using (account_id, seq) "
        "where k.key = any($1::text[])",
        [charges.key_of(number) for number in acknowledged],
    )
    await db.close()
    missing = len(acknowledged) - there
    return (
        f"After kill -9 under load, twice: {len(acknowledged):,} charges acknowledged, "
        f"{missing} of them missing; audit: {await findings(stage.dsn)} findings."
    )


async def findings(dsn: str) -> int:
    """How much of the ledger does not add up, over all of its promises."""
    db = await Database.connect(dsn)
    found = await audit(db, lambda _done, _whole: None)
    await db.close()
    return len(found)


def _contender(name: str, stage: Stage) -> Contender:
    if name == "ours":
        return ours(stage)
    if name in ON_NODE:
        return in_node(name, stage, DATABASE_SCHEMA=ON_NODE[name])
    return in_python(name, stage)


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench write", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--no-kill", dest="kill", action="store_false", help="leave out kill -9")
    report.add_options(parser)
    options = parser.parse_args()
    if not node_is_here():
        options.contenders = [name for name in options.contenders if name not in ON_NODE]
    with staged() as stage:
        rounds = uvloop.run(measured(stage, options))
    report.tell("write", rounds, [FLOOR, PEER, EQUAL], options, "accounts")


if __name__ == "__main__":
    main()
