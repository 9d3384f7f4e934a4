"""A document is refused before it costs anything, and what honest clients send is not refused."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from graphql import GraphQLError, Location, Node, Token, get_introspection_query, parse, validate

from app.abuse.documents import TEXTS
from schema import limits
from schema.documents import Documents
from schema.errors import presented
from schema.schema import build_schema
from tests.compiled.comparing import core

ROOT = Path(__file__).parents[2]
SCHEMA = core(build_schema())
CALLS_MAX = 200_000
"""Of functions, and as many returns: some milliseconds."""

GARBAGE_MAX = 1_000
"""Objects, of a document of up to 2,000 tokens: it has thirty times as many, with the visitors that
go through it.
"""

REPEATING = {
    "one field 299 times": "{ " + "viewer { kind } " * 299 + "}",
    "a name 598 times": "{ " + "__typename " * 598 + "}",
    "in unused fragments": "{ __typename } fragment F on Query { " + "viewer { kind } " * 250 + "}",
    "from 90 fragments": "{ "
    + " ".join(f"...F{n}" for n in range(90))
    + " } "
    + " ".join(f"fragment F{n} on Query {{ viewer {{ kind }} }}" for n in range(90)),
    "in three chains of fragments": "{ ...A0 ...B0 ...C0 } "
    + " ".join(
        f"fragment {chain}{n} on Query {{ ...{chain}{n + 1} }}"
        for chain in "ABC"
        for n in range(32)
    )
    + "".join(f" fragment {chain}32 on Query {{ __typename }}" for chain in "ABC"),
    "in 140 inline fragments": "{ viewer { account { usage { nodes { "
    + "... on Charge { id seq } ... on Refund { id seq } " * 70
    + "} } } } }",
    "below a circle of fragments": "{ ...A } fragment A on Query { viewer { ...B } ...C } "
    "fragment C on Query { ...A viewer { ...B } } fragment B on Viewer { account { ...D } } "
    "fragment D on Account { usage { nodes { ... on Grant { account { ...D ...D } } } } }",
}


@pytest.mark.parametrize("text", REPEATING.values(), ids=REPEATING.keys())
def test_fields_that_repeat_a_name_are_refused_before_they_are_compared(text: str) -> None:
    document = parse(text, max_tokens=limits.TOKENS_MAX)
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        (problem,) = limits.problems(document)
    finally:
        sys.setprofile(None)
    assert "too many fields under one name" in problem.message
    assert calls < CALLS_MAX


def of_parts(count: int) -> str:
    return f"{{ viewer(a: [{{b: {{{'c: 1 ' * (count - 1)}}}}}]) {{ kind }} }}"


MANY = {
    "100 definitions": "{ __typename }" + " query Q { __typename }" * limits.DEFINITIONS_MAX,
    "100 parts": of_parts(limits.PARTS_MAX + 1),
}


@pytest.mark.parametrize("most", MANY)
def test_what_takes_long_to_judge_is_bounded_in_number(most: str) -> None:
    (problem,) = limits.problems(parse(MANY[most]))
    assert f"has at most {most}" in problem.message


def test_an_object_may_have_as_many_parts() -> None:
    assert limits.problems(parse(of_parts(limits.PARTS_MAX))) == []


def honest_documents() -> dict[str, str]:
    asked = {path.name: path.read_text() for path in (ROOT / "web/src").rglob("*.graphql")}
    shared = " ".join(f"... on {kind} {{ ...Line }}" for kind in ("Charge", "Refund", "Grant"))
    parts = " ".join(f"...Part{n}" for n in range(20))
    fragments = "".join(
        f" fragment Part{n} on LedgerEntry {{ __typename id seq reason {{ code title }} }}"
        for n in range(20)
    )
    of_components = (
        f"{{ viewer {{ account {{ id usage {{ nodes {{ {shared} }} }} }} }} }} "
        f"fragment Line on LedgerEntry {{ __typename {parts} }}{fragments}"
    )
    charge = '{account: "a", amount: 1, idempotencyKey: "k", metadata: {a: 1, b: 2}} '
    kind = "{ __typename }"
    return {
        **asked,
        "introspection": get_introspection_query(input_value_deprecation=True),
        "of twenty components": of_components,
        "a batch written out": f"mutation {{ recordCharges(inputs: [{charge * 50}]) {kind} }}",
    }


def test_what_honest_clients_ask_is_within_the_bounds() -> None:
    documents = honest_documents()
    assert len(documents) >= 3
    for name, text in documents.items():
        document = parse(text, max_tokens=limits.TOKENS_MAX)
        assert limits.problems(document) == [], name
        assert validate(SCHEMA, document) == [], name


MISTAKEN = {name: text for name, (text, _) in TEXTS.items()} | {
    "a chain of 90 unused fragments": "{ __typename } "
    + " ".join(f"fragment F{n} on Viewer {{ kind ...F{n + 1} }}" for n in range(90))
    + " fragment F90 on Viewer { knd }",
    "a mistake on each line": "{\n viewr\n viewer {\n  knd account(a: 1) { id(b: c) }\n }\n}",
}


@pytest.mark.parametrize("hides", [False, True])
def test_a_document_is_held_against_the_rules_as_graphql_core_does_it(hides: bool) -> None:
    documents: Any = Documents.remembering(introspection=not hides)
    told = 0
    for name, text in (honest_documents() | MISTAKEN).items():
        known: list[GraphQLError]
        try:
            document = parse(text, **limits.PARSER_OPTIONS)
            known = limits.problems(document)
            known = known or validate(SCHEMA, document, documents._rules, 5, hides)
        except GraphQLError as error:
            known = [error]
        judged = documents.judged(SCHEMA, text)
        found = cast("list[GraphQLError]", judged if isinstance(judged, list) else [])
        assert [(error.message, error.locations) for error in found] == [
            (error.message, error.locations) for error in known
        ], name
        told += len(known)
    assert told > 50


SOUND = "query Q$ { " + "__typename " * 10 + "}"
UNREAD = "query Q$ { " + "__typename " * 10
REFUSED = "query Q$ { " + "__typenam " * 10 + "}"


@pytest.mark.parametrize("asked", [SOUND, UNREAD, REFUSED])
async def test_a_document_that_is_forgotten_leaves_nothing_for_the_collector(asked: str) -> None:
    schema = build_schema()
    alive: list[int] = []
    gc.collect()
    gc.disable()
    try:
        for number in range(1_400):  # more than any memory of documents holds
            answer = await schema.execute(asked.replace("$", str(number)))
            assert (answer.errors is None) == (asked == SOUND)
            gc.collect(0)  # what lived no longer than its request
            if number in (1_200, 1_399):
                alive.append(parts_alive())
    finally:
        gc.enable()
    assert alive[1] - alive[0] < 500, alive


async def test_a_refused_document_leaves_next_to_nothing_for_the_collector() -> None:
    schema, left = build_schema(introspection=False), dict[str, int]()
    gc.disable()
    try:
        for name, (text, _) in TEXTS.items():
            for _ in range(2):  # what is made once for all is made by the first
                gc.freeze()
                if (await schema.execute(text)).errors:
                    left[name] = gc.collect()
    finally:
        gc.unfreeze()
        gc.enable()
    assert len(left) > 30
    assert {name: count for name, count in left.items() if count > GARBAGE_MAX} == {}


async def test_an_error_leaves_what_was_asked_to_no_collector() -> None:
    schema, left = build_schema(), list[int]()
    ids = ["x"] * 101
    gc.disable()
    try:
        for _ in range(4):  # not known, known, compiled
            gc.freeze()
            asked = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
            result = await schema.execute(asked, {"ids": ids}, SimpleNamespace(viewer=None))
            (error,) = presented(result, "an id")
            assert "at most 100" in error["message"]
            del result
            left.append(gc.collect())
    finally:
        gc.unfreeze()
        gc.enable()
    assert left[-1] == 0, left


def parts_alive() -> int:
    return sum(isinstance(thing, Node | Location | Token) for thing in gc.get_objects())
