"""What does the second fence cost a page? `./dev bench fence`

Two servers on one database, one of them without the fence, asked in turn: by one customer again and
again, whose connection stays bound, and by many in turn, for whom a connection is bound anew.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable
from statistics import median

import orjson
import uvloop

from benchmarks import data
from benchmarks.contenders import ours
from benchmarks.measuring import Load, Place, Requests, Round, load, post
from benchmarks.read import QUERY
from benchmarks.stage import Contender, Stage, staged
from schema import ids

JOBS = 800
PAGE = QUERY.replace("$after: String", "$after: String, $before: String").replace(
    "after: $after", "after: $after, before: $before"
)
KINDS = {"read": (range(100, JOBS), range(40)), "remembered": (range(100, 101), range(1))}
"""The cursors at both ends of pages: so many that none is remembered when its turn comes again, or
one.
"""

Rounds = dict[tuple[str, int], list[tuple[Round, Round]]]
"""By kind of page and number of customers: rounds of the fenced server, each beside one without."""


async def measured(stage: Stage, options: argparse.Namespace) -> Rounds:
    """The rounds, interleaved, the first left out."""
    customers = await data.booked(stage, max(options.customers), JOBS)
    fenced = ours(stage)
    module = "benchmarks.contenders.unfenced"
    command = (sys.executable, "-P", "-m", module, *fenced.command[4:])
    unfenced = Contender("unfenced", command, fenced.environment)
    places = [stage.start(contender)[0] for contender in (fenced, unfenced)]
    cases: list[tuple[str, int]] = [(kind, n) for kind in KINDS for n in options.customers]
    asked = {
        (place, *case): _requests(place.url, customers[: case[1]], *KINDS[case[0]])
        for place, case in itertools.product(places, cases)
    }
    rounds: Rounds = {}
    for number in range(options.rounds + 1):
        for kind, asking in cases:
            pair: dict[Place, Round] = {}
            for place in places if number % 2 else reversed(places):  # neither is always second
                work = Load(asked[place, kind, asking], mark=b"endCursor")
                pair[place] = await load(place, work, options.connections, options.seconds)
            if number:
                behind, before = (pair[place] for place in places)
                rounds.setdefault((kind, asking), []).append((behind, before))
    return rounds


def _requests(
    url: str, customers: list[data.Customer], after: Iterable[int], before: Iterable[int]
) -> Requests:
    """Pages of 50 lines, of customers in turn."""
    turns = itertools.product(before, after, customers)
    for number, (newer_than, older_than, customer) in enumerate(itertools.cycle(turns)):
        variables = {
            "account": ids.account(customer.account_id),
            "after": ids.cursor(older_than),
            "before": ids.cursor(newer_than),
        }
        body = orjson.dumps({"query": PAGE, "variables": variables})
        yield number, post(url, "/graphql", customer.token, body)


def told(kind: str, asking: int, pairs: list[tuple[Round, Round]]) -> str:
    """The fence's share of a page's CPU time, the server's; medians."""
    fenced = median(behind.server_cpu_us for behind, _ in pairs)
    without = median(before.server_cpu_us for _, before in pairs)
    return (
        f"{kind:10} {asking:4} customers: {fenced:5.0f} µs of the server's CPU a page, "
        f"{without:5.0f} without the fence: {1 - without / fenced:+.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench fence", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--customers", type=int, nargs="+", default=[1, 100])
    options = parser.parse_args()
    with staged() as stage:
        rounds = uvloop.run(measured(stage, options))
    for (kind, asking), pairs in rounds.items():
        print(told(kind, asking, pairs))


if __name__ == "__main__":
    main()
