"""What came of a run: each fault with its effect, and whether anything was lost.

Owns the log line of a fault and the summary. A run passes when nothing is missing, doubled or out
of order, every intent is one line, no line waited while nothing was broken, the audit finds nothing
and no server showed a traceback.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from app.faults.verdict import Verdict

WORDS_WIDTH = 58
WAIT_SECONDS_MAX = 10.0
"""Less than any of a server's own time limits, so that a line that waited for one shows; more than
readers that were frozen take to catch up on a crowded machine.
"""


@dataclass
class Happened:
    """One fault, until it was mended, and how late the latest line was that was recorded until the
    next one began.
    """

    name: str
    began: float
    mended: float = math.inf
    ended: float = math.inf
    late_seconds: float = 0.0


@dataclass
class Report:
    """Faults as they happen, then the verdict. `say` hears a line for each."""

    seconds: float
    broker: str
    seed: int
    say: Callable[[str], None]
    verdict: Verdict = field(default_factory=Verdict)
    happened: list[Happened] = field(default_factory=list[Happened])
    lines: int = 0
    delivered: int = 0
    drops: Counter[str] = field(default_factory=Counter[str])
    retries: int = 0
    unaccounted: int = 0
    waited_seconds: float = 0.0
    """The longest that a line took to a connected reader while nothing was broken."""
    findings: list[str] = field(default_factory=list[str])
    tracebacks: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def faults(self) -> int:
        return len(self.happened)

    @property
    def passed(self) -> bool:
        return (
            self.verdict == Verdict()
            and not self.unaccounted
            and self.waited_seconds <= WAIT_SECONDS_MAX
            and not self.findings
            and not self.tracebacks
        )

    def tell(self, fault: Happened, words: str, drops: Counter[str]) -> None:
        """A fault is over: by how much lines were late until now, and how clients lost touch."""
        self.happened.append(fault)
        dropped = ", ".join(f"{n}x {what}" for what, n in drops.most_common(3))
        self.say(
            f"{self.elapsed:6.1f} of {self.seconds:g} s  {self.faults:3}  "
            f"{words:<{WORDS_WIDTH}} late {fault.late_seconds:5.2f} s  {dropped}".rstrip()
        )

    def _by_kind(self) -> list[tuple[str, list[float]]]:
        kinds: defaultdict[str, list[float]] = defaultdict(list)
        for fault in self.happened:
            kinds[fault.name].append(fault.late_seconds)
        return sorted(kinds.items())

    def __str__(self) -> str:
        kinds = [
            f"{name.replace('_', ' '):<26} {len(late):4}  late {statistics.median(late):5.2f} s "
            f"in the median, {max(late):5.2f} s at most"
            for name, late in self._by_kind()
        ]
        return "\n".join(
            [
                *kinds,
                "Connections of subscribers ended: "
                + ", ".join(f"{n:,}x {what}" for what, n in self.drops.most_common()),
                f"{self.faults} faults, {self.lines:,} lines, {self.delivered:,} deliveries, "
                f"{self.retries:,} writes sent again",
                "With nothing broken, a connected reader waited for a line for at most "
                f"{self.waited_seconds:.2f} s",
                f"{self.verdict}; intents that are not exactly one line: {self.unaccounted}; "
                f"audit: {len(self.findings)} findings; tracebacks of servers: {self.tracebacks}",
            ]
        )

    def summary(self) -> str:
        """The same for a machine, on one line of JSON."""
        kinds = {
            name: {
                "count": len(late),
                "late_seconds_median": round(statistics.median(late), 3),
                "late_seconds_max": round(max(late), 3),
            }
            for name, late in self._by_kind()
        }
        return json.dumps(
            {
                "passed": self.passed,
                "broker": self.broker,
                "seconds": self.seconds,
                "seed": self.seed,
                "faults": self.faults,
                **vars(self.verdict),
                "unaccounted": self.unaccounted,
                "waited_seconds": round(self.waited_seconds, 3),
                "findings": len(self.findings),
                "tracebacks": self.tracebacks,
                "lines": self.lines,
                "delivered": self.delivered,
                "retries": self.retries,
                "drops": dict(self.drops.most_common()),
                "kinds": kinds,
            }
        )
