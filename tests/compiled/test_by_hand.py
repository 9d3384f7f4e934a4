"""What the compiled executor answers, case by case, beside what graphql-core answers."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from graphql import get_introspection_query

from tests.compiled import awkward, menagerie
from tests.compiled.comparing import (
    Compiled,
    Operation,
    Stock,
    answers,
    comparable,
    core,
    differences,
)

# What is cancelled before it has begun is never awaited, by either executor.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestWarning"),
]
STOCK = awkward.build(Stock)
COMPILED = awkward.build(Compiled)
SCHEMA = core(STOCK)
BOX: Any = SCHEMA.type_map["Box"]

CASES: dict[str, Operation] = {
    "attributes": Operation("{ box { plain holed renamed static __typename } }"),
    "aliases and merged fields": Operation(
        "{ a: box { plain } a: box { b: plain plain } box { renamed } }"
    ),
    "arguments by default": Operation("{ box { echo } }"),
    "arguments of every kind": Operation(
        """query ($n: Int = 5, $t: String, $w: Wish, $c: Color!, $ns: [Int!]) { box {
        a: echo(number: $n, text: $t, color: $c, wish: $w, numbers: $ns)
        b: echo(number: 1, text: null, color: RED, wish: {count: null, inner: [{}, {text: "x"}]})
        c: echo(numbers: 4, sure: [{text: "y"}]) d: demand(number: 2, wish: {}) } }""",
        {"c": "GREEN", "w": {"text": "z", "inner": [{"color": "RED"}]}, "ns": [1, 2]},
    ),
    "a variable that may be null where null may not be": Operation(
        "query ($n: Int = 1) { box { echo(number: $n) boxes(count: $n) { plain } } }", {"n": None}
    ),
    "a variable of the wrong type": Operation(
        "query ($n: Int!, $w: Wish!) { box { demand(number: $n, wish: $w) } }",
        {"n": "one", "w": {"text": 1}},
    ),
    "input objects by variable": Operation(
        """query ($a: Errand!, $b: Errand!, $c: [Errand!],
        $d: [Errand!] = [{what: "d", part: null}],
        $e: Errand = {what: "e", part: {size: 1}, parts: {size: 2}}) { box {
        a: runErrands(errand: $a, more: $c) b: runErrands(errand: $b, more: $d)
        e: runErrands(errand: $e) f: runErrands(errand: {what: "f", part: null}) } }""",
        {
            "a": {"what": "a", "part": {"size": 1, "color": None}, "parts": [None, {"size": 2}]},
            "b": {"what": "b", "part": None, "labels": [], "parts": None},
            "c": [{"what": "c", "part": {"size": 3, "color": "RED"}, "labels": ["x"]}],
        },
    ),
    "an input object that may not be null": Operation(
        'query ($e: Errand = {what: "e", part: null}) { box { runErrands(errand: $e) } }',
        {"e": None},
    ),
    "a variable that is missing": Operation("query ($n: Int!) { box { echo(number: $n) } }"),
    "conditions by variable": Operation(
        """query ($yes: Boolean!, $no: Boolean = false) { box {
        plain @skip(if: $yes) a: plain @include(if: $yes) b: plain @skip(if: $no)
        ... @include(if: $no) { c: plain } ...F @skip(if: $no) d: plain @skip(if: true) } }
        fragment F on Box { e: plain @include(if: $yes) @skip(if: $no) }""",
        {"yes": True},
    ),
    "a condition that is null": Operation(
        "query ($no: Boolean = true) { box { plain @include(if: $no) } }", {"no": None}
    ),
    "nothing left of the root": Operation("{ box @skip(if: true) { plain } }"),
    "nothing left of a mutation": Operation("mutation { fails @skip(if: true) }"),
    "a union's members, subclasses, casts and mistakes": Operation(
        """{ box { zoo { __typename ... on Dog { name mood friend { name } }
        ... on Being { name } ... on Cat { lives nemesis { ... on Rock { weight } } }
        ... on Rock { weight } } } }"""
    ),
    "fragments within fragments": Operation(
        """{ box { ...A } } fragment A on Box { boxes { ...B } ...C }
        fragment B on Box { ...C boxes { ...C plain } } fragment C on Box { where }"""
    ),
    "info of a field, in lists too": Operation(
        "query ($v: Int = 1) { box { a: boxes(count: $v) { b: boxes { c: where } } where } }"
    ),
    "batches": Operation(
        """{ a: box { boxes { loaded(key: 1) promised(key: 2) } } b: box { loaded(key: 3) }
        c: lateBox { loaded(key: 4) boxes { boxes { loaded(key: 5) } } } }"""
    ),
    "a batch with errors": Operation("{ box { promised(key: 6) boxes { promised(key: 13) } } }"),
    "no permission": Operation("{ box { forbidden } }"),
    "no permission where null may not be": Operation("{ a: box { b: strictlyForbidden } number }"),
    "an error that nulls everything": Operation("{ number sure box { plain } }"),
    "introspection": Operation(get_introspection_query()),
    "introspection beside data": Operation(
        '{ __typename number __type(name: "Box") { name kind } __schema { queryType { name } } }'
    ),
    "one of several operations": Operation(
        "query A { number } query B { b: number } mutation C { fails }", name="B"
    ),
    "an unknown operation": Operation("query A { number } query B { b: number }", name="D"),
    "no name where one is needed": Operation("query A { number } query B { b: number }"),
    "mutations one after the other": Operation(
        """mutation { a: slowly(step: 1) { plain } b: atOnce(step: 2) { renamed } fails
        c: slowly(step: 3) { slowIntSureGood } d: atOnce(step: 4) { asyncStrMaybeRaises } }"""
    ),
    "mutations that do not wait": Operation("mutation { a: atOnce { plain } b: atOnce { plain } }"),
    "a mutation that ends all": Operation(
        "mutation { a: slowly(step: 1) { plain } failsAll b: slowly(step: 2) { plain } }"
    ),
    "a subscription": Operation("subscription { boxes(count: 4) { plain slowIntListErrorItem } }"),
    "a subscription that fails now and then": Operation("subscription { numbers }"),
    "a subscription's arguments": Operation(
        "subscription ($n: Int! = 1) { a: boxes(count: $n) { where } }", {"n": 2}
    ),
    "no such subscription arguments": Operation(
        "subscription ($n: Int! = 1) { boxes(count: $n) { where } }", {"n": None}
    ),
}
NOT_STARTED = {"a variable of the wrong type", "a variable that is missing"} | {
    name for name in CASES if "operation" in name or "no name" in name or "no such" in name
} - {"one of several operations"}


@pytest.fixture(autouse=True)
def forget_coroutines() -> Iterator[None]:
    """Those that were never awaited are collected while that is still expected."""
    yield
    gc.collect()


@pytest.mark.parametrize("name", CASES)
async def test_is_answered_as_graphql_core_answers(name: str) -> None:
    worlds = [menagerie.World() for _ in range(3)]
    Compiled.ran.clear()
    found = await answers(
        SCHEMA, CASES[name], list(zip((Stock, Compiled, Compiled), worlds, strict=True))
    )
    assert found is not None, "the case is not valid"
    expected, first, second = found
    assert not differences(expected, first)
    assert not differences(expected, second)
    assert [world.log for world in worlds] == [worlds[0].log] * 3
    assert [world.batches for world in worlds] == [worlds[0].batches] * 3
    # A condition that is null is the one thing here that is left to graphql-core.
    ran = "stock" if name == "a condition that is null" else "compiled"
    assert set(Compiled.ran) == (set() if name in NOT_STARTED else {ran})


async def test_every_way_to_fail_is_answered_alike() -> None:
    names = [name for name in BOX.fields if name not in ("demand", "runErrands", "zoo")]
    for start in range(0, len(names), 50):
        text = " ".join(
            f"f{number}: box {{ {_selected(name)} }}"
            for number, name in enumerate(names[start : start + 50])
        )
        runs = [(Stock, menagerie.World()), (Compiled, menagerie.World())]
        found = await answers(SCHEMA, Operation(f"{{ {text} }}"), runs)
        assert found is not None, text
        assert not differences(*found), text


def _selected(name: str) -> str:
    kind = str(BOX.fields[name].type).strip("[]!")
    return name + {"Box": " { plain }", "Being": " { name }", "Pet": " { __typename }"}.get(
        kind, ""
    )


@pytest.mark.parametrize("name", [name for name in CASES if "subscription" not in name])
async def test_is_answered_alike_through_strawberry(name: str) -> None:
    case, results = CASES[name], list[Any]()
    for schema in (STOCK, COMPILED, COMPILED):
        try:
            result = await schema.execute(
                case.text, case.variables, menagerie.World(), operation_name=case.name
            )
            results.append(comparable(result))  # type: ignore[arg-type]
        except Exception as error:
            results.append(repr(error))
    assert results == [results[0]] * 3


async def test_a_subscription_is_answered_alike_through_strawberry() -> None:
    told: list[Any] = []
    for schema in (STOCK, COMPILED):
        events = await schema.subscribe(
            CASES["a subscription"].text, context_value=menagerie.World()
        )
        told.append([comparable(event) async for event in events])  # type: ignore[union-attr]
    assert told[0] == told[1]
    assert len(told[0]) == 4


def test_what_is_synchronous_stays_synchronous() -> None:
    for text in ("{ box { plain } number }", "mutation { atOnce { plain } }"):
        expected = STOCK.execute_sync(text, context_value=menagerie.World())
        for _ in range(2):
            found = COMPILED.execute_sync(text, context_value=menagerie.World())
            assert comparable(found) == comparable(expected)  # type: ignore[arg-type]
