"""The public schema over real rows: answered alike, whoever asks and whatever for."""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from itertools import count
from random import Random
from typing import Any

import pytest
from graphql import OperationType, parse, subscribe

from resolvers.access import Viewer, ViewerKind
from schema import ids
from schema.schema import build_schema
from tests.compiled.comparing import (
    Compiled,
    Operation,
    Stock,
    answers,
    comparable,
    core,
    differences,
)
from tests.compiled.generator import Generator
from tests.compiled.twins import SERVICE, Twin, Values, twin
from tests.conftest import execute, with_database

# What is cancelled before it has begun is never awaited, by either executor.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestWarning"),
]
SCHEMA = core(build_schema())
_TIMES = {"recordedAt", "occurredAt", "startedAt", "deadlineAt", "finishedAt", "jobs", "statement"}
_databases = count(1)


@pytest.fixture(autouse=True)
def forget_coroutines() -> Iterator[None]:
    """Those that were never awaited are collected while that is still expected."""
    yield
    gc.collect()


@pytest.fixture
async def ledger(database_url: str) -> AsyncGenerator[Twin]:
    async with twin(database_url) as ledger:
        yield ledger


@pytest.fixture
def other_database_url(postgres: str, migrated_template: str) -> Iterator[str]:
    name = f"twin_{next(_databases)}"
    execute(postgres, f"create database {name} template {migrated_template}")
    yield with_database(postgres, name)
    execute(postgres, f"drop database {name} with (force)")


@pytest.fixture
async def other(other_database_url: str) -> AsyncGenerator[Twin]:
    """A second ledger with the same history as the first."""
    async with twin(other_database_url) as ledger:
        yield ledger


def viewers(ledger: Twin) -> list[Viewer]:
    """A service that may do all, one that may do nothing, and a customer."""
    customer = Viewer(ViewerKind.CUSTOMER, "customer", account_id=ledger.accounts[1])
    return [SERVICE, SERVICE, SERVICE, customer, customer, Viewer(ViewerKind.SERVICE, "idle")]


async def compare_queries(ledger: Twin, seeds: range) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    values = Values(ledger)
    for seed in seeds:
        random = Random(seed)
        operation = Generator(SCHEMA, random, values, depth=7).operation()
        viewer = random.choice(viewers(ledger))
        runs = [(Stock, ledger.context(viewer)), (Compiled, ledger.context(viewer))]
        outcomes[told(await answers(SCHEMA, operation, runs), operation, seed)] += 1
    return outcomes


async def compare_mutations(ledger: Twin, other: Twin, seeds: range) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    values = Values(ledger)
    for seed in seeds:
        random = Random(seed)
        generator = Generator(
            SCHEMA, random, values, depth=4, weight=lambda name: name not in _TIMES
        )
        operation = generator.operation(OperationType.MUTATION)
        viewer = SERVICE if seed % 8 else random.choice(viewers(ledger))
        runs = [(Stock, ledger.context(viewer)), (Compiled, other.context(viewer))]
        outcomes[told(await answers(SCHEMA, operation, runs), operation, seed)] += 1
    return outcomes


def told(found: list[list[Any]] | None, operation: Operation, seed: int) -> str:
    if found is None:
        return "invalid"
    differing = differences(*found)
    assert not differing, f"seed {seed}: {operation}\n" + "\n".join(differing)
    return "erroneous" if found[0][0][1] else "clean"


async def test_three_hundred_queries_are_answered_alike(ledger: Twin) -> None:
    Compiled.ran.clear()
    outcomes = await compare_queries(ledger, range(300))
    assert min(outcomes["clean"], outcomes["erroneous"]) > 80, outcomes
    assert Compiled.ran["compiled"] > 200


async def test_mutations_are_answered_alike_and_leave_the_same_lines(
    ledger: Twin, other: Twin
) -> None:
    assert ledger.entries == other.entries
    outcomes = await compare_mutations(ledger, other, range(100))
    assert min(outcomes["clean"], outcomes["erroneous"]) > 20, outcomes
    lines = "select account_id, seq, kind, amount, balance_after from entry order by 1, 2"
    booked = await ledger.services.db.fetch(lines)
    assert booked == await other.services.db.fetch(lines)
    assert len(booked) > len(ledger.entries) + 10


async def test_each_event_of_a_subscription_is_answered_alike(ledger: Twin) -> None:
    text = """subscription ($account: ID!, $since: String) {
        usageEntryLanded(account: $account, since: $since) { edge { cursor node { __typename
        ... on LedgerEntry { id seq amount reason { code } totalsAfter { net } job { key } }
        ... on Refund { charge { id net } } } } account { balance headCursor } } }"""
    variables = {"account": ids.account(ledger.accounts[0]), "since": ids.cursor(0)}
    told: list[list[Any]] = []
    for executor in (Stock, Compiled):
        events: Any = await subscribe(  # type: ignore[misc]
            SCHEMA,
            parse(text),
            context_value=ledger.context(),
            variable_values=variables,
            executor_class=executor,
        )
        told.append(await first(events, 15))
    assert not differences(*told)
    assert all(data[0] == "usageEntryLanded" for (data,), _ in told[0])


async def first(events: Any, count: int) -> list[Any]:
    found: list[Any] = []
    iterator: AsyncIterator[Any] = aiter(events)
    while len(found) < count:
        found.append(comparable(await anext(iterator)))
    await events.aclose()
    return found


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_ten_thousand_operations_are_answered_alike(ledger: Twin, other: Twin) -> None:
    await compare_queries(ledger, range(10_000, 19_000))
    await compare_mutations(ledger, other, range(10_000, 11_000))
