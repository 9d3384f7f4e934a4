"""A customer's browser on a real server: the page, what it shows, and a network that can fail.

Owns driving the page and reading it back. Owns no expectation.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.api.support import Api, Caller, issuer_keys, served

ROOT = Path(__file__).resolve().parent.parent.parent
WEB = ROOT / "web"
WIDE = (1280, 900)
NARROW = (390, 844)
MINUS = "\u2212"
_numbers = itertools.count(1)
BROWSER_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-sandbox",
    # Chromium holds a page that a test serves itself for one from the internet.
    "--disable-features=LocalNetworkAccessChecks",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
]


def number(text: str | None) -> int:
    """The integer a page's figure stands for: '−1,234 credits' is -1234."""
    digits = re.sub(r"[^0-9\u2212-]", "", text or "").replace(MINUS, "-")
    return int(digits)


class Gate:
    """An address that stays while the server behind it comes and goes, and can be cut."""

    def __init__(self) -> None:
        self.target: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Drop every connection, as a network does: no goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if self.target is None:
                raise ConnectionRefusedError
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            both = {writer, far_writer}
            self._writers |= both
            try:
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
            finally:
                self._writers -= both
                far_writer.transport.abort()
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@dataclass(frozen=True)
class Customer:
    """An account and the token of its customer."""

    id: str
    key: str
    token: str


class Backend:
    """A server on one database, behind a gate: it can be stopped and started again."""

    def __init__(self, database_url: str, folder: Path, **settings: Any) -> None:
        self._database_url = database_url
        self._folder = folder
        self._settings = settings
        self._stack = AsyncExitStack()
        self.gate = Gate()
        self.api: Api
        self.service: Caller

    async def start(self) -> None:
        server = served(self._database_url, self._folder, **self._settings)
        self.api = await self._stack.enter_async_context(server)
        self.service = await self.api.service(name=f"tests-{next(_numbers)}")
        self.gate.target = int(self.api.url.rpartition(":")[2])

    async def stop(self) -> None:
        self.gate.target = None
        await self._stack.aclose()

    async def customer(self, granted: int = 1_000, **given: Any) -> Customer:
        """The customer of a new account."""
        key = f"acme-{next(_numbers)}"
        account = await self.service.opened(key, granted, **given)
        return Customer(account, key, self.token(key))

    def token(self, key: str, **claims: Any) -> str:
        return issuer_keys().token(key, **claims)


@asynccontextmanager
async def backend_on(database_url: str, folder: Path, **settings: Any) -> AsyncGenerator[Backend]:
    """A running backend whose gate is open."""
    backend = Backend(database_url, folder, **settings)
    await backend.gate.open()
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()
        await backend.gate.close()


@dataclass
class Screen:
    """The usage page in one browser context, and everything that went wrong on it."""

    page: Page
    context: BrowserContext
    origin: str
    problems: list[str] = field(default_factory=list[str])

    @property
    def rows(self) -> Locator:
        return self.page.locator("usage-feed .row")

    @property
    def balance(self) -> Locator:
        return self.page.locator("usage-feed .figure .number")

    @property
    def connection(self) -> Locator:
        return self.page.locator("usage-feed .connection")

    def row(self, seq: int) -> Locator:
        return self.page.locator(f"usage-feed .row[data-seq='{seq}']")

    def term(self, name: str) -> Locator:
        return self.page.locator(f"usage-feed .term.{name} .value")

    async def open(self, token: str, query: str = "", entry: str = "") -> None:
        fragment = f"#token={token}" + (f"&entry={entry}" if entry else "")
        await self.page.goto(f"{self.origin}/billing/usage{query}{fragment}")

    def forgive_lost_connections(self) -> None:
        """The browser itself reports those; a test that causes them expects them."""
        lost = re.compile("ERR_|WebSocket")
        self.problems = [problem for problem in self.problems if not lost.search(problem)]

    async def live(self) -> None:
        await expect(self.connection).to_have_text("Live", timeout=20_000)

    async def seqs(self) -> list[int]:
        """The lines drawn now, newest first."""
        found = await self.rows.evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
        return sorted(found, reverse=True)

    async def strip(self) -> dict[str, int]:
        """The statement's terms as shown, each with its sign."""
        names = ["opening", "granted", "charged", "refunded", "adjusted", "closing"]
        terms = {name: number(await self.term(name).text_content()) for name in names}
        sign = await self.page.locator("usage-feed .term.adjusted .sign").text_content()
        return terms | {"adjusted": -terms["adjusted"] if sign == MINUS else terms["adjusted"]}

    async def reconciles(self) -> None:
        """The strip adds up, ends at the balance shown, and says that every line was read."""
        await expect(self.page.locator("usage-feed .verdict .good")).to_be_visible()
        await expect(self.term("closing")).to_have_text(await self.balance.text_content() or "")
        strip = await self.strip()
        total = strip["opening"] + strip["granted"] - strip["charged"]
        assert total + strip["refunded"] + strip["adjusted"] == strip["closing"]


@asynccontextmanager
async def screen_on(
    browser: Browser, origin: str, size: tuple[int, int] = WIDE, **options: Any
) -> AsyncGenerator[Screen]:
    """A page that must end without a console error and without a request to any other host."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="en-US", **options
    )
    page = await context.new_page()
    screen = Screen(page, context, origin)

    def note(problem: str) -> None:
        screen.problems.append(problem)

    page.on("pageerror", lambda error: note(f"page error: {error}"))
    page.on("console", lambda said: note(said.text) if said.type in ("error", "warning") else None)
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith((origin, "blob:", "data:")) else note(request.url)
        ),
    )
    try:
        yield screen
    finally:
        await context.close()


async def book(service: Caller, account: str, count: int) -> None:
    """So many charges of 1 credit."""
    prefix = next(_numbers)
    given = [
        {"account": account, "idempotencyKey": f"{prefix}-{n}", "amount": 1} for n in range(count)
    ]
    for at in range(0, count, 100):
        await service.do_all("recordCharge", given[at : at + 100])


async def fail_a_job(service: Caller, account: str, key: str, amount: int = 40) -> None:
    """A job of the account that is charged, then fails on our side: two lines."""
    await service.do(
        "startJob",
        account=account,
        key=key,
        operation="text_to_image",
        amount=amount,
        deadlineSeconds=600,
        campaign="Launch",
    )
    await service.do(
        "finishJob",
        account=account,
        key=key,
        status="FAILED",
        reasonCode="PLATFORM_ERROR",
        detail="Nothing was kept.",
    )
