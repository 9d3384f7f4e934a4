"""The documents that speak of the ledger name only what there is."""

from __future__ import annotations

import re
from pathlib import Path

from graphql import NameNode, Visitor, parse, visit

from models.audit import PROMISES
from models.audit.checks import SOURCES
from models.audit.fences import claimed
from models.records import EntryKind

ROOT = Path(__file__).parents[2]
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
SCHEMA = (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")

NOT_IN_ROWS = {8, 9, 11, 12}
"""Promises that no audit can see in the rows of a database."""


def sections() -> dict[int, str]:
    """Each promise's part of the guarantees, by its number."""
    parts = re.split(r"^## (\d+)\. ", GUARANTEES, flags=re.MULTILINE)[1:]
    return {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}


def named_tests() -> set[str]:
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(
            r"^(?:async )?def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE
        )
    }


def test_every_promise_has_its_keeper_its_tests_and_what_the_audit_reads() -> None:
    assert list(sections()) == list(range(1, 13))
    for number, text in sections().items():
        for part in ("**Kept by**", "**Proved by**", "**Audited**"):
            assert part in text, (number, part)
        assert len(re.findall(r"`test_\w+`", text)) >= 2, number


def test_every_test_that_the_guarantees_name_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", GUARANTEES))
    assert named - named_tests() == set()
    assert len(named) > 60


def test_every_fence_that_the_guarantees_name_is_in_a_migrated_database() -> None:
    there = {fence.split(" | ")[1].split("(")[0].split(".")[-1] for fence in claimed()}
    named = {
        name
        for text in sections().values()
        for kept in re.findall(r"\*\*Kept by\*\*(.*?)\*\*Proved by\*\*", text, re.DOTALL)
        for name in re.findall(r"`([a-z_]+)`", kept)
    }
    assert named - there == set()
    assert len(named) > 20


def test_the_audit_checks_every_promise_that_rows_can_show() -> None:
    checked = {check.promise for source in SOURCES for check in source.checks}
    assert checked == set(range(1, 13)) - NOT_IN_ROWS
    for number, title in PROMISES.items():
        assert number == 0 or sections()[number].startswith(f"{title}\n"), number
    for number in NOT_IN_ROWS:
        assert "**Audited**: not in the rows" in sections()[number], number


def words_of(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", name)]


def public_names() -> set[str]:
    names: set[str] = set()

    class Names(Visitor):
        def enter_name(self, node: NameNode, *_: object) -> None:
            names.add(node.value)

    visit(parse(SCHEMA), Names())
    return names


def test_every_public_name_is_made_of_the_glossarys_words() -> None:
    rows = re.findall(r"^\| (?!word|---)(.+?) \|", GLOSSARY, re.MULTILINE)
    plain = re.findall(r"\*(\w+)\*", GLOSSARY.split("## What else")[1])
    known = {word for row in rows for word in re.findall(r"\w+", row)} | set(plain)
    known |= {kind.lower() for kind in EntryKind}
    strange = {
        (name, word)
        for name in public_names()
        for word in words_of(name)
        if word not in known and word.removesuffix("s") not in known
    }
    assert strange == set()


def test_no_public_name_has_a_word_that_the_glossary_never_uses() -> None:
    columns = re.findall(r"^\|[^|]+\|[^|]+\| (.+) \|$", GLOSSARY, re.MULTILINE)
    never = {term.strip() for column in columns for term in column.split(",")} - {"never"}
    single = {term for term in never if re.fullmatch(r"[a-z]+", term)}
    spoken = {word for name in public_names() for word in words_of(name)}
    # Offered by Relay, by GraphQL itself or for another concept.
    elsewhere = {"record", "type"}
    assert single & spoken - elsewhere == set()
    assert len(single) > 40
