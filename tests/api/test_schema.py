"""The contract: told in every part, held by the snapshot, and bounded."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import graphql
import pytest

import schema
from schema import limits, snapshot
from schema.schema import build_schema
from tests.api.support import Caller

SDL = build_schema().as_str()
BUILT_IN = {"String", "Int", "Float", "Boolean", "ID"}


def test_the_packages_are_this_repositorys() -> None:
    assert schema.__file__ is not None
    assert Path(schema.__file__).parent == Path(__file__).resolve().parents[2] / "schema"


def test_the_committed_schema_is_the_codes() -> None:
    assert snapshot.drift() == "", "run ./dev schema and look at what changed"


def test_every_part_of_the_schema_says_what_it_is() -> None:
    silent: list[str] = []
    for name, kind in graphql.build_schema(SDL).type_map.items():
        if name.startswith("__") or name in BUILT_IN:
            continue
        parts: dict[str, Any] = {name: kind}
        for field_name, field in getattr(kind, "fields", {}).items():
            parts[f"{name}.{field_name}"] = field
            for argument_name, argument in getattr(field, "args", {}).items():
                parts[f"{name}.{field_name}({argument_name}:)"] = argument
        for value_name, value in getattr(kind, "values", {}).items():
            parts[f"{name}.{value_name}"] = value
        silent += [part for part, told in parts.items() if not told.description]
    assert silent == []


def test_members_of_the_feed_share_their_fields_with_the_same_nullability() -> None:
    types = graphql.build_schema(SDL).type_map
    shared: Any = types["LedgerEntry"]
    for member in ("Charge", "Refund", "Grant", "Adjustment"):
        kind: Any = types[member]
        assert [interface.name for interface in kind.interfaces] == ["LedgerEntry", "Node"]
        for name, field in shared.fields.items():
            assert str(kind.fields[name].type) == str(field.type), (member, name)


def test_a_change_that_breaks_clients_is_refused_unless_announced(tmp_path: Path) -> None:
    committed = tmp_path / "schema.graphql"
    announced = tmp_path / "announced.txt"
    committed.write_text(SDL.replace("  scale: Int!\n", "  scale: Int!\n  colour: String\n"))
    announced.write_text("# nothing\n")
    assert "-  colour: String" in snapshot.drift(committed)
    (broken,) = snapshot.unannounced_breaks(committed, announced)
    assert "Account.colour" in broken
    announced.write_text(f"{broken}\n")
    assert snapshot.unannounced_breaks(committed, announced) == []
    committed.write_text(re.sub(r'  """[^"]*"""\n  scale: Int!\n', "", SDL, count=1))
    assert "+  scale: Int!" in snapshot.drift(committed)
    assert snapshot.unannounced_breaks(committed, announced) == []


def bomb(levels: int, leaf: str = "__typename") -> str:
    """Fragments that each spread the next one twice: 2^levels fields in a few hundred bytes."""
    spreads = [
        f"fragment F{n} on Query {{ a{n}: viewer {{ kind }} ...F{n + 1} ...F{n + 1} }}"
        for n in range(levels)
    ]
    return "\n".join(["{ ...F0 }", *spreads, f"fragment F{levels} on Query {{ {leaf} }}"])


NESTED = "{ viewer { account " + "{ usage { nodes { ... on LedgerEntry { account " * 8
REFUSED = {
    "depth": NESTED + "{ id }" + "} } } }" * 8 + " } }",
    "fields": bomb(12),
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(51)) + " }",
    "cost": "{ viewer { account { usage(first: 100) { nodes { ... on LedgerEntry { account "
    "{ usage(first: 100) { nodes { ... on LedgerEntry { id seq } } } } } } } } } }",
}


@pytest.mark.parametrize("bound", list(REFUSED))
def test_a_document_beyond_its_bounds_is_refused(bound: str) -> None:
    (error,) = limits.problems(graphql.parse(REFUSED[bound]))
    assert f"The operation's {bound} exceeds" in error.message


def test_a_bomb_of_fragments_is_measured_in_time_linear_in_its_text() -> None:
    document = graphql.parse(bomb(150))
    began = time.process_time()
    assert limits.problems(document)
    assert time.process_time() - began < 1  # some milliseconds; a doubling one never ends


def test_what_real_clients_ask_is_within_bounds() -> None:
    asked = graphql.get_introspection_query(input_value_deprecation=True, schema_description=True)
    assert limits.problems(graphql.parse(asked)) == []
    page = (
        "{ viewer { account { balance usage(first: 100) { edges { cursor node { __typename "
        "... on LedgerEntry { id seq amount balanceAfter occurredAt recordedAt campaign metadata "
        "reason { code title detail fault } totalsAfter { granted charged refunded adjusted net } "
        "job { id key status operation refundDecision { refunded rule reason { code title } } } } "
        "... on Charge { refunded net refunds { id amount reason { title } } } "
        "... on Refund { automatic rule charge { id amount } } "
        "... on Adjustment { author note corrects { ... on LedgerEntry { id } } } } } "
        "pageInfo { hasNextPage endCursor } } } } }"
    )
    assert limits.problems(graphql.parse(page)) == []


def test_a_chain_of_fragments_as_long_as_a_document_may_be_is_measured() -> None:
    last = limits.DEFINITIONS_MAX - 2
    chain = "\n".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(last))
    text = f"{{ ...F0 }}\n{chain}\nfragment F{last} on Query {{ a }}"
    assert limits.problems(graphql.parse(text)) == []


async def test_bounds_hold_at_the_door_and_cycles_end(service: Caller) -> None:
    for query in (
        *REFUSED.values(),
        bomb(60),
        "{ ...A } fragment A on Query { viewer { kind } ...A }",
    ):
        assert await service.code(query) == "GRAPHQL_VALIDATION_FAILED"


async def test_the_schema_told_by_introspection_is_the_snapshot(service: Caller) -> None:
    told = await service.ask(graphql.get_introspection_query())
    rebuilt = graphql.build_client_schema(told)  # pyright: ignore[reportArgumentType]
    committed = graphql.build_schema(snapshot.SNAPSHOT.read_text())
    assert graphql.find_breaking_changes(committed, rebuilt) == []
    assert graphql.find_breaking_changes(rebuilt, committed) == []
