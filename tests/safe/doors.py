"""The doors of a server, each with the same question: what became of this operation?

Owns the four ways in for an operation. Owns no expectation.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.api.support import Caller
from tests.safe.ways import Asked

NO_ENTRY, NOTHING, FORBIDDEN, VALUE, NULL = "-", "0", "F", "V", "n"
SHUT = 4403
STATUSES = {200: VALUE, 307: VALUE, 401: NO_ENTRY, 403: FORBIDDEN, 404: NOTHING}
_LETTERS = {"UNAUTHENTICATED": NO_ENTRY, "FORBIDDEN": FORBIDDEN, "NOT_FOUND": NOTHING}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back through a door."""

    status: int
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.text)) if self.text else {}

    def codes(self, alias: str | None = None) -> set[str]:
        """The codes of its errors, or of those under one field of the root."""
        return {
            error["extensions"]["code"]
            for error in self.body.get("errors", [])
            if alias is None or "path" not in error or error["path"][0] == alias
        }

    def letter(self, asked: Asked, alias: str = "r0") -> str:
        """What became of one field that was asked for under an alias."""
        if self.status == SHUT:
            return NO_ENTRY
        data = self.body.get("data")
        codes = self.codes(alias) or (self.codes() if data is None else set[str]())
        if codes:
            return "".join(sorted(_LETTERS.get(code, code) for code in codes))
        root = cast("dict[str, Any]", data)[alias]
        if asked.is_root:
            return NOTHING if root in (None, [None]) else VALUE
        found = list(_found(root))
        if not found:
            return NOTHING
        return VALUE if any(value not in (None, []) for value in found) else NULL


def _found(value: Any) -> list[Any]:
    """Every value that was asked for as `found`."""
    if isinstance(value, list):
        return [found for inner in cast("list[Any]", value) for found in _found(inner)]
    if not isinstance(value, dict):
        return []
    fields = cast("dict[str, Any]", value)
    if "found" in fields:
        return [fields["found"]]
    return [found for inner in fields.values() for found in _found(inner)]


async def post(caller: Caller, document: str) -> Answer:
    return _answer(await caller.http.post("/graphql", json={"query": document}))


async def get(caller: Caller, document: str) -> Answer:
    return _answer(await caller.http.get("/graphql", params={"query": document}))


async def stream(caller: Caller, document: str) -> Answer:
    """The first event of a stream of server-sent events."""
    headers = {"Accept": "text/event-stream"}
    request = caller.http.stream("POST", "/graphql", json={"query": document}, headers=headers)
    async with request as response:
        if response.status_code != 200:
            await response.aread()
            return _answer(response)
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                return Answer(200, line.removeprefix("data: "))
    raise AssertionError("a stream ended without an event")


async def page(caller: Caller, path: str, account: str) -> Answer:
    """What a browser gets at a path, which may be about an account."""
    headers = {"Accept": "text/html,*/*;q=0.8"}
    asked = {"account": account} if "export" in path else {}
    return _answer(await caller.http.get(path, params=asked, headers=headers))


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.text)


class Socket:
    """A caller's one socket: many operations side by side."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._ended: Answer | None = None

    async def ask(self, caller: Caller, document: str) -> Answer:
        """The first result of an operation, which is then completed."""
        if self._ended:
            return self._ended
        number = str(next(self._numbers))
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._say(type="subscribe", id=number, payload={"query": document})
        return await answer

    async def hear(self) -> None:
        """Take messages until the socket ends; whoever still waits is told how it ended."""
        with suppress(ConnectionClosed):
            async for text in self._connection:
                await self._take(json.loads(text))
        self._ended = Answer(self._connection.close_code or 0, "")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_result(self._ended)

    async def _take(self, message: dict[str, Any]) -> None:
        answer = self._waiting.get(message.get("id", ""))
        if answer is None or answer.done():
            return
        if message["type"] == "next":
            answer.set_result(Answer(200, json.dumps(message["payload"], ensure_ascii=False)))
            await self._say(type="complete", id=message["id"])
        elif message["type"] == "error":
            answer.set_result(Answer(200, json.dumps({"errors": message["payload"]})))

    async def _say(self, **message: Any) -> None:
        with suppress(ConnectionClosed):  # who waits is told by `hear`
            await self._connection.send(json.dumps(message))


@asynccontextmanager
async def socket(caller: Caller) -> AsyncGenerator[Socket]:
    """A caller's socket; what it asks is sent behind its introduction, without a wait for it."""
    url = f"{caller.api.url.replace('http', 'ws', 1)}/graphql"
    subprotocol = Subprotocol("graphql-transport-ws")
    async with connect(url, subprotocols=[subprotocol], max_size=None) as connection:
        payload = {"authorization": f"Bearer {caller.token}"} if caller.token else {}
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        opened = Socket(connection)
        hearing = asyncio.create_task(opened.hear())
        try:
            yield opened
        finally:
            await connection.close()
            await hearing


def document(asked: Sequence[Asked], names: dict[str, Any]) -> str:
    """One operation that asks for all of these, each under its alias: r0, r1, ..."""
    roots = " ".join(one.written(names, f"r{n}") for n, one in enumerate(asked))
    return f"{asked[0].operation} {{ {roots} }}"
