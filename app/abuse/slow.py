"""Clients that ask slowly, read slowly, or are there no more: the server loses its patience.

These run side by side, since all of them take as long as it is patient.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.abuse.cases import JSON, Attempt, Case
from app.abuse.stage import LINES_OF_LONG, METADATA_OF_LONG, Stage
from app.abuse.wire import Line, connected, request, socket_to

AT_ONCE = 100
FEW = 3
DRIP_SECONDS = 1.0
STILL_SECONDS = 22.0
UNREAD_SECONDS_MAX = 80.0
SMALL_BYTES = 4_096
REST_SECONDS = 30.0
LONG_BYTES = LINES_OF_LONG * len(METADATA_OF_LONG["padding"])
PAGE = (
    b'{"query": "{ viewer { account { usage(first: 100) { nodes { ... on LedgerEntry '
    b'{ id metadata } } } } } }"}'
)
LANDED = """subscription ($id: ID!) { usageEntryLanded(account: $id, since: "c2VxOjA=") {
  edge { node { ... on LedgerEntry { seq metadata } } } } }"""

One = Callable[[Stage, int], Coroutine[Any, Any, str]]


def _at_once(one: One) -> Attempt:
    async def attempt(stage: Stage) -> str:
        answers = Counter(await asyncio.gather(*(one(stage, n) for n in range(AT_ONCE))))
        return ", ".join(f"{count} {answer}" for answer, count in sorted(answers.items()))

    return attempt


async def _dripped(line: Line, letters: bytes) -> None:
    for letter in letters:
        await line.send(bytes([letter]))
        await asyncio.sleep(DRIP_SECONDS)


async def _ended(line: Line) -> str:
    return "ended" if await line.is_ended() else "held"


async def _silent(stage: Stage, number: int) -> str:
    async with connected(stage.server.port) as line:
        await line.send(b"GET" if number % 2 else b"")
        return await _ended(line)


async def _slow_head(stage: Stage, number: int) -> str:
    async with connected(stage.server.port) as line:
        await line.send(b"POST /graphql HTTP/1.1\r\nHost: a\r\n")
        dripping = asyncio.create_task(_dripped(line, b"X-A: b\r\n" * 10))
        try:
            return await _ended(line)
        finally:
            dripping.cancel()


async def _slow_body(stage: Stage, number: int) -> str:
    headers = {**JSON, "Authorization": f"Bearer {stage.token()}", "Content-Length": "1000"}
    async with connected(stage.server.port) as line:
        await line.send(request("POST", "/graphql", headers))
        dripping = asyncio.create_task(_dripped(line, b" " * 60))
        try:
            return await line.told()
        finally:
            dripping.cancel()


async def _half_open(stage: Stage, number: int) -> str:
    """A socket whose other end is gone: nobody answers the server's pings."""
    async with socket_to(stage.server.port) as socket:
        await socket.introduce(stage.token())
        return await socket.closes()


async def _unread(line: Line, whole: int) -> str:
    """Whether the server lets go of who reads nothing of so many bytes."""
    end, still_since, unsent = time.monotonic() + UNREAD_SECONDS_MAX, time.monotonic(), 0
    while time.monotonic() < end:
        await asyncio.sleep(1.0)
        left = await asyncio.to_thread(_unsent_bytes, line)
        if left is None:
            return "let go"
        if left != unsent or not left:
            unsent, still_since = left, time.monotonic()
        elif time.monotonic() - still_since > STILL_SECONDS:
            break
    count = 0
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(REST_SECONDS):
            while data := await line.reader.read(65_536):
                count += len(data)
                if count >= whole:
                    return "served"
            return "let go"
    return "let go" if line.reader.at_eof() or line.reader.exception() else "held"


def _unsent_bytes(line: Line) -> int | None:
    """What the server's end of a connection has not got rid of; None where it has no such end."""
    ours, theirs = (line.writer.get_extra_info(f"{end}name")[1] for end in ("sock", "peer"))
    for text in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = text.split()
        ports = tuple(int(fields[n].partition(":")[2], 16) for n in (1, 2))
        if ports == (theirs, ours):
            return int(fields[4].partition(":")[0], 16)
    return None


async def _unread_pages(stage: Stage, number: int) -> str:
    headers = {**JSON, "Authorization": f"Bearer {stage.token('long')}"}
    async with connected(stage.server.port, receive_bytes=SMALL_BYTES) as line:
        asking = asyncio.create_task(line.send(request("POST", "/graphql", headers, PAGE) * 50))
        try:
            return await _unread(line, 50 * 100 * len(METADATA_OF_LONG["padding"]))
        finally:
            asking.cancel()


def _unread_response(target: str, headers: dict[str, str], body: bytes = b"") -> One:
    async def one(stage: Stage, number: int) -> str:
        given = {**headers, "Authorization": f"Bearer {stage.token('long')}"}
        there = stage.accounts["long"]
        data = request("POST" if body else "GET", target.replace("$", there), given,
                       body.replace(b"$id_", there.encode()))  # fmt: skip
        async with connected(stage.server.port, receive_bytes=SMALL_BYTES) as line:
            await line.send(data)
            return await _unread(line, LONG_BYTES)

    return one


async def _unread_socket(stage: Stage, number: int) -> str:
    async with socket_to(stage.server.port, receive_bytes=SMALL_BYTES) as socket:
        await socket.introduce(stage.token("long"))
        payload = {"query": LANDED, "variables": {"id": stage.accounts["long"]}}
        await socket.say({"id": "1", "type": "subscribe", "payload": payload})
        return await _unread(socket, LONG_BYTES)


def _few(one: One) -> Attempt:
    async def attempt(stage: Stage) -> str:
        return ", ".join(sorted(set(await asyncio.gather(*(one(stage, n) for n in range(FEW))))))

    return attempt


STREAM = {"Accept": "text/event-stream", "Content-Type": "application/json"}
ASKED = json.dumps({"query": LANDED, "variables": {"id": "$id_"}}).encode()


def _case(name: str, answer: str, attempt: Attempt, parts: int, *, is_long: bool = False) -> Case:
    return Case(name, answer, attempt, parts=parts, waits=True, is_long=is_long)


ENDED = f"{AT_ONCE} ended"
LATE = f"{AT_ONCE} 408 BAD_USER_INPUT"
GONE = f"{AT_ONCE} closed 1013"
EXPORT = _unread_response("/export.csv?account=$", {})
EVENTS = _unread_response("/graphql", STREAM, ASKED)
CASES = [
    _case(f"{AT_ONCE} connections that ask nothing", ENDED, _at_once(_silent), AT_ONCE),
    _case(f"{AT_ONCE} heads, letter by letter", ENDED, _at_once(_slow_head), AT_ONCE),
    _case(f"{AT_ONCE} bodies, letter by letter", LATE, _at_once(_slow_body), AT_ONCE),
    _case(f"{AT_ONCE} sockets, their other end gone", GONE, _at_once(_half_open), AT_ONCE,
          is_long=True),
    _case("pages that nobody reads", "let go", _few(_unread_pages), FEW),
    _case("exports that nobody reads", "let go", _few(EXPORT), FEW),
    _case("streams that nobody reads", "let go", _few(EVENTS), FEW),
    _case("sockets that nobody reads", "let go", _few(_unread_socket), FEW),
]  # fmt: skip
