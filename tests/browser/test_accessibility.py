"""For everyone: by keyboard, by screen reader, in the dark, on a phone."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.async_api import Browser, expect

from tests.api.support import Caller
from tests.browser.support import (
    NARROW,
    WEB,
    WIDE,
    Backend,
    Customer,
    Screen,
    book,
    fail_a_job,
    screen_on,
)

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"


async def violations(screen: Screen) -> list[str]:
    """What axe finds on the page as it stands, once its motion has ended."""
    await screen.page.wait_for_timeout(400)
    await screen.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await screen.page.evaluate("() => axe.run()")
    return [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_axe_finds_nothing(
    service: Caller,
    backend: Backend,
    customer: Customer,
    browser: Browser,
    scheme: Literal["light", "dark"],
    size: tuple[int, int],
) -> None:
    await fail_a_job(service, customer.id, "gen-1")
    await service.do(
        "adjustBalance", account=customer.id, amount=5, reasonCode="MANUAL_CORRECTION", note="N"
    )
    options = {"color_scheme": scheme, "reduced_motion": "reduce"}
    async with screen_on(browser, backend.gate.url, size, **options) as screen:
        await screen.open(customer.token)
        await screen.live()
        await screen.reconciles()
        assert await violations(screen) == []
        for seq in (2, 3, 4):
            await screen.row(seq).locator(".line").click()
        assert await violations(screen) == []
        await screen.page.get_by_role("button", name="Refunds", exact=True).click()
        await screen.row(3).locator(".line").focus()
        await screen.page.keyboard.press("?")
        await expect(screen.page.get_by_role("dialog")).to_be_visible()
        assert await violations(screen) == []
        await screen.page.keyboard.press("Escape")
        await screen.open(customer.token, query="?kind=GRANT&campaign=none")
        await expect(screen.page.get_by_role("heading", name="No line matches")).to_be_visible()
        assert await violations(screen) == []
        assert screen.problems == []


async def test_on_a_phone_nothing_is_cut_off_and_rows_are_large_enough_to_touch(
    service: Caller, backend: Backend, customer: Customer, browser: Browser
) -> None:
    await fail_a_job(service, customer.id, "gen-1")
    async with screen_on(
        browser, backend.gate.url, NARROW, has_touch=True, is_mobile=True
    ) as screen:
        await screen.open(customer.token)
        await screen.live()
        assert await screen.page.evaluate("document.documentElement.scrollWidth") == NARROW[0]
        for part in (".amount", ".after", ".title", ".kind", ".under .when", ".back"):
            where = screen.row(2).locator(part)
            await expect(where).to_be_visible()
            box = await where.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= NARROW[0]
        line = await screen.row(3).locator(".line").bounding_box()
        assert line
        assert line["height"] >= 44
        await screen.row(3).locator(".line").tap()
        await expect(screen.row(3).locator(".detail")).to_contain_text("Nothing was kept.")


async def test_the_keyboard_walks_opens_closes_and_searches(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    await book(service, customer.id, 40)
    await screen.open(customer.token)
    await screen.live()
    keyboard = screen.page.keyboard
    for _ in range(3):
        await keyboard.press("j")
    await expect(screen.row(39).locator(".line")).to_be_focused()
    await keyboard.press("k")
    await expect(screen.row(40).locator(".line")).to_be_focused()
    await expect(screen.page.get_by_role("tooltip")).to_be_visible()
    await keyboard.press("Enter")
    await expect(screen.row(40).locator(".detail")).to_be_visible()
    await keyboard.press("Escape")
    await expect(screen.row(40).locator(".detail")).not_to_be_attached()
    for _ in range(30):
        await keyboard.press("j")
    await expect(screen.row(10).locator(".line")).to_be_focused()
    await expect(screen.row(10)).to_be_in_viewport()
    await keyboard.press("/")
    await expect(screen.page.get_by_role("searchbox")).to_be_focused()
    await keyboard.type("jk?")
    await expect(screen.page.get_by_role("searchbox")).to_have_value("jk?")


async def test_new_lines_are_announced_one_in_full_and_many_as_a_count(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    await screen.open(customer.token)
    await screen.live()
    said = screen.page.locator("usage-feed .unseen[aria-live]")
    await service.do("recordCharge", account=customer.id, amount=7)
    await expect(said).to_have_text("Charge, Usage \u22127. Balance 993.")
    await book(service, customer.id, 20)
    await expect(said).to_have_text("20 new lines. Balance 973.", timeout=10_000)


async def test_less_motion_forced_colours_and_paper_keep_every_figure(
    backend: Backend, service: Caller, customer: Customer, browser: Browser
) -> None:
    await fail_a_job(service, customer.id, "gen-1")
    async with screen_on(
        browser, backend.gate.url, forced_colors="active", reduced_motion="reduce"
    ) as screen:
        await screen.open(customer.token)
        await screen.reconciles()
        await screen.page.emulate_media(media="print")
        await expect(screen.balance).to_have_text("1,000")
        await expect(screen.row(3).locator(".amount")).to_have_text("+40")
        await expect(screen.page.get_by_role("searchbox")).to_be_hidden()
        assert await screen.strip() == {
            "opening": 0,
            "granted": 1_000,
            "charged": 40,
            "refunded": 40,
            "adjusted": 0,
            "closing": 1_000,
        }
