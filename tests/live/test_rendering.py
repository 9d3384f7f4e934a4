"""Events rendered once for all who asked the same question: the same answer, and no other's."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from models.intents import RecordCharge, RefundCharge
from schema import live
from tests.live.door import LANDED, Door, Message, Socket
from tests.live.support import eventually

FROM_THE_START = "c2VxOjA="
EVERYTHING = """subscription($account: ID!, $since: String, $long: Boolean!, $first: Int) {
  landed: usageEntryLanded(account: $account, since: $since) {
    account { id balance available name usage(first: $first) { nodes { __typename } } }
    edge { cursor node { __typename ...Line
      ... on Charge { refunded net refunds { id amount } }
      ... on Refund { charge { id net } automatic rule } } } } }
fragment Line on LedgerEntry {
  id seq kind amount balanceAfter reason { code title detail fault } campaign
  totalsAfter @include(if: $long) { granted charged refunded adjusted net } occurredAt metadata }"""


async def _book_some(there: Door) -> None:
    await there.grant(2, metadata={"a": [1, None, "é"]})
    writer = there.process.services.writer
    await writer.book(
        RecordCharge(
            account_id=there.account_id,
            idempotency_key="c",
            amount=2,
            campaign="Spring",
            detail="one",
        )
    )
    await writer.book(
        RefundCharge(
            account_id=there.account_id,
            idempotency_key="r",
            charge_seq=3,
            amount=1,
            reason_code="GOODWILL",
        )
    )


async def _payloads(socket: Socket, there: Door, id_: str, **variables: Any) -> list[Message]:
    given = {"account": there.account, "since": FROM_THE_START, **variables}
    await socket.subscribe(id_, EVERYTHING, **given)
    heard = [await socket.hear() for _ in range(4)]
    assert [message["id"] for message in heard] == [id_] * 4
    await socket.say({"id": id_, "type": "complete"})
    assert await socket.is_open()
    return [message["payload"] for message in heard]


async def test_a_shared_rendering_says_what_the_executor_says(there: Door) -> None:
    await _book_some(there)
    async with there.introduced() as socket:
        executed = await _payloads(socket, there, "executed", long=True, first=1)
        rendered = await _payloads(socket, there, "rendered", long=True, first=1)
        shared = await _payloads(socket, there, "shared", long=True, first=1)
    assert executed == rendered == shared
    assert [payload["data"]["landed"]["edge"]["node"]["seq"] for payload in shared] == [1, 2, 3, 4]
    assert shared[2]["data"]["landed"]["edge"]["node"]["refunded"] == 1
    assert "totalsAfter" in shared[0]["data"]["landed"]["edge"]["node"]


async def test_two_questions_do_not_share_an_answer(there: Door) -> None:
    await _book_some(there)
    async with there.introduced() as socket:
        await _payloads(socket, there, "known", long=True, first=1)
        long = await _payloads(socket, there, "long", long=True, first=1)
        short = await _payloads(socket, there, "short", long=False, first=2)
    assert "totalsAfter" in long[0]["data"]["landed"]["edge"]["node"]
    assert "totalsAfter" not in short[0]["data"]["landed"]["edge"]["node"]
    assert len(long[-1]["data"]["landed"]["account"]["usage"]["nodes"]) == 1
    assert len(short[-1]["data"]["landed"]["account"]["usage"]["nodes"]) == 2
    # The account is as the line left it, and so is its feed.
    assert len(short[0]["data"]["landed"]["account"]["usage"]["nodes"]) == 1


async def test_a_known_question_is_refused_like_a_new_one(there: Door) -> None:
    async with there.introduced() as socket:
        for n in range(3):
            await socket.follow(f"own {n}", there.account)
            for since, account in (("x", there.account), (None, "QWNjb3VudDo5OTk=")):
                await socket.follow("1", account, since=since)
                answer = await socket.hear()
                code = "BAD_USER_INPUT" if since else "NOT_FOUND"
                assert (answer["id"], answer["type"]) == ("1", "error")
                assert answer["payload"][0]["extensions"] == {"code": code}
        assert await socket.is_open()


async def test_a_line_is_rendered_once_for_all_who_asked_the_same_question(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []
    render = getattr(live, "execute_subscription_event")  # noqa: B009 - untyped upstream

    def counted(executor: Any) -> Any:
        rendered.append(executor.root_value.line.seq)
        return render(executor)

    monkeypatch.setattr(live, "execute_subscription_event", counted)
    async with AsyncExitStack() as stack:
        key = await there.service_key()
        sockets = [await stack.enter_async_context(there.introduced(key)) for _ in range(60)]
        await sockets[0].subscribe("known", LANDED, account=there.account)
        bell = there.process.services.bell
        await eventually(lambda: bell.followers == 1)
        for socket in sockets[1:]:
            await socket.follow("1", there.account)
        await eventually(lambda: bell.followers == 60)
        for n in range(1, 6):
            await there.grant(1)
            assert [await socket.hear_seq() for socket in sockets] == [n] * 60
    assert rendered == [1, 2, 3, 4, 5]


async def test_what_was_rendered_is_forgotten_soon(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MEMORY_SECONDS", 0.1)
    await _book_some(there)
    async with there.introduced() as socket:
        await _payloads(socket, there, "known", long=True, first=1)
        await socket.subscribe(
            "1", EVERYTHING, account=there.account, since=FROM_THE_START, long=True, first=1
        )
        before = [await socket.hear() for _ in range(4)]
        refund = RefundCharge(
            account_id=there.account_id,
            idempotency_key="r2",
            charge_seq=3,
            amount=None,
            reason_code="GOODWILL",
        )
        await there.process.services.writer.book(refund)
        await socket.hear()
        await asyncio.sleep(0.3)
        after = await _payloads(socket, there, "2", long=True, first=1)
    assert before[2]["payload"]["data"]["landed"]["edge"]["node"]["net"] == -1
    assert after[2]["data"]["landed"]["edge"]["node"]["net"] == 0
