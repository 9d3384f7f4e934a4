"""Browsers, and servers with an account to look at."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.api.support import Caller
from tests.browser.support import BROWSER_ARGUMENTS, WEB, Backend, Screen, backend_on, screen_on


@pytest.fixture
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """Debian's Chromium, which can reach this machine and nothing else."""
    if not (WEB / "dist" / "usage.html").is_file():
        pytest.skip("The page is not built: npm run build in web/.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def backend(database_url: str, tmp_path: Path) -> AsyncGenerator[Backend]:
    """A server on a fresh database, behind a gate."""
    async with backend_on(database_url, tmp_path) as backend:
        yield backend


@pytest.fixture
async def service(backend: Backend) -> Caller:
    """A service that may do everything."""
    return await backend.api.service()


@pytest.fixture
async def account(service: Caller) -> str:
    """An account with 1,000 credits."""
    return await service.opened("acme", 1_000)


@pytest.fixture
async def screen(browser: Browser, backend: Backend) -> AsyncGenerator[Screen]:
    """A wide page that must have had no problem when the test has ended."""
    async with screen_on(browser, backend.gate.url) as screen:
        yield screen
        assert screen.problems == []
