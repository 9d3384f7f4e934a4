"""Documents that nobody asked before are judged beside everything else, askers in turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import DocumentNode

from app.pressure import CPU_SECONDS_OF_A_REQUEST, RateLimited, Rates
from resolvers.access import Viewer, ViewerKind
from resolvers.turns import Turns
from schema import limits
from tests.api.support import Api, Caller

KNOWN = "{ viewer { kind } }"
SETTLE_SECONDS = 0.3


def unseen(name: str) -> str:
    return f"query {name} {{ viewer {{ kind }} }}"


class Judging:
    """What is looked at in the thread, which stands still until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.order: list[str] = []
        self.go_on = threading.Event()
        problems = limits.problems

        def looked_at(document: DocumentNode) -> list[Any]:
            definition: Any = document.definitions[0]
            self.order.append(definition.name.value)
            assert self.go_on.wait(30)
            return problems(document)

        monkeypatch.setattr(limits, "problems", looked_at)


@asynccontextmanager
async def asked(caller: Caller, *names: str) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """Questions under way, one after the other; all of them are answered in the end."""
    tasks: list[asyncio.Task[Any]] = []
    for name in names:
        tasks.append(asyncio.create_task(caller.answer(unseen(name))))
        await asyncio.sleep(SETTLE_SECONDS / len(names))
    yield tasks
    assert all("errors" not in answer for answer in await asyncio.gather(*tasks))


async def test_a_known_document_is_answered_while_fifty_unseen_ones_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacker, customer = api.customer("acme"), api.customer("globex")
    assert "errors" not in await customer.answer(KNOWN)
    judging = Judging(monkeypatch)
    async with asked(attacker, *(f"Q{n}" for n in range(50))) as waiting:
        for _ in range(3):
            assert "errors" not in await customer.answer(KNOWN)
        assert not any(task.done() for task in waiting)
        assert judging.order == ["Q0"]
        judging.go_on.set()


async def test_an_unseen_document_waits_for_one_of_each_other_asker(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging = Judging(monkeypatch)
    async with (
        asked(api.customer("acme"), *(f"Many{n}" for n in range(20))),
        asked(api.customer("globex"), "One"),
        asked(await api.service(), "OfAService"),
    ):
        judging.go_on.set()
    assert judging.order[:4] == ["Many0", "Many1", "One", "OfAService"]
    assert sorted(judging.order[4:]) == sorted(f"Many{n}" for n in range(2, 20))


async def test_what_many_ask_at_once_for_the_first_time_is_judged_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging = Judging(monkeypatch)
    judging.go_on.set()
    customer = api.customer("acme")
    await asyncio.gather(*(customer.answer(unseen("Same")) for _ in range(20)))
    assert judging.order == ["Same"]


async def test_whoever_leaves_while_waiting_for_a_turn_keeps_it_from_nobody() -> None:
    turns, served = Turns(), list[str]()

    async def take(asker: str) -> None:
        async with turns.of(asker):
            served.append(asker)
            await asyncio.sleep(0)

    async with turns.of("first"):
        tasks = [asyncio.create_task(take(asker)) for asker in ("gone", "a", "late", "b", "a")]
        await asyncio.sleep(0)
        tasks[0].cancel()
    tasks[2].cancel()  # or, if it has its turn already, after that
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(take("last"), 5)
    assert [asker for asker in served if asker != "late"] == ["a", "b", "a", "last"]


def test_long_judging_is_paid_like_the_requests_it_kept_from_being_answered() -> None:
    rates = Rates(customer_per_second=1, service_per_second=0, clock=lambda: 0.0)
    customer = Viewer(ViewerKind.CUSTOMER, "acme")
    for _ in range(100):
        rates.spend(customer, CPU_SECONDS_OF_A_REQUEST * 0.9)
    rates.take(customer)
    rates.spend(customer, CPU_SECONDS_OF_A_REQUEST * 8.5)
    with pytest.raises(RateLimited) as limited:
        rates.take(customer)
    assert limited.value.retry_after_seconds == 4
    rates.take(Viewer(ViewerKind.CUSTOMER, "globex"))
