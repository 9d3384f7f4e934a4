"""Writers that retry until they know: one line for each intent, whatever fails on the way.

Owns the intents sent and how many were acknowledged. Owns no faults.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.faults.stage import Stage

GRANT = """mutation($input: GrantCreditsInput!) { grantCredits(input: $input) {
  __typename ... on Refused { message } } }"""
ANSWER_SECONDS = 5.0


async def _outcome(client: httpx.AsyncClient, body: dict[str, Any]) -> str | None:
    """What the server says came of it; None where it says nothing."""
    try:
        data = (await client.post("/graphql", json=body)).json()["data"]
        return data["grantCredits"]["__typename"]
    except (httpx.HTTPError, ValueError, LookupError, TypeError):
        return None


@dataclass
class Writers:
    """One writer per account."""

    stage: Stage
    chance: random.Random
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    retries: int = 0
    _stopped: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._write(account.id)) for account in self.stage.accounts
        ]

    async def stop(self) -> None:
        """Finish what was begun."""
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def _write(self, account: str) -> None:
        self.acknowledged[account] = 0
        numbers = itertools.count(1)
        headers = {"Authorization": f"Bearer {self.stage.service_key}"}
        async with httpx.AsyncClient(
            base_url=self.stage.url, headers=headers, timeout=ANSWER_SECONDS, trust_env=False
        ) as client:
            while not self._stopped:
                burst = self.chance.choice((1, 1, 1, 1, 1, 1, 20))
                await asyncio.gather(
                    *(self._grant(client, account, f"grant-{next(numbers)}") for _ in range(burst))
                )
                self.acknowledged[account] += burst
                await asyncio.sleep(self.chance.uniform(0.05, 0.5))

    async def _grant(self, client: httpx.AsyncClient, account: str, key: str) -> None:
        """Send one intent with the same key until the answer is known."""
        intent = {
            "account": account,
            "idempotencyKey": key,
            "amount": 1,
            "reasonCode": "GRANT_PROMO",
        }
        body = {"query": GRANT, "variables": {"input": intent}}
        while True:
            outcome = await _outcome(client, body)
            if outcome == "CreditsGranted":
                return
            if outcome not in (None, "OutcomeUnknown"):
                raise RuntimeError(f"A grant was answered with {outcome}.")
            self.retries += 1
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))
