"""Whatever arrives at the door gets a clear typed answer, never a 500, and moves nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.api.support import Api, Caller, document

JSON = {"Content-Type": "application/json"}
GRANT = document("grantCredits")


@dataclass(frozen=True)
class Case:
    name: str
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    code: str | None = None


def posted(name: str, status: int, body: Any, code: str | None = None) -> Case:
    return Case(name, status, json.dumps(body).encode(), code=code)


def granting(name: str, status: int, code: str | None, **wrong: Any) -> Case:
    """A grant that would pass but for what is wrong with it. `$A` stands for the account's id."""
    given = {"account": "$A", "idempotencyKey": "k", "amount": 1, "reasonCode": "GRANT_PLAN"}
    return posted(name, status, {"query": GRANT, "variables": {"input": given | wrong}}, code)


BAD = "BAD_USER_INPUT"
INVALID = "GRAPHQL_VALIDATION_FAILED"
UNPARSED = "GRAPHQL_PARSE_FAILED"
DEEP = b'{"query": "{__typename}", "variables": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001
LONG = b'{"query": "{__typename}", "variables": {"a": ' + b"9" * 100_000 + b"}}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASKED = {"query": "{__typename}"}
BODIES: tuple[Any, ...] = ("abc", 1, 1.5, True, None, [], [{}])
QUERIES: tuple[Any, ...] = (None, 1, [], {}, "", " ")
VARIABLES: tuple[Any, ...] = ("{}", 1, [], True)
CASES = [
    Case("no body", 400),
    Case("not JSON", 400, b"{query}"),
    Case("half JSON", 400, b'{"query": "{__type'),
    Case("NaN", 400, b'{"query": "{__typename}", "variables": {"a": NaN}}'),
    Case("infinity", 400, b'{"query": "{__typename}", "variables": {"a": 1e999}}'),
    Case("invalid UTF-8", 400, b'{"query": "{__typename} # \xff"}'),
    Case("lone surrogate", 400, b'{"query": "{__typename}", "operationName": "\\ud800"}'),
    Case("deep JSON", 400, DEEP),
    Case("long integer", 400, LONG),
    *(posted(f"body {body!r}", 400, body, BAD) for body in BODIES),
    *(posted(f"query {query!r}", 400, {"query": query}, BAD) for query in QUERIES),
    *(posted(f"variables {v!r}", 400, ASKED | {"variables": v}, BAD) for v in VARIABLES),
    posted("operationName 1", 400, {"query": "{__typename}", "operationName": 1}, BAD),
    posted("unknown operation", 200, {"query": "{__typename}", "operationName": "B"}, BAD),
    posted("extensions []", 400, {"query": "{__typename}", "extensions": []}, BAD),
    Case("no content type", 415, b'{"query": "{__typename}"}', {}),
    Case("plain text", 415, b'{"query": "{__typename}"}', {"Content-Type": "text/plain"}),
    Case("form", 415, b"query=%7B__typename%7D", FORM),
    Case("latin-1", 415, b"{}", {"Content-Type": "application/json; charset=latin-1"}),
    Case("compressed", 415, b"{}", {**JSON, "Content-Encoding": "gzip"}),
    Case("too large", 413, b'{"query": "' + b"#" * 1_100_000 + b'"}'),
    posted("syntax error", 200, {"query": "{"}, UNPARSED),
    posted("deep document", 200, {"query": "{a" * 900 + "}" * 900}, UNPARSED),
    posted("many tokens", 200, {"query": "{" + "a " * 3_000 + "}"}, UNPARSED),
    posted("long document", 200, {"query": "#" * 40_000 + "\n{__typename}"}, UNPARSED),
    posted("fragment only", 200, {"query": "fragment F on Query {__typename}"}, BAD),
    posted("schema", 200, {"query": "type A { b: Int }"}, BAD),
    posted("unknown field", 200, {"query": "{ nothing }"}, INVALID),
    posted("unknown argument", 200, {"query": '{ account(name: "a") { id } }'}, INVALID),
    posted("missing selection", 200, {"query": "{ viewer }"}, INVALID),
    posted("missing variable", 200, {"query": "query ($a: ID!) { node(id: $a) { id } }"}, BAD),
    posted("cycle", 200, {"query": "{ ...A } fragment A on Query { ...A }"}, INVALID),
    granting("unknown input field", 200, BAD, balance=5),
    granting("amount as text", 200, BAD, amount="1"),
    granting("amount as float", 200, BAD, amount=1.0),
    granting("amount as boolean", 200, BAD, amount=True),
    granting("amount null", 200, BAD, amount=None),
    granting("amount 2^53", 200, BAD, amount=2**53),
    granting("amount -2^53", 200, BAD, amount=-(2**53)),
    granting("amount 2^64", 200, BAD, amount=2**64),
    granting("amount list", 200, BAD, amount=[1, 2]),
    granting("account number", 200, BAD, account=1.5),
    granting("key as object", 200, BAD, idempotencyKey={"a": 1}),
    granting("date without offset", 200, BAD, occurredAt="2026-01-01T00:00:00"),
    granting("date with nanoseconds", 200, BAD, occurredAt="2026-01-01T00:00:00.123456789Z"),
    granting("date out of range", 200, BAD, occurredAt="0001-01-01T00:00:00+14:00"),
    granting("date as number", 200, BAD, occurredAt=1_700_000_000),
    granting("not a day", 200, BAD, occurredAt="2026-02-30T00:00:00Z"),
    granting("metadata deep", 200, BAD, metadata=json.loads("[" * 40 + "]" * 40)),
    granting("metadata inexact", 200, BAD, metadata={"a": 2**60}),
    granting("metadata of 1e17", 200, BAD, metadata={"a": 1e17}),
    granting("metadata of 1e308", 200, BAD, metadata=[1e308]),
    granting("amount zero", 200, None, amount=0),
    granting("amount negative", 200, None, amount=-1),
    granting("long key", 200, None, idempotencyKey="ü" * 10_000),
    granting("long detail", 200, None, detail="漢" * 10_000),
    granting("NUL in text", 200, None, detail="a\0b"),
    granting("large metadata", 200, None, metadata={"a": "x" * 5_000}),
    granting("metadata nine deep", 200, None, metadata=json.loads("[" * 9 + "]" * 9)),
    granting("metadata with NUL", 200, None, metadata={"a\0": 1}),
    granting("year 1960", 200, None, occurredAt="1960-01-01T00:00:00Z"),
]


