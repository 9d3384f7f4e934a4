"""What is seen can be named: by an address, by filters that stand in it, by a period and a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest_asyncio
from playwright.async_api import expect

from tests.api.support import Caller
from tests.browser.support import Backend, Customer, Screen, fail_a_job, number


@pytest_asyncio.fixture(loop_scope="session")
async def varied(service: Caller, customer: Customer) -> Customer:
    """An account with 3 jobs that failed, 4 campaign charges and an adjustment: 12 lines."""
    for n in range(3):
        await fail_a_job(service, customer.id, f"gen-{n}", amount=10 + n)
    for n in range(4):
        await service.do("recordCharge", account=customer.id, amount=5, campaign=f"camp {n % 2}")
    await service.do(
        "adjustBalance",
        account=customer.id,
        amount=-7,
        reasonCode="MANUAL_CORRECTION",
        note="Two",
    )
    return customer


async def test_the_token_leaves_the_address_at_once_and_a_reload_needs_none(
    customer: Customer, screen: Screen
) -> None:
    token = customer.token
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    await screen.open(token)
    await screen.live()
    assert screen.page.url == f"{screen.origin}/billing/usage"
    await screen.page.reload()
    await screen.live()
    assert screen.page.url == f"{screen.origin}/billing/usage"
    assert [url for url in asked if token in url and "#token=" not in url] == []


async def test_a_link_to_a_line_opens_its_page_and_focuses_it(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    given = [{"account": customer.id, "idempotencyKey": str(n), "amount": 1} for n in range(300)]
    for at in range(0, 300, 100):
        await service.do_all("recordCharge", given[at : at + 100])
    lines = await service.lines(customer.id)
    await screen.open(customer.token, entry=lines[119]["id"])
    row = screen.row(120)
    await expect(row.locator(".line")).to_be_focused()
    await expect(row.locator(".line")).to_have_attribute("aria-expanded", "true")
    await expect(row.locator(".detail")).to_contain_text(lines[119]["id"])
    await expect(row).to_be_in_viewport()
    assert screen.page.url.endswith(f"#entry={lines[119]['id'].replace('=', '%3D')}")
    await screen.page.get_by_role("button", name="Back to the newest").click()
    await expect(screen.row(301)).to_be_visible()


async def test_a_link_to_a_line_of_another_account_shows_nothing_of_it(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    other = await service.opened("other", 77)
    (line,) = await service.lines(other)
    await screen.open(customer.token, entry=line["id"])
    await expect(screen.page.locator("usage-feed .toast")).to_contain_text("not in your account")
    await expect(screen.row(1)).to_be_visible()
    assert await screen.seqs() == [1]


async def test_filters_stand_in_the_address_and_as_chips_and_go_back_with_the_browser(
    varied: Customer, screen: Screen
) -> None:
    await screen.open(varied.token)
    await expect(screen.rows).to_have_count(12)
    page = screen.page
    await page.get_by_role("button", name="Refunds", exact=True).click()
    await expect(screen.rows).to_have_count(3)
    assert parse_qs(urlsplit(page.url).query) == {"kind": ["REFUND"]}
    await page.get_by_role("button", name="Charges", exact=True).click()
    await expect(screen.rows).to_have_count(10)
    await page.get_by_role("combobox", name="Campaign").select_option("camp 1")
    await expect(screen.rows).to_have_count(2)
    assert parse_qs(urlsplit(page.url).query) == {
        "kind": ["CHARGE", "REFUND"],
        "campaign": ["camp 1"],
    }
    await page.get_by_role("button", name="Remove filter Campaign: camp 1").click()
    await expect(screen.rows).to_have_count(10)
    await page.go_back()
    await expect(screen.rows).to_have_count(2)
    await page.reload()
    await expect(screen.rows).to_have_count(2)
    await page.get_by_role("button", name="Clear filters").click()
    await expect(screen.rows).to_have_count(12)
    assert urlsplit(page.url).query == ""


async def test_search_finds_a_job_and_a_line_by_its_id(
    service: Caller, varied: Customer, screen: Screen
) -> None:
    await screen.open(varied.token)
    await expect(screen.rows).to_have_count(12)
    await screen.page.keyboard.press("/")
    search = screen.page.get_by_role("searchbox")
    await expect(search).to_be_focused()
    await search.fill("gen-1")
    await expect(screen.rows).to_have_count(2)
    await search.fill((await service.lines(varied.id))[11]["id"])
    await expect(screen.rows).to_have_count(1)
    await expect(screen.row(12)).to_be_visible()
    await search.fill("nothing like it")
    await expect(screen.page.get_by_role("heading", name="No line matches")).to_be_visible()


async def test_a_term_of_the_strip_shows_its_lines_and_their_sum_is_the_term(
    varied: Customer, screen: Screen
) -> None:
    await screen.open(varied.token)
    await screen.reconciles()
    for term, count in {"granted": 1, "charged": 7, "refunded": 3, "adjusted": 1}.items():
        await screen.page.locator(f"usage-feed .term.{term}").click()
        await expect(screen.rows).to_have_count(count)
        amounts = await screen.rows.locator(".amount").all_text_contents()
        shown = (await screen.strip())[term]
        assert sum(map(number, amounts)) == (-shown if term == "charged" else shown)
        await screen.page.locator(f"usage-feed .term.{term}").click()


async def test_a_day_of_the_chart_and_its_table_set_the_period(
    backend: Backend, service: Caller, screen: Screen
) -> None:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    customer = await backend.customer(granted=0)
    for days in (3, 2, 1):
        await service.do(
            "grantCredits",
            account=customer.id,
            amount=10 * days,
            reasonCode="GRANT_PLAN",
            recordedAt=(today - timedelta(days=days)).isoformat(),
        )
    day = (today - timedelta(days=2)).date()
    await screen.open(customer.token, query="?period=7-days")
    await expect(screen.rows).to_have_count(3)
    page = screen.page
    box = await page.locator("usage-feed .chart svg").bounding_box()
    assert box
    step = (box["width"] - 44) / 7
    await page.mouse.click(box["x"] + 44 + step * 4.5, box["y"] + 30)
    await expect(screen.rows).to_have_count(1)
    assert parse_qs(urlsplit(page.url).query) == {"from": [str(day)], "to": [str(day)]}
    assert (await screen.strip())["opening"] == 30
    await page.go_back()
    await expect(screen.rows).to_have_count(3)
    await page.get_by_text("Show as a table").click()
    await page.get_by_role("button", name=re.compile("^Set the period to")).nth(1).click()
    await expect(screen.rows).to_have_count(1)
    assert parse_qs(urlsplit(page.url).query) == {"from": [str(day)], "to": [str(day)]}


async def test_the_zone_is_stated_and_decides_which_day_a_line_belongs_to(
    backend: Backend, service: Caller, screen: Screen
) -> None:
    customer = await backend.customer(granted=0, timeZone="Pacific/Auckland")
    late = datetime.now(UTC).replace(day=1, hour=20, minute=0, second=0, microsecond=0)
    late -= timedelta(days=5)
    await service.do(
        "grantCredits",
        account=customer.id,
        amount=10,
        reasonCode="GRANT_PLAN",
        recordedAt=late.isoformat(),
    )
    day = late.date()
    query = f"?from={day}&to={day}"
    await screen.open(customer.token, query=query)
    await expect(screen.page.locator("usage-feed .range")).to_contain_text("Pacific/Auckland")
    await expect(screen.page.get_by_role("heading", name="Nothing moved")).to_be_visible()
    await screen.page.get_by_role("combobox", name="Time zone").select_option("utc")
    await expect(screen.rows).to_have_count(1)
    await expect(screen.page.locator("usage-feed .range")).to_contain_text("UTC")
    assert parse_qs(urlsplit(screen.page.url).query)["zone"] == ["utc"]
