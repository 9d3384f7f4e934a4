"""Pages of the feed: any walk over any filter shows the lines that are there, in order."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from schema import ids
from tests.api.support import Api, Caller, document

LINES = 160
SELECTION = (
    "__typename ... on LedgerEntry { id seq kind amount balanceAfter campaign recordedAt "
    "reason { code } job { id key } totalsAfter { granted charged refunded adjusted net } }"
)
PAGE = (
    "query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String, "
    "$filter: UsageFilter) { account(id: $id) { usage(first: $first, after: $after, last: $last, "
    f"before: $before, filter: $filter) {{ edges {{ cursor node {{ {SELECTION} }} }} "
    "pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"
)

TERMS = {
    "GRANT": "granted",
    "CHARGE": "charged",
    "REFUND": "refunded",
    "ADJUSTMENT": "adjusted",
}

Line = dict[str, Any]


class Feed:
    """An account's whole feed, newest first, as the tests know it."""

    def __init__(self, caller: Caller, account: str, lines: list[Line]) -> None:
        self.caller = caller
        self.account = account
        self.lines = lines

    async def page(self, **asked: Any) -> dict[str, Any]:
        data = await self.caller.ask(PAGE, id=self.account, **asked)
        return data["account"]["usage"]

    async def seqs(self, **asked: Any) -> list[int]:
        return [edge["node"]["seq"] for edge in (await self.page(**asked))["edges"]]


