"""Several processes behind one port: what one books all tell, and none is missed for long."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from app.credentials import ACCOUNT_CLAIM, ALL_SCOPES, AUDIENCE, ISSUER, Credentials
from app.websocket import SUBPROTOCOL
from models.database import Database
from tests.app.support import Running, command_here, rows
from tests.conftest import execute, with_database
from tests.live.door import LANDED
from tests.live.support import busily, eventually

WORKERS = 3
FROM_THE_START = "c2VxOjA="
OPEN = """mutation($input: OpenAccountInput!) { openAccount(input: $input) {
  ... on AccountOpened { account { id } } ... on Refused { message } } }"""
CHARGE = """mutation($input: RecordChargeInput!) { recordCharge(input: $input) {
  ... on ChargeRecorded { entry { id seq } } ... on Refused { message } } }"""
REFUND = """mutation($input: RefundChargeInput!) { refundCharge(input: $input) {
  ... on ChargeRefunded { entry { seq } } ... on Refused { message } } }"""
START = """mutation($inputs: [StartJobInput!]!) { startJobs(inputs: $inputs) {
  ... on JobStarted { job { key } } ... on Refused { message } } }"""
GRANT = """mutation($input: GrantCreditsInput!) { grantCredits(input: $input) {
  ... on CreditsGranted { entry { seq } } ... on Refused { message } } }"""


@dataclass
class Port:
    """A server of several workers, and the account in it that the test is about."""

    server: Running
    url: str
    credentials: Credentials
    service_key: str
    account: str = ""
    token: str = ""
    _keys: int = 0

    @property
    def pids(self) -> list[int]:
        """The workers' processes."""
        supervisor = self.server.process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
        return [int(pid) for pid in children.split()]

    async def open(self, key: str) -> None:
        """Begin with an account of the test's own."""
        self.account = (await self.write(OPEN, input={"key": key, "name": key}))["account"]["id"]
        self.token = self.credentials.customer(key)

    async def write(self, query: str, **given: Any) -> Any:
        """One write over a connection of its own, so that any worker may be the one."""
        self._keys += 1
        if not {"input", "inputs"} & set(given):
            key = f"key-{self._keys}"
            place = {} if "charge" in given else {"account": self.account}
            given = {"input": {"idempotencyKey": key, **place, **given}}
        headers = {"Authorization": f"Bearer {self.service_key}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20) as client:
            body = {"query": query, "variables": given}
            answer = (await client.post("/graphql", json=body)).json()
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    async def measured(self, name: str) -> dict[str, float]:
        """A measure of each worker that tells it, by the worker's number."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            text = (await client.get("/metrics")).text
        return {
            sample.labels["worker"]: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        }

    @asynccontextmanager
    async def followers(self, number: int) -> AsyncGenerator[list[Follower]]:
        """Sockets that follow the account from its start, on every worker."""
        async with AsyncExitStack() as stack:
            sockets: list[Follower] = []
            while len(sockets) < number:
                connection = await stack.enter_async_context(
                    connect(
                        self.url.replace("http", "ws", 1) + "/graphql",
                        subprotocols=[Subprotocol(SUBPROTOCOL)],
                    )
                )
                sockets.append(Follower(connection))
                await sockets[-1].begin(self.token, self.account)
                stack.callback(sockets[-1].listening.cancel)
            spread: dict[str, float] = {}
            async with asyncio.timeout(20):
                while sum(spread.values()) < number:
                    spread = await self.measured("usage_feed_bell_followers")
            assert all(spread.values()), spread
            yield sockets


@dataclass
class Follower:
    """One socket and the lines it heard."""

    connection: ClientConnection
    seqs: list[int] = field(default_factory=list[int])
    closed: int = 0

    async def begin(self, token: str, account: str) -> None:
        init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await self.connection.send(json.dumps(init))
        await self.connection.recv()
        variables = {"account": account, "since": FROM_THE_START}
        payload = {"query": LANDED, "variables": variables}
        await self.connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        self.listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        try:
            async for text in self.connection:
                message = json.loads(text)
                assert message["type"] == "next", message
                edge = message["payload"]["data"]["usageEntryLanded"]["edge"]
                self.seqs.append(edge["node"]["seq"])
        except ConnectionClosed:
            pass
        self.closed = self.connection.close_code or 0


@contextmanager
def _workers(database_url: str, folder: Path) -> Generator[Port]:
    credentials = Credentials(folder)
    server = Running(
        *("serve", "--port", "0", "--workers", str(WORKERS)),
        database_url=database_url,
        database_pool_size="3",
        require_durable_database="false",
        jwt_keys_file=str(credentials.jwks_file),
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        jwt_account_claim=ACCOUNT_CLAIM,
        open_metrics="true",
        sweep_interval_seconds="0.05",
        shutdown_grace_seconds="5",
    )
    try:
        server.wait_for("Serving at")
        url = server.wait_for(r"http://127\.0\.0\.1:\d+")
        yield Port(server, url, credentials, asyncio.run(_service_key(database_url, credentials)))
        assert "Traceback" not in server.said
    finally:
        if server.process.poll() is None:
            server.end(signal.SIGTERM)


async def _service_key(database_url: str, credentials: Credentials) -> str:
    db = await Database.connect(database_url, 1)
    try:
        return await credentials.service(db, ALL_SCOPES)
    finally:
        await db.close()


@pytest.fixture(scope="module")
def kept(
    postgres: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Port]:
    """Workers for all tests that leave as many as they found."""
    execute(postgres, f"create database kept_workers template {migrated_template}")
    database_url = with_database(postgres, "kept_workers")
    with _workers(database_url, tmp_path_factory.mktemp("workers")) as port:
        yield port


@pytest.fixture
def port(database_url: str, tmp_path: Path) -> Generator[Port]:
    """Workers of the test's own."""
    with _workers(database_url, tmp_path) as port:
        yield port


async def test_a_refund_booked_through_one_worker_arrives_at_the_sockets_of_all(
    kept: Port,
) -> None:
    port = kept
    await port.open("refunded")
    async with port.followers(30) as sockets:
        await port.write(GRANT, amount=100, reasonCode="GRANT_PROMO")
        charge = (await port.write(CHARGE, amount=60))["entry"]["id"]
        batches = "usage_feed_writer_batch_intents_count"
        before = await port.measured(batches)
        refund = await port.write(REFUND, charge=charge, amount=60, reasonCode="PROVIDER_ERROR")
        after = await port.measured(batches)
        assert len(after) == WORKERS
        assert sum(after.values()) - sum(before.values()) == 1, "one worker booked it"
        assert refund["entry"]["seq"] == 3
        await eventually(lambda: all(len(socket.seqs) >= 3 for socket in sockets))
        assert [socket.seqs for socket in sockets] == [[1, 2, 3]] * 30


async def test_a_killed_worker_is_replaced_while_the_others_serve_on(kept: Port) -> None:
    port = kept
    await port.open("killed")
    async with port.followers(30) as sockets:
        victim, *others = port.pids
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: any(socket.closed for socket in sockets))
        await port.write(GRANT, amount=1, reasonCode="GRANT_PROMO")
        await eventually(lambda: all(socket.closed or socket.seqs == [1] for socket in sockets))
        left = [socket for socket in sockets if not socket.closed]
        assert 0 < len(left) < 30
        await eventually(lambda: len(port.pids) == WORKERS)
        up: dict[str, float] = {}
        while list(up.values()) != [1.0] * WORKERS:
            up = await port.measured("usage_feed_worker_up")
        assert set(others) < set(port.pids)
        assert not any(socket.closed for socket in left)
        assert "a worker has ended and is replaced" in port.server.said


