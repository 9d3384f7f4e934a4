"""Browsers: which sites' pages may ask, and what they may read of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.support import served

OURS, THEIRS = "https://app.example.com", "https://evil.example"


async def test_a_page_of_an_allowed_site_reads_a_files_name_and_another_sites_page_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path, allowed_origins=(OURS,)) as api:
        account = await (await api.service()).opened("acme")
        customer = api.customer("acme")
        for origin, allowed in ((OURS, True), (THEIRS, False), ("null", False)):
            asked = {"Origin": origin, "Access-Control-Request-Headers": "authorization"}
            for method, path in (("POST", "/graphql"), ("GET", "/export")):
                preflight = asked | {"Access-Control-Request-Method": method}
                answer = await customer.http.options(path, headers=preflight)
                assert (answer.status_code == 200) is allowed
                assert ("access-control-allow-origin" in answer.headers) is allowed
            file = await customer.http.get(
                "/export", params={"account": account}, headers={"Origin": origin}
            )
            assert (file.headers.get("access-control-allow-origin") == origin) is allowed
            assert "access-control-allow-credentials" not in file.headers
            if allowed:
                told = file.headers["access-control-expose-headers"]
                assert set(told.split(", ")) == {
                    "X-Request-Id", "Retry-After", "Content-Disposition"
                }  # fmt: skip


async def test_a_page_of_an_allowed_site_reads_why_an_export_failed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionRefusedError

    async with served(database_url, tmp_path, allowed_origins=(OURS,)) as api:
        account = await (await api.service()).opened("acme")
        customer = api.customer("acme")
        monkeypatch.setattr("models.feed.page", away)
        answer = await customer.http.get(
            "/export", params={"account": account}, headers={"Origin": OURS}
        )
    assert answer.status_code == 503
    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["x-request-id"]
