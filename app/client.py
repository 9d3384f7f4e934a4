"""Speaking to a running server as a product's service does: GraphQL over HTTP, patient.

Owns one request and its retries. Owns no operation's text.
"""

from __future__ import annotations

import asyncio
import random
import time
from types import TracebackType
from typing import Any, Self, cast

import httpx
import orjson

PATIENCE_SECONDS = 60.0
"""How long a server that has answered may be away before its caller gives up."""

FIRST_PATIENCE_SECONDS = 2.0

TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS_MIN = 0.05
PAUSE_SECONDS_MAX = 2.0
UNAUTHORIZED = 401
_OF_THE_CALLER = frozenset(
    {
        "BAD_USER_INPUT",
        "FORBIDDEN",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "UNAUTHENTICATED",
    }
)


class ApiError(Exception):
    """The server cannot be reached, or refuses the request as such; the message says what to do."""


class Api:
    """One server, one credential."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._gives_up_at = time.monotonic() + FIRST_PATIENCE_SECONDS
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def run(self, document: str, **variables: Any) -> dict[str, Any]:
        """The data of one operation.

        Sends it again while the server is away or stumbles: an operation must be safe to repeat.

        Raises: ApiError.
        """
        body = orjson.dumps({"query": document, "variables": variables})
        pause_seconds = PAUSE_SECONDS_MIN
        while True:
            data, problem = await self._attempt(body)
            if data is not None:
                self._gives_up_at = time.monotonic() + PATIENCE_SECONDS
                return data
            if time.monotonic() > self._gives_up_at:
                raise ApiError(f"{self.url} does not answer: {problem}")
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries
            pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)

    async def _attempt(self, body: bytes) -> tuple[dict[str, Any] | None, str]:
        """The data, or what is wrong and may pass."""
        try:
            response = await self._http.post(f"{self.url}/graphql", content=body)
        except httpx.UnsupportedProtocol as error:
            raise ApiError(f"{self.url} is no address such as http://127.0.0.1:8000.") from error
        except httpx.TransportError as error:
            return None, str(error) or type(error).__name__
        if response.status_code == UNAUTHORIZED:
            raise ApiError(f"{self.url} does not accept the credential.")
        answer = _json_object(response.content)
        if answer is None:
            if response.is_server_error:
                return None, f"HTTP {response.status_code}"
            raise ApiError(f"{self.url} is no Usage Feed server: HTTP {response.status_code}.")
        errors: list[dict[str, Any]] = answer.get("errors") or []
        for error in errors:
            if error.get("extensions", {}).get("code") in _OF_THE_CALLER:
                raise ApiError(f"{self.url} refuses the request: {error['message']}")
        if errors or answer.get("data") is None:
            return None, errors[0]["message"] if errors else f"HTTP {response.status_code}"
        return answer["data"], ""


def _json_object(text: bytes) -> dict[str, Any] | None:
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None
