"""Networks fail and servers restart: afterwards nothing is missing and nothing is double."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.api.support import Caller
from tests.browser.support import Backend, Customer, Screen, book


async def test_lines_that_land_while_the_socket_is_gone_are_all_there_once(
    frail: Backend, frail_screen: Screen
) -> None:
    screen, customer = frail_screen, await frail.customer()
    await screen.open(customer.token)
    await screen.live()
    target, frail.gate.target = frail.gate.target, None
    frail.gate.cut()
    await expect(screen.connection).to_have_text("Reconnecting…")
    await book(frail.service, customer.id, 12)
    frail.gate.target = target
    await expect(screen.row(13)).to_be_visible(timeout=20_000)
    await screen.live()
    await expect(screen.balance).to_have_text("988")
    assert await screen.seqs() == list(range(13, 0, -1))
    await screen.reconciles()


async def test_a_restarted_server_is_found_again_and_no_line_is_missed(
    frail: Backend, frail_screen: Screen
) -> None:
    screen, customer = frail_screen, await frail.customer()
    await screen.open(customer.token)
    await screen.live()
    await frail.stop()
    await expect(screen.connection).to_have_text("Reconnecting…")
    await frail.start()
    await book(frail.service, customer.id, 9)
    await expect(screen.row(10)).to_be_visible(timeout=20_000)
    await screen.live()
    assert await screen.seqs() == list(range(10, 0, -1))
    await screen.reconciles()


async def test_offline_says_since_when_and_coming_back_fills_the_gap(
    frail: Backend, frail_screen: Screen
) -> None:
    screen, customer = frail_screen, await frail.customer()
    await screen.open(customer.token)
    await screen.live()
    await screen.context.set_offline(True)
    await expect(screen.connection).to_have_text(re.compile(r"^Offline as of \d+:\d\d"))
    await book(frail.service, customer.id, 5)
    await screen.context.set_offline(False)
    await screen.live()
    await expect(screen.row(6)).to_be_visible()
    assert await screen.seqs() == [6, 5, 4, 3, 2, 1]
    await screen.reconciles()


async def test_a_reader_further_down_is_told_and_not_moved(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    await book(service, customer.id, 90)
    await screen.open(customer.token)
    await screen.live()
    await screen.page.mouse.move(640, 600)
    await screen.page.mouse.wheel(0, 2_000)
    await expect(screen.row(91)).not_to_be_attached()
    place = "() => Math.round(scrollY)"
    await expect(screen.row(60)).to_be_visible()
    before = await screen.page.evaluate(place)
    top = await screen.row(60).bounding_box()
    await book(service, customer.id, 3)
    pill = screen.page.get_by_role("button", name="Show 3 new lines")
    await expect(pill).to_be_visible()
    await expect(pill).to_have_text(re.compile("3 new"))
    assert await screen.page.evaluate(place) == before
    assert await screen.row(60).bounding_box() == top
    await expect(screen.balance).to_have_text("907")
    await pill.click()
    await expect(screen.row(94)).to_be_visible()
    await expect(pill).not_to_be_attached()
