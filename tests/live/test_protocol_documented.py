"""docs/protocols.md names tests that there are, and counts what they count."""

from __future__ import annotations

import re
from pathlib import Path

from tests.live import test_protocol_malformed as by_hand
from tests.live.malformed import WAYS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")


def test_every_rule_of_the_protocols_names_a_test_that_exists() -> None:
    there = {
        name
        for folder in ("live", "clients")
        for file in (ROOT / "tests" / folder).glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    rules = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", PAGE, re.MULTILINE)
    assert len(rules) == 29
    for number, tests in rules:
        assert re.findall(r"`(test_\w+)`", tests), number
    assert set(re.findall(r"`(test_\w+)`", PAGE)) - there == set()


def test_the_page_counts_the_malformed_messages_that_are_tried() -> None:
    counted = re.search(
        r"(\d+) by hand, .* (\d+) by chance from a seed \((\d+) ways.* (\d+) broken frames",
        PAGE,
        re.DOTALL,
    )
    assert counted is not None
    assert [int(number) for number in counted.groups()] == [
        len(by_hand.MALFORMED),
        by_hand.MALFORMED_BY_CHANCE,
        len(WAYS),
        len(by_hand.BROKEN_FRAMES),
    ]
