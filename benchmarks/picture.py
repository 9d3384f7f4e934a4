"""Pictures of figures, as SVG that reads on a light and on a dark page.

Owns the drawing of bars and of lines. Owns no figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
MARGIN = 16
LABEL = 190
ROW = 20
_STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.group { font-weight: 600 } .bar { fill: #8c959f } .ours { fill: #1a7f37 } .grid { stroke: #d0d7de }
.line { fill: none; stroke-width: 2 } .ground { fill: #ffffff }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ground { fill: #0d1117 }
.grid { stroke: #30363d } .bar { fill: #6e7681 } .ours { fill: #3fb950 } }
</style>"""
_COLOURS = ("#1a7f37", "#0969da", "#bf8700", "#cf222e", "#8250df")


@dataclass(frozen=True, slots=True)
class Bars:
    """One measure: per group, each contender's value."""

    title: str
    groups: Mapping[str, Mapping[str, float]]
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Lines:
    """One measure that is followed over sizes: per name, a value for each size."""

    title: str
    sizes: Sequence[int]
    series: Mapping[str, Sequence[float]]


def drawn_bars(name: str, measures: Sequence[Bars]) -> str:
    """All measures beneath each other, each on a scale of its own from 0."""
    parts: list[str] = []
    y = MARGIN
    for measure in measures:
        y += ROW
        parts.append(_text(MARGIN, y, measure.title, "title"))
        most = max(value for group in measure.groups.values() for value in group.values())
        for heading, group in measure.groups.items():
            y += ROW + 6
            parts.append(_text(MARGIN, y, heading, "group"))
            for contender, value in group.items():
                y += ROW
                parts += _bar(y, contender, value, value / most if most else 0, measure.digits)
        y += MARGIN
    return _svg(f"Benchmark: {name}", y + MARGIN, parts)


def drawn_lines(name: str, measures: Sequence[Lines]) -> str:
    """All measures beneath each other, over sizes on a logarithmic axis, each from 0."""
    parts: list[str] = []
    y = MARGIN
    for measure in measures:
        parts += _lines(y, measure)
        y += 220 + ROW * len(measure.series)
    return _svg(f"Benchmark: {name}", y, parts)


def _bar(y: int, contender: str, value: float, share: float, digits: int) -> list[str]:
    width = max(1, round(share * (WIDTH - LABEL - 110)))
    kind = "bar ours" if contender == "ours" else "bar"
    return [
        _text(MARGIN, y, contender),
        f'<rect class="{kind}" x="{LABEL}" y="{y - 12}" width="{width}" height="14" rx="2"/>',
        _text(LABEL + width + 8, y, f"{value:,.{digits}f}"),
    ]


def _lines(top: int, measure: Lines) -> list[str]:
    height, left, width = 150, 70, WIDTH - 140
    most = max(value for values in measure.series.values() for value in values) * 1.1
    least, largest = (math.log10(end) for end in (min(measure.sizes), max(measure.sizes)))
    places = [
        left + round((math.log10(size) - least) / ((largest - least) or 1) * width)
        for size in measure.sizes
    ]
    base = top + ROW * 2 + height
    parts = [_text(MARGIN, top + ROW, measure.title, "title")]
    for share in (0.0, 0.5, 1.0):
        y = round(base - share * height)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>'
            + _text(MARGIN, y + 4, f"{share * most:,.1f}")
        )
    parts += [
        _text(x - 20, base + ROW, f"{size:,}")
        for x, size in zip(places, measure.sizes, strict=True)
    ]
    for number, (name, values) in enumerate(measure.series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(
            f"{x},{round(base - value / most * height)}"
            for x, value in zip(places, values, strict=True)
        )
        y = base + ROW * (number + 2)
        parts += [
            f'<polyline class="line" stroke="{colour}" points="{points}"/>',
            f'<rect x="{left}" y="{y - 10}" width="14" height="10" fill="{colour}"/>',
            _text(left + 22, y, name),
        ]
    return parts


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img"><title>{escape(title)}</title>{_STYLE}'
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])