async def test_a_stop_ends_all_workers_within_the_grace_and_tells_every_socket(port: Port) -> None:
    await port.open("stopped")
    workers = port.pids
    async with port.followers(30) as sockets:
        began = asyncio.get_running_loop().time()
        assert await asyncio.to_thread(port.server.end, signal.SIGTERM) == 0
        assert asyncio.get_running_loop().time() - began < busily(5)
        await eventually(lambda: all(socket.closed for socket in sockets))
        assert [socket.closed for socket in sockets] == [1012] * 30
    assert not any(_lives(pid) for pid in workers)


async def test_several_workers_refund_a_due_job_once_and_none_outlives_its_supervisor(
    port: Port, database_url: str
) -> None:
    await port.open("due")
    await port.write(GRANT, amount=1_000, reasonCode="GRANT_PROMO")
    inputs = [
        {"account": port.account, "key": f"job-{n}", "operation": "draft", "amount": 10}
        | {"deadlineSeconds": 1, "idempotencyKey": f"start-{n}"}
        for n in range(60)
    ]
    await port.write(START, inputs=inputs)
    refunds = "select count(*) from entry where kind = 'REFUND'"

    def refunded() -> bool:
        return rows(database_url, refunds)[0][0] >= 60

    for _ in range(100):
        if await asyncio.to_thread(refunded):
            break
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)  # some ten sweeps more, in each
    ended = "select status, count(*) from job group by status"
    assert await asyncio.to_thread(rows, database_url, ended) == [("EXPIRED", 60)]
    charges = "select count(*), count(distinct charge_seq) from entry where kind = 'REFUND'"
    assert await asyncio.to_thread(rows, database_url, charges) == [(60, 60)]
    assert "could not be ended" not in port.server.said
    workers = port.pids
    assert len(workers) == WORKERS
    await asyncio.to_thread(port.server.end, signal.SIGKILL)
    await eventually(lambda: not any(_lives(pid) for pid in workers))


def test_a_bell_within_one_process_is_refused_to_several(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_FEED_BROKER_URL", "memory://")
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    ended = command_here(capsys, "serve", "--port", "0", "--workers", "2")
    assert ended.returncode == 1
    assert "USAGE_FEED_BROKER_URL is memory://" in ended.stderr
    assert "Unset it, or name a redis:// address" in ended.stderr


def test_workers_that_cannot_start_end_the_command(
    capfd: pytest.CaptureFixture[str], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", database_url)
    ended = command_here(capfd, "serve", "--port", "0", "--workers", "2")
    assert ended.returncode == 1
    assert "The database runs with fsync" in ended.stderr
    assert "A worker could not start" in ended.stderr
    assert "Traceback" not in ended.stderr


def _lives(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"
