"""The element on somebody else's page: one script, strict policy, the host's session and look."""

from __future__ import annotations

import mimetypes
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Route, expect

from tests.api.support import Caller
from tests.browser.support import WEB, Backend, Customer, Screen, fail_a_job

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"


@pytest.fixture(scope="session")
def react_host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The React example, built as its reader would."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("Node.js with npx is not installed.")
    folder = tmp_path_factory.mktemp("react-host")
    subprocess.run(
        [npx, "vite", "build", "--mode", "example-react", "--outDir", folder],
        cwd=WEB,
        check=True,
        capture_output=True,
    )
    return folder


class Host:
    """Serves a host's files and its session beside the real API, and counts what it was asked."""

    def __init__(self, files: Path, token: str) -> None:
        self.files = files
        self.token = token
        self.tokens_given = 0

    async def serve(self, screen: Screen) -> None:
        await screen.page.route("**/host/**", self._file)
        await screen.page.route("**/session/usage-token", self._session)

    async def _file(self, route: Route) -> None:
        path = self.files / urlsplit(route.request.url).path.removeprefix("/host/")
        await route.fulfill(
            body=path.read_bytes(),
            content_type=mimetypes.guess_type(path.name)[0],
            headers={"Content-Security-Policy": POLICY},
        )

    async def _session(self, route: Route) -> None:
        self.tokens_given += 1
        await route.fulfill(body=self.token)


def forgive_the_first_refusal(screen: Screen) -> None:
    """The element learns by a 401 that it needs a token, and the browser reports that."""
    screen.problems = [problem for problem in screen.problems if "401" not in problem]


async def test_in_plain_html_one_script_is_enough_and_the_host_gives_the_token(
    service: Caller, customer: Customer, screen: Screen
) -> None:
    host = Host(WEB / "examples", customer.token)
    await host.serve(screen)
    await screen.page.goto(f"{screen.origin}/host/plain.html?own=query")
    await screen.live()
    await fail_a_job(service, customer.id, "gen-1")
    await expect(screen.row(3).locator(".amount")).to_have_text("+40")
    await screen.page.get_by_role("button", name="Refunds", exact=True).click()
    await expect(screen.rows).to_have_count(1)
    assert screen.page.url == f"{screen.origin}/host/plain.html?own=query"
    assert host.tokens_given == 1
    look = "line => [getComputedStyle(line).fontFamily, getComputedStyle(line).color]"
    clear = screen.page.get_by_role("button", name="Clear filters")
    assert await clear.evaluate(look) == ["Georgia, serif", "rgb(179, 0, 94)"]
    forgive_the_first_refusal(screen)


async def test_in_a_react_host_the_view_is_the_hosts_own_state(
    service: Caller, customer: Customer, screen: Screen, react_host: Path
) -> None:
    host = Host(react_host, customer.token)
    await host.serve(screen)
    await fail_a_job(service, customer.id, "gen-1")
    await screen.page.goto(f"{screen.origin}/host/index.html")
    await screen.live()
    await expect(screen.rows).to_have_count(3)
    await screen.page.get_by_role("button", name="What came back?").click()
    await expect(screen.rows).to_have_count(1)
    await expect(screen.page.get_by_text("Kinds shown: REFUND")).to_be_visible()
    await screen.page.get_by_role("button", name="Clear filters").click()
    await expect(screen.rows).to_have_count(3)
    await expect(screen.page.get_by_text("Kinds shown: all")).to_be_visible()
    assert host.tokens_given == 1
    forgive_the_first_refusal(screen)


async def test_a_host_that_has_no_token_hears_that_its_customer_is_signed_out(
    backend: Backend, customer: Customer, screen: Screen
) -> None:
    host = Host(WEB / "examples", "")
    await host.serve(screen)
    await screen.page.goto(f"{screen.origin}/host/plain.html")
    await expect(screen.page.get_by_role("heading", name="You are signed out")).to_be_visible()
    await expect(screen.page).to_have_title("Please sign in")
    assert host.tokens_given == 1
    feed = screen.page.locator("usage-feed")
    await feed.evaluate("(feed, token) => { feed.token = token }", customer.token)
    await screen.live()
    await expect(screen.row(1)).to_be_visible()
    forgive_the_first_refusal(screen)
