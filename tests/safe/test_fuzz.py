"""Whatever is made up and sent to the doors gets a well-formed answer, and the ledger is what its
writers were told.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest

from app.abuse.stage import Stage, stage
from app.abuse.wire import Reply, Socket, connected, request, socket_to
from models import service_keys
from models.audit import audit
from resolvers.access import Scope
from schema import ids
from schema.schema import build_schema
from tests.compiled.comparing import Operation, core
from tests.compiled.twins import Twin
from tests.safe.fuzzing import (
    GRAPHQL,
    HEADERS,
    METHODS,
    PLAIN,
    Ledger,
    Operations,
    Spoiling,
    as_json,
    one_of,
    problem_of,
    problem_of_body,
    problem_of_errors,
)

SCHEMA = core(build_schema())
AT_ONCE = 8
SILENCE_SECONDS = 0.3
CLOSES = {1002, 1007, 1009, 4400, 4401, 4403, 4406, 4409, 4429}
STREAM = "text/event-stream"


@dataclass
class Fuzz:
    """One caller's requests, all from one seed."""

    there: Stage
    twin: Twin
    callers: list[str | None]
    random: Random
    ledger: Ledger
    sent: Counter[str] = field(default_factory=Counter[str])
    problems: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.operations = Operations(SCHEMA, self.random, self.twin)
        self.spoiling = Spoiling(self.random)

    async def run(self, requests: int) -> None:
        while self.sent.total() < requests and len(self.problems) < 5:
            await one_of(
                self.random,
                (40, self.read), (35, self.write), (6, self.garbled), (3, self.export),
                (12, self.talk),
            )  # fmt: skip

    def credential(self) -> dict[str, str]:
        token = self.random.choice(self.callers)
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def spoilt_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        given = dict(headers)
        if self.spoiling.happens(0.1):
            given.update([self.random.choice(HEADERS)])
        return given

    def body_of(self, operation: Operation, *, writes: bool = False) -> bytes:
        """A body, perhaps spoilt; a write's document is not, so that it asks for what it books."""
        body: Any = {"query": operation.text, "variables": operation.variables}
        if not self.spoiling.happens(0.3):
            return as_json(body)
        spoilt_values = {**body, "variables": self.spoiling.value(operation.variables)}
        if writes:
            return as_json(spoilt_values)
        return one_of(
            self.random,
            (3, lambda: as_json(spoilt_values)),
            (2, lambda: as_json({**body, "query": self.spoiling.text(operation.text)})),
            (1, lambda: as_json(self.spoiling.value(body))),
            (1, lambda: self.spoiling.data(as_json(body))),
        )

    async def read(self) -> None:
        """A query, by POST, by GET or as a stream."""
        operation = self.operations.reading()
        accepts = self.random.choice((GRAPHQL, GRAPHQL, PLAIN, "", STREAM))
        headers = {"Content-Type": PLAIN, **({"Accept": accepts} if accepts else {})}
        headers = self.spoilt_headers(headers | self.credential())
        if self.spoiling.happens(0.2):
            asked = f"query={quote(operation.text)}&variables={quote(as_json(operation.variables))}"
            method = self.random.choice(METHODS) if self.spoiling.happens(0.1) else "GET"
            data = request(method, f"/graphql?{asked}", headers)
        else:
            data = request("POST", "/graphql", headers, self.body_of(operation))
        await self.exchange("read", data, accepts if headers.get("Accept") == accepts else "")

    async def write(self) -> None:
        """A mutation, whose every line is noted; now and then sent again."""
        accepts = self.random.choice((GRAPHQL, PLAIN))
        headers = {"Content-Type": PLAIN, "Accept": accepts}
        caller = self.there.service_key if self.spoiling.happens(0.8) else None
        headers |= {"Authorization": f"Bearer {caller}"} if caller else self.credential()
        body = self.body_of(self.operations.writing(), writes=True)
        data = request("POST", "/graphql", headers, body)
        for _ in range(2 if self.spoiling.happens(0.2) else 1):
            reply = await self.exchange("write", data, accepts)
            if reply is None:
                self.problems.append("a write was not answered")
            elif reply.status == 200:
                self.ledger.hear(reply.json())

    async def garbled(self) -> None:
        """A query's bytes, spoilt anywhere: the server may wait for more, or close."""
        headers = {"Content-Type": PLAIN, "Accept": GRAPHQL, **self.credential()}
        body = as_json({"query": self.operations.reading().text})
        data = self.spoiling.data(request("POST", "/graphql", headers, body))
        await self.exchange("garbled", data, "", within_seconds=SILENCE_SECONDS)

    async def export(self) -> None:
        names = ("account", "format", "from", "to", "kind", "campaign", "job", "search", "x")
        account = ids.account(self.random.choice(self.twin.accounts))
        values = (account, "csv", "jsonl", "GRANT", "2026-01-01T00:00:00Z", "'", "\0", "%", "")
        given = [(self.random.choice(names), self.random.choice(values)) for _ in range(3)]
        given.append(("account", account))
        target = "/export?" + "&".join(f"{name}={quote(value)}" for name, value in given)
        self.sent["export"] += 1
        async with connected(self.there.server.port) as line:
            await line.send(request("GET", target, self.credential()))
            reply = await line.reply()
        if reply is None or reply.status not in (200, 400, 401, 403, 404):
            self.problems.append(f"export: {reply}: {target}")

    async def exchange(
        self, kind: str, data: bytes, accepts: str, within_seconds: float = 40.0
    ) -> Reply | None:
        """Send bytes as one request and judge the answer."""
        self.sent[kind] += 1
        reply = None
        async with connected(self.there.server.port) as line:
            await line.send(data)
            with suppress(TimeoutError):
                async with asyncio.timeout(within_seconds):
                    reply = await line.reply()
        if reply is None:
            wrong = "" if kind == "garbled" else "no answer"
        elif reply.headers.get("content-type", "").startswith(STREAM) or not reply.body:
            wrong = "" if reply.status < 500 else f"status {reply.status}"
        else:
            wrong = problem_of(reply, accepts)
        if wrong:
            self.problems.append(f"{kind}: {wrong}: {data[:3_000]!r}")
        return reply

    async def talk(self) -> None:
        """A socket: an introduction and some messages, each perhaps not what it should be."""
        async with socket_to(self.there.server.port) as socket:
            token = self.random.choice(self.callers) or "nobody"
            if self.spoiling.happens(0.95):
                self.sent["introduction"] += 1
                if await socket.introduce(token) != "connection_ack":
                    return
            for number in range(self.random.randint(1, 12)):
                if not await self.say(socket, f"{number}", token):
                    return

    async def say(self, socket: Socket, name: str, token: str) -> bool:
        """One message and what comes of it; returns whether the socket is still open."""
        self.sent["message"] += 1
        writes = token == self.there.service_key and self.spoiling.happens(0.3)
        if writes:
            operation = self.operations.writing()
        else:
            operation = one_of(
                self.random, (3, self.operations.reading), (2, self.operations.following)
            )
        payload = {"query": operation.text, "variables": operation.variables}
        message: Any = {"id": name, "type": "subscribe", "payload": payload}
        ends = {"complete", "error"}
        if not writes:  # what answers a spoilt message, if anything, is not known: a pong ends it
            if self.spoiling.happens(0.3):
                message = self.spoiling.value(message)
            ends = {"pong"}
        await socket.say(message, *([] if writes else [{"type": "ping"}]))
        while True:
            heard = await socket.hear()
            if isinstance(heard, int):
                if heard not in CLOSES:
                    self.problems.append(f"closed {heard}: {as_json(message)[:3_000]!r}")
                return False
            self.judge(heard, message)
            if writes and heard["type"] == "next":
                self.ledger.hear(heard["payload"])
            if heard["type"] in ends and (not writes or heard["id"] == name):
                return True

    def judge(self, heard: dict[str, Any], message: Any) -> None:
        wrong = ""
        if heard["type"] == "next":
            wrong = problem_of_body(heard["payload"])
        elif heard["type"] == "error":
            wrong = problem_of_errors(heard["payload"])
        if wrong and "RATE_LIMITED" not in wrong:
            self.problems.append(f"{heard['type']}: {wrong}: {as_json(message)[:3_000]!r}")


