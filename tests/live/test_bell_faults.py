"""Promise 9 while what carries the bell fails: no fault costs a line, doubles one or moves one."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from app.embedded import EmbeddedPostgres
from app.faults.proxy import Proxy
from app.faults.servers import RedisServer, free_port, signal_postgres
from app.faults.verdict import Verdict
from models.intents import GrantCredits
from models.migrate import migrate
from models.outcomes import Done, OutcomeUnknown
from models.reasons import Catalogue
from models.writer import Writer
from subscriptions.backends.base import WAITING_MAX
from subscriptions.backends.postgres import PostgresBackend
from subscriptions.backends.redis import RedisBackend
from subscriptions.bell import Bell
from tests.live.support import NEVER_SECONDS, Ledger, Reader, eventually, running

FAULTS = 8


async def _end_listeners(ledger: Ledger) -> int:
    """Terminate the LISTEN connections as an operator would; returns how many there were."""
    return await ledger.db.fetchval(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where application_name = 'listen usage_feed' and datname = current_database()"
    )


async def test_a_killed_listen_connection_costs_no_line(ledger: Ledger, bell: Bell) -> None:
    account_id = await ledger.account()
    readers = [Reader(bell, account_id).start() for _ in range(20)]
    for _ in range(FAULTS):
        while not await _end_listeners(ledger):  # noqa: ASYNC110 - the database sets no event
            await asyncio.sleep(0.01)
        await ledger.grant(account_id, 10)  # nobody is listening now
        await eventually(lambda: bell.healthy)
    for reader in readers:
        await reader.until(10 * FAULTS)
    assert [reader.verdict(head=10 * FAULTS) for reader in readers] == [Verdict()] * 20
    for reader in readers:
        await reader.stop()


async def test_a_lost_bell_says_so_in_a_sentence_until_it_is_back(
    ledger: Ledger, redis_server: RedisServer
) -> None:
    bell = Bell.over(ledger.db, redis_server.url, poll_seconds=2)
    assert bell.problem == "The bell is not running."
    async with running(bell):
        assert bell.problem is None
        redis_server.stop()
        await eventually(lambda: not bell.healthy)
        assert bell.problem == (
            "The Redis connection has been down for 0 s and is being renewed. "
            "Lines reach subscribers by a poll every 2 s."
        )
        redis_server.start()
        await eventually(lambda: bell.healthy)
    assert bell.problem == "The bell is not running."


async def test_a_bell_starts_before_its_broker(ledger: Ledger) -> None:
    server = RedisServer()
    bell = Bell.over(ledger.db, server.url, poll_seconds=NEVER_SECONDS)
    await bell.start()
    assert not bell.healthy
    server.start()
    await eventually(lambda: bell.healthy)
    await bell.close()
    server.stop()


@pytest.mark.parametrize("broker", ["postgres", "redis"])
async def test_a_bell_can_be_closed_at_any_moment(
    ledger: Ledger, redis_server: RedisServer, broker: str
) -> None:
    """The moments of connecting among them: the Redis client swallows a cancellation there."""
    broker_url = redis_server.url if broker == "redis" else None
    chance = random.Random(4)

    async def open_and_close() -> None:
        bell = Bell.over(ledger.db, broker_url, NEVER_SECONDS)
        await bell.start()
        bell.committed([1])
        await asyncio.sleep(chance.uniform(0, 0.05))
        await bell.close()

    for _ in range(10):
        async with asyncio.timeout(10):
            await asyncio.gather(*(open_and_close() for _ in range(15)))


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_a_redis_outage_costs_no_line(
    database_url: str, redis_server: RedisServer, kill: bool
) -> None:
    async with Ledger.at(database_url) as ledger:
        bells = [Bell.over(ledger.db, redis_server.url, NEVER_SECONDS) for _ in range(2)]
        ledger.bell = bells[0]
        async with running(*bells):
            account_id = await ledger.account()
            readers = [Reader(bell, account_id).start() for bell in bells for _ in range(5)]
            for n in range(1, FAULTS // 2 + 1):
                await ledger.grant(account_id, 10)
                redis_server.stop(kill)
                await ledger.grant(account_id, 10)
                redis_server.start()
                for reader in readers:
                    await reader.until(20 * n)
            head = 10 * FAULTS
            assert [reader.verdict(head) for reader in readers] == [Verdict()] * 10
            for reader in readers:
                await reader.stop()


async def test_what_could_not_be_published_is_published_later(
    database_url: str, redis_server: RedisServer
) -> None:
    """The listener reaches Redis all along; only the writer's way there is down."""
    async with (
        Proxy(("127.0.0.1", redis_server.port)).running() as proxy,
        Ledger.at(database_url) as ledger,
    ):
        through = f"redis://127.0.0.1:{proxy.port}"
        bells = [Bell.over(ledger.db, url, NEVER_SECONDS) for url in (through, redis_server.url)]
        ledger.bell = bells[0]
        async with running(*bells):
            account_id = await ledger.account()
            reader = Reader(bells[1], account_id).start()
            await ledger.grant(account_id, 1)
            await reader.until(1)
            proxy.stall()
            await ledger.grant(account_id, 1)
            await asyncio.sleep(0.3)
            assert reader.received == [1]
            proxy.cut()
            proxy.resume()
            await reader.until(2)
            assert reader.received == [1, 2]
            await reader.stop()


