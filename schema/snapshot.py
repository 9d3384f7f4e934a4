"""The committed schema: `schema.graphql` is what clients rely on, and nothing changes in it unseen.

Owns the comparison of code and snapshot. A change that breaks clients is refused unless
`announced-changes.txt` has a
line for it, in the words of the refusal.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import graphql

from schema.schema import build_schema

SNAPSHOT = Path(__file__).with_name("schema.graphql")
ANNOUNCED = Path(__file__).with_name("announced-changes.txt")


def text() -> str:
    """The schema that the code makes, as SDL."""
    return build_schema().as_str() + "\n"


def drift(snapshot: Path = SNAPSHOT) -> str:
    """A unified diff from the snapshot to the code; empty where they agree."""
    committed = snapshot.read_text() if snapshot.exists() else ""
    lines = difflib.unified_diff(
        committed.splitlines(keepends=True),
        text().splitlines(keepends=True),
        fromfile="schema/schema.graphql",
        tofile="the code",
    )
    return "".join(lines)


def unannounced_breaks(snapshot: Path = SNAPSHOT, announced: Path = ANNOUNCED) -> list[str]:
    """What the code takes from clients of the snapshot and is not announced, a sentence each."""
    if not snapshot.exists():
        return []
    known = {
        line.strip() for line in announced.read_text().splitlines() if not line.startswith("#")
    }
    changes = graphql.find_breaking_changes(
        graphql.build_schema(snapshot.read_text()), graphql.build_schema(text())
    )
    return [change.description for change in changes if change.description not in known]


def update() -> list[str]:
    """Write the snapshot from the code, unless that breaks clients unannounced; returns those
    breaks.
    """
    breaks = unannounced_breaks()
    if not breaks:
        SNAPSHOT.write_text(text())
    return breaks
