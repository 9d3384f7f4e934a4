"""What is wrong with what a subscriber received."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Verdict:
    """`Verdict()` is nothing wrong."""

    missing: int = 0
    doubled: int = 0
    out_of_order: int = 0

    @classmethod
    def on(cls, received: Sequence[int], expected: range) -> Verdict:
        """Compare the seqs received, in their order, with those there are."""
        times = Counter(received)
        return cls(
            missing=len(set(expected) - set(received)),
            doubled=sum(n - 1 for n in times.values()),
            out_of_order=sum(a > b for a, b in itertools.pairwise(received)),
        )

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.missing + other.missing,
            self.doubled + other.doubled,
            self.out_of_order + other.out_of_order,
        )

    def __str__(self) -> str:
        return f"missing {self.missing}, doubled {self.doubled}, out of order {self.out_of_order}"