async def test_with_the_broker_gone_the_poll_delivers_every_line(database_url: str) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}"
    async with Ledger.at(database_url) as ledger:
        bell = Bell.over(ledger.db, nowhere, poll_seconds=0.1)
        await bell.start()
        accounts = [await ledger.account() for _ in range(20)]
        readers = [Reader(bell, account_id).start() for account_id in accounts]
        for _ in range(5):
            for account_id in accounts:
                await ledger.grant(account_id, 10)
        for reader in readers:
            await reader.until(50)
        assert [reader.verdict(head=50) for reader in readers] == [Verdict()] * 20
        assert bell.healed >= 20
        for reader in readers:
            await reader.stop()
        await bell.close()


async def test_a_poll_wakes_only_those_who_are_behind(ledger: Ledger) -> None:
    bell = Bell.over(ledger.db, "memory://", poll_seconds=0.05)
    async with running(bell):
        quiet, busy = await ledger.account(), await ledger.account()
        readers = [Reader(bell, account_id).start() for account_id in (quiet, busy)]
        await eventually(lambda: bell.followers == 2)
        await asyncio.sleep(0.3)
        assert bell.healed == 0
        await ledger.grant(busy, 1)  # this writer rings nobody
        await readers[1].until(1)
        await asyncio.sleep(0.3)
        assert bell.healed == 1
        for reader in readers:
            await reader.stop()


@pytest.mark.parametrize("broker", ["postgres", "redis"])
async def test_a_connection_that_hangs_half_open_is_found_by_its_probe(
    database_url: str, redis_server: RedisServer, broker: str
) -> None:
    database = urlsplit(database_url)
    port = redis_server.port if broker == "redis" else database.port or 5432
    async with (
        Proxy(("127.0.0.1", port)).running() as proxy,
        Ledger.at(database_url) as ledger,
    ):
        backend = (
            RedisBackend(f"redis://127.0.0.1:{proxy.port}", probe_seconds=0.3)
            if broker == "redis"
            else PostgresBackend(_at_port(database_url, proxy.port), probe_seconds=0.3)
        )
        bell = ledger.bell = Bell(ledger.db, backend, poll_seconds=NEVER_SECONDS)
        async with running(bell):
            account_id = await ledger.account()
            reader = Reader(bell, account_id).start()
            await ledger.grant(account_id, 1)
            await reader.until(1)
            proxy.stall()
            await ledger.grant(account_id, 5)
            await eventually(lambda: not bell.healthy)
            proxy.cut()
            proxy.resume()
            await reader.until(6)
            assert reader.verdict(head=6) == Verdict()
            await reader.stop()


def _at_port(dsn: str, port: int) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition(":")[0] + f":{port}"))


async def test_a_storm_on_another_channel_and_nonsense_on_ours_delay_nobody(
    ledger: Ledger, bell: Bell
) -> None:
    account_id = await ledger.account()
    reader = Reader(bell, account_id).start()

    async def storm() -> None:
        for n in range(50):
            await ledger.db.execute(
                "select pg_notify('another', $1 || i::text) from generate_series(1, 200) i", f"{n}-"
            )
            for nonsense in ("", "-1", "x" * 7_000, "9" * 5_000, "٣", "999999999"):
                await ledger.db.execute("select pg_notify('usage_feed', $1)", nonsense)

    storming = asyncio.create_task(storm())
    for n in range(1, 51):
        await ledger.grant(account_id, 2)
        await reader.until(2 * n, within_seconds=5)
    await storming
    assert reader.verdict(head=100) == Verdict()
    assert bell.healthy
    await reader.stop()


