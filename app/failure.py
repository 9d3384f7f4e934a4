"""`demo-failure`: one job that fails in front of whoever watches, so that its refund lands.

Owns the job and what is told of it. The charge and the refund are the server's, over its API.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from app.client import Api, ApiError
from app.demonstration.story import NORTHWIND

CREDITS = 60
WATCH_SECONDS = 2.0
DEADLINE_SECONDS = 120

_LINE = "seq amount balanceAfter reason { title }"
_ACCOUNT = "query Account($key: String!) { account(key: $key) { id name } }"
_START = f"""
mutation Start($input: StartJobInput!) {{
  result: startJob(input: $input) {{
    ... on JobStarted {{ entry {{ {_LINE} }} }}
    ... on Refused {{ message }}
  }}
}}
"""
_FINISH = f"""
mutation Finish($input: FinishJobInput!) {{
  result: finishJob(input: $input) {{
    ... on JobFinished {{ entry: refund {{ {_LINE} }} }}
    ... on Refused {{ message }}
  }}
}}
"""


async def fail_a_job(url: str, token: str, say: Callable[[str], None]) -> None:
    """Start a job of the demonstration's account, and report its failure a moment later.

    Raises: ApiError.
    """
    async with Api(url, token) as api:
        account = (await api.run(_ACCOUNT, key=NORTHWIND))["account"]
        if account is None:
            raise ApiError(f"{url} has no demonstration: it was not started with ./dev run.")
        key = f"demo-{secrets.token_hex(4)}"
        of_job = {"account": account["id"], "key": key}
        start = of_job | {
            "idempotencyKey": f"{key}:start",
            "operation": "video",
            "amount": CREDITS,
            "deadlineSeconds": DEADLINE_SECONDS,
            "detail": "Video, seconds: 4",
            "campaign": "Trailer",
        }
        say(f"{account['name']} starts a job")
        say(_told(await api.run(_START, input=start)))
        await asyncio.sleep(WATCH_SECONDS)
        finish = of_job | {
            "idempotencyKey": f"{key}:finish",
            "status": "FAILED",
            "reasonCode": "PROVIDER_ERROR",
            "detail": "The model stopped before the first frame, so all of it came back.",
        }
        say("It fails, and the rule refunds it")
        say(_told(await api.run(_FINISH, input=finish)))


def _told(data: dict[str, Any]) -> str:
    """The line that landed, in words."""
    result = data["result"]
    if "message" in result:
        raise ApiError(f"The server refuses: {result['message']}")
    line = result["entry"]
    sign = "+" if line["amount"] > 0 else "−"
    return (
        f"  line {line['seq']}   {sign}{abs(line['amount']):,} credits   {line['reason']['title']}"
        f"   balance {line['balanceAfter']:,}"
    )
