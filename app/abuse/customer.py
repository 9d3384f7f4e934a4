"""The well-behaved customer, in a process of its own: asks for its page at a steady pace and
follows its account, while others misbehave.

Run as `python -m app.abuse.customer PLAN`, PLAN being JSON. Says on standard output how long
each page took; given `{"head": seq}` on standard input, waits until it has seen every
line, says what it has to complain of and ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from app.abuse.wire import connected, request, socket_to

PER_SECOND = 30.0
PAGE = """query ($id: ID!) { account(id: $id) { balance usage(first: 50) { nodes { __typename
  ... on LedgerEntry { id seq amount balanceAfter recordedAt reason { code title } } } } } }"""
LANDED = """subscription ($id: ID!) { usageEntryLanded(account: $id, since: "c2VxOjA=") {
  edge { node { ... on LedgerEntry { seq } } } } }"""
SETTLE_SECONDS = 10.0


@dataclass
class Customer:
    """What it was answered and told."""

    port: int
    account: str
    token: str
    seqs: list[int] = field(default_factory=list[int])
    troubles: list[str] = field(default_factory=list[str])

    async def ask(self) -> None:
        """Ask for the page, for ever; what is late counts from when it was due."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"}
        body = json.dumps({"query": PAGE, "variables": {"id": self.account}}).encode()
        data = request("POST", "/graphql", headers, body)
        async with connected(self.port) as line:
            due = time.monotonic()
            while True:
                await line.send(data)
                reply = await line.reply()
                _say({"took_seconds": time.monotonic() - due})
                if reply is None or str(reply) != "200" or len(reply.body) < 5_000:
                    self.troubles.append(f"a page was answered with {reply}")
                    return
                due = max(due + 1 / PER_SECOND, time.monotonic() - 1.0)
                await asyncio.sleep(due - time.monotonic())

    async def follow(self) -> None:
        """Follow the account from its first line, for ever."""
        async with socket_to(self.port) as socket:
            socket.answers_pings = True
            await socket.introduce(self.token)
            payload = {"query": LANDED, "variables": {"id": self.account}}
            await socket.say({"id": "1", "type": "subscribe", "payload": payload})
            while True:
                heard = await socket.hear(None)
                if isinstance(heard, int) or heard["type"] != "next":
                    self.troubles.append(f"the subscription ended with {heard}")
                    return
                landed: Any = heard["payload"]["data"]["usageEntryLanded"]
                self.seqs.append(landed["edge"]["node"]["seq"])


async def behave(plan: dict[str, Any]) -> None:
    """Behave well until told the head of the account."""
    customer = Customer(**plan)
    tasks = [asyncio.create_task(work()) for work in (customer.ask, customer.follow)]
    told = await asyncio.to_thread(sys.stdin.readline)
    head = json.loads(told or '{"head": 0}')["head"]
    end = time.monotonic() + SETTLE_SECONDS
    while len(customer.seqs) < head and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    if customer.seqs != list(range(1, head + 1)):
        customer.troubles.append(f"saw {len(customer.seqs)} lines of {head}, or not in order")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    _say({"troubles": customer.troubles})


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(behave(json.loads(sys.argv[1])))
