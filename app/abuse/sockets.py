"""WebSockets by the thousand, subscriptions by the thousand, and messages that are none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

from app.abuse.cases import Attempt, Case
from app.abuse.stage import Stage
from app.abuse.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    SUBPROTOCOL,
    TEXT,
    Headers,
    Refused,
    Socket,
    frame,
    socket_to,
)

FOLLOW = """subscription ($id: ID!) { usageEntryLanded(account: $id) { edge { cursor } } }"""
SOCKETS = 2_000
SOCKETS_OF_ONE = 1_000
SUBSCRIPTIONS = 2_000
COME_AND_GO = 1_000
PINGS = 5_000


def _greeting(*data: bytes, first: bool = False) -> Attempt:
    """Sends frames, after an introduction unless `first`; says how the socket closes."""

    async def attempt(stage: Stage) -> str:
        async with socket_to(stage.server.port) as socket:
            if not first:
                await socket.introduce(stage.token())
            await socket.send(b"".join(data))
            return await socket.closes()

    return attempt


def _message(text: str | bytes) -> bytes:
    return frame(TEXT, text if isinstance(text, bytes) else text.encode())


def _handshake(headers: Headers) -> Attempt:
    async def attempt(stage: Stage) -> str:
        try:
            async with socket_to(stage.server.port, headers) as socket:
                return await socket.closes()
        except Refused as refused:
            return "refused" if refused.status in (0, 400, 403) else str(refused)

    return attempt


def _asking(query: str) -> Attempt:
    async def attempt(stage: Stage) -> str:
        async with socket_to(stage.server.port) as socket:
            await socket.introduce(stage.token())
            await socket.say({"id": "1", "type": "subscribe", "payload": {"query": query}})
            return await socket.hear_word()

    return attempt


async def _open(stack: AsyncExitStack, stage: Stage) -> Socket:
    return await stack.enter_async_context(socket_to(stage.server.port))


async def _never_introduced(stage: Stage) -> str:
    async with AsyncExitStack() as stack:
        sockets = [await _open(stack, stage) for _ in range(SOCKETS)]
        return _told(Counter([await socket.closes() for socket in sockets]))


async def _of_one_account(stage: Stage) -> str:
    token, said = stage.token(), Counter[str]()
    async with AsyncExitStack() as stack:
        for _ in range(SOCKETS_OF_ONE):
            said[await (await _open(stack, stage)).introduce(token)] += 1
    return _told(said)


async def _subscriptions_on_one(stage: Stage) -> str:
    account = stage.stranger()
    payload = {"query": FOLLOW, "variables": {"id": stage.accounts[account]}}
    asked = [{"id": f"{n}", "type": "subscribe", "payload": payload} for n in range(SUBSCRIPTIONS)]
    async with socket_to(stage.server.port) as socket:
        await socket.introduce(stage.token(account))
        await socket.say(*asked)
        said = Counter[str]()
        for _ in range(SUBSCRIPTIONS - 100):
            said[await socket.hear_word()] += 1
        await socket.say({"type": "ping"})
        return f"{_told(said)}, {await socket.hear_word()}"


async def _comes_and_goes(stage: Stage) -> str:
    """Subscribes and completes, again and again: beyond its rate it is refused."""
    account = stage.stranger()
    payload = {"query": FOLLOW, "variables": {"id": stage.accounts[account]}}
    async with socket_to(stage.server.port) as socket:
        await socket.introduce(stage.token(account))
        for n in range(COME_AND_GO):
            await socket.say(
                {"id": f"{n}", "type": "subscribe", "payload": payload},
                {"id": f"{n}", "type": "complete"},
            )
        await socket.say({"type": "ping"})
        said = Counter[str]()
        while (word := await socket.hear_word()) != "pong":
            said[word] += 1
        return ", ".join(sorted(said))


async def _pings(stage: Stage) -> str:
    async with socket_to(stage.server.port) as socket:
        await socket.introduce(stage.token())
        said: set[str] = set()
        for _ in range(PINGS // 100):
            await socket.say(*[{"type": "ping"}] * 100)
            said |= {await socket.hear_word() for _ in range(100)}
        return ", ".join(sorted(said))


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))


DEEP = '{"type": "ping", "payload": ' + '{"a":' * 5_000 + "1" + "}" * 5_001
SUBSCRIBE = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "{ __typename }"}})
INIT = '{"type": "connection_init"}'
Frames = Callable[[], bytes]

MESSAGES: dict[str, tuple[Attempt, str]] = {
    "no JSON": (_greeting(_message("garbage")), "closed 4400"),
    "a number": (_greeting(_message("1")), "closed 4400"),
    "an array": (_greeting(_message("[]")), "closed 4400"),
    "JSON 5,000 deep": (_greeting(_message(DEEP)), "closed 4400"),
    "half a pair of surrogates": (
        _greeting(_message('{"type": "ping", "payload": {"a": "\\ud800"}}')), "closed 4400"),
    "no type": (_greeting(_message("{}")), "closed 4400"),
    "a type of a prototype": (_greeting(_message('{"type": "__proto__"}')), "closed 4400"),
    "an id of 100,000 letters": (
        _greeting(_message(SUBSCRIBE.replace('"1"', f'"{"i" * 100_000}"'))), "closed 4400"),
    "an id that is an object": (
        _greeting(_message(SUBSCRIBE.replace('"1"', '{"a": 1}'))), "closed 4400"),
    "a query that is a number": (
        _greeting(_message(SUBSCRIBE.replace('"{ __typename }"', "1"))), "closed 4400"),
    "a subscription before an introduction": (
        _greeting(_message(SUBSCRIBE), first=True), "closed 4401"),
    "two introductions": (_greeting(_message(INIT)), "closed 4429"),
    "an introduction without a credential": (_greeting(_message(INIT), first=True), "closed 4403"),
    "one with a number for a credential": (
        _greeting(_message('{"type": "connection_init", "payload": {"authorization": 1}}'),
                  first=True), "closed 4403"),
    "bytes": (_greeting(frame(BINARY, b"\0\1")), "closed 4400"),
    "invalid UTF-8": (_greeting(_message(b'{"type": "\xff"}')), "closed 1007"),
    "a message of 1 MB": (_greeting(_message("a" * 1_000_000)), "closed 1009"),
    "one of 1 MB in parts": (
        _greeting(frame(TEXT, b"a" * 10_000, fin=False),
                  *[frame(CONTINUATION, b"a" * 10_000, fin=False)] * 100), "closed 1009"),
    "one of 20,000 parts of nothing": (
        _greeting(frame(TEXT, b"{", fin=False), *[frame(CONTINUATION, b"", fin=False)] * 20_000,
                  frame(CONTINUATION, b"")), "closed 1009"),
    "a message that goes on nowhere": (_greeting(frame(CONTINUATION, b"a")), "closed 1002"),
    "a message without a mask": (_greeting(frame(TEXT, b"{}", masked=False)), "closed 1002"),
    "reserved bits": (_greeting(frame(TEXT, b"{}", bits=4)), "closed 1002"),
    "a reserved kind of message": (_greeting(frame(11, b"")), "closed 1002"),
    "a ping of 1,000 letters": (_greeting(frame(PING, b"a" * 1_000)), "closed 1002"),
    "a ping in parts": (_greeting(frame(PING, b"a", fin=False)), "closed 1002"),
    "a goodbye that is none": (_greeting(frame(CLOSE, b"\x03")), "closed 1002"),
    "a goodbye with a code that is none": (_greeting(frame(CLOSE, b"\x03\xec")), "closed 1002"),
}  # fmt: skip

WHO = {"Origin": "https://evil.example"}
HANDSHAKES: dict[str, tuple[Attempt, str]] = {
    "a socket of another site's page": (_handshake(SUBPROTOCOL | WHO), "refused"),
    "a socket of a page of no site": (_handshake(SUBPROTOCOL | {"Origin": "null"}),
                                      "refused"),
    "a socket of a page with our name within": (
        _handshake(SUBPROTOCOL | {"Origin": "https://127.0.0.1.evil.example"}), "refused"),
    "a socket of another protocol": (
        _handshake({"Sec-WebSocket-Protocol": "graphql-ws"}), "closed 4406"),
    "a socket of no protocol": (_handshake({}), "closed 4406"),
    "a handshake with a header of 60,000 letters": (
        _handshake(SUBPROTOCOL | {"X-A": "a" * 60_000}), "refused"),
}  # fmt: skip

CASES = [
    *(
        Case(f"in a socket: {name}", answer, attempt, times=10)
        for name, (attempt, answer) in MESSAGES.items()
    ),
    *(Case(name, answer, attempt, times=10) for name, (attempt, answer) in HANDSHAKES.items()),
    Case(
        "in a socket: pages within pages",
        "error GRAPHQL_VALIDATION_FAILED",
        _asking(
            "{ viewer { account "
            + "{ usage(first: 100) { nodes { ... on LedgerEntry { account " * 3
            + "{ id }"
            + " } } }" * 3
            + " } }"
            + " }" * 3
        ),
    ),
    Case("in a socket: a document cut short", "error GRAPHQL_PARSE_FAILED", _asking("{ viewer {")),
    Case(
        f"{SOCKETS_OF_ONE:,} sockets of one account",
        f"{SOCKETS_OF_ONE - 100} closed 1013, 100 connection_ack",
        _of_one_account,
        times=2,
        parts=SOCKETS_OF_ONE,
    ),
    Case(
        f"{SUBSCRIPTIONS:,} subscriptions on one socket",
        f"{SUBSCRIPTIONS - 100} error TOO_MANY_OPERATIONS, pong",
        _subscriptions_on_one,
        times=2,
        parts=SUBSCRIPTIONS,
    ),
    Case(
        f"{COME_AND_GO:,} subscriptions that come and go",
        "error RATE_LIMITED",
        _comes_and_goes,
        times=2,
        parts=COME_AND_GO,
    ),
    Case(f"{PINGS:,} pings", "pong", _pings, times=2, parts=PINGS),
    Case(
        f"{SOCKETS:,} sockets that say nothing",
        f"{SOCKETS} closed 4408",
        _never_introduced,
        times=1,
        parts=SOCKETS,
        waits=True,
    ),
]
