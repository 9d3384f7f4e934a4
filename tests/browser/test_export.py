"""The file is what the page shows: the same lines, the same sum, nothing that could run."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

from playwright.async_api import Download, expect

from tests.api.support import Caller
from tests.browser.support import Customer, Screen, book, fail_a_job


async def save(screen: Screen, choice: str, folder: Path) -> tuple[str, str]:
    """Export by the menu; the file's name and text."""
    await screen.page.get_by_text("Export", exact=True).click()
    async with screen.page.expect_download() as coming:
        await screen.page.get_by_role("button", name=re.compile(choice)).click()
    download: Download = await coming.value
    path = folder / download.suggested_filename
    await download.save_as(path)
    return download.suggested_filename, path.read_bytes().decode()


async def test_the_files_hold_every_line_of_the_feed_and_their_sum_is_the_strip(
    service: Caller, customer: Customer, screen: Screen, tmp_path: Path
) -> None:
    await book(service, customer.id, 130)
    for n in range(3):
        await fail_a_job(service, customer.id, f"gen-{n}", amount=7)
    lines = (await service.lines(customer.id))[::-1]
    assert len(lines) == 137
    await screen.open(customer.token)
    await screen.reconciles()
    strip = await screen.strip()

    name, text = await save(screen, "CSV", tmp_path)
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline="")))
    assert customer.key in name
    assert name.endswith("_UTC.csv")
    assert [int(row["line"]) for row in rows] == [line["seq"] for line in lines]
    assert [int(row["amount"]) for row in rows] == [line["amount"] for line in lines]
    assert sum(int(row["amount"]) for row in rows) == strip["closing"] - strip["opening"]

    name, text = await save(screen, "JSON Lines", tmp_path)
    objects = [json.loads(line) for line in text.splitlines()]
    assert name.endswith("_UTC.jsonl")
    assert [entry["amount"] for entry in objects] == [line["amount"] for line in lines]


async def test_the_file_keeps_to_the_filters_of_the_page(
    service: Caller, customer: Customer, screen: Screen, tmp_path: Path
) -> None:
    await book(service, customer.id, 5)
    await fail_a_job(service, customer.id, "gen-1", amount=7)
    await screen.open(customer.token, query="?kind=REFUND&kind=GRANT")
    await expect(screen.rows).to_have_count(2)
    _, text = await save(screen, "JSON Lines", tmp_path)
    assert [json.loads(line)["kind"] for line in text.splitlines()] == ["REFUND", "GRANT"]


async def test_no_address_that_was_asked_for_holds_the_token(
    customer: Customer, screen: Screen, tmp_path: Path
) -> None:
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    await screen.open(customer.token)
    await screen.live()
    await save(screen, "CSV", tmp_path)
    exports = [url for url in asked if "/export" in url]
    assert len(exports) == 1
    assert [url for url in asked if customer.token in url.partition("#")[0]] == []
