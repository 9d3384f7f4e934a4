"""A page that is remembered is the page that would be read."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
import pytest_asyncio

from models import intents
from models.database import Database
from models.outcomes import Done
from models.records import JobStatus
from resolvers.access import Viewer, ViewerKind
from schema import ids, pages
from schema.context import Context
from schema.pages import Pages
from schema.schema import build_schema
from tests.compiled.twins import Twin, twin

PAGE = """query ($account: ID!, $first: Int, $after: String, $filter: UsageFilter) {
  account(id: $account) { balance headCursor usage(first: $first, after: $after, filter: $filter) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { __typename
      ... on LedgerEntry { id amount balanceAfter reason { title } }
      ... on Charge { refunded net refunds { amount } } ... on Refund { charge { net } } } } } }
}"""
WITH_JOBS = PAGE.replace("reason {", "job { status refundDecision { refunded } } reason {")
SCHEMA = build_schema()


@pytest_asyncio.fixture
async def ledger(database_url: str) -> AsyncGenerator[Twin]:
    async with twin(database_url) as made:
        yield made


async def told(ledger: Twin, text: str, *, anew: bool = False, **variables: Any) -> Any:
    """The answer; `anew` is that of a process that remembers nothing."""
    services = replace(ledger.services, pages=Pages()) if anew else ledger.services
    context = replace(ledger.context(), services=services)
    result = await SCHEMA.execute(text, variables, context)
    assert result.errors is None
    return orjson.loads(orjson.dumps(result.data))


async def test_whatever_is_booked_in_between_no_page_is_out_of_date(ledger: Twin) -> None:
    random, account = Random(7), ledger.accounts[0]
    running: list[str] = []
    for step in range(120):
        await _book(ledger, random, account, running, str(step))
        for text in (PAGE, WITH_JOBS):
            asked: dict[str, Any] = {
                "account": ids.account(account),
                "first": random.choice([2, 5, 50]),
                "after": random.choice([None, None, ids.cursor(random.randint(2, 30))]),
                "filter": random.choice([None, None, {"kinds": ["CHARGE"]}, {"campaign": "a"}]),
            }
            expected = await told(ledger, text, anew=True, **asked)
            assert [await told(ledger, text, **asked) for _ in range(3)] == [expected] * 3


async def _book(ledger: Twin, random: Random, account: int, running: list[str], key: str) -> None:
    given: dict[str, Any] = {"account_id": account, "idempotency_key": f"more-{key}"}
    choice = random.randrange(4)
    if choice == 0:
        start = intents.StartJob(
            **given, key=key, job_operation="draft", amount=3, deadline_seconds=10**6, campaign="a"
        )
        await ledger.book(start)
        running.append(key)
    elif choice == 1 and running:
        ended = running.pop(random.randrange(len(running)))
        status = random.choice([JobStatus.SUCCEEDED, JobStatus.FAILED])
        await ledger.book(intents.FinishJob(**given, key=ended, status=status))
    elif choice == 2:
        await ledger.book(intents.GrantCredits(**given, amount=9, reason_code="GRANT_PROMO"))


async def in_its_stride(ledger: Twin, *texts: str) -> None:
    """Ask what has a plan from now on: nothing is remembered of what runs without one."""
    for text in texts:
        for _ in range(2):
            await told(ledger, text, anew=True, account=ids.account(ledger.accounts[0]))


async def test_a_page_is_remembered_when_it_is_asked_for_again(ledger: Twin) -> None:
    await in_its_stride(ledger, PAGE)
    account = ledger.accounts[1]
    first = await told(ledger, PAGE, account=ids.account(account), first=10)
    assert len(ledger.services.pages) == 0
    for _ in range(3):
        assert await told(ledger, PAGE, account=ids.account(account), first=10) == first
        assert len(ledger.services.pages) == 1


async def test_a_page_asked_for_once_is_not_expected_for_ever(
    ledger: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_its_stride(ledger, PAGE)
    monkeypatch.setattr(pages, "ASKED_MAX", 3)
    account = ids.account(ledger.accounts[1])
    for first in (1, 2, 3, 4, 1, 2):
        await told(ledger, PAGE, account=account, first=first)
    assert len(ledger.services.pages) == 0
    await told(ledger, PAGE, account=account, first=1)
    assert len(ledger.services.pages) == 1


async def test_documents_that_show_one_page_do_so_each_in_its_own_way(ledger: Twin) -> None:
    texts = [PAGE.replace("title", f"n{number}: title") for number in range(2 * pages.PLACES_MAX)]
    await in_its_stride(ledger, *texts)
    account = ids.account(ledger.accounts[1])
    expected = [await told(ledger, text, anew=True, account=account) for text in texts]
    assert len({str(page) for page in expected}) == len(texts)
    for _ in range(3):
        assert [await told(ledger, text, account=account) for text in texts] == expected
        assert len(ledger.services.pages) == 1
        (page,) = ledger.services.pages._pages.values()
        assert len(page.shown) <= pages.PLACES_MAX


async def test_a_page_and_its_account_are_one_statement_and_a_remembered_page_is_no_line(
    ledger: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "query ($id: ID!) { account(id: $id) { usage(first: 10) { nodes { __typename } } } }"
    read: list[int] = []
    fetch, fetchrow = Database.fetch, Database.fetchrow

    async def counting(db: Database, sql: str, *args: Any, binding: str | None = None) -> Any:
        rows = await fetch(db, sql, *args, binding=binding)
        read.append(len(rows))
        return rows

    async def counting_one(db: Database, sql: str, *args: Any, binding: str | None = None) -> Any:
        read.append(1)
        return await fetchrow(db, sql, *args, binding=binding)

    monkeypatch.setattr(Database, "fetch", counting)
    monkeypatch.setattr(Database, "fetchrow", counting_one)
    for _ in range(5):
        await told(ledger, text, id=ids.account(ledger.accounts[0]))
    assert read == [11, 11, 11, 1, 1]


async def test_a_remembered_page_is_not_asked_for_once_its_account_has_moved(ledger: Twin) -> None:
    await in_its_stride(ledger, PAGE)
    account = ledger.accounts[1]
    first = await told(ledger, PAGE, account=ids.account(account), first=10)
    assert await told(ledger, PAGE, account=ids.account(account), first=10) == first
    assert len(ledger.services.pages) == 1
    given: dict[str, Any] = {"account_id": account, "idempotency_key": "one more"}
    done = await ledger.book(intents.GrantCredits(**given, amount=9, reason_code="GRANT_PROMO"))
    assert isinstance(done, Done)
    after = await told(ledger, PAGE, account=ids.account(account), first=10)
    assert after["account"]["usage"]["edges"][0]["node"]["amount"] == 9
    assert len(ledger.services.pages) == 1


async def test_a_page_with_a_job_under_way_is_not_remembered(ledger: Twin) -> None:
    await in_its_stride(ledger, WITH_JOBS)
    account = ledger.accounts[1]
    start = intents.StartJob(
        account_id=account, idempotency_key="s", key="under way", job_operation="draft", amount=3,
        deadline_seconds=10**6,
    )  # fmt: skip
    await ledger.book(start)
    await told(ledger, WITH_JOBS, account=ids.account(account), first=1)
    before = await told(ledger, WITH_JOBS, account=ids.account(account), first=1)
    assert len(ledger.services.pages) == 0
    end = intents.FinishJob(
        account_id=account, idempotency_key="e", key="under way", status=JobStatus.SUCCEEDED
    )
    await ledger.book(end)  # no line: the account stands still
    after = await told(ledger, WITH_JOBS, account=ids.account(account), first=1)
    statuses = [page["account"]["usage"]["edges"][0]["node"]["job"]["status"]
                for page in (before, after)]  # fmt: skip
    assert statuses == ["RUNNING", "SUCCEEDED"]


async def test_a_remembered_page_is_nobody_elses(ledger: Twin) -> None:
    await in_its_stride(ledger, PAGE)
    own, foreign = ledger.accounts[:2]
    for _ in range(2):
        await told(ledger, PAGE, account=ids.account(foreign), first=10)
    assert len(ledger.services.pages) == 1
    stranger = Viewer(ViewerKind.CUSTOMER, "own", own)
    context = Context(stranger, ledger.services)
    result = await SCHEMA.execute(PAGE, {"account": ids.account(foreign), "first": 10}, context)
    assert result.data == {"account": None}


async def test_what_belongs_to_a_corrected_line_is_found_though_the_page_does_not_name_it(
    ledger: Twin,
) -> None:
    account = ledger.accounts[0]
    text = """query ($account: ID!) { account(id: $account) { usage(first: 1) { nodes {
      ... on Adjustment { corrects { ... on LedgerEntry { seq job { key } }
        ... on Refund { charge { seq refunds { seq } } } } } } } } }"""
    (refund,) = await ledger.services.db.fetch(
        "select seq, charge_seq from entry where account_id = $1 and kind = 'REFUND' "
        "and job_seq is not null order by seq limit 1",
        account,
    )
    adjustment = intents.AdjustBalance(
        account_id=account, idempotency_key="mend more", amount=-1, reason_code="MANUAL_CORRECTION",
        corrects_seq=refund["seq"], author="an operator", note="It was too much.",
    )  # fmt: skip
    await ledger.book(adjustment)
    page = await told(ledger, text, account=ids.account(account))
    corrected = page["account"]["usage"]["nodes"][0]["corrects"]
    assert corrected["seq"] == refund["seq"]
    assert corrected["job"]["key"]
    charge = corrected["charge"]
    assert charge == {"seq": refund["charge_seq"], "refunds": [{"seq": refund["seq"]}]}


async def test_no_more_is_remembered_than_the_bound(
    ledger: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "BYTES_MAX", 20_000)
    await in_its_stride(ledger, PAGE)
    account = ids.account(ledger.accounts[0])
    most = 0
    for first in range(1, 40):
        for after in (None, ids.cursor(8), ids.cursor(1)):
            for _ in range(2):
                await told(ledger, PAGE, account=account, first=first, after=after)
            remembered = ledger.services.pages
            texts = [text for page in remembered._pages.values() for text in page.shown.values()]
            size = pages.OVERHEAD_BYTES * len(remembered) + sum(map(len, texts))
            assert remembered.bytes == size <= 20_000
            most = max(most, size)
    assert most > 15_000