async def fuzz(folder: Path, requests: int, seed: int) -> Counter[str]:
    """Send so many requests to a server of one's own; hold it and its ledger to the promises."""
    async with stage(folder, durable=False) as there:
        twin = Twin(cast("Any", SimpleNamespace(writer=there.writer)))
        await twin.live()
        before = await lines(there)
        limited = [
            await service_keys.create(there.db, f"service-{scope}", [scope])
            for scope in (Scope.READ, Scope.CHARGES_WRITE, Scope.GRANTS_WRITE)
        ]
        customers = [there.issuer.token(f"account-{n}") for n in range(3)]
        callers = [*customers, *limited, *[there.service_key] * 4, "forged", None]
        ledger = Ledger()
        fuzzers = [
            Fuzz(there, twin, callers, Random(seed * AT_ONCE + n), ledger) for n in range(AT_ONCE)
        ]
        await asyncio.gather(*(each.run(requests // AT_ONCE) for each in fuzzers))
        assert [problem for each in fuzzers for problem in each.problems] == []
        after = await lines(there)
        assert {line: after[line] for line in after.keys() - before.keys()} == ledger.booked
        assert before.items() <= after.items()
        assert ledger.replayed.items() <= after.items()
        assert await audit(there.db, lambda done, whole: None) == []
        assert there.tracebacks() == 0, there.server.log.read_text()[-5_000:]
        assert there.server.is_running
        told = sum((each.sent for each in fuzzers), Counter[str]())
        told["lines"], told["replays"] = len(ledger.booked), len(ledger.replayed)
        return told


async def lines(there: Stage) -> dict[str, int]:
    """Every line of the ledger and its amount."""
    rows = await there.db.fetch("select account_id, seq, amount from entry")
    return {ids.entry(row["account_id"], row["seq"]): row["amount"] for row in rows}


async def test_fifteen_hundred_made_up_requests_get_answers_and_the_ledger_is_what_they_tell(
    tmp_path: Path,
) -> None:
    sent = await fuzz(tmp_path, 1_500, seed=5)
    assert min(sent["read"], sent["write"], sent["message"]) > 200, sent
    assert min(sent["garbled"], sent["export"], sent["replays"]) > 5, sent
    assert sent["lines"] > 50, sent


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_fifty_thousand_made_up_requests_get_answers_and_the_ledger_is_what_they_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    sent = await fuzz(tmp_path, 50_000, seed=20_261_122)
    with capsys.disabled():
        print(f"\n{dict(sent)} in {time.monotonic() - began:.0f} s")  # noqa: T201
    assert sent["lines"] > 2_000, sent
