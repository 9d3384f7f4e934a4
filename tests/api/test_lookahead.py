"""What is remembered of operations that are looked ahead in has a bound."""

from __future__ import annotations

from typing import Any, cast

import graphql
import pytest

from schema import lookahead


class Asked:
    """As much of an info as is looked at: the field that is being resolved."""

    def __init__(self, text: str) -> None:
        operation: Any = graphql.parse(text).definitions[0]
        self._raw_info = self
        self.field_nodes = list(operation.selection_set.selections)
        self.fragments: dict[str, Any] = {}


def test_what_stands_below_fields_of_long_documents_is_remembered_of_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = lookahead._Memory()  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(lookahead, "_memory", memory)
    texts = [f"{{ account {{ field{number:02} usage(first: 7) }} }}" for number in range(25)]
    monkeypatch.setattr(lookahead, "LETTERS_MAX", 10 * len(texts[0]))
    held: list[int] = []
    for number, text in enumerate(texts):
        asked = cast("Any", Asked(text))
        for _ in range(2):
            assert lookahead.asked_below(asked) == {f"field{number:02}", "usage"}
        held.append(len(memory))
    assert held == [*range(1, 11), *range(1, 11), *range(1, 6)]
