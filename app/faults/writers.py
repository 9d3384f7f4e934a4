"""Writers that retry until they know: one line for each intent, whatever fails on the way.

Owns the intents sent and how many were acknowledged. Owns no faults.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.faults.stage import Stage

GRANT = """mutation($input: GrantCreditsInput!) { grantCredits(input: $input) {
  __typename ... on Refused { message } } }"""
CHARGES = """mutation($inputs: [RecordChargeInput!]!) { recordCharges(inputs: $inputs) {
  __typename ... on Refused { message } } }"""
ANSWER_SECONDS = 5.0
FLOOD_BATCHES, FLOOD_LINES, FLOOD_LINE_BYTES = 10, 200, 4_000
"""More than the kernel, the proxy and a server hold between them for one subscriber."""


async def _outcomes(client: httpx.AsyncClient, body: dict[str, Any]) -> set[str]:
    """What the server says came of it; nothing where it says nothing."""
    try:
        data: dict[str, Any] = (await client.post("/graphql", json=body)).json()["data"]
        results = data.get("recordCharges") or [data["grantCredits"]]
        return {result["__typename"] for result in results}
    except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError):
        return set()


@dataclass
class Writers:
    """One writer per account."""

    stage: Stage
    chance: random.Random
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    retries: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _stopped: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def start(self) -> None:
        self.acknowledged = {account.id: 0 for account in self.stage.accounts}
        self._tasks = [
            asyncio.create_task(self._write(account.id)) for account in self.stage.accounts
        ]

    async def stop(self) -> None:
        """Finish what was begun."""
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def _write(self, account: str) -> None:
        async with self._client() as client:
            while not self._stopped:
                burst = self.chance.choice((1, 1, 1, 1, 1, 1, 20))
                await asyncio.gather(*(self._grant(client, account) for _ in range(burst)))
                self.acknowledged[account] += burst
                await asyncio.sleep(self.chance.uniform(0.05, 0.5))

    def flood(self) -> float:
        """Begin to book more on one account than all buffers hold; how many MB it will be."""
        account = self.chance.choice(self.stage.accounts).id
        self._tasks.append(asyncio.create_task(self._flood(account)))
        return FLOOD_BATCHES * FLOOD_LINES * FLOOD_LINE_BYTES / 1_000_000

    async def _flood(self, account: str) -> None:
        async with self._client() as client:
            for _ in range(FLOOD_BATCHES):
                await self._charge(client, account)

    async def _charge(self, client: httpx.AsyncClient, account: str) -> None:
        inputs = [
            {
                "account": account,
                "idempotencyKey": f"charge-{next(self._numbers)}",
                "amount": 1,
                "metadata": "x" * FLOOD_LINE_BYTES,
            }
            for _ in range(FLOOD_LINES)
        ]
        await self._send(client, CHARGES, {"inputs": inputs}, "ChargeRecorded")
        self.acknowledged[account] += FLOOD_LINES

    async def _grant(self, client: httpx.AsyncClient, account: str) -> None:
        intent = {
            "account": account,
            "idempotencyKey": f"grant-{next(self._numbers)}",
            "amount": 1,
            "reasonCode": "GRANT_PROMO",
        }
        await self._send(client, GRANT, {"input": intent}, "CreditsGranted")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.stage.url,
            headers={"Authorization": f"Bearer {self.stage.service_key}"},
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )

    async def _send(
        self, client: httpx.AsyncClient, query: str, variables: dict[str, Any], done: str
    ) -> None:
        """Send intents with the same keys until the answer is known."""
        body = {"query": query, "variables": variables}
        while True:
            outcomes = await _outcomes(client, body)
            if outcomes == {done}:
                return
            if not outcomes <= {done, "OutcomeUnknown"}:
                raise RuntimeError(f"A write was answered with {outcomes}.")
            self.retries += 1
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))
