"""Subscribers in a process of their own: each resumes by cursor after every drop and keeps count.

Run as `python -m app.faults.subscribers PLAN`, PLAN being JSON. Says twice a second on standard
output how late lines arrived; given `{"heads": {account: seq}}` on standard input, waits until
everybody has everything, says the verdict and ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from app.faults.verdict import Verdict
from app.websocket import SUBPROTOCOL

LANDED = """subscription($account: ID!, $since: String) {
  usageEntryLanded(account: $account, since: $since) {
    edge { cursor node { ... on LedgerEntry { seq recordedAt metadata } } } } }"""
FROM_THE_START = "c2VxOjA="
PING_SECONDS = 4.0
SILENCE_SECONDS_MAX = 15.0
SETTLE_SECONDS_MAX = 90.0
DROPPED = (OSError, TimeoutError, WebSocketException, httpx.HTTPError)


@dataclass
class Tally:
    """What all subscribers of the process have seen since it was last told."""

    delivered: int = 0
    late: dict[int, float] = field(default_factory=dict[int, float])
    """By the tenth of a second in which lines were recorded, how late the latest of them came."""
    waited: dict[int, float] = field(default_factory=dict[int, float])
    """By the tenth of a second from which lines were there for a connected reader, how long the
    latest of them took.
    """
    drops: Counter[str] = field(default_factory=Counter[str])


@dataclass
class Subscriber:
    """One subscriber, over a socket or an event stream."""

    url: str
    account: str
    token: str
    is_stream: bool
    tally: Tally
    received: list[int] = field(default_factory=list[int])
    cursor: str = FROM_THE_START
    connected: float = 0.0
    """Since when it has been following again."""

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            lines = self._stream() if self.is_stream else self._socket()
            try:
                async for body in lines:
                    self._take(body)
                self.tally.drops["completed"] += 1
            except ConnectionClosed as closed:
                told = f"{closed.rcvd.code} {closed.rcvd.reason}" if closed.rcvd else "1006"
                self.tally.drops[f"closed {told}".strip()] += 1
            except DROPPED as error:
                self.tally.drops[type(error).__name__] += 1
            await asyncio.sleep(random.uniform(0.05, 0.4))  # noqa: S311

    def _take(self, body: dict[str, Any]) -> None:
        if body.get("errors"):
            self.tally.drops[body["errors"][0]["extensions"]["code"]] += 1
            return
        edge = body["data"]["usageEntryLanded"]["edge"]
        recorded = datetime.fromisoformat(edge["node"]["recordedAt"]).timestamp()
        self.received.append(edge["node"]["seq"])
        self.cursor = edge["cursor"]
        self.tally.delivered += 1
        now, since = time.time(), max(recorded, self.connected)
        _keep_latest(self.tally.late, recorded, now - recorded)
        _keep_latest(self.tally.waited, since, now - since)

    def _request(self) -> dict[str, Any]:
        variables = {"account": self.account, "since": self.cursor}
        return {"query": LANDED, "variables": variables}

    async def _socket(self) -> AsyncGenerator[dict[str, Any], None]:
        async with connect(
            self.url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            open_timeout=5,
            close_timeout=1,
            ping_interval=PING_SECONDS,
            ping_timeout=PING_SECONDS,
        ) as socket:
            credential = {"authorization": f"Bearer {self.token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": credential}))
            request = {"id": "1", "type": "subscribe", "payload": self._request()}
            async for text in socket:
                message = json.loads(text)
                match message["type"]:
                    case "connection_ack":
                        await socket.send(json.dumps(request))
                        self.connected = time.time()
                    case "next":
                        yield message["payload"]
                    case "error":
                        yield {"errors": message["payload"]}
                        return
                    case _:
                        return

    async def _stream(self) -> AsyncGenerator[dict[str, Any], None]:
        timeout = httpx.Timeout(5, read=SILENCE_SECONDS_MAX)
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {self.token}"}
        async with (
            httpx.AsyncClient(timeout=timeout, trust_env=False) as client,
            client.stream(
                "POST", f"{self.url}/graphql", json=self._request(), headers=headers
            ) as response,
        ):
            if not response.is_success:
                self.tally.drops[f"HTTP {response.status_code}"] += 1
                return
            self.connected = time.time()
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line.removeprefix("data: "))


def _keep_latest(by_tenth: dict[int, float], moment: float, seconds: float) -> None:
    tenth = int(moment * 10)
    by_tenth[tenth] = max(by_tenth.get(tenth, 0.0), seconds)


async def follow(plan: dict[str, Any]) -> None:
    """Run the plan's subscribers until told the heads of their accounts."""
    tally = Tally()
    subscribers = [
        Subscriber(plan["url"], account["id"], account["token"], n % 5 == 4, tally)
        for account in plan["accounts"]
        for n in range(plan["each"])
    ]
    tasks = [asyncio.create_task(subscriber.run()) for subscriber in subscribers]
    telling = asyncio.create_task(_tell(tally))
    told = await asyncio.to_thread(sys.stdin.readline)
    if told:
        heads: dict[str, int] = json.loads(told)["heads"]
        _say({"verdict": vars(await _verdict(subscribers, heads))})
    for task in [telling, *tasks]:
        task.cancel()
    await asyncio.gather(telling, *tasks, return_exceptions=True)


async def _verdict(subscribers: list[Subscriber], heads: dict[str, int]) -> Verdict:
    end = time.monotonic() + SETTLE_SECONDS_MAX
    for subscriber in subscribers:
        head = heads[subscriber.account]
        while len(subscriber.received) < head and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await asyncio.sleep(1)  # for what would come twice
    verdicts = [
        Verdict.on(subscriber.received, range(1, heads[subscriber.account] + 1))
        for subscriber in subscribers
    ]
    return sum(verdicts, Verdict())


async def _tell(tally: Tally) -> None:
    while True:
        await asyncio.sleep(0.5)
        _say(
            {
                "delivered": tally.delivered,
                "late": tally.late,
                "waited": tally.waited,
                "drops": dict(tally.drops),
            }
        )
        tally.delivered, tally.late, tally.waited, tally.drops = 0, {}, {}, Counter()


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(json.loads(sys.argv[1])))
