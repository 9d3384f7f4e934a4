"""How answers travel: not at all where they are known, compressed where that pays."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from app.travel import COMPRESSED_BYTES_MIN
from tests.api.support import Api, Caller

PAGE = """query ($id: ID!) { account(id: $id) { balance
  usage { nodes { ... on LedgerEntry { id } } } } }"""
LONG = """query ($id: ID!) { account(id: $id) { usage(first: 100) { nodes { ... on LedgerEntry {
  id seq amount balanceAfter recordedAt occurredAt reason { code title detail fault } } } } } }"""


async def got(service: Caller, account: str, **headers: str) -> Any:
    variables = orjson.dumps({"id": account}).decode()
    return await service.http.get(
        "/graphql", params={"query": PAGE, "variables": variables}, headers=headers
    )


async def test_a_page_that_its_client_has_is_not_sent_again(api: Api, service: Caller) -> None:
    account = await service.opened("tagged")
    first = await got(service, account)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}'):
        again = await got(service, account, **{"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "authorization" in again.headers["vary"].lower()
    await service.do("grantCredits", account=account, amount=5, reasonCode="GRANT_PROMO")
    moved = await got(service, account, **{"If-None-Match": tag})
    assert moved.status_code == 200
    assert moved.json()["data"]["account"]["balance"] == 1_005
    assert moved.headers["etag"] != tag


async def test_an_answer_to_a_post_is_nobodys_to_keep(api: Api, service: Caller) -> None:
    account = await service.opened("posted")
    answer = await service.http.post("/graphql", json={"query": PAGE, "variables": {"id": account}})
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("br;q=1.0, gzip;q=0.8", True),
        ("deflate, br", False),
        ("gzip;q=0, identity", False),
        ("identity", False),
    ],
)
async def test_a_long_answer_is_compressed_for_those_who_take_it(
    api: Api, service: Caller, accepted: str, is_compressed: bool
) -> None:
    account = await service.opened("long")
    for number in range(80):
        await service.do(
            "grantCredits", account=account, amount=number + 1, reasonCode="GRANT_PROMO"
        )
    body = orjson.dumps({"query": LONG, "variables": {"id": account}})
    headers = {"Accept-Encoding": accepted, "Content-Type": "application/json"}
    async with service.http.stream("POST", "/graphql", content=body, headers=headers) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert (answer.headers.get("content-encoding") == "gzip") is is_compressed
        assert int(answer.headers["content-length"]) == len(raw)
    text = gzip.decompress(raw) if is_compressed else raw
    assert len(text) >= COMPRESSED_BYTES_MIN
    assert len(orjson.loads(text)["data"]["account"]["usage"]["nodes"]) >= 80


async def test_a_short_answer_is_sent_as_it_is(api: Api, service: Caller) -> None:
    account = await service.opened("short")
    answer = await got(service, account, **{"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
