"""What takes long is done beside everything else, askers in turn: documents that nobody asked
before, exports, and what a socket says by the thousand.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from graphql import DocumentNode
from graphql.execution import Executor

from app import export, pressure, websocket
from app.abuse.wire import socket_to
from app.messages import Message
from app.pressure import (
    BURST_SECONDS,
    JUDGING_BURST_SECONDS,
    JUDGING_SHARE,
    RateLimited,
    Rates,
)
from models.records import Account
from resolvers.access import Viewer, ViewerKind
from resolvers.turns import Turns
from schema import limits, schema
from schema.compiled.executor import plans_of
from schema.compiled.plans import Plan
from tests.api.support import Api, Caller
from tests.live.support import eventually

KNOWN = "{ viewer { kind } }"


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
async def asked(api: Api, caller: Caller, *names: str) -> AsyncGenerator[list[asyncio.Task[Any]]]:
    """Questions under way, one after the other; all of them are answered in the end."""
    tasks: list[asyncio.Task[Any]] = []
    before = api.process.load.now
    for name in names:
        tasks.append(asyncio.create_task(caller.answer(unseen(name))))
        await eventually(lambda: api.process.load.now == before + len(tasks))
    yield tasks
    assert all("errors" not in answer for answer in await asyncio.gather(*tasks))


async def test_a_known_document_is_answered_while_twenty_unseen_ones_wait(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacker, customer = api.customer("acme"), api.customer("globex")
    assert "errors" not in await customer.answer(KNOWN)
    judging = Judging(monkeypatch)
    async with asked(api, attacker, *(f"Q{n}" for n in range(20))) as waiting:
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
        asked(api, api.customer("acme"), *(f"Many{n}" for n in range(20))),
        asked(api, api.customer("globex"), "One"),
        asked(api, await api.service(), "OfAService"),
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


async def test_of_one_askers_unseen_documents_a_few_wait_and_the_others_come_back_later(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacker, customer = api.customer("acme"), api.customer("globex")
    judging = Judging(monkeypatch)
    monkeypatch.setattr(pressure, "UNSEEN_WAITING_MAX", 20)
    waiting = [f"Q{n}" for n in range(20)]
    async with asked(api, attacker, *waiting), asked(api, attacker, *waiting[-1:] * 50):
        body = {"query": unseen("OneMore")}
        refused = await attacker.http.post("/graphql", json=body)
        told = refused.json()["errors"][0]["extensions"]["code"], refused.headers["retry-after"]
        assert (refused.status_code, told) == (429, ("RATE_LIMITED", "1"))
        async with socket_to(int(api.url.rpartition(":")[2])) as socket:
            await socket.introduce(attacker.token or "")
            await socket.say({"id": "1", "type": "subscribe", "payload": body})
            assert await socket.hear_word() == "error RATE_LIMITED"
        async with asked(api, customer, "Neighbours"):
            judging.go_on.set()
    assert Counter(judging.order) == dict.fromkeys([*waiting, "Neighbours"], 1)


async def test_nobody_waits_for_a_plan(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made, go_on, compiled = list[str](), threading.Event(), schema.compiled

    def late(executor: Executor[Any]) -> Plan | None:
        assert executor.operation.name is not None
        made.append(executor.operation.name.value)
        assert go_on.wait(30)
        return compiled(executor)

    monkeypatch.setattr(schema, "compiled", late)
    customer = api.customer("acme")
    for _ in range(5):
        assert "errors" not in await customer.answer(unseen("Again"))
    assert made == ["Again"]
    assert plans(api) == []
    go_on.set()
    await eventually(lambda: bool(plans(api)))
    assert "errors" not in await customer.answer(unseen("Again"))


def plans(api: Api) -> list[Plan]:
    known: Any = plans_of(api.process.schema._schema)  # pyright: ignore[reportPrivateUsage]
    operations = known._operations.values()
    return [plan for each in operations for plan in each.plans.values() if plan is not None]


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


async def test_what_is_remembered_changes_in_the_loops_thread_alone(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[threading.Thread]()
    documents: Any = api.process.schema._documents  # pyright: ignore[reportPrivateUsage]
    remember = documents.remember

    def noted(text: str, document: DocumentNode) -> None:
        threads.add(threading.current_thread())
        remember(text, document)

    monkeypatch.setattr(documents, "remember", noted)
    await api.customer("acme").answer(unseen("Remembered"))
    assert threads == {threading.current_thread()}


async def test_an_export_waits_for_one_page_of_each_other_asker(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, shown = await api.service(), list[str]()
    accounts = {key: await service.opened(key, granted=1) for key in ("acme", "globex")}
    csv = export._csv  # pyright: ignore[reportPrivateUsage]

    def noted(rows: Iterable[Any], first: bool, account: Account) -> bytes:
        shown.append(account.key)
        return csv(rows, first, account)

    monkeypatch.setattr(export, "_csv", noted)

    async def exported(key: str) -> int:
        file = await api.customer(key).http.get("/export.csv", params={"account": accounts[key]})
        return file.status_code

    line = api.process.exports._waiting  # pyright: ignore[reportPrivateUsage]
    async with api.process.exports.of("somebody"):
        files: list[asyncio.Task[int]] = []
        for key in ("acme", "acme", "acme", "globex"):
            files.append(asyncio.create_task(exported(key)))
            await eventually(lambda: sum(map(len, line.values())) == len(files))
        assert shown == []
    assert await asyncio.gather(*files) == [200] * 4
    assert shown == ["acme", "globex", "acme", "acme"]


async def test_a_socket_that_says_thousands_at_once_keeps_no_other_waiting_for_all_of_them(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Counter[int]()
    read = websocket.read

    def counted(text: str) -> Message:
        message = read(text)
        taken[len(message.get("payload") or {})] += 1
        return message

    monkeypatch.setattr(websocket, "read", counted)
    port = int(api.url.rpartition(":")[2])
    async with socket_to(port) as busy, socket_to(port) as other:
        for socket, key in ((busy, "acme"), (other, "globex")):
            await socket.introduce(api.customer(key).token or "")
        taken.clear()
        await busy.say(*[{"type": "ping", "payload": {"a": 1}}] * 5_000)
        await other.say({"type": "ping"})
        assert await other.hear_word() == "pong"
        assert 0 < taken[1] < 1_000


def test_what_is_judged_is_paid_by_its_time_and_takes_nothing_from_requests() -> None:
    now = 0.0
    rates = Rates(customer_per_second=1, service_per_second=1, clock=lambda: now)
    customer, service = Viewer(ViewerKind.CUSTOMER, "acme"), Viewer(ViewerKind.SERVICE, "billing")
    page_of_a_slow_machine = [0.065] * 20
    for cpu_seconds in page_of_a_slow_machine:
        rates.wait(customer, 0)
        rates.spend(customer, cpu_seconds)
    for each in (customer, service):
        rates.spend(each, JUDGING_SHARE * JUDGING_BURST_SECONDS)
    with pytest.raises(RateLimited) as limited:
        rates.wait(customer, 0)
    assert limited.value.retry_after_seconds == 6
    for _ in range(int(BURST_SECONDS)):
        rates.take(customer)
    rates.wait(service, 1_000)
    rates.wait(Viewer(ViewerKind.CUSTOMER, "globex"), 0)
    now = 6.0
    rates.wait(customer, 0)
