"""The picture of growth: two panels with logarithmic axes, drawn as plain SVG that is legible in light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .growth_points import Point

if TYPE_CHECKING:
    from .growth import Estimate

_WIDTH, _HEIGHT, _LEFT, _RIGHT = 760, 850, 78, 22
_FIRST, _LAST = 3.75, 10  # powers of ten of events a month
_LABELS = {
    4: "10 thousand",
    5: "100 thousand",
    6: "1 million",
    7: "10 million",
    8: "100 million",
    9: "1 billion",
    10: "10 billion",
}
_BYTES = {6: "1 MB", 7: "10 MB", 8: "100 MB", 9: "1 GB", 10: "10 GB", 11: "100 GB", 12: "1 TB", 13: "10 TB", 14: "100 TB"}
_RATES = {-2: "0.01", -1: "0.1", 0: "1", 1: "10", 2: "100", 3: "1,000", 4: "10,000", 5: "100,000"}

#: Circles and squares, and two colours that differ in brightness too, so that no reader needs to see colours.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 12px }
.paper { fill: #ffffff }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.note { stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 2 4 }
.line { fill: none; stroke-width: 2.5 }
.guess { stroke-dasharray: 8 6 }
.SQLite { stroke: #0550ae } .PostgreSQL { stroke: #bc4c00 } .need { stroke: #1f2328 }
.SQLite.whole { fill: #0550ae } .PostgreSQL.whole { fill: #bc4c00 }
.part { fill: #ffffff } .mark { stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.paper, .part { fill: #0d1117 }
.grid { stroke: #30363d }
.note { stroke: #9198a1 }
.SQLite { stroke: #79c0ff } .PostgreSQL { stroke: #f0a868 } .need { stroke: #f0f6fc }
.SQLite.whole { fill: #79c0ff } .PostgreSQL.whole { fill: #f0a868 }
}
"""
_DESCRIPTION = (
    "Above, the size of the database grows in proportion to the events. Below, the events a second at a peak stay below "
    "what one core loads. Marks are measured, and dashed lines are extrapolated."
)


@dataclass(frozen=True)
class _Panel:
    """A panel with logarithmic axes: its upper edge and height, and the labels of its powers of ten."""

    top: int
    height: int
    labels: Mapping[int, str]

    def x(self, month: float) -> float:
        return _LEFT + (math.log10(month) - _FIRST) / (_LAST - _FIRST) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = min(self.labels), max(self.labels)
        return self.top + self.height * (1 - (math.log10(value) - low) / (high - low))

    def axes(self, title: str) -> Iterator[str]:
        """Yield the grid, its labels and the title."""
        yield _text(_LEFT, self.top - 14, title, "title")
        for power, label in self.labels.items():
            yield _line(_LEFT, self.y(10**power), _WIDTH - _RIGHT, self.y(10**power), "grid")
            yield _text(_LEFT - 8, self.y(10**power) + 4, label, "small", "end")
        for power, label in _LABELS.items():
            across, anchor = self.x(10**power), "end" if power == _LAST else "middle"
            yield _line(across, self.top, across, self.top + self.height, "grid")
            yield _text(_WIDTH - _RIGHT if power == _LAST else across, self.top + self.height + 18, label, "small", anchor)

    def path(self, points: Sequence[tuple[float, float]], style: str) -> str:
        """Return a line through points of events a month and values."""
        if len(points) < 2:
            return ""
        places = " ".join(f"{self.x(month):.1f},{self.y(value):.1f}" for month, value in points)
        return f'<polyline class="line {style}" points="{places}"/>'

    def curve(
        self, lines: Sequence[Estimate], measured: Sequence[Point], value: Callable[[Estimate], float], style: str
    ) -> Iterator[str]:
        """Yield a line that is dashed beyond the measured points."""
        first, last = measured[0].month, measured[-1].month * 1.05
        all_points = [(each.month, value(each)) for each in lines]
        inside = [point for point in all_points if first <= point[0] <= last]
        yield self.path([point for point in all_points if point[0] <= inside[0][0]], f"{style} guess")
        yield self.path(inside, style)
        yield self.path([point for point in all_points if point[0] >= inside[-1][0]], f"{style} guess")

    def mark(self, month: float, value: float, style: str) -> str:
        """Return a circle for SQLite, or a square for PostgreSQL."""
        return _mark(self.x(month), self.y(value), style)

    def note(self, value: float, text: str) -> Iterator[str]:
        """Yield a dotted line across the panel, with its meaning."""
        yield _line(_LEFT, self.y(value), _WIDTH - _RIGHT, self.y(value), "note")
        yield _text(_LEFT + 8, self.y(value) - 6, text, "small")


