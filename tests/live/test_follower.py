"""Promise 9 for one subscriber and for thousands, in fair weather."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncGenerator

import pytest

from app.faults.servers import RedisServer
from app.faults.verdict import Verdict
from models import feed
from models.database import Database
from models.intents import RecordCharge
from models.records import Entry, EntryKind
from models.rows import Ref
from subscriptions import reads
from subscriptions.bell import Bell
from subscriptions.follower import follow
from subscriptions.reads import LINES_PER_READ, PLACES_PER_READ
from tests.live.support import NEVER_SECONDS, Ledger, Reader, eventually, running


@pytest.fixture(params=["postgres", "redis", "memory"])
async def rung(
    request: pytest.FixtureRequest, database_url: str
) -> AsyncGenerator[tuple[Ledger, Bell]]:
    """A ledger and a bell that never polls, over each kind of broker."""
    broker_url = None
    if request.param == "redis":
        broker_url = request.getfixturevalue("redis_server").url
    if request.param == "memory":
        broker_url = "memory://"
    async with Ledger.at(database_url) as ledger:
        ledger.bell = Bell.over(ledger.db, broker_url, poll_seconds=NEVER_SECONDS)
        async with running(ledger.bell):
            yield ledger, ledger.bell


async def test_every_line_after_the_cursor_arrives_once_and_in_order(
    rung: tuple[Ledger, Bell],
) -> None:
    ledger, bell = rung
    account_id = await ledger.account()
    await ledger.grant(account_id, 250)
    readers = [Reader(bell, account_id, since=since).start() for since in (0, 1, 100, 249, 250)]
    for _ in range(50):
        await ledger.grant(account_id, 3)
    for reader in readers:
        await reader.until(400)
    assert [reader.verdict(head=400) for reader in readers] == [Verdict()] * 5
    assert bell.healed == 0
    for reader in readers:
        await reader.stop()


async def test_an_account_hears_nothing_of_another(rung: tuple[Ledger, Bell]) -> None:
    ledger, bell = rung
    mine, other = await ledger.account(), await ledger.account()
    reader = Reader(bell, mine).start()
    await ledger.grant(other, 20)
    await ledger.grant(mine, 1)
    await reader.until(1)
    assert reader.received == [1]
    await reader.stop()


async def test_an_empty_account_followed_from_0_gets_its_first_line(
    ledger: Ledger, bell: Bell
) -> None:
    account_id = await ledger.account()
    reader = Reader(bell, account_id, since=0).start()
    await eventually(lambda: bell.followers == 1)
    await ledger.grant(account_id, 1)
    await reader.until(1)
    assert reader.received == [1]
    await reader.stop()


async def test_a_cursor_beyond_the_last_line_gets_the_lines_after_it(
    ledger: Ledger, bell: Bell
) -> None:
    account_id = await ledger.account()
    reader = Reader(bell, account_id, since=5).start()
    await eventually(lambda: bell.followers == 1)
    await ledger.grant(account_id, 8)
    await reader.until(8)
    assert reader.received == [6, 7, 8]
    await reader.stop()


async def test_a_thousand_lines_that_land_while_an_old_cursor_connects_arrive_once(
    ledger: Ledger, bell: Bell
) -> None:
    account_id = await ledger.account()
    await ledger.grant(account_id, 500)
    readers: list[Reader] = []
    for n in range(100):
        if n % 4 == 0:
            readers.append(Reader(bell, account_id, since=n).start())
        await ledger.grant(account_id, 10)
    for reader in readers:
        await reader.until(1500)
    assert [reader.verdict(head=1500) for reader in readers] == [Verdict()] * len(readers)
    for reader in readers:
        await reader.stop()


async def test_a_subscriber_that_comes_and_goes_resumes_by_cursor_without_gap_or_double(
    ledger: Ledger, bell: Bell
) -> None:
    account_id = await ledger.account()
    chance = random.Random(20_261_122)

    async def write() -> None:
        for _ in range(200):
            await ledger.grant(account_id, chance.randint(1, 5))

    writing = asyncio.create_task(write())
    received: list[int] = []
    while not writing.done():
        reader = Reader(bell, account_id, since=received[-1] if received else 0).start()
        await asyncio.sleep(chance.uniform(0, 0.05))
        await reader.stop()
        received += reader.received
    await writing
    head = (await feed.heads(ledger.db, [account_id]))[account_id]
    last = Reader(bell, account_id, since=received[-1] if received else 0).start()
    if not received or received[-1] < head:
        await last.until(head)
    await last.stop()
    assert Verdict.on(received + last.received, range(1, head + 1)) == Verdict()
    assert head >= 200


async def test_only_the_kinds_asked_for_arrive(ledger: Ledger, bell: Bell) -> None:
    account_id = await ledger.account()
    reader = Reader(bell, account_id, kinds=frozenset({EntryKind.CHARGE})).start()
    await ledger.grant(account_id, 150)
    await ledger.writer.book(
        RecordCharge(account_id=account_id, idempotency_key="the charge", amount=1)
    )
    await reader.until(151)
    assert reader.received == [151]
    await reader.stop()


async def test_a_slow_reader_holds_one_page_of_lines_whatever_lands(
    ledger: Ledger, bell: Bell
) -> None:
    account_id = await ledger.account()
    await ledger.grant(account_id, 1)
    lines = follow(bell, account_id, since=0)
    assert (await anext(lines)).seq == 1
    await ledger.grant(account_id, 3_000)
    assert (await anext(lines)).seq == 2
    await ledger.grant(account_id, 2_000)
    await ledger.grant(await ledger.account(), 1)  # the writer forgets the batch before
    await asyncio.sleep(0.2)
    gc.collect()
    held = [o for o in gc.get_objects() if isinstance(o, Entry) and o.account_id == account_id]
    assert len(held) == LINES_PER_READ
    rest = [(await anext(lines)).seq for _ in range(4_999)]
    assert rest == list(range(3, 5_002))
    await lines.aclose()


async def test_no_connection_is_held_while_a_subscriber_has_a_line(database_url: str) -> None:
    async with Ledger.at(database_url, pool_size=1) as ledger:
        bell = Bell.over(ledger.db, None, poll_seconds=NEVER_SECONDS)
        async with running(bell):
            account_id = await ledger.account()
            await ledger.grant(account_id, 10)
            followed = [follow(bell, account_id, since=0) for _ in range(20)]
            for lines in followed:
                assert (await anext(lines)).seq == 1
            async with asyncio.timeout(5):
                await ledger.grant(account_id, 1)
                assert await feed.heads(ledger.db, [account_id]) == {account_id: 11}
            for lines in followed:
                await lines.aclose()


async def test_thousands_of_followers_of_one_account_share_each_read(
    ledger: Ledger, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = _counted_reads(monkeypatch)
    account_id = await ledger.account()
    await ledger.grant(account_id, 1)
    readers = [Reader(bell, account_id, since=0).start() for _ in range(3_000)]
    for reader in readers:
        await reader.until(1)
    for _ in range(10):
        await ledger.grant(account_id, 1)
    for reader in readers:
        await reader.until(11)
    assert [reader.verdict(head=11) for reader in readers] == [Verdict()] * 3_000
    assert len(places) <= 40  # 33,000 deliveries
    for reader in readers:
        await reader.stop()


async def test_a_read_that_is_wanted_as_the_last_one_ends_is_not_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "READS_AT_ONCE_MAX", 1)
    accounts = [await ledger.account() for _ in range(2)]
    await ledger.grant_each(accounts)
    work = reads.Reads(ledger.db)
    first, second = (reads.Slot(work, account_id) for account_id in accounts)
    async with asyncio.timeout(5):
        assert [line.seq for line in await first.lines()] == [1]
        assert [line.seq for line in await second.lines()] == [1]
    await work.close()


async def test_followers_of_many_accounts_share_queries(
    ledger: Ledger, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [await ledger.account() for _ in range(250)]
    places = _counted_reads(monkeypatch)
    readers = [Reader(bell, account_id).start() for account_id in accounts]
    for lines in range(1, 6):
        await ledger.grant_each(accounts)
        for reader in readers:
            await reader.until(lines)
    assert [reader.verdict(head=5) for reader in readers] == [Verdict()] * 250
    assert len(places) <= 60  # 1,250 deliveries
    assert max(map(len, places)) <= PLACES_PER_READ
    for reader in readers:
        await reader.stop()


async def test_many_who_are_far_behind_catch_up_in_order(
    ledger: Ledger, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "LINES_PER_READ", 3)
    accounts = [await ledger.account() for _ in range(60)]
    for _ in range(10):
        await ledger.grant_each(accounts)
    readers = [Reader(bell, account_id).start() for account_id in accounts]
    for reader in readers:
        await reader.until(10)
    assert [reader.verdict(head=10) for reader in readers] == [Verdict()] * 60
    for reader in readers:
        await reader.stop()


async def test_a_subscriber_that_leaves_leaves_nothing_behind(ledger: Ledger, bell: Bell) -> None:
    account_id = await ledger.account()
    readers = [Reader(bell, account_id).start() for _ in range(50)]
    await eventually(lambda: bell.followers == 50)
    assert bell.accounts == 1
    for reader in readers:
        await reader.stop()
    assert (bell.followers, bell.accounts) == (0, 0)


async def test_a_stopped_bell_ends_every_subscriber_at_once(ledger: Ledger, bell: Bell) -> None:
    accounts = [await ledger.account() for _ in range(20)]
    readers = [Reader(bell, account_id).start() for account_id in accounts]
    for account_id in accounts:
        await ledger.grant(account_id, 1)
    for reader in readers:
        await reader.until(1)
    bell.stop()
    await eventually(lambda: all(reader.ended for reader in readers))
    assert [line async for line in follow(bell, accounts[0], since=0)] == []


async def test_a_stopped_bell_ends_a_subscriber_whose_read_hangs(
    ledger: Ledger, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(db: Database, places: list[Ref], limit: int) -> list[list[Entry]]:
        await asyncio.sleep(3600)
        return []

    account_id = await ledger.account()
    monkeypatch.setattr(feed, "later_of", hang)
    reader = Reader(bell, account_id).start()
    await eventually(lambda: bell.followers == 1)
    await asyncio.sleep(0.05)
    bell.stop()
    await eventually(lambda: reader.ended)


async def test_a_redis_bell_tells_every_process(
    database_url: str, redis_server: RedisServer
) -> None:
    async with Ledger.at(database_url) as writing, Ledger.at(database_url) as reading:
        bells = [
            Bell.over(ledger.db, redis_server.url, poll_seconds=NEVER_SECONDS)
            for ledger in (writing, reading)
        ]
        writing.bell = bells[0]
        async with running(*bells):
            account_id = await writing.account()
            readers = [Reader(bell, account_id).start() for bell in bells]
            for _ in range(100):
                await writing.grant(account_id, 2)
            for reader in readers:
                await reader.until(200)
            assert [reader.verdict(head=200) for reader in readers] == [Verdict()] * 2
            for reader in readers:
                await reader.stop()


async def test_nobody_joins_a_read_that_began_before_the_line_it_was_rung_for(
    ledger: Ledger, bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, answer = feed.later_of, asyncio.Event()
    began: list[list[list[Entry]]] = []

    async def held_back(db: Database, places: list[Ref], limit: int) -> list[list[Entry]]:
        lines = await read(db, places, limit)
        began.append(lines)
        if len(began) == 1:
            await answer.wait()
        return lines

    monkeypatch.setattr(feed, "later_of", held_back)
    account_id = await ledger.account()
    early = Reader(bell, account_id).start()
    await eventually(lambda: began == [[[]]])
    await ledger.grant(account_id, 1)
    await asyncio.sleep(0.2)  # the ring has been heard, and the first read has still no answer
    late = Reader(bell, account_id).start()
    await late.until(1)
    answer.set()
    await early.until(1)
    assert (early.received, late.received) == ([1], [1])
    await early.stop()
    await late.stop()


def _counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[list[Ref]]:
    """The places of each read from now on."""
    counted: list[list[Ref]] = []
    read = feed.later_of

    async def read_counted(db: Database, places: list[Ref], limit: int) -> list[list[Entry]]:
        counted.append(places)
        return await read(db, places, limit)

    monkeypatch.setattr(feed, "later_of", read_counted)
    return counted