@pytest.fixture
async def account(service: Caller) -> str:
    return await service.opened(granted=100)


async def test_bad_input_gets_a_clear_answer_and_changes_nothing(
    service: Caller, account: str
) -> None:
    before = await service.balance(account)
    for case in CASES:
        body = case.body.replace(b"$A", account.encode())
        response = await service.http.post("/graphql", content=body, headers=case.headers)
        assert response.status_code == case.status, (case.name, response.status_code, response.text)
        _assert_is_clear(case, response)
    assert await service.balance(account) == before


def _assert_is_clear(case: Case, response: httpx.Response) -> None:
    answer = response.json()
    if "errors" in answer:
        (error,) = answer["errors"]
        assert error["message"], case.name
        assert error["extensions"]["code"] not in ("INTERNAL", None), (case.name, error)
        assert case.code in (None, error["extensions"]["code"]), (case.name, error)
        assert len(error["message"]) <= 500, case.name
    else:
        assert case.code is None, (case.name, answer)
        assert answer["data"]["grantCredits"]["__typename"] == "InvalidInput", (case.name, answer)


async def test_a_customer_has_no_use_for_a_long_body(
    api: Api, service: Caller, account: str
) -> None:
    body = json.dumps({"query": "{__typename}", "variables": {"a": "x" * 70_000}})
    for caller, status in ((api.customer("acme"), 413), (service, 200)):
        response = await caller.http.post("/graphql", content=body, headers=JSON)
        assert response.status_code == status


async def test_a_body_without_a_length_is_cut_off_at_the_same_size(service: Caller) -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        for _ in range(40):
            yield b" " * 65_536

    response = await service.http.post("/graphql", content=endless(), headers=JSON)
    assert response.status_code == 413


async def test_texts_of_any_script_come_back_as_they_went_in(service: Caller, account: str) -> None:
    text = "Ünïcödé 漢字 🧾 \u202eקודם\u202c \t<script>'\"--;"
    metadata = {text: [text, 1, -2.5, True, None, {"n": 9_007_199_254_740_991}]}
    booked = await service.do(
        "recordCharge", account=account, amount=1, campaign=text, detail=text, metadata=metadata
    )
    entry = booked["entry"]
    assert (entry["campaign"], entry["reason"]["detail"], entry["metadata"]) == (
        text,
        text,
        metadata,
    )
    (found,) = (
        await service.ask(
            "query ($id: ID!, $c: String) { account(id: $id) { usage(filter: {campaign: $c}) "
            "{ nodes { ... on LedgerEntry { id } } } } }",
            id=account,
            c=text,
        )
    )["account"]["usage"]["nodes"]
    assert found["id"] == entry["id"]


async def test_the_largest_credits_are_exact(service: Caller) -> None:
    most = 2**53 - 1
    account = await service.opened("largest", granted=most)
    assert (await service.balance(account))[0] == most
    refused = await service.do("grantCredits", account=account, amount=1, reasonCode="GRANT_PLAN")
    assert refused["__typename"] == "InvalidInput"
    literal = await service.ask(
        f'mutation {{ recordCharge(input: {{account: "{account}", idempotencyKey: "all", '
        f"amount: {most}}}) {{ ... on ChargeRecorded {{ account {{ balance }} }} }} }}"
    )
    assert literal["recordCharge"]["account"]["balance"] == 0


async def test_what_is_available_is_no_more_than_credits_can_say(service: Caller) -> None:
    most = 2**53 - 1
    account = await service.opened("unlimited", granted=5, overdraftLimit=most)
    query = "query ($id: ID!) { account(id: $id) { balance overdraftLimit available } }"
    shown = (await service.ask(query, id=account))["account"]
    assert shown == {"balance": 5, "overdraftLimit": most, "available": most}


async def test_a_literal_that_is_no_credits_is_refused(service: Caller, account: str) -> None:
    for amount in ("1.0", '"1"', "true", "9007199254740992", "9" * 5_000, "ONE", "[]"):
        code = await service.code(
            f'mutation {{ grantCredits(input: {{account: "{account}", idempotencyKey: "k", '
            f'amount: {amount}, reasonCode: "GRANT_PLAN"}}) {{ __typename }} }}'
        )
        assert code == INVALID, amount
