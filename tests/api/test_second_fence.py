"""With the first fence, the resolvers' check, taken away, the database lets nothing through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from models import accounts as ledger_accounts
from models import feed, statements
from models import fence as models_fence
from models.database import CUSTOMER_ROLE
from models.fence import Fence
from models.intents import GrantCredits
from models.wire import BOOK, encode
from resolvers import access, accounts, usage
from resolvers import statements as asked_statements
from schema import ids
from tests.api.support import Api, Caller, events
from tests.owner import owner_of
from tests.waiting import somebody_waits

FOREIGN = """
query ($account: ID!, $charge: ID!, $job: ID!, $from: DateTime!, $to: DateTime!) {
  account(id: $account) { id balance usage { nodes { ... on LedgerEntry { id amount } } }
    statement(from: $from, to: $to) { closing } jobs { nodes { key } }
    entry(seq: 2) { __typename } }
  byKey: account(key: "foreign") { id }
  nodes(ids: [$account, $charge, $job]) { id }
}
"""


@pytest.fixture
def no_first_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    def admit_all(*_: Any) -> bool:
        return True

    for module in (access, accounts, usage, asked_statements):
        monkeypatch.setattr(module, "admit", admit_all)


async def two_accounts(service: Caller) -> tuple[str, str]:
    opened: list[str] = []
    for key in ("own", "foreign"):
        account = await service.opened(key)
        await service.do(
            "startJob", account=account, key="job", operation="draft", amount=10, deadlineSeconds=60
        )
        await service.do("finishJob", account=account, key="job", status="FAILED")
        opened.append(account)
    return opened[0], opened[1]


async def two_account_ids(service: Caller) -> tuple[int, int]:
    own, foreign = (ids.to_account(text) for text in await two_accounts(service))
    assert own is not None
    assert foreign is not None
    return own, foreign


@asynccontextmanager
async def fence_of(database_url: str, size: int = 1) -> AsyncGenerator[Fence]:
    fence = Fence(database_url, size=size)
    try:
        yield fence
    finally:
        await fence.close()


async def test_the_database_alone_lets_nothing_through(
    api: Api, service: Caller, no_first_fence: None
) -> None:
    own, foreign = await two_accounts(service)
    account_id = ids.to_account(foreign)
    assert account_id is not None
    named = {
        "account": foreign,
        "charge": ids.entry(account_id, 2),
        "job": ids.job(account_id, 2),
        "from": "2020-01-01T00:00:00Z",
        "to": "2100-01-01T00:00:00Z",
    }
    data = await api.customer("own").ask(FOREIGN, **named)
    assert data == {"account": None, "byKey": None, "nodes": [None, None, None]}
    # The operation does find what is there: the same, asked about the customer's own account.
    own_id = ids.to_account(own)
    assert own_id is not None
    mine = {"account": own, "charge": ids.entry(own_id, 2), "job": ids.job(own_id, 2)}
    data = await api.customer("own").ask(FOREIGN, **(named | mine))
    assert len(data["account"]["usage"]["nodes"]) == 3
    assert [node["id"] for node in data["nodes"]] == list(mine.values())


async def test_reads_behind_the_fence_see_one_account_whatever_they_ask_for(
    api: Api, service: Caller
) -> None:
    own, foreign = await two_account_ids(service)
    reads = api.process.services.fence.around(own)
    assert await feed.later(reads, foreign, 0, 100) == []
    assert (await feed.page(reads, foreign, feed.Slice(50))).entries == []
    assert await feed.heads(reads, [own, foreign]) == {own: 3}
    assert await feed.entries(reads, [(foreign, 1), (foreign, 2)]) == {}
    for table in ("account", "entry", "job"):
        column = "id" if table == "account" else "account_id"
        rows = await reads.fetch(f"select distinct {column} as id from {table}")
        assert [row["id"] for row in rows] == [own], table
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reads.fetch("select * from idempotency_key")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reads.fetch("select * from service_key")


async def test_a_connection_that_served_one_customer_shows_the_next_nothing_of_it(
    api: Api, service: Caller, database_url: str
) -> None:
    own, foreign = await two_account_ids(service)
    async with fence_of(database_url) as fence:
        for _ in range(3):
            for account_id in (own, foreign, None):
                reads = fence.around(account_id)
                seen = await reads.fetch("select distinct account_id as id from entry")
                assert [row["id"] for row in seen] == ([account_id] if account_id else [])
        both = await asyncio.gather(
            *(
                fence.around(account_id).fetchval("select sum(account_id) from entry")
                for account_id in (own, foreign) * 20
            )
        )
        assert both == [3 * own, 3 * foreign] * 20


async def test_a_customers_connection_writes_nothing(api: Api, service: Caller) -> None:
    own, _ = await two_account_ids(service)
    reads = api.process.services.fence.around(own)
    before = await reads.fetch("select * from account")
    for statement in (
        "insert into entry (account_id) values (1)",
        "update entry set amount = 1",
        "delete from job",
        "update account set balance = 1",
        "update account set opened_at = now()",
        "select * from book('{}')",
        f"set role {CUSTOMER_ROLE}; reset role; update account set name = 'mine'",
    ):
        if statement.startswith("select"):
            assert await reads.fetch(statement) == []
            continue
        with pytest.raises(asyncpg.PostgresError):
            await reads.fetch(statement)
    assert await reads.fetch("select * from account") == before


async def test_a_statement_reads_behind_the_fence_too(api: Api, service: Caller) -> None:
    own, foreign = await two_account_ids(service)
    reads = api.process.services.fence.around(own)
    page = await feed.page(reads, own, feed.Slice(1))
    start, end = page.entries[0].recorded_at.replace(year=2020), page.entries[0].recorded_at
    assert await statements.read(reads, foreign, start, end, "UTC") is None
    statement = await statements.read(reads, own, start, end, "UTC")
    assert statement is not None
    assert statement.closing_seq == 2


async def test_connections_that_the_database_closed_are_not_lent_again(
    api: Api, service: Caller, database_url: str
) -> None:
    own, foreign = await two_account_ids(service)
    async with fence_of(database_url, size=2) as fence:
        reads = fence.around(own)
        await asyncio.gather(*(reads.fetchval("select pg_sleep(0.1)") for _ in range(2)))
        async with owner_of(api.process) as db:
            ended = await db.fetchval(
                "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        assert ended >= 2
        await asyncio.sleep(0.2)
        assert await fence.around(foreign).fetchval("select count(*) from entry") == 3
        assert await reads.fetchval("select count(*) from entry") == 3
        assert await asyncio.gather(*(reads.fetchval("select 1") for _ in range(4))) == [1] * 4


async def test_the_database_alone_lets_no_live_line_through(
    api: Api, service: Caller, no_first_fence: None
) -> None:
    own, foreign = await two_accounts(service)
    customer = api.customer("own")
    for account, landed in ((own, True), (foreign, False)):
        query = (
            f'subscription {{ usageEntryLanded(account: "{account}", since: "{ids.cursor(0)}") '
            "{ edge { node { ... on LedgerEntry { seq } } } } }"
        )
        seen: list[dict[str, Any]] = []
        async with asyncio.timeout(20), events(customer, query) as stream:
            async for event in stream:
                seen.append(event)
                if len(seen) == 3:
                    break
        if landed:
            assert [event["data"]["usageEntryLanded"]["edge"]["node"]["seq"] for event in seen] == [
                1,
                2,
                3,
            ]
        else:
            codes = [error["extensions"]["code"] for event in seen for error in event["errors"]]
            assert codes == ["NOT_FOUND"]


async def test_reading_the_account_binds_a_connection_to_it_and_to_no_other(
    api: Api, service: Caller, database_url: str
) -> None:
    own, foreign = await two_account_ids(service)
    bound = "select coalesce(own_account(), 0)"
    async with fence_of(database_url) as fence:
        for account_id, other in ((own, foreign), (foreign, own)) * 2:
            reads = fence.around(account_id)
            found = await ledger_accounts.by_id(reads, account_id)
            assert found is not None
            assert found.id == account_id
            assert await ledger_accounts.by_id(reads, other) is None
            assert await reads.fetchval(bound) == account_id
            assert await ledger_accounts.by_id(fence.around(other), account_id) is None
            assert await fence.around(None).fetchval(bound) == 0
            assert await ledger_accounts.by_id(fence.around(None), account_id) is None


async def test_an_account_and_its_page_are_read_behind_the_fence_in_one_statement(
    api: Api, service: Caller, database_url: str
) -> None:
    own, foreign = await two_account_ids(service)
    async with fence_of(database_url) as fence:
        for account_id, other in ((own, foreign), (foreign, own), (foreign, own), (own, foreign)):
            reads = fence.around(account_id)
            found = await feed.account_and_page(reads, account_id, feed.Slice(2))
            assert found is not None
            account, page = found
            assert page == await feed.page(reads, account_id, feed.Slice(2))
            assert [(entry.account_id, entry.seq) for entry in page.entries] == [
                (account_id, 3),
                (account_id, 2),
            ]
            assert account == await ledger_accounts.by_id(reads, account_id)
            below = await feed.account_and_page(reads, account_id, feed.Slice(2, older_than=1))
            assert below == (account, feed.Page([], has_older=False, has_newer=True))
            assert await feed.account_and_page(reads, other, feed.Slice(2)) is None
        for account_id in (own, foreign):  # a connection that is bound to another account
            await fence.around(0).fetchval("select 1")
            reads = fence.around(account_id)
            assert (
                await feed.account_and_page(reads, foreign + own - account_id, feed.Slice(2))
                is None
            )


@pytest.mark.parametrize("newer_than", [None, 3])
async def test_an_account_and_the_page_read_with_it_are_of_one_moment(
    api: Api, service: Caller, database_url: str, newer_than: int | None
) -> None:
    own, foreign = await two_account_ids(service)
    grant = GrantCredits(
        account_id=own, idempotency_key="late", amount=5, reason_code="GRANT_PROMO"
    )
    piece = feed.Slice(10, newer_than=newer_than)
    async with fence_of(database_url) as fence:
        await feed.account_and_page(fence.around(foreign), foreign, piece)  # known by now
        async with owner_of(api.process) as db, db.pool.acquire() as connection:
            async with connection.transaction():
                await connection.execute("lock table account in access exclusive mode")
                reading = asyncio.create_task(feed.account_and_page(fence.around(own), own, piece))
                await somebody_waits(api.process.services.db)
                await connection.fetch(BOOK, [encode(grant)])
            found = await reading
        assert found is not None
        account, page = found
        oldest = newer_than or 0
        assert [entry.seq for entry in page.entries] == list(range(account.last_seq, oldest, -1))


async def test_a_migration_beneath_the_fence_is_not_noticed(
    api: Api, service: Caller, database_url: str
) -> None:
    own, _ = await two_account_ids(service)
    async with fence_of(database_url) as fence:
        reads = fence.around(own)
        before = await reads.fetch("select * from account")
        async with owner_of(api.process) as db:
            await db.execute("alter table account add column later int default 7")
        for _ in range(2):
            (after,) = await reads.fetch("select * from account")
            assert dict(after) == {**before[0], "later": 7}
        assert fence.counts() == (1, 1)


async def test_a_connection_keeps_no_more_statements_than_it_may(
    api: Api, service: Caller, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _ = await two_account_ids(service)
    monkeypatch.setattr(models_fence, "STATEMENTS_MAX", 3)
    async with fence_of(database_url) as fence:
        reads = fence.around(own)
        for number in range(10):
            assert await reads.fetchval(f"select {number}") == number
        assert await reads.fetchval("select count(*) from pg_prepared_statements") <= 5
