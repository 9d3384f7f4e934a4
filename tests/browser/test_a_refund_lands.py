"""The story of the product: a generation fails while its customer looks, and nothing is unclear."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.api.support import Caller
from tests.browser.support import MINUS, Customer, Screen, fail_a_job


async def test_a_refund_lands_while_the_customer_looks_and_everything_reconciles(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    await screen.open(customer.token)
    await screen.live()
    await expect(screen.balance).to_have_text("1,000")

    await service.do(
        "startJob",
        account=customer.id,
        key="gen-1",
        operation="text_to_image",
        amount=40,
        deadlineSeconds=600,
        campaign="Launch",
    )
    charge = screen.row(2)
    await expect(charge.locator(".amount")).to_have_text(f"{MINUS}40")
    await expect(charge.locator(".title")).to_have_text("Text to image")
    await expect(charge.locator(".under")).to_contain_text("Launch")
    await expect(screen.balance).to_have_text("960")

    await service.do(
        "finishJob",
        account=customer.id,
        key="gen-1",
        status="FAILED",
        reasonCode="PLATFORM_ERROR",
        detail="Nothing was kept.",
    )
    refund = screen.row(3)
    await expect(refund.locator(".amount")).to_have_text("+40")
    await expect(refund.locator(".kind")).to_have_text("Refund")
    await expect(refund.locator(".after")).to_have_text("1,000")
    await expect(screen.balance).to_have_text("1,000")
    await expect(charge.locator(".back")).to_have_text("Refunded 40 of 40")

    await refund.locator(".line").hover()
    tip = screen.page.get_by_role("tooltip")
    await expect(tip).to_contain_text("Nothing was kept.")
    await expect(tip).to_contain_text("Our fault")

    await expect(screen.term("refunded")).to_have_text("40")
    await expect(screen.term("charged")).to_have_text("40")
    await screen.reconciles()
    assert await screen.seqs() == [3, 2, 1]


async def test_the_refund_stands_out_by_sign_word_and_icon_and_not_by_colour_alone(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    await fail_a_job(service, customer.id, "gen-1")
    await screen.open(customer.token)
    refund, charge = screen.row(3), screen.row(2)
    await expect(refund.locator(".amount")).to_have_text("+40")
    await expect(refund.locator(".kind")).to_have_text("Refund")
    drawn = "row => row.querySelector('.mark path').getAttribute('d')"
    assert await refund.evaluate(drawn) != await charge.evaluate(drawn)
    colour = "row => getComputedStyle(row.querySelector('.amount')).color"
    assert await refund.evaluate(colour) != await charge.evaluate(colour)
    await expect(refund.get_by_role("button")).to_have_accessible_name(
        re.compile("^Text to image.*Refund.*our side.*[+]40.*Balance 1,000$")
    )


async def test_through_refund_landed_the_charge_comes_with_its_refund(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    await screen.open(customer.token)
    await screen.page.locator("usage-feed").evaluate(
        "feed => feed.setAttribute('subscription', 'refundLanded')"
    )
    await screen.live()
    await fail_a_job(service, customer.id, "gen-1")
    await expect(screen.row(3).locator(".amount")).to_have_text("+40")
    await expect(screen.row(2).locator(".back")).to_have_text("Refunded 40 of 40")
    await expect(screen.term("refunded")).to_have_text("40")
    await screen.reconciles()
    assert await screen.seqs() == [3, 2, 1]


@pytest.mark.parametrize("by", ["click", "Enter"])
async def test_an_opened_line_tells_its_job_and_why_it_was_refunded(
    service: Caller, customer: Customer, screen: Screen, by: str
) -> None:
    await fail_a_job(service, customer.id, "gen-1")
    await screen.open(customer.token)
    line = screen.row(3).locator(".line")
    if by == "click":
        await line.click()
    else:
        await line.focus()
        await screen.page.keyboard.press("Enter")
    detail = screen.row(3).locator(".detail")
    for words in ("gen-1", "Failed", "40 refunded", "Nothing was kept.", "default/1", "#2"):
        await expect(detail).to_contain_text(words)
    await detail.get_by_role("button", name="Go to line #2").click()
    await expect(screen.row(2).locator(".detail")).to_contain_text("Refunded 40 of 40")
    await expect(screen.row(2).locator(".line")).to_be_focused()


async def test_a_failed_job_that_is_not_refunded_says_why_not(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    job = {"account": customer.id, "key": "gen-1"}
    await service.do("startJob", **job, operation="upscale", amount=15, deadlineSeconds=600)
    await service.do("finishJob", **job, status="FAILED", reasonCode="INPUT_POLICY")
    await screen.open(customer.token)
    await screen.row(2).locator(".line").click()
    await expect(screen.row(2).locator(".detail")).to_contain_text("No refund:")
    await screen.reconciles()
