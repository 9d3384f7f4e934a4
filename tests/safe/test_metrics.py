"""What an operator sees: measures, request ids, and logs that tell no secrets."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from app import logs
from models.database import SWEEP_ROLE
from resolvers.access import Scope
from tests.api.support import Api, Caller, events, served
from tests.owner import owner_of

Measures = dict[tuple[str, ...], float]


def measures(text: str) -> Measures:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped(api: Api) -> Measures:
    response = await (await api.service(Scope.ADMIN, name="prometheus")).http.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return measures(response.text)


async def test_what_happens_is_counted_to_the_one(api: Api, service: Caller) -> None:
    account = await service.opened("acme")
    await service.do(
        "startJob", account=account, key="j", operation="o", amount=1, deadlineSeconds=600
    )
    for _ in range(3):
        await service.ask("{ viewer { kind } }")
    await api.caller("wrong").http.post("/graphql", json={"query": "{ viewer { kind } }"})
    await service.http.get("/nothing/like/this")
    query = "subscription ($id: ID!) { usageEntryLanded(account: $id) { __typename } }"
    async with events(service, query, id=account):
        seen = await scraped(api)
    assert seen["usage_feed_requests_total", "graphql", "200"] == 7, "3 writes, 3 reads, 1 stream"
    assert seen["usage_feed_requests_total", "graphql", "401"] == 1
    assert seen["usage_feed_requests_total", "other", "404"] == 1
    assert seen["usage_feed_request_seconds_count", "graphql"] == 8
    assert seen["usage_feed_writer_batch_intents_count",] == 3
    assert seen["usage_feed_writer_batch_intents_sum",] == 3
    assert seen["usage_feed_operations_known",] == 4, "3 writes, each its own text, and the read"
    assert (seen["usage_feed_bell_followers",], seen["usage_feed_bell_accounts",]) == (1, 1)
    assert (seen["usage_feed_bell_up",], seen["usage_feed_database_up",]) == (1, 1)
    assert (seen["usage_feed_jobs_running",], seen["usage_feed_refunds_owed",]) == (1, 0)
    assert 0 < seen["usage_feed_oldest_job_seconds",] < 60
    assert seen["usage_feed_database_connections", "server", "idle"] >= 1
    assert seen["process_resident_memory_bytes",] > 1_000_000


async def test_a_refund_that_is_owed_shows_until_it_is_paid(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.metrics.JOBS_MEMORY_SECONDS", 0.0)
    async with served(database_url, tmp_path) as api, owner_of(api.process) as owner:
        service = await api.service()
        await owner.execute(f"revoke insert on entry from {SWEEP_ROLE}")
        account = await service.opened("acme")
        await service.do(
            "startJob", account=account, key="j", operation="o", amount=1, deadlineSeconds=1
        )
        await asyncio.sleep(1.1)
        assert (await scraped(api))["usage_feed_refunds_owed",] == 1
        await owner.execute(f"grant insert on entry to {SWEEP_ROLE}")
        async with asyncio.timeout(30):
            while (await service.balance(account))[0] < 1_000:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (await scraped(api))["usage_feed_refunds_owed",] == 0


async def test_measures_are_for_operators_unless_a_setting_opens_them(
    api: Api, database_url: str, tmp_path: Path
) -> None:
    reader = await api.service(Scope.READ)
    for caller, status in ((api.caller(None), 401), (reader, 403), (api.customer("acme"), 403)):
        response = await caller.http.get("/metrics")
        assert response.status_code == status
        assert "usage_feed" not in response.text
    async with served(database_url, tmp_path, open_metrics=True) as opened:
        response = await opened.caller(None).http.get("/metrics")
        assert response.status_code == 200


async def test_every_answer_carries_a_request_id_of_its_own(api: Api, service: Caller) -> None:
    answers = [
        await service.http.request(method, path)
        for method, path in (
            ("GET", "/graphql?query={viewer{kind}}"),
            ("POST", "/graphql"),
            ("GET", "/export"),
            ("GET", "/healthz"),
            ("GET", "/readyz"),
            ("GET", "/metrics"),
            ("GET", "/billing/usage"),
            ("GET", "/nowhere"),
        )
    ]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == len(answers)
    assert all(len(found) == 16 for found in ids)


@pytest.fixture
def logged() -> Generator[io.StringIO]:
    stream = io.StringIO()
    structlog.reset_defaults()
    logs.set_up("info", as_json=True, stream=stream)
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    structlog.reset_defaults()


async def test_logs_are_json_with_the_request_id_and_without_texts_or_credentials(
    logged: io.StringIO, api: Api, service: Caller
) -> None:
    await service.opened("acme")
    customer = api.customer("acme")
    async with owner_of(api.process) as db:
        await db.execute("revoke select on job from usage_feed_server, usage_feed_customer")
    failed = [
        await caller.http.post("/graphql", json={"query": query})
        for caller in (service, customer)
        for query in (
            'query secretName { account(key: "acme") { jobs { nodes { key } } } }',
            "{ secretField }",
            "{ secretBroken",
        )
    ]
    await api.caller("secret-token").http.get("/graphql?query={secret}")
    assert _says(failed[0]) == "INTERNAL"
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    failures = [line for line in lines if line["event"] == "a request failed"]
    assert [line["request_id"] for line in failures] == [
        answer.headers["x-request-id"] for answer in failed if _says(answer) == "INTERNAL"
    ]
    assert failures[0]["level"] == "error"
    assert "permission denied for table job" in failures[0]["exception"]
    for secret in ("secret", service.token or "", customer.token or ""):
        assert secret not in logged.getvalue()
    async with owner_of(api.process) as db:
        await db.execute("grant select on job to usage_feed_server, usage_feed_customer")


def _says(answer: httpx.Response) -> str:
    return answer.json()["errors"][0]["extensions"]["code"]
