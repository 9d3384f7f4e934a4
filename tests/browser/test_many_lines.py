"""100,000 lines scroll as fifty do: only what is near the window is drawn."""

from __future__ import annotations

from statistics import median

import pytest
from playwright.async_api import expect

from models.intents import RecordCharge
from schema import ids
from tests.browser.support import Backend, Screen

LINES = 100_000
MANY = 500_000
VISITS = 9
BATCH = 2_000
DRAWN_MAX = 120
FRAME_MS_MAX = 100
"""For 99 of 100 frames, on a machine that serves and books as well."""


async def book_many(backend: Backend, account_id: int, count: int) -> None:
    writer = backend.api.process.services.writer
    for start in range(0, count, BATCH):
        await writer.book_many(
            [
                RecordCharge(account_id=account_id, idempotency_key=f"{n}", amount=1)
                for n in range(start, min(count, start + BATCH))
            ]
        )


async def first_paint_ms(screen: Screen, token: str) -> float:
    """From navigation to the first lines drawn."""
    await screen.page.goto("about:blank")
    await screen.open(token)
    handle = await screen.page.wait_for_function("() => window.firstPaint")
    return await handle.json_value()


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_half_a_million_lines_are_on_screen_as_soon_as_fifty(
    backend: Backend, screen: Screen
) -> None:
    small, large = await backend.customer(), await backend.customer(granted=2 * MANY)
    for customer, count in ((small, 49), (large, MANY - 1)):
        account_id = ids.to_account(customer.id)
        assert account_id
        await book_many(backend, account_id, count)
    await screen.context.add_init_script(
        """const look = () => {
            const feed = document.querySelector('usage-feed');
            if (feed?.shadowRoot?.querySelector('.row')) window.firstPaint = performance.now();
            else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);"""
    )
    await first_paint_ms(screen, small.token)  # what is cached once is cached for both
    # In turns, so that whatever else the machine does happens to both.
    ratios = [
        await first_paint_ms(screen, large.token) / await first_paint_ms(screen, small.token)
        for _ in range(VISITS)
    ]
    assert median(ratios) <= 1.5, ratios


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_hundred_thousand_lines_scroll_to_the_first(
    backend: Backend, screen: Screen
) -> None:
    customer = await backend.customer(granted=2 * LINES)
    account_id = ids.to_account(customer.id)
    assert account_id
    await book_many(backend, account_id, LINES - 1)
    page = screen.page
    await screen.open(customer.token)
    await screen.live()
    await expect(screen.row(LINES)).to_be_visible()
    frames_ms: list[float] = await page.evaluate(
        """async () => {
            const root = document.querySelector('usage-feed').shadowRoot;
            const frames = [];
            for (let before = performance.now(); !root.querySelector('[data-seq="1"]'); ) {
                scrollTo(0, document.documentElement.scrollHeight);
                await new Promise(requestAnimationFrame);
                const now = performance.now();
                frames.push(now - before);
                before = now;
            }
            return frames;
        }"""
    )
    assert sorted(frames_ms)[int(len(frames_ms) * 0.99)] < FRAME_MS_MAX
    assert await screen.rows.count() < DRAWN_MAX
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    await expect(screen.row(LINES // 2)).to_be_attached()
    await page.evaluate("scrollTo(0, 0)")
    await expect(screen.row(LINES)).to_be_visible()
    await screen.reconciles()


async def test_only_the_lines_near_the_window_are_drawn(backend: Backend, screen: Screen) -> None:
    customer = await backend.customer(granted=10_000)
    account_id = ids.to_account(customer.id)
    assert account_id
    await book_many(backend, account_id, 1_999)
    await screen.open(customer.token)
    await screen.live()
    for _ in range(200):
        await screen.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        await screen.page.wait_for_timeout(20)
        if await screen.row(1).count():
            break
    await expect(screen.row(1)).to_be_in_viewport()
    assert await screen.rows.count() < DRAWN_MAX
    drawn = await screen.seqs()
    assert drawn == list(range(drawn[0], 0, -1))
