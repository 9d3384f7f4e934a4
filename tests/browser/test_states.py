"""Each state of the page is designed: it says what is the matter and what to do."""

from __future__ import annotations

import asyncio
import time

import pytest
from playwright.async_api import Browser, Route, expect

from tests.api.support import Caller
from tests.browser.support import Backend, Customer, Screen, book, screen_on


async def heading(screen: Screen, words: str) -> None:
    await expect(screen.page.get_by_role("heading", name=words)).to_be_visible()


async def test_a_new_account_is_told_what_will_appear_and_then_it_does(
    backend: Backend, service: Caller, screen: Screen
) -> None:
    customer = await backend.customer(granted=0)
    await screen.open(customer.token)
    await heading(screen, "Nothing here yet")
    await expect(screen.balance).to_have_text("0")
    await screen.live()
    await service.do("grantCredits", account=customer.id, amount=25, reasonCode="GRANT_PROMO")
    await expect(screen.row(1).locator(".amount")).to_have_text("+25")
    await expect(screen.balance).to_have_text("25")


async def test_a_quiet_period_and_filters_that_fit_nothing_are_told_apart(
    customer: Customer, screen: Screen
) -> None:
    await screen.open(customer.token, query="?period=last-month")
    await heading(screen, "Nothing moved in this period")
    await screen.open(customer.token, query="?kind=REFUND")
    await heading(screen, "No line matches")
    await screen.page.locator("usage-feed .state").get_by_role("button").click()
    await expect(screen.rows).to_have_count(1)


@pytest.mark.parametrize("token", ["", "expired", "not-a-token"])
async def test_without_a_valid_token_the_page_says_signed_out_and_nothing_else(
    backend: Backend, customer: Customer, browser: Browser, token: str
) -> None:
    if token == "expired":
        token = backend.token(customer.key, exp=int(time.time()) - 3_600)
    async with screen_on(browser, backend.gate.url) as screen:
        await screen.open(token)
        await heading(screen, "You are signed out")
        await expect(screen.rows).to_have_count(0)
        assert [problem for problem in screen.problems if "401" not in problem] == []


async def test_a_server_that_does_not_answer_can_be_tried_again(
    backend: Backend, customer: Customer, browser: Browser
) -> None:
    async with screen_on(browser, backend.gate.url) as screen:
        await screen.page.route("**/graphql", lambda route: route.abort())
        await screen.open(customer.token)
        await heading(screen, "Your usage could not be loaded")
        await screen.page.unroute("**/graphql")
        await screen.page.get_by_role("button", name="Try again").click()
        await expect(screen.row(1)).to_be_visible()


async def test_offline_from_the_start_loads_by_itself_once_the_network_is_back(
    backend: Backend, customer: Customer, browser: Browser
) -> None:
    async with screen_on(browser, backend.gate.url) as screen:
        await screen.open(customer.token)
        await screen.live()
        feed = screen.page.locator("usage-feed")
        await screen.context.set_offline(True)
        await feed.evaluate("feed => feed.setAttribute('locale', 'en-GB')")
        await heading(screen, "You are offline")
        await screen.context.set_offline(False)
        await expect(screen.row(1)).to_be_visible()


async def test_the_first_load_shows_the_shape_of_what_comes(
    customer: Customer, screen: Screen
) -> None:
    async def slowly(route: Route) -> None:
        await asyncio.sleep(0.6)
        await route.continue_()

    await screen.page.route("**/graphql", slowly)
    await screen.open(customer.token)
    await expect(screen.page.locator("usage-feed .loading")).to_be_visible()
    await expect(screen.row(1)).to_be_visible()
    await expect(screen.page.locator("usage-feed .loading")).not_to_be_attached()
    await screen.page.unroute_all(behavior="wait")


async def test_older_lines_that_fail_to_load_leave_the_rest_and_come_on_asking(
    service: Caller, backend: Backend, customer: Customer, browser: Browser
) -> None:
    await book(service, customer.id, 60)
    async with screen_on(browser, backend.gate.url) as screen:
        await screen.open(customer.token)
        await screen.live()
        await screen.page.route("**/graphql", lambda route: route.abort())
        await screen.page.mouse.move(640, 600)
        await screen.page.mouse.wheel(0, 9_000)
        again = screen.page.get_by_role("button", name="Try again")
        await expect(again).to_be_visible()
        await screen.page.unroute("**/graphql")
        await again.click()
        await screen.page.mouse.wheel(0, 9_000)
        await expect(screen.row(1)).to_be_visible()


async def test_amounts_with_a_scale_are_shown_to_the_smallest_unit(
    backend: Backend, service: Caller, screen: Screen
) -> None:
    customer = await backend.customer(granted=1_234_567, scale=2, unit="EUR")
    await service.do("recordCharge", account=customer.id, amount=5)
    await screen.open(customer.token)
    await expect(screen.row(1).locator(".amount")).to_have_text("+12,345.67")
    await expect(screen.row(2).locator(".amount")).to_have_text("\u22120.05")
    await expect(screen.balance).to_have_text("12,345.62")
    await expect(screen.term("charged")).to_have_text("0.05")
    await screen.reconciles()
