"""Messages that graphql-transport-ws does not know, made by chance from a seed.

Each begins as a message that a client may send and is broken in one way that the protocol's
document does not allow; the close code that must follow is known from the way alone.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.messages import ID_LENGTH_MAX, Code
from app.server import WEBSOCKET_BYTES_MAX
from tests.live.door import Message

NOT_UTF_8, TOO_BIG = 1007, 1009

KNOWN: tuple[Message, ...] = (
    {"type": "connection_init", "payload": {"authorization": "Bearer x"}},
    {"type": "ping", "payload": {"a": 1}},
    {"type": "pong"},
    {
        "id": "1",
        "type": "subscribe",
        "payload": {"query": "{ viewer { kind } }", "operationName": None, "variables": {"n": 1}},
    },
    {"id": "1", "type": "complete"},
)
UNKNOWN_TYPES = (
    *("connection_ack", "next", "error", "start", "stop", "data", "ka", "connection_terminate"),
    *("Subscribe", "SUBSCRIBE", " ping", "ping ", "pıng", "", "constructor", "__proto__", "\x00"),
)


@dataclass(frozen=True)
class Malformed:
    """What is sent, in text frames or a binary one, and what must come of it."""

    way: str
    sent: list[bytes]
    code: int
    is_text: bool = True


def malformed(seed: int, number: int) -> list[Malformed]:
    """So many messages, each way in its turn."""
    chance = random.Random(seed)
    return [WAYS[n % len(WAYS)](chance) for n in range(number)]


def _any_but(chance: random.Random, *allowed: type, depth: int = 0) -> Any:
    """Any JSON value but one of these types."""
    made: Any = chance.choice(
        [
            lambda: None,
            lambda: chance.random() < 0.5,
            lambda: chance.choice([0, -1, 7, 2**53, 2**200, 1.5, 1e308]),
            lambda: chance.choice(["", "1", "{}", "null", "é" * 300, "{ viewer { kind } }"]),
            lambda: [_any_but(chance, depth=depth + 1) for _ in range(chance.randrange(3))],
            lambda: {
                chance.choice(["", "a", "id", "query", "type"]): _any_but(chance, depth=depth + 1)
                for _ in range(chance.randrange(3) if depth < 4 else 0)
            },
        ]
    )()
    return _any_but(chance, *allowed, depth=depth) if isinstance(made, allowed) else made


def _broken(way: str, message: object, chance: random.Random) -> Malformed:
    """As one text, in one frame or several."""
    text = json.dumps(message, ensure_ascii=chance.random() < 0.5).encode()
    return Malformed(way, _fragments(text, chance), Code.BAD_REQUEST)


def _fragments(text: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.randrange(len(text) + 1) for _ in range(chance.choice((0, 0, 1, 3))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _known(chance: random.Random, *types: str) -> Message:
    return copy.deepcopy(
        chance.choice([message for message in KNOWN if not types or message["type"] in types])
    )


def _unknown_type(chance: random.Random) -> Malformed:
    return _broken(
        "an unknown type", {**_known(chance), "type": chance.choice(UNKNOWN_TYPES)}, chance
    )


def _type_of_no_text(chance: random.Random) -> Malformed:
    return _broken(
        "a type that is no text", {**_known(chance), "type": _any_but(chance, str)}, chance
    )


def _no_type(chance: random.Random) -> Malformed:
    message = _known(chance)
    del message["type"]
    return _broken("no type", message, chance)


def _no_object(chance: random.Random) -> Malformed:
    message: Any = _known(chance)
    wrapped = chance.choice(
        [[message], json.dumps(message), _any_but(chance, dict), [[message] * 3]]
    )
    return _broken("no object", wrapped, chance)


def _no_id(chance: random.Random) -> Malformed:
    message = _known(chance, "subscribe", "complete")
    del message["id"]
    return _broken("no id", message, chance)


def _wrong_id(chance: random.Random) -> Malformed:
    wrong = chance.choice([_any_but(chance, str), "", "x" * (ID_LENGTH_MAX + 1)])
    return _broken("a wrong id", {**_known(chance, "subscribe", "complete"), "id": wrong}, chance)


def _wrong_payload(chance: random.Random) -> Malformed:
    message = _known(chance, "connection_init", "ping", "pong", "subscribe")
    allowed = (dict,) if message["type"] == "subscribe" else (dict, type(None))
    return _broken("a wrong payload", {**message, "payload": _any_but(chance, *allowed)}, chance)


def _no_payload(chance: random.Random) -> Malformed:
    return _broken("no payload", {"id": "1", "type": "subscribe"}, chance)


def _wrong_request(chance: random.Random) -> Malformed:
    message = _known(chance, "subscribe")
    field = chance.choice(["query", "operationName", "variables", "extensions"])
    allowed: tuple[type, ...] = {
        "query": (str,),
        "operationName": (str, type(None)),
        "variables": (dict, type(None)),
        "extensions": (dict, type(None)),
    }[field]
    message["payload"][field] = _any_but(chance, *allowed)
    return _broken(f"a wrong {field}", message, chance)


def _no_query(chance: random.Random) -> Malformed:
    message = _known(chance, "subscribe")
    del message["payload"]["query"]
    return _broken("no query", message, chance)


def _no_json(chance: random.Random) -> Malformed:
    text = json.dumps(_known(chance)).encode()
    sent = chance.choice(
        [
            text[: chance.randrange(len(text))],  # no beginning of an object is one
            text + chance.choice([b"x", b"}", b"{}", b",", b"\x00"]),
            b"\xef\xbb\xbf" + text,
            text.replace(b'"', b"'"),
            text[:-1]
            + b',"n":'
            + chance.choice([b"NaN", b"Infinity", b"01", b"+1", b".5", b"0x1"])
            + b"}",
            text[:-1]
            + b',"s":"'
            + chance.choice([b"\\ud800", b"\\udc00x", b"\\x", b"\t", b"\\u12"])
            + b'"}',
            b'{"a":' * chance.randrange(2_000, 10_000),
            b"[" * chance.randrange(2_000, 100_000),
        ]
    )
    return Malformed("no JSON", _fragments(sent, chance), Code.BAD_REQUEST)


def _too_deep(chance: random.Random) -> Malformed:
    levels = chance.randrange(2_000, 9_000)
    sent = b'{"type":"ping","payload":' + b'{"a":' * levels + b"1" + b"}" * (levels + 1)
    return Malformed("too deep", _fragments(sent, chance), Code.BAD_REQUEST)


def _binary(chance: random.Random) -> Malformed:
    sent = chance.choice([json.dumps(_known(chance)).encode(), chance.randbytes(50), b""])
    return Malformed("a binary frame", _fragments(sent, chance), Code.BAD_REQUEST, is_text=False)


def _no_utf_8(chance: random.Random) -> Malformed:
    text = json.dumps(_known(chance)).encode()
    at = chance.randrange(len(text) + 1)
    wrong = chance.choice(
        [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x28"]
    )
    return Malformed("no UTF-8", [text[:at] + wrong + text[at:]], NOT_UTF_8)


def _too_big(chance: random.Random) -> Malformed:
    message = {**_known(chance, "ping"), "payload": {"x": "x" * WEBSOCKET_BYTES_MAX}}
    return Malformed("too big", _fragments(json.dumps(message).encode(), chance), TOO_BIG)


WAYS: tuple[Callable[[random.Random], Malformed], ...] = (
    _unknown_type,
    _type_of_no_text,
    _no_type,
    _no_object,
    _no_id,
    _wrong_id,
    _wrong_payload,
    _no_payload,
    _wrong_request,
    _no_query,
    _no_json,
    _too_deep,
    _binary,
    _no_utf_8,
    _too_big,
)
