"""Requests made up by chance from a seed, right and spoilt ones, and what an answer must be."""

# graphql-core leaves its generics open.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, cast

from graphql import OperationType, get_named_type

from app.abuse.wire import Reply, a_name
from tests.compiled.comparing import Operation
from tests.compiled.generator import Generator
from tests.compiled.twins import Twin, Values

GRAPHQL = "application/graphql-response+json"
PLAIN = "application/json"
HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**53, 2**63, 1e308, -0.0, "", " ", "\0", "\ud800", "\u202e",
    "a" * 5_000, [], {}, [[[[]]]], {"a": {"b": {}}}, [None] * 50, {"__proto__": {"a": 1}},
    "__typename", "' or 1=1 --",
)  # fmt: skip
TOKENS = (
    "{", "}", "(", ")", "[", "]", ":", "!", "$", "@", "...", '"', '"""', "#", "\\", "\0", "\ufeff",
    "on", "fragment F on", "query", "mutation", "subscription", "null", "true", "1e9", "é",
    "@skip(if: true)", "__typename", "first: -1", "..." * 30, "{a" * 60,
)  # fmt: skip
HEADERS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/plain"), ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", ""), ("Accept", "text/html"), ("Accept", "*/*;q=0"), ("Accept", ";;;,,,"),
    ("Accept", "application/json;q=a"), ("Content-Encoding", "br"), ("Authorization", "Bearer"),
    ("Authorization", "Bearer \xff"), ("Origin", "null"), ("Origin", "https://evil.example"),
    ("Range", "bytes=0-"), ("If-None-Match", "*"), ("X-Request-Id", "a" * 2_000),
    ("Cookie", "a=b; " * 100), ("Accept-Encoding", "gzip"), ("Expect", "200-maybe"),
    ("Upgrade", "h2c"), ("Connection", "close"), ("X-Forwarded-For", "127.0.0.1"),
    ("X-HTTP-Method-Override", "DELETE"), ("Transfer-Encoding", "gzip"), ("Content-Length", "7"),
)  # fmt: skip
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE")


class FreshValues(Values):
    """Values that mean something, with keys that are mostly new."""

    def __call__(self, coordinate: str, random: Random) -> Any:
        if coordinate.endswith((".idempotencyKey", "Job.key", "JobInput.key")):
            return a_name() if random.random() < 0.7 else f"again-{random.randint(0, 200)}"
        return super().__call__(coordinate, random)


class Operations(Generator):
    """Operations of our schema; writes ask for every line that they book."""

    def __init__(self, schema: Any, random: Random, ledger: Twin) -> None:
        super().__init__(schema, random, FreshValues(ledger), depth=6)

    def reading(self) -> Operation:
        return self.operation(OperationType.QUERY)

    def following(self) -> Operation:
        return self.operation(OperationType.SUBSCRIPTION)

    def writing(self) -> Operation:
        """One write, or a batch: beside another that fails, nobody is told what one has done."""
        self._definitions, self._given = [], {}
        root = self._schema.mutation_type
        name = self._random.choice(list(root.fields))
        arguments = self._arguments(root, name, root.fields[name])
        asked = self._of_result(get_named_type(root.fields[name].type))
        heading = f"({', '.join(self._definitions)})" if self._definitions else ""
        return Operation(f"mutation {heading} {{ {name}{arguments} {{ {asked} }} }}", self._given)

    def _of_result(self, union: Any) -> str:
        parts = ["__typename", "... on Refused { message }"]
        for member in union.types:
            if "replayed" in member.fields:
                lines = [name for name in ("entry", "refund") if name in member.fields]
                asked = " ".join(f"{name} {{ id amount }}" for name in lines)
                parts.append(f"... on {member.name} {{ replayed {asked} }}")
        return " ".join(parts)


@dataclass
class Ledger:
    """The lines that writers were told of."""

    booked: dict[str, int] = field(default_factory=dict[str, int])
    replayed: dict[str, int] = field(default_factory=dict[str, int])

    def hear(self, body: Any) -> None:
        """Note every line that an answer tells of as booked, or as booked before."""
        for answer in cast("dict[str, Any]", body.get("data") or {}).values():
            for result in cast("list[Any]", answer if isinstance(answer, list) else [answer]):
                if isinstance(result, dict) and "replayed" in result:
                    into = self.replayed if result["replayed"] else self.booked
                    lines = [result.get(name) for name in ("entry", "refund")]
                    into |= {line["id"]: line["amount"] for line in lines if line}


