"""Bodies and variables that are too many, too deep, too long, or not what they say they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.abuse.cases import JSON, Attempt, Case, by_service, posting
from app.abuse.stage import Stage
from app.abuse.wire import a_name

UNREAD = "400 GRAPHQL_PARSE_FAILED"
WRONG = "400 BAD_USER_INPUT"
INVALID = "200 InvalidInput"
ASKED = '"query": "query ($a: String) { account(key: $a) { id } }"'
SEARCH = "query ($a: String) { viewer { account { usage(filter: {search: $a}) { __typename } } } }"
FIRST = "query ($a: Int) { viewer { account { usage(first: $a) { __typename } } } }"
NODES = "query ($a: [ID!]!) { nodes(ids: $a) { id } }"
GRANT = """mutation ($input: GrantCreditsInput!) { grantCredits(input: $input) { __typename
  ... on Refused { message } } }"""
CHARGES = """mutation ($inputs: [RecordChargeInput!]!) { recordCharges(inputs: $inputs) { __typename
  ... on Refused { message } } }"""
PROTOTYPES = ("__proto__", "constructor", "prototype", "toString", "__class__", "__dict__")
BATCH_OVER = 1_001


def _raw(fields: str) -> Attempt:
    return posting(f"{{{fields}}}".encode())


def _body(query: str, variables: dict[str, Any]) -> Attempt:
    return posting(json.dumps({"query": query, "variables": variables}).encode())


def _asking(query: str, value: Any) -> Attempt:
    return _body(query, {"a": value})


def granting(wrong: Mapping[str, Any]) -> Attempt:
    """A grant that would pass, but for what is wrong with it."""

    def body(stage: Stage) -> bytes:
        right = {
            "account": stage.accounts["target"],
            "idempotencyKey": a_name(),
            "amount": 1,
            "reasonCode": "GRANT_PROMO",
        }
        return json.dumps({"query": GRANT, "variables": {"input": {**right, **wrong}}}).encode()

    return posting(body, token=by_service)


def _charging(times: int) -> Callable[[Stage], bytes]:
    """Charges of an account that is not there: short, and none of them moves anything."""
    inputs = [{"account": "QQ==", "idempotencyKey": f"{n}", "amount": 1} for n in range(times)]
    return lambda _: json.dumps({"query": CHARGES, "variables": {"inputs": inputs}}).encode()


def _nested(levels: int) -> Any:
    return json.loads("[" * levels + "]" * levels)


DEEP = 5_000
BODIES: dict[str, tuple[Attempt, str]] = {
    "an array of 1,000 operations": (
        posting(json.dumps([{"query": "{__typename}"}] * 1_000).encode()),
        WRONG,
    ),
    "JSON 5,000 levels deep": (_raw(f'{ASKED}, "variables": {"[" * DEEP}{"]" * DEEP}'), UNREAD),
    "JSON 20,000 objects deep, half": (posting(b'{"a":' * 12_000), UNREAD),
    "a number of 60,000 digits": (_raw(f'{ASKED}, "variables": {{"a": {"9" * 60_000}}}'), UNREAD),
    "a number of 60,000 decimals": (
        _raw(f'{ASKED}, "variables": {{"a": 0.{"9" * 60_000}}}'),
        WRONG,
    ),
    "an exponent beyond any": (_raw(f'{ASKED}, "variables": {{"a": 1e999999999}}'), UNREAD),
    "NaN": (_raw(f'{ASKED}, "variables": {{"a": NaN}}'), UNREAD),
    "invalid UTF-8": (posting(b'{"query": "{ __typename } # \xff\xfe"}'), UNREAD),
    "overlong UTF-8": (posting(b'{"query": "{ __typename } # \xc0\xaf"}'), UNREAD),
    "UTF-16": (posting('{"query": "{ __typename }"}'.encode("utf-16")), UNREAD),
    "a byte order mark": (posting(b'\xef\xbb\xbf{"query": "{ __typename }"}'), UNREAD),
    "half a pair of surrogates": (_raw(f'{ASKED}, "variables": {{"a": "\\ud800"}}'), UNREAD),
    "half a body": (posting(b'{"query": "{ __type'), UNREAD),
    "two bodies": (posting(b'{"query": "{__typename}"}{"query": "{__typename}"}'), UNREAD),
    "one name twice": (_raw('"query": "{", "query": "{ __typename }"'), "200"),
    "3,000 names more": (
        _raw('"query": "{ __typename }", ' + ", ".join(f'"n{n}": {n}' for n in range(3_000))),
        "200",
    ),
    "names of prototypes": (
        _raw('"query": "{ __typename }", ' + ", ".join(f'"{name}": {{}}' for name in PROTOTYPES)),
        "200",
    ),
    "variables named after prototypes": (
        _raw(f'{ASKED}, "variables": {{"__proto__": {{"a": "x"}}, "constructor": 1}}'),
        "200 BAD_USER_INPUT",
    ),
    "4,000 variables that nobody asked for": (
        _body("{ __typename }", {f"v{n}": n for n in range(4_000)}),
        "200",
    ),
    "an object for a query": (_raw('"query": {"$gt": ""}'), WRONG),
    "a number for an operation's name": (_raw('"query": "{a}", "operationName": 1e300'), WRONG),
    "a text of 60,000 letters to search for": (_asking(SEARCH, "x" * 60_000), "200 BAD_USER_INPUT"),
    "8,000 ids": (_asking(NODES, ["x"] * 8_000), "200 BAD_USER_INPUT"),
    "a list 900 deep for ids": (_raw(
        f'"query": "{NODES}", "variables": {{"a": {"[" * 900}{"]" * 900}}}'), WRONG),
    "an id of 60,000 letters": (_asking(NODES, ["Q" * 60_000]), "200"),
    "a page of 2^31": (_asking(FIRST, 2**31), WRONG),
    "a page of 2^63": (_asking(FIRST, 2**63), WRONG),
    "a page of -1": (_asking(FIRST, -1), "200 BAD_USER_INPUT"),
    "a page of 1e300": (_asking(FIRST, 1e300), WRONG),
    "an object for a number": (_asking(FIRST, {"$gt": 0}), WRONG),
    "a batch over its bound": (posting(_charging(BATCH_OVER), token=by_service),
                               "200 BAD_USER_INPUT"),
    "a body that is compressed": (
        posting(b"\x1f\x8b" * 100, headers={**JSON, "Content-Encoding": "gzip"}),
        "415 BAD_USER_INPUT",
    ),
}  # fmt: skip

WRITES: dict[str, tuple[dict[str, Any], str]] = {
    "an amount of 2^53": ({"amount": 2**53}, WRONG),
    "an amount of 10^300": ({"amount": 1e300}, WRONG),
    "an amount in words": ({"amount": "1"}, WRONG),
    "an amount below nothing": ({"amount": -1}, INVALID),
    "metadata 400 deep": ({"metadata": _nested(400)}, WRONG),
    "metadata 9 deep": ({"metadata": _nested(9)}, INVALID),
    "metadata of 60,000 letters": ({"metadata": "x" * 60_000}, INVALID),
    "metadata of 10,000 names": ({"metadata": {f"{n}": 0 for n in range(5_000)}}, INVALID),
    "metadata with NUL": ({"metadata": {"a": "\0"}}, INVALID),
    "a detail with NUL": ({"detail": "a\0b"}, INVALID),
    "a detail of 60,000 letters": ({"detail": "漢" * 9_000}, INVALID),
    "a key of nothing": ({"idempotencyKey": " "}, INVALID),
    "a key of 60,000 letters": ({"idempotencyKey": "k" * 60_000}, INVALID),
    "parts that are not there": ({"balance": 5, "__proto__": {"amount": 9}}, WRONG),
    "a deep object for an account": ({"account": {"a": {"b": [{}] * 9}}}, WRONG),
    "a foreign kind of id": ({"account": "RW50cnk6MToxMQ=="}, "200 AccountNotFound"),
    "another kind's reason": ({"reasonCode": "USAGE_CHARGE"}, "200 UnknownReason"),
    "a date before time": ({"occurredAt": "0001-01-01T00:00:00+14:00"}, WRONG),
    "a date of 60,000 letters": ({"occurredAt": "2026" * 15_000}, WRONG),
}

CASES = [
    *(Case(name, answer, attempt) for name, (attempt, answer) in BODIES.items()),
    *(Case(name, answer, granting(wrong)) for name, (wrong, answer) in WRITES.items()),
]
