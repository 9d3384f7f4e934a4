"""The figures of `benchmarks.live` as tables and as a picture."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.picture import Bars, drawn_bars

Rounds = defaultdict[str, defaultdict[str, list[float]]]
"""The figures of every round, by contender and by what was measured."""


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that was measured, and how it is shown."""

    name: str
    heading: str
    title: str
    digits: int = 0


MEASURES = (
    Measure("idle KB", "KB idle of 1,000", "Resident KB for each of 1,000 idle subscriptions", 1),
    Measure("all KB", "KB idle of all", "Resident KB for each of 10,000 idle subscriptions", 1),
    Measure("p50 ms", "p50 ms", "From commit to client beside 1,000 idle, p50 in ms", 2),
    Measure("p99 ms", "p99 ms", "From commit to client beside 1,000 idle, p99 in ms", 2),
    Measure("one/s", "one account /s", "Deliveries a second to 1,000 subscribers of one account"),
    Measure("one µs", "CPU µs", "Server CPU µs for each of those", 1),
    Measure("many/s", "1,000 accounts /s", "Deliveries a second to 1,000 accounts with one each"),
    Measure("many µs", "CPU µs", "Server CPU µs for each of those", 1),
)


def tables(rounds: Rounds) -> str:
    """The medians over the rounds, and ours as multiples of the others'."""
    shown = [measure for measure in MEASURES if _medians(rounds, measure)]
    lines = [_row(["contender", *(measure.heading for measure in shown)]), _rule(len(shown))]
    for name in rounds:
        values = [_medians(rounds, measure)[name] for measure in shown]
        cells = (f"{v:,.{m.digits}f}" for v, m in zip(values, shown, strict=True))
        lines.append(_row([name, *cells]))
    if "ours" in rounds:
        lines += ["", _row(["ours, of", *(measure.heading for measure in shown)])]
        lines.append(_rule(len(shown)))
        for name in (other for other in rounds if other != "ours"):
            found = [_medians(rounds, measure) for measure in shown]
            lines.append(_row([name, *(f"{of['ours'] / of[name]:.2f}" for of in found)]))
    return "\n".join(lines)


def picture(rounds: Rounds) -> str:
    """The same as bars, as SVG."""
    found = {measure: _medians(rounds, measure) for measure in MEASURES}
    bars = [Bars(m.title, {"": values}, m.digits) for m, values in found.items() if values]
    return drawn_bars("live", bars)


def _medians(rounds: Rounds, measure: Measure) -> dict[str, float]:
    """Nothing where it was not measured."""
    return {
        name: statistics.median(figures[measure.name])
        for name, figures in rounds.items()
        if figures.get(measure.name)
    }


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(columns: int) -> str:
    return _row(["---", *["---:"] * columns])
