"""Browsers, and servers with an account to look at.

One browser and one server serve all of these tests, each of which has an account of its own; those
that break their server have one of their own as well.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.api.support import Caller
from tests.browser.support import (
    BROWSER_ARGUMENTS,
    WEB,
    Backend,
    Customer,
    Screen,
    backend_on,
    screen_on,
)
from tests.conftest import execute, with_database

DATABASE = "browser_tests"
expect.set_options(timeout=20_000)
together = pytest_asyncio.fixture(loop_scope="session", scope="session")
each = pytest_asyncio.fixture(loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all: a browser belongs to the loop that started it."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def shared_database_url(postgres: str, migrated_template: str) -> str:
    """The address of the database that all of these tests share."""
    execute(postgres, f"create database {DATABASE} template {migrated_template}")
    return with_database(postgres, DATABASE)


@together
async def browser(chromium: str) -> AsyncGenerator[Browser]:
    """Debian's Chromium, which can reach this machine and nothing else."""
    if not (WEB / "dist" / "usage.html").is_file():
        pytest.skip("The page is not built: npm run build in web/.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=BROWSER_ARGUMENTS)
        yield browser
        await browser.close()


@together
async def backend(
    shared_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Backend]:
    """A server that no test stops."""
    async with backend_on(shared_database_url, tmp_path_factory.mktemp("backend")) as backend:
        yield backend


@each
async def frail(shared_database_url: str, tmp_path: Path) -> AsyncGenerator[Backend]:
    """A server of the test's own, to be cut off, stopped and started."""
    async with backend_on(shared_database_url, tmp_path) as backend:
        yield backend


@each
async def service(backend: Backend) -> Caller:
    """A service that may do everything."""
    return backend.service


@each
async def customer(backend: Backend) -> Customer:
    """The customer of an account with 1,000 credits."""
    return await backend.customer()


@each
async def screen(browser: Browser, backend: Backend) -> AsyncGenerator[Screen]:
    """A wide page that must have had no problem when the test has ended."""
    async with screen_on(browser, backend.gate.url) as screen:
        yield screen
        assert screen.problems == []


@each
async def frail_screen(browser: Browser, frail: Backend) -> AsyncGenerator[Screen]:
    """A wide page on the server of the test's own."""
    async with screen_on(browser, frail.gate.url) as screen:
        yield screen
        screen.forgive_lost_connections()
        assert screen.problems == []