@pytest.fixture
async def feed(api: Api, service: Caller) -> Feed:
    """About `LINES` lines of every kind, booked by a seeded history, in one account of two."""
    chance = random.Random(20_260_511)
    account, other = await service.opened("feed"), await service.opened("other")
    jobs = [
        {
            "account": chance.choice([account, account, other]),
            "idempotencyKey": f"start {n}",
            "key": f"job-{n % 7}-{n}",
            "operation": "draft",
            "amount": chance.randint(1, 9),
            "deadlineSeconds": 600,
            "campaign": chance.choice([None, "spring", "autumn"]),
        }
        for n in range(LINES // 2)
    ]
    ends = [
        {
            "account": job["account"],
            "idempotencyKey": f"finish {n}",
            "key": job["key"],
            "status": chance.choice(["FAILED", "SUCCEEDED"]),
        }
        for n, job in enumerate(jobs)
    ]
    charges = [
        {"account": account, "idempotencyKey": f"charge {n}", "amount": 1, "campaign": "autumn"}
        for n in range(LINES // 4)
    ]
    await service.do_all("startJob", jobs)
    await service.do_all("recordCharge", charges)
    await service.do_all("finishJob", ends)
    for n in range(5):
        reason = {"reasonCode": "MANUAL_CORRECTION", "note": f"note {n}"}
        await service.do("adjustBalance", account=account, amount=n - 2 or 7, **reason)
    lines = await service.lines(account, SELECTION)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) > 100
    return Feed(service, account, lines[::-1])


async def test_every_line_carries_the_balance_and_the_totals_it_left(feed: Feed) -> None:
    balance, totals = 0, dict.fromkeys(TERMS.values(), 0)
    for line in reversed(feed.lines):
        balance += line["amount"]
        totals[TERMS[line["kind"]]] += line["amount"] * (-1 if line["kind"] == "CHARGE" else 1)
        assert line["balanceAfter"] == balance
        assert line["totalsAfter"] == {**totals, "net": balance}


async def test_random_pages_are_slices_of_the_whole_list(feed: Feed) -> None:
    chance = random.Random(7)
    whole = [line["seq"] for line in feed.lines]
    for _ in range(30):
        size = chance.choice([1, 2, 3, 50, 99, 100])
        older, newer = (chance.choice([None, chance.randint(0, len(whole) + 3)]) for _ in range(2))
        bounded = [
            seq
            for seq in whole
            if (older is None or seq < older) and (newer is None or seq > newer)
        ]
        bounds = {
            "after": None if older is None else ids.cursor(older),
            "before": None if newer is None else ids.cursor(newer),
        }
        assert await feed.seqs(first=size, **bounds) == bounded[:size]
        assert await feed.seqs(last=size, **bounds) == bounded[-size:]


async def test_a_walk_in_either_direction_ends_where_the_list_does(feed: Feed) -> None:
    whole = [line["seq"] for line in feed.lines]
    forward: list[int] = []
    page = await feed.page(first=37)
    assert page["pageInfo"]["hasPreviousPage"] is False
    while True:
        forward += [edge["node"]["seq"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        page = await feed.page(first=37, after=page["pageInfo"]["endCursor"])
        assert page["pageInfo"]["hasPreviousPage"] is True
    assert forward == whole
    backward: list[int] = []
    page = await feed.page(last=41)
    assert page["pageInfo"]["hasNextPage"] is False
    while True:
        backward = [edge["node"]["seq"] for edge in page["edges"]] + backward
        if not page["pageInfo"]["hasPreviousPage"]:
            break
        page = await feed.page(last=41, before=page["pageInfo"]["startCursor"])
    assert backward == whole


async def test_a_cursor_stays_good_while_lines_land(feed: Feed) -> None:
    first = await feed.page(first=10)
    await feed.caller.do("recordCharge", account=feed.account, amount=1)
    after = await feed.seqs(first=10, after=first["pageInfo"]["endCursor"])
    assert after == [line["seq"] for line in feed.lines[10:20]]
    landed = await feed.seqs(last=10, before=first["pageInfo"]["startCursor"])
    assert landed == [len(feed.lines) + 1]


def _is_kind(*kinds: str) -> Callable[[Line], bool]:
    return lambda line: line["kind"] in kinds


async def test_each_filter_shows_exactly_the_lines_that_match(feed: Feed) -> None:
    middle = feed.lines[len(feed.lines) // 2]
    job = next(line["job"] for line in feed.lines if line["kind"] == "REFUND")
    cases: list[tuple[dict[str, Any], Callable[[Line], bool]]] = [
        ({}, lambda line: True),
        ({"kinds": ["REFUND"]}, _is_kind("REFUND")),
        ({"kinds": ["GRANT", "ADJUSTMENT"]}, _is_kind("GRANT", "ADJUSTMENT")),
        ({"kinds": []}, lambda line: False),
        ({"campaign": "spring"}, lambda line: line["campaign"] == "spring"),
        ({"campaign": "none of them"}, lambda line: False),
        ({"reasonCode": "USAGE_CHARGE"}, lambda line: line["reason"]["code"] == "USAGE_CHARGE"),
        ({"job": job["id"]}, lambda line: line["job"] == job),
        ({"job": "nonsense"}, lambda line: False),
        ({"from": middle["recordedAt"]}, lambda line: line["recordedAt"] >= middle["recordedAt"]),
        ({"to": middle["recordedAt"]}, lambda line: line["recordedAt"] < middle["recordedAt"]),
        ({"search": "#12"}, lambda line: line["seq"] == 12),
        ({"search": middle["id"]}, lambda line: line["id"] == middle["id"]),
        ({"search": job["id"]}, lambda line: line["job"] == job),
        ({"search": "job-3-"}, lambda line: bool(line["job"]) and "job-3-" in line["job"]["key"]),
        ({"search": "ob-3-"}, lambda line: False),
        (
            {"kinds": ["CHARGE"], "campaign": "autumn", "reasonCode": "JOB_CHARGE"},
            lambda line: line["reason"]["code"] == "JOB_CHARGE" and line["campaign"] == "autumn",
        ),
    ]
    for wanted, matches in cases:
        expected = [line["seq"] for line in feed.lines if matches(line)]
        found: list[int] = []
        after = None
        while True:
            page = await feed.page(first=40, after=after, filter=wanted)
            found += [edge["node"]["seq"] for edge in page["edges"]]
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
        assert found == expected, wanted


async def test_a_page_out_of_bounds_is_refused(feed: Feed) -> None:
    now = feed.lines[0]["recordedAt"]
    for wrong in (
        {"first": 0},
        {"first": -2},
        {"first": 101},
        {"last": 0},
        {"last": 101},
        {"first": 1, "last": 1},
        {"after": ""},
        {"after": "nonsense"},
        {"after": feed.account},
        {"before": ids.cursor(2**31)},
        {"filter": {"from": now, "to": now}},
        {"filter": {"search": ""}},
        {"filter": {"campaign": "\0"}},
    ):
        assert await feed.caller.code(PAGE, id=feed.account, **wrong) == "BAD_USER_INPUT", wrong


async def test_jobs_come_newest_first_by_status(feed: Feed) -> None:
    asked = (
        "query ($id: ID!, $first: Int, $after: String, $status: JobStatus) { account(id: $id) "
        "{ jobs(first: $first, after: $after, status: $status) { nodes { key status net "
        "charge { seq amount } refunds { amount } } pageInfo { hasNextPage endCursor } } } }"
    )
    found: list[Line] = []
    after = None
    while True:
        data = await feed.caller.ask(asked, id=feed.account, first=30, after=after)
        page = data["account"]["jobs"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    charges = [line for line in feed.lines if line["reason"]["code"] == "JOB_CHARGE"]
    assert [job["charge"]["seq"] for job in found] == [line["seq"] for line in charges]
    for job in found:
        back = sum(refund["amount"] for refund in job["refunds"])
        assert job["net"] == job["charge"]["amount"] + back
        assert back == (-job["charge"]["amount"] if job["status"] == "FAILED" else 0)
    failed = await feed.caller.ask(asked, id=feed.account, first=100, status="FAILED")
    assert [job["key"] for job in failed["account"]["jobs"]["nodes"]] == [
        job["key"] for job in found if job["status"] == "FAILED"
    ]


async def test_a_line_and_a_job_are_found_by_what_names_them(feed: Feed) -> None:
    asked = (
        "query ($id: ID!, $seq: Int!, $key: String!) { account(id: $id) "
        "{ entry(seq: $seq) { ... on LedgerEntry { seq } } job(key: $key) { key } } }"
    )
    key = next(line["job"]["key"] for line in feed.lines if line["job"])
    found = await feed.caller.ask(asked, id=feed.account, seq=3, key=key)
    assert found["account"] == {"entry": {"seq": 3}, "job": {"key": key}}
    for seq in (0, -1, 2**31 - 1):
        missing = await feed.caller.ask(asked, id=feed.account, seq=seq, key="no\0such")
        assert missing["account"] == {"entry": None, "job": None}


async def test_a_page_of_any_size_costs_a_dozen_queries_at_most(feed: Feed) -> None:
    asked = (
        "query ($id: ID!, $first: Int) { account(id: $id) { usage(first: $first) { nodes { "
        "... on LedgerEntry { account { key } job { key charge { id } refunds { id } } } "
        "... on Charge { refunds { charge { net } } refunded net } ... on Refund { charge { id } } "
        "} } } }"
    )
    counts: list[int] = []
    db: Any = feed.caller.api.process.services.db
    fetch = db.fetch

    async def counted(*given: Any, **named: Any) -> Any:
        counts[-1] += 1
        return await fetch(*given, **named)

    db.fetch = counted
    for size in (10, 70, 100):
        counts.append(0)
        await feed.caller.ask(asked, id=feed.account, first=size)
    assert max(counts) <= 12, counts


async def test_an_id_that_names_nothing_is_answered_like_a_missing_thing(feed: Feed) -> None:
    query = "query ($id: ID!) { node(id: $id) { id } }"
    account_of = "query ($id: ID!) { account(id: $id) { id } }"
    for wrong in (
        "",
        "nonsense",
        "=",
        "é",
        "QWNjb3VudDo=",
        ids.account(2**63),
        ids.account(0),
        ids.entry(1, 2**31),
        ids.entry(2**63, 1),
        ids.cursor(1),
        "A" * 10_000,
    ):
        assert await feed.caller.ask(query, id=wrong) == {"node": None}, wrong
        assert await feed.caller.ask(account_of, id=wrong) == {"account": None}, wrong
    assert await feed.caller.ask(account_of, id=feed.lines[0]["id"]) == {"account": None}
    wrong_type = {"account": feed.lines[0]["id"], "idempotencyKey": "k", "amount": 1}
    refused = await feed.caller.ask(document("recordCharge"), input=wrong_type)
    assert refused["recordCharge"]["__typename"] == "AccountNotFound"
    refused = await feed.caller.do("refundCharge", charge=feed.account, reasonCode="GOODWILL")
    assert refused["__typename"] == "ChargeNotFound"


def test_a_text_that_is_too_long_to_be_an_id_is_not_kept() -> None:
    tracemalloc.start()
    try:
        for number in range(100):
            assert ids.to_account(f"{number}".ljust(100_000)) is None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000, kept


async def test_what_cannot_be_asked_for_is_refused(feed: Feed) -> None:
    for query in (
        "{ account { id } }",
        '{ account(id: "a", key: "b") { id } }',
        f"{{ nodes(ids: {json.dumps(['x'] * 101)}) {{ id }} }}",
    ):
        assert await feed.caller.code(query) == "BAD_USER_INPUT"