async def test_more_messages_than_the_inbox_holds_become_one_look_at_every_account(
    ledger: Ledger,
) -> None:
    bell = Bell.over(ledger.db, "memory://", poll_seconds=NEVER_SECONDS)
    async with running(bell):
        account_id = await ledger.account()
        reader = Reader(bell, account_id).start()
        await eventually(lambda: bell.followers == 1)
        await ledger.grant(account_id, 1)
        bell.committed([account_id])
        bell.committed(range(10_000_000, 10_000_000 + WAITING_MAX))
        await reader.until(1)
        assert reader.received == [1]
        await reader.stop()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_a_database_restart_costs_no_line(tmp_path: Path, how: signal.Signals) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        await migrate(server.dsn)
        async with Ledger.at(server.dsn) as ledger:
            bell = Bell.over(ledger.db, None, poll_seconds=NEVER_SECONDS)
            async with running(bell):
                accounts = [await ledger.account() for _ in range(3)]
                readers = [Reader(bell, account_id).start() for account_id in accounts]
                stop = asyncio.Event()
                writers = [
                    asyncio.create_task(_keep_writing(ledger, account_id, stop.is_set))
                    for account_id in accounts
                ]
                for _ in range(2):
                    await asyncio.sleep(0.3)
                    signal_postgres(tmp_path, how)
                    await eventually(lambda: not bell.healthy)
                    await eventually(lambda: bell.healthy)
                await asyncio.sleep(0.3)
                stop.set()
                heads = await asyncio.gather(*writers)
                for reader, head in zip(readers, heads, strict=True):
                    await reader.until(head)
                assert all(head >= 3 for head in heads)
                assert [
                    reader.verdict(head) for reader, head in zip(readers, heads, strict=True)
                ] == [Verdict()] * 3
                for reader in readers:
                    await reader.stop()


async def _keep_writing(ledger: Ledger, account_id: int, stopped: Callable[[], bool]) -> int:
    """Write until told to stop; returns the number of lines, each booked once."""
    lines = 0
    while not stopped():
        await ledger.grant_through_anything(account_id)
        lines += 1
    return lines


async def test_a_bell_over_an_unknown_broker_is_refused_with_a_sentence(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="must be redis://, rediss://, memory:// or postgresql://"):
        Bell.over(ledger.db, "kafka://localhost")


async def test_the_database_rings_only_for_what_was_committed(
    ledger: Ledger, database_url: str
) -> None:
    """The notification rides in the writing transaction, so a rollback rings nobody."""
    heard: list[str] = []
    connection = await asyncpg.connect(database_url)

    def hear(_: object, __: int, ___: str, message: object) -> None:
        heard.append(str(message))

    await connection.add_listener("usage_feed", hear)
    account_id = await ledger.account()
    await ledger.grant(account_id, 500)
    async with ledger.db.pool.acquire() as writing:
        transaction = writing.transaction()
        await transaction.start()
        await writing.execute("select pg_notify('usage_feed', 'never')")
        await transaction.rollback()
    await ledger.grant(account_id, 1)
    transactions = await ledger.db.fetchval("select count(distinct xmin::text) from entry")
    await eventually(lambda: len(heard) >= transactions)
    await asyncio.sleep(0.1)
    assert heard == [str(account_id)] * transactions  # once per account per transaction
    assert transactions < 50
    await connection.close()


async def test_a_line_whose_answer_is_lost_rings_and_the_same_key_settles_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the commit a job's reason may still have to be read, and the connection be gone."""
    rung: list[int] = []

    async def lost(*_: object) -> None:
        raise asyncpg.ConnectionDoesNotExistError("connection was closed")

    async with Ledger.at(database_url) as ledger:
        account_id = await ledger.account()
        writer = Writer(ledger.db, Catalogue(ledger.db), rung.extend)
        intent = GrantCredits(
            account_id=account_id, idempotency_key="k", amount=1, reason_code="GRANT_PROMO"
        )
        with monkeypatch.context() as patched:
            patched.setattr("models.writer.decode", lost)
            assert isinstance(await writer.book(intent), OutcomeUnknown)
        assert rung == [account_id]
        settled = await writer.book(intent)
        assert isinstance(settled, Done)
        assert settled.replayed
        await writer.close()
    assert "Traceback" not in "".join(capsys.readouterr())
