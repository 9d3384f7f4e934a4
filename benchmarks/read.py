"""How fast is a page of the feed, and what does it cost? `./dev bench read`"""

from __future__ import annotations

import argparse
import base64
import itertools
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import uvloop

from benchmarks import data, report
from benchmarks.contenders import NODE_FOLDER, in_node, in_python, node_is_here, ours
from benchmarks.measuring import Load, Place, Round, answer, load, post
from benchmarks.stage import Contender, Stage, staged
from schema import ids

QUERY = """query Page($account: ID!, $after: String) { account(id: $account) { balance
usage(first: 50, after: $after) { pageInfo { hasNextPage endCursor } edges { node { __typename
... on LedgerEntry { id seq amount balanceAfter campaign occurredAt recordedAt
reason { code title detail fault } } ... on Refund { automatic charge { id amount } } } } } } }"""
# A customer's own page passes no cursor, and contenders without one know no `after`.
QUERY_WITHOUT_CURSOR = QUERY.replace(", $after: String", "").replace(", after: $after", "")
_POSTGRAPHILE = """query Page($account: BigInt!) { accountByRowId(rowId: $account) { balance
lines(first: 50, orderBy: [PRIMARY_KEY_DESC]) { pageInfo { hasNextPage endCursor } edges { node {
__typename id seq amount balanceAfter campaign occurredAt recordedAt detail %s } } } } }"""
QUERY_OF_POSTGRAPHILE = _POSTGRAPHILE % (
    "reason { code title fault } ... on Refund { automatic charge { id seq amount } }"
)
QUERY_OF_POSTGRAPHILE_FLAT = (
    _POSTGRAPHILE % "kind code title fault automatic chargeSeq chargeAmount"
)

FLOOR = "floor"
PEER = "postgraphile"
IN_PYTHON = (FLOOR, "json agg", "strawberry tuned", "strawberry naive")
DATES = "mercurius dates"
"""Tells timestamps in milliseconds: a `Date` of JavaScript has no more."""
ON_NODE = (PEER, "postgraphile flat", "mercurius", DATES)
AFRESH = "ours afresh"
CURSORS = 200
"""Pages of each customer that are asked for in turn: so many in all that none is remembered when
its turn comes again.
"""
CONTENDERS = ("ours", AFRESH, *IN_PYTHON, *ON_NODE)


async def measured(stage: Stage, options: argparse.Namespace) -> dict[tuple[str, str], list[Round]]:
    """The rounds of every contender and number of connections, interleaved, the first left out."""
    customers = await data.booked(stage, options.customers)
    places: dict[str, Place] = {}
    for name in options.contenders:
        if name.startswith(PEER):
            sql = (NODE_FOLDER / f"{name.replace(' ', '_')}.sql").read_text()
            await stage.execute(sql)
        places[name] = stage.start(_contender(name, stage))[0]
    requests = {name: _requests(name, place, customers) for name, place in places.items()}
    for number in range(len(customers)):
        told = {
            name: _normal(await answer(place.url, requests[name][number]))
            for name, place in places.items()
        }
        for name, page in told.items():
            right = _in_milliseconds(told[FLOOR]) if name == DATES else told[FLOOR]
            assert page == right, f"{name} answers another page: {page} {right}"
    turns = {name: itertools.cycle(enumerate(requests[name])) for name in places}
    rounds: dict[tuple[str, str], list[Round]] = {}
    for number, connections in itertools.product(range(options.rounds + 1), options.connections):
        for name, place in places.items():
            work = Load(turns[name], mark=b"endCursor")
            one = await load(place, work, connections, options.seconds)
            if number:  # the first round warms up
                rounds.setdefault((name, str(connections)), []).append(one)
    return rounds


def _contender(name: str, stage: Stage) -> Contender:
    if name in ("ours", AFRESH):
        return replace(ours(stage), name=name)
    if name not in ON_NODE:
        return in_python(name, stage)
    schema = name.replace(PEER, "graphile").replace(" ", "_")
    return in_node(name, stage, DATABASE_SCHEMA=schema, DATES="1" if name == DATES else "")


def _requests(name: str, place: Place, customers: list[data.Customer]) -> list[bytes]:
    query = {
        PEER: QUERY_OF_POSTGRAPHILE,
        "postgraphile flat": QUERY_OF_POSTGRAPHILE_FLAT,
        "strawberry tuned": QUERY_WITHOUT_CURSOR,
        "strawberry naive": QUERY_WITHOUT_CURSOR,
        "mercurius": QUERY_WITHOUT_CURSOR,
        DATES: QUERY_WITHOUT_CURSOR,
    }.get(name, QUERY)
    return [
        post(
            place.url,
            "/graphql",
            customer.token,
            orjson.dumps(
                {"query": query, "variables": {"account": _account(name, customer)} | page}
            ),
        )
        for page in _pages(name)
        for customer in customers
    ]


def _pages(name: str) -> list[dict[str, str]]:
    """What else is asked: nothing, or pages below one cursor after the other."""
    if name != AFRESH:
        return [{}]
    return [{"after": ids.cursor(data.LINES + 1 - number)} for number in range(CURSORS)]


def _account(name: str, customer: data.Customer) -> str | int:
    return customer.account_id if name.startswith(PEER) else ids.account(customer.account_id)


def _normal(body: bytes) -> Any:
    """What a page says, whatever its shape: the balance, whether there is more, and the lines."""
    told = orjson.loads(body)
    assert "errors" not in told, body.decode()
    told = told["data"]
    account = told.get("account") or told["accountByRowId"]
    page = account.get("usage") or account["lines"]
    lines = [_line(edge["node"]) for edge in page["edges"]]
    return int(account["balance"]), page["pageInfo"]["hasNextPage"], lines


def _in_milliseconds(page: Any) -> Any:
    balance, more, lines = page
    return balance, more, [tuple(map(_cut, line)) for line in lines]


def _cut(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    return value


def _line(node: dict[str, Any]) -> tuple[Any, ...]:
    reason = node.get("reason") or node
    return (
        (node.get("kind") or node["__typename"]).upper(),
        int(node["seq"]),
        int(node["amount"]),
        int(node["balanceAfter"]),
        node["campaign"],
        *(datetime.fromisoformat(node[name]) for name in ("occurredAt", "recordedAt")),
        *(reason[name] for name in ("code", "title", "fault")),
        reason.get("detail") or node.get("detail"),
        *_charge(node),
    )


def _charge(node: dict[str, Any]) -> tuple[Any, ...]:
    charge = node.get("charge")
    if charge:
        seq = charge.get("seq") or base64.b64decode(charge["id"]).rpartition(b":")[2]
        return node["automatic"], int(seq), int(charge["amount"])
    if node.get("chargeSeq"):
        return node["automatic"], int(node["chargeSeq"]), int(node["chargeAmount"])
    return ()


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench read", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--customers", type=int, default=100, help="who ask, one after the other")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    report.add_options(parser)
    options = parser.parse_args()
    if not node_is_here():
        options.contenders = [name for name in options.contenders if name not in ON_NODE]
    with staged() as stage:
        rounds = uvloop.run(measured(stage, options))
    report.tell("read", rounds, [FLOOR, PEER], options, "connections")


if __name__ == "__main__":
    main()
