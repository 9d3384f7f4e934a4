"""Every error a client can meet is on the page about errors, and nothing else is."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from app.messages import Code
from schema import refusals
from schema.refusals import Refused

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/errors.md").read_text()
IS_CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")
MAKERS = {"error_body", "Malformed", "_refusal"}
"""What is called with a code."""


def section(heading: str) -> set[str]:
    """The names in the first column of a section's table."""
    text = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `?([A-Za-z_]+|\d{4})`? \|", text, re.MULTILINE)) - {
        "code",
        "refusal",
    }


def codes_in(tree: ast.Module) -> Iterator[str]:
    """Constants that are called codes, or are given to what makes errors."""
    for node in ast.walk(tree):
        given: list[ast.expr | None] = []
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "code" for target in targets):
                given = [node.value]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            if (name.id if isinstance(name, ast.Name) else name) in MAKERS:
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
        for value in given:
            if code := _code(value):
                yield code


def codes() -> set[str]:
    sources = [
        path for folder in ("app", "schema", "resolvers") for path in (ROOT / folder).rglob("*.py")
    ]
    found = {code for path in sources for code in codes_in(ast.parse(path.read_text()))}
    named = ast.parse((ROOT / "schema/errors.py").read_text())
    for node in named.body:
        if isinstance(node, ast.Assign) and (code := _code(node.value)):
            found.add(code)
    return found


def _code(value: ast.expr | None) -> str | None:
    """The value, where it reads like a code."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value if IS_CODE.fullmatch(value.value) else None
    return None


def test_every_code_of_an_error_is_documented_and_no_other() -> None:
    found = codes()
    assert {"UNAUTHENTICATED", "TIMEOUT", "RATE_LIMITED", "TOKEN_EXPIRED", "INTERNAL"} <= found
    assert section("Codes of errors") == found


def test_every_refusal_of_a_write_is_documented_and_no_other() -> None:
    found = {
        name
        for name, kind in inspect.getmembers(refusals, inspect.isclass)
        if issubclass(kind, Refused) and kind is not Refused
    }
    assert len(found) >= 12
    assert section("Refusals of a write") == found


def test_every_close_code_of_a_socket_is_documented_and_no_other() -> None:
    found = {str(code) for name, code in vars(Code).items() if name.isupper()}
    assert section("Close codes of a socket") == found