def draw(lines: Sequence[Estimate], points: Mapping[str, Sequence[Point]], months: int, limits: Mapping[float, str]) -> str:
    """Return the picture. ``limits`` are sizes of a database with their meaning."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img">',
        f"<title>Disk and processor, by events a month</title><desc>{_DESCRIPTION}</desc><style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}"/>',
        *_legend(),
        *_disk(_Panel(110, 310, _BYTES), lines, points, months, limits),
        *_speed(_Panel(500, 290, _RATES), lines, points),
        _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, "events a month", "small", "middle"),
        "</svg>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _disk(
    panel: _Panel, lines: Sequence[Estimate], points: Mapping[str, Sequence[Point]], months: int, limits: Mapping[float, str]
) -> Iterator[str]:
    yield from panel.axes(f"Database after {months} months")
    for limit, meaning in limits.items():
        yield from panel.note(limit, meaning)
    yield from panel.curve(lines, points["SQLite"], lambda each: each.sqlite, "SQLite")
    yield from panel.curve(lines, points["PostgreSQL"], lambda each: each.postgres, "PostgreSQL")
    for name, some in points.items():
        for point in some:
            kind = "whole" if point.days >= 365 else "part"
            yield panel.mark(point.month, point.size / point.events * point.month * months, f"{name} {kind}")


def _speed(panel: _Panel, lines: Sequence[Estimate], points: Mapping[str, Sequence[Point]]) -> Iterator[str]:
    yield from panel.axes("Events a second: what a peak brings, and what one core loads")
    yield panel.path([(each.month, each.peak) for each in lines], "need")
    middle = lines[len(lines) // 2]
    yield _text(panel.x(middle.month) + 12, panel.y(middle.peak) + 16, "a peak of five times the mean")
    yield from panel.curve(lines, points["SQLite"], lambda each: each.sqlite_rate, "SQLite")
    yield from panel.curve(lines, points["PostgreSQL"], lambda each: each.postgres_rate, "PostgreSQL")
    for name, some in points.items():
        for point in some:
            yield panel.mark(point.month, point.events / point.load, f"{name} {'whole' if point.days >= 365 else 'part'}")


def _legend() -> Iterator[str]:
    for left, name in ((_LEFT + 6, "SQLite"), (_LEFT + 118, "PostgreSQL")):
        yield _mark(left, 26, f"{name} whole")
        yield _text(left + 12, 30, name)
    for left, style, meaning in (
        (_LEFT + 262, "whole", "measured, 13 months"),
        (_LEFT + 458, "part", "measured, 3 to 30 days"),
    ):
        yield _mark(left, 26, f"SQLite {style}")
        yield _mark(left + 18, 26, f"PostgreSQL {style}")
        yield _text(left + 30, 30, meaning)
    for left, style, meaning in ((_LEFT, "", "between measured points"), (_LEFT + 256, "guess", "extrapolated")):
        yield f'<polyline class="line need {style}" points="{left},54 {left + 40},54"/>'
        yield _text(left + 50, 58, meaning)


def _mark(across: float, down: float, style: str) -> str:
    if style.startswith("SQLite"):
        return f'<circle class="mark {style}" cx="{across:.1f}" cy="{down:.1f}" r="5"/>'
    return f'<rect class="mark {style}" x="{across - 5:.1f}" y="{down - 5:.1f}" width="10" height="10"/>'


def _text(across: float, down: float, text: str, style: str = "", anchor: str = "start") -> str:
    return f'<text class="{style}" x="{across:.1f}" y="{down:.1f}" text-anchor="{anchor}">{text}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
