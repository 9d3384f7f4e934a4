"""GraphiQL at /graphql: offline, with the token of its link, live."""

from __future__ import annotations

import json
import re

from playwright.async_api import Error, Page, expect

from tests.api.support import Caller
from tests.browser.support import Customer, Screen


async def test_graphiql_asks_and_follows_with_the_token_of_its_link(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    page = screen.page
    await page.goto(f"{screen.origin}/graphql#token={customer.token}")
    run = page.locator(".graphiql-execute-button")
    result = page.locator(".result-window")
    await expect(run).to_be_visible(timeout=30_000)
    assert page.url == f"{screen.origin}/graphql"
    await run_operation(page, "MyUsage")
    await expect(result).to_contain_text('"usage"', timeout=15_000)
    await expect(result).to_contain_text(re.compile(r'"balance":\s1000'))

    await page.get_by_role("button", name="Variables").click()
    await page.locator(".graphiql-editor-tool .monaco-editor").first.click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(json.dumps({"account": customer.id}))
    await run_operation(page, "Live")
    for _ in range(20):  # whether it is subscribed already cannot be seen
        await service.do("recordCharge", account=customer.id, amount=1)
        if "usageEntryLanded" in await result.inner_text():
            break
        await page.wait_for_timeout(250)
    await expect(result).to_contain_text("usageEntryLanded")


async def run_operation(page: Page, name: str) -> None:
    """Choose one of the document's operations; the editor offers them once it has read it."""
    item = page.get_by_role("menuitem", name=name)
    for _ in range(20):
        await page.locator(".graphiql-execute-button").click()
        try:
            await item.click(timeout=1_000)
        except Error:
            continue
        return
    raise AssertionError(f"GraphiQL never offered {name}")
