"""What a benchmark tells: a table of medians on standard output and, when asked to, the same table
and a picture in this folder.

Owns the form. Owns no figures: they are the benchmarks'.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measuring import Round
from benchmarks.picture import Bars, drawn_bars

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"

Rounds = Mapping[tuple[str, str], Sequence[Round]]


@dataclass(frozen=True, slots=True)
class Column:
    """A measure, as the table and the picture name it."""

    name: str
    heading: str
    digits: int = 0
    is_compared: bool = False


COLUMNS = (
    Column("requests_per_second", "req/s", is_compared=True),
    Column("p50_ms", "p50 ms", 2, is_compared=True),
    Column("p99_ms", "p99 ms", 1),
    Column("server_cpu_us", "server CPU µs", is_compared=True),
    Column("database_cpu_us", "PostgreSQL CPU µs"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that every benchmark has."""
    parser.add_argument(
        "--publish", action="store_true", help="put table and picture into benchmarks/"
    )


def medians(rounds: Rounds, measure: str) -> dict[tuple[str, str], float]:
    """The median of a measure for every contender and group."""
    return {
        key: statistics.median(float(getattr(one, measure)) for one in of_key)
        for key, of_key in rounds.items()
    }


def table(rounds: Rounds, group: str, peers: Sequence[str], name: str = "contender") -> str:
    """The medians, and for what is compared the ratio to each of the `peers`."""
    headings = [group, name]
    for column in COLUMNS:
        headings.append(column.heading)
        if column.is_compared:
            headings += [f"of {peer}" for peer in peers]
    lines = [_row(headings), _row(["---:", "---", *["---:"] * (len(headings) - 2)])]
    found = {column: medians(rounds, column.name) for column in COLUMNS}
    for contender, number in _grouped(rounds):
        cells = [number, contender]
        for column, of_all in found.items():
            value = of_all[contender, number]
            cells.append(f"{value:,.{column.digits}f}")
            if column.is_compared:
                cells += [_ratio(value, of_all.get((peer, number))) for peer in peers]
        lines.append(_row(cells))
    return "\n".join(lines)


def tell(
    name: str, rounds: Rounds, peers: Sequence[str], options: argparse.Namespace, group: str
) -> None:
    """Print a benchmark's table; publish it with its picture where the options say so."""
    present = [peer for peer in peers if any(peer == contender for contender, _ in rounds)]
    text = table(rounds, group, present)
    print(text)
    if options.publish:
        publish(name, text, drawn_bars(name, [_bars(rounds, column, group) for column in COLUMNS]))


def publish(name: str, text: str, picture: str) -> None:
    """Replace a benchmark's figures in README.md, between its marks, and its picture."""
    (FOLDER / f"{name}.svg").write_text(picture)
    begin, end = f"<!-- figures of {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = README.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    assert ended, f"README.md has no marks for {name}"
    when = f"{datetime.now(UTC):%-d %B %Y}, {os.cpu_count()} CPUs, load average {_load()}."
    figures = f"\n![The same as a picture]({name}.svg)\n\nFrom {when}\n\n{text}\n\n"
    README.write_text(before + begin + figures + end + after)


def _load() -> str:
    return f"{os.getloadavg()[1]:.1f}"


def _bars(rounds: Rounds, column: Column, group: str) -> Bars:
    found = medians(rounds, column.name)
    groups: dict[str, dict[str, float]] = {}
    for contender, number in _grouped(rounds):
        groups.setdefault(f"{number} {group}", {})[contender] = found[contender, number]
    return Bars(column.heading, groups, column.digits)


def _grouped(rounds: Rounds) -> list[tuple[str, str]]:
    """All keys, group by group, in the order in which they came."""
    groups = list(dict.fromkeys(group for _, group in rounds))
    return sorted(rounds, key=lambda key: groups.index(key[1]))


def _ratio(value: float, peer: float | None) -> str:
    return f"{value / peer:.2f}" if peer else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