class Spoiling:
    """Spoils requests by chance."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def data(self, data: bytes) -> bytes:
        """Some bytes more, some less, some others."""
        chars = bytearray(data)
        for _ in range(self._random.randint(1, 4)):
            at = self._random.randrange(len(chars) + 1)
            match self._random.randrange(4):
                case 0:
                    chars[at:at] = self._random.randbytes(self._random.randint(1, 8))
                case 1:
                    del chars[at : at + self._random.randint(1, 20)]
                case 2:
                    chars[at : at + 1] = self._random.randbytes(1)
                case _:
                    chars[at:at] = chars[at : at + self._random.randint(1, 60)]
        return bytes(chars)

    def text(self, text: str) -> str:
        """A document with tokens where none belong, or without some that do."""
        words = text.split(" ")
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randrange(len(words) + 1)
            if self.happens(0.5):
                words.insert(at, self._random.choice(TOKENS))
            else:
                del words[at : at + self._random.randint(1, 3)]
        return " ".join(words)

    def value(self, value: Any) -> Any:
        """JSON with something hostile somewhere in it."""
        if isinstance(value, dict) and value and self.happens(0.85):
            name = self._random.choice(list(value))
            if self.happens(0.1):
                return value | {self._random.choice(("", "a", "__proto__", "\0")): 1}
            return value | {name: self.value(value[name])}
        if isinstance(value, list) and value and self.happens(0.85):
            at = self._random.randrange(len(value))
            return [*value[:at], self.value(value[at]), *value[at + 1 :]]
        return self._random.choice(HOSTILE)


def problem_of(reply: Reply, accepts: str) -> str:
    """What an answer at `/graphql` has that the specifications do not allow, or nothing."""
    kind = reply.headers.get("content-type", "").partition(";")[0]
    if kind == "text/plain" and reply.status in (400, 404, 405):  # what is no request of ours
        return ""
    if reply.status >= 500 or reply.status < 200:
        return f"status {reply.status}"
    if kind not in (GRAPHQL, PLAIN):
        return f"content type {kind!r}"
    if accepts == GRAPHQL and kind != GRAPHQL:
        return f"content type {kind} where {GRAPHQL} was asked for"
    try:
        body = reply.json()
    except ValueError:
        return "no JSON"
    if kind == GRAPHQL and (reply.status == 200) != ("data" in body):
        return f"status {reply.status} with {sorted(body)}"
    return problem_of_body(body)


def problem_of_body(body: Any) -> str:
    """What a response map has that GraphQL does not allow, or nothing."""
    if not isinstance(body, dict) or not {"data", "errors"} & set(body):
        return f"no response map: {body!r}"[:200]
    if set(body) - {"data", "errors", "extensions"}:
        return f"fields {sorted(body)}"
    if not isinstance(body.get("data"), dict | None):
        return "data is no object"
    return problem_of_errors(body["errors"]) if "errors" in body else ""


def problem_of_errors(errors: Any) -> str:
    """What a list of errors has that GraphQL does not allow, or a fault of ours; or nothing."""
    if not isinstance(errors, list) or not errors:
        return f"errors are {errors!r}"
    for error in errors:
        code = error["extensions"]["code"]
        if not isinstance(error["message"], str) or not error["message"]:
            return "an error without a message"
        if code in ("INTERNAL", "UNAVAILABLE", "TIMEOUT", "OVERLOADED"):
            return f"an error {code}: {error['message']}"
        if set(error) - {"message", "locations", "path", "extensions"}:
            return f"an error with {sorted(error)}"
    return ""


def one_of(random: Random, *ways: tuple[float, Callable[[], Any]]) -> Any:
    """What one of the ways makes, chosen by its weight."""
    return random.choices([way for _, way in ways], [weight for weight, _ in ways])[0]()


def as_json(value: Any) -> bytes:
    """JSON, lone surrogates and all."""
    return json.dumps(value).encode()
