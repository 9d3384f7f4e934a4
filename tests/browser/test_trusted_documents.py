"""The page on a server that answers trusted documents and nothing else."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser.support import Backend, backend_on, book, fail_a_job, screen_on


async def test_the_page_works_where_only_trusted_documents_are_answered(
    browser: Browser, backend: Backend, shared_database_url: str, tmp_path: Path
) -> None:
    customer = await backend.customer()
    await book(backend.service, customer.id, 60)
    strict = backend_on(shared_database_url, tmp_path, trusted_documents_only=True)
    async with strict as server, screen_on(browser, server.gate.url) as screen:
        refused = await server.service.http.post("/graphql", json={"query": "{ viewer { kind } }"})
        assert refused.json()["errors"][0]["extensions"]["code"] == "DOCUMENT_NOT_TRUSTED"
        await screen.open(customer.token)
        await screen.live()
        await expect(screen.balance).to_have_text("940")
        await fail_a_job(backend.service, customer.id, "gen-1")
        await expect(screen.row(63).locator(".amount")).to_have_text("+40")
        await screen.reconciles()
        (oldest, *_) = await backend.service.lines(customer.id, "... on LedgerEntry { id }")
        await screen.open(customer.token, entry=oldest["id"])
        await screen.page.reload()
        await expect(screen.row(1).locator(".amount")).to_have_text("+1,000")
        assert screen.problems == []
