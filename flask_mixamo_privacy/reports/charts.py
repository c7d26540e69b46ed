"""Geometry of the charts in reports. A template draws it as SVG, without style and script.

Positions are percentages of the chart, or multiples of the text's size. So a chart grows with its text. With ``rtl=True``,
for a language written from right to left, horizontal positions are mirrored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import NamedTuple

from .cells import Cell
from .dashboard import Slot, Week
from .disclosure_control import OTHER
from .reports import Report

MOST_BARS, MOST_NODES = 8, 8  # rows that a chart shows; the table below it has all rows
_FLOW, _GAP, _LINE = 27.0, 0.4, 1.4  # heights in em: of all bands, between nodes, of a label
_NODE = 0.8  # percent: the width of a node
_STEPS = (1, 2, 2.5, 5, 10)
_LEAST_BAND, _LEAST_RANGE = 4.0, 1.0  # percent of a chart's height
_SPARK = 24.0  # height of a sparkline, whose width is 100


class Bar(NamedTuple):
    """A bar for a row. The width is in percent of the longest bar."""

    row: tuple[Cell, ...]
    width: float


@dataclass(frozen=True)
class Bars:
    """Horizontal bars for the first rows of a report."""

    bars: tuple[Bar, ...]
    left_out: int  # the number of rows without a bar


def bars(report: Report) -> Bars:
    """Return bars of the first number column. "other" is among them, and its bar is at most as long as the longest."""
    column = counted(report)
    named = [row for row in report.rows if row[0] != OTHER]
    shown = [*named[:MOST_BARS], *(row for row in report.rows if row[0] == OTHER and len(named) <= MOST_BARS)]
    longest = max((value_of(row[column]) or 0 for row in shown if row[0] != OTHER), default=0) or 1
    widths = [min(round((value_of(row[column]) or 0) / longest * 100, 2), 100) for row in shown]
    return Bars(tuple(map(Bar, shown, widths)), len(report.rows) - len(shown))


class PlotColumn(NamedTuple):
    """One column of a plot, in percent of its width and height. A hidden number has a band up to the threshold."""

    x: float
    width: float
    y: float
    height: float
    slot: Slot


@dataclass(frozen=True)
class Plot:
    """A number over time."""

    columns: tuple[PlotColumn, ...]
    ticks: tuple[float, ...]  # from 0 up, at equal distances

    @property
    def shown(self) -> set[str]:
        """What the legend has to explain."""
        return {column.slot.shown for column in self.columns}


def plot(slots: Sequence[Slot], min_cell: int, *, rtl: bool = False) -> Plot | None:
    """Return the columns of a chart over time. Returns None if no slot has a number."""
    most = max((slot.height for slot in slots), default=0)
    if not most:
        return None
    ticks = scale(most, 3)
    pitch, begun = 100 / sum(len(slot.parts) for slot in slots), 0
    drawn = []
    for slot in slots:
        wide = pitch * len(slot.parts)
        height = slot.height / ticks[-1] * 100
        if slot.shown == "hidden":
            height = min(max(min_cell / ticks[-1] * 100, _LEAST_BAND), 100)
        left = begun * pitch + pitch * 0.1
        x = 100 - left - wide + pitch * 0.2 if rtl else left
        drawn.append(PlotColumn(round(x, 2), round(wide - pitch * 0.2, 2), round(100 - height, 2), round(height, 2), slot))
        begun += len(slot.parts)
    return Plot(tuple(drawn), ticks)


def scale(most: float, steps: int) -> tuple[float, ...]:
    """Return round numbers from 0 up to at least ``most``."""
    rough, power = most / steps, 1.0
    while power * 10 <= rough:
        power *= 10
    step = max(next(each * power for each in _STEPS if each * power >= rough), 1)
    return tuple(step * number for number in range(int(-(-most // step)) + 1))


def sparkline(points: Sequence[float | None], *, rtl: bool = False) -> tuple[str, ...]:
    """Return the lines of a sparkline, as in SVG's ``points``, with gaps at hidden numbers. No lines if many are hidden."""
    if points.count(None) > len(points) / 3:
        return ()
    most = max((point for point in points if point is not None), default=0) or 1
    last = max(len(points) - 1, 1)
    placed = [
        None if point is None else (_across(number / last * 100, rtl), round(_SPARK - 1 - point / most * (_SPARK - 2), 1))
        for number, point in enumerate(points)
    ]
    return tuple(_points(run) for run in _runs(placed) if len(run) > 1)


class WeekRange(NamedTuple):
    """The bounds of a week's share as a column, in percent, and the height of their middle if they are close."""

    x: float
    width: float
    y: float
    height: float
    center: float
    middle: float | None
    week: Week


class Mark(NamedTuple):
    """The day from which a policy version applied, with the letter that the legend explains."""

    x: float
    letter: str
    day: str


@dataclass(frozen=True)
class Trend:
    """The share of decisions that granted statistics, by week."""

    ranges: tuple[WeekRange, ...]  # of the weeks with a share
    lines: tuple[str, ...]  # through the middles, as in SVG's ``points``
    marks: tuple[Mark, ...]

    @property
    def is_exact(self) -> bool:
        return all(each.week.share is not None and each.week.share.exact is not None for each in self.ranges)


def trend(weeks: Sequence[Week], versions: Sequence[str], *, rtl: bool = False) -> Trend | None:
    """Return the trend with the policy versions of its weeks. Returns None without two weeks that have a share."""
    if sum(week.share is not None for week in weeks) < 2:
        return None
    pitch = 100 / len(weeks)
    ranges = [_week_range(number * pitch, pitch, week, rtl) for number, week in enumerate(weeks)]
    runs = _runs(None if each.middle is None else (each.center, each.middle) for each in ranges)
    lines = tuple(_points(run) for run in runs if len(run) > 1)
    return Trend(tuple(each for each in ranges if each.week.share), lines, _marks(weeks, versions, rtl))


def _week_range(left: float, pitch: float, week: Week, rtl: bool) -> WeekRange:
    least, most = week.share or (0.0, 0.0)
    middle = week.share.middle if week.share is not None else None
    height = max((most - least) * 100, _LEAST_RANGE)
    center = _across(left + pitch / 2, rtl)
    column = round(center - pitch * 0.4, 2), round(pitch * 0.8, 2)
    y = round(min(100 - most * 100, 100 - height), 2)
    return WeekRange(*column, y, round(height, 2), center, None if middle is None else round(100 - middle * 100, 2), week)


def _marks(weeks: Sequence[Week], versions: Sequence[str], rtl: bool) -> tuple[Mark, ...]:
    first, end = weeks[0].window.first, weeks[-1].window.end
    within = [day for day in sorted(versions) if first <= date.fromisoformat(day) < end]
    xs = [(date.fromisoformat(day) - first).days / (end - first).days * 100 for day in within]
    return tuple(
        Mark(_across(x, rtl), chr(65 + number % 26), day) for number, (x, day) in enumerate(zip(xs, within, strict=True))
    )


def _runs(points: Iterable[tuple[float, float] | None]) -> Iterable[list[tuple[float, float]]]:
    """Yield the runs of points without a hidden one. A line across a hidden point would suggest its value."""
    for hidden, run in groupby(points, lambda point: point is None):
        if not hidden:
            yield [point for point in run if point is not None]


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


class ChartColumn(NamedTuple):
    """A vertical column of a chart whose names are fixed, such as the hours of the day. "other" may have a hidden one."""

    x: float
    width: float
    y: float
    height: float
    name: str
    cell: Cell
    hidden: bool


def columns(report: Report, names: Sequence[str], *, rtl: bool = False) -> tuple[ChartColumn, ...]:
    """Return a vertical column for each name, in this order, in percent of the chart. One without a number has no height."""
    index = counted(report)
    cells = {row[0]: row[index] for row in report.rows}
    most = max((value_of(cell) or 0 for name, cell in cells.items() if name != OTHER), default=0) or 1
    pitch = 100 / len(names)
    drawn = []
    for number, name in enumerate(names):
        hidden = name not in cells and OTHER in cells
        tall = _LEAST_BAND if hidden else round((value_of(cells.get(name)) or 0) / most * 100, 1)
        left = _across(number * pitch + pitch * 0.1, rtl) - (pitch * 0.8 if rtl else 0)
        column = ChartColumn(
            round(left, 2), round(pitch * 0.8, 2), round(100 - tall, 1), tall, name, cells.get(name), hidden
        )
        drawn.append(column)
    return tuple(drawn)


class Node(NamedTuple):
    """A page on one side of the flow, and its number of views. Vertical positions are multiples of the text's size."""

    name: str
    x: float
    y: float
    height: float
    number: int


class Band(NamedTuple):
    """The views that went from one page to another, as a closed SVG path."""

    path: str
    start: str
    end: str
    number: int
    rank: int  # of the source, from 0


@dataclass(frozen=True)
class Flow:
    """Movement from the pages on one side to the pages on the other. The smaller pages are merged into "other"."""

    sources: tuple[Node, ...]
    targets: tuple[Node, ...]
    bands: tuple[Band, ...]
    height: float
    node: float = _NODE


def flow(report: Report, *, rtl: bool = False) -> Flow | None:
    """Return the flow of a report whose first two columns are source and target. Returns None if it has no rows."""
    rows = [(str(row[0]), str(row[1]), int(value_of(row[2]) or 0)) for row in report.rows]
    if not rows:
        return None
    numbers: dict[tuple[str, str], int] = {}
    kept = [_largest([(start, number) for start, _, number in rows]), _largest([(end, number) for _, end, number in rows])]
    for start, end, number in rows:
        pair = start if start in kept[0] else OTHER, end if end in kept[1] else OTHER
        numbers[pair] = numbers.get(pair, 0) + number
    scale = _FLOW / (sum(numbers.values()) or 1)
    sides = [_side(numbers, side, scale, _across(0.0 if side == 0 else 100.0, rtl)) for side in (0, 1)]
    height = max(node.y + max(node.height, _LINE) for side in sides for node in side)
    return Flow(tuple(sides[0]), tuple(sides[1]), tuple(_bands(numbers, sides, scale)), round(height + 0.3, 2))


def _largest(numbers: Iterable[tuple[str, int]]) -> set[str]:
    sums: dict[str, int] = {}
    for name, number in numbers:
        sums[name] = sums.get(name, 0) + number
    ranked = sorted(sums, key=lambda name: (name == OTHER, -sums[name], name))
    return set(ranked if len(ranked) <= MOST_NODES else ranked[: MOST_NODES - 1])


def _side(numbers: dict[tuple[str, str], int], side: int, scale: float, edge: float) -> list[Node]:
    sums: dict[str, int] = {}
    for pair, number in numbers.items():
        sums[pair[side]] = sums.get(pair[side], 0) + number
    nodes, y = [], 0.0
    left = edge - _NODE if edge > 50 else edge
    for name in sorted(sums, key=lambda each: (each == OTHER, -sums[each], each)):
        height = sums[name] * scale
        nodes.append(Node(name, left, round(y, 2), round(max(height, 0.1), 2), sums[name]))
        y += max(height + _GAP, _LINE)
    return nodes


def _bands(numbers: dict[tuple[str, str], int], sides: list[list[Node]], scale: float) -> Iterable[Band]:
    ends = {node.name: node.y for node in sides[1]}
    order = {node.name: number for number, node in enumerate(sides[1])}
    for rank, source in enumerate(sides[0]):
        y = source.y
        for start, end in sorted((pair for pair in numbers if pair[0] == source.name), key=lambda pair: order[pair[1]]):
            height = numbers[start, end] * scale
            yield Band(_ribbon(source, sides[1][0], y, ends[end], height), start, end, numbers[start, end], rank)
            y += height
            ends[end] += height


def _ribbon(source: Node, target: Node, y: float, to: float, height: float) -> str:
    """Return the SVG path of a band with curved edges, from a node at ``y`` to a node at ``to``."""
    near, far = (source.x + _NODE, target.x) if source.x < target.x else (source.x, target.x + _NODE)
    middle = (near + far) / 2
    return (
        f"M{near:g} {y:.2f}C{middle:g} {y:.2f} {middle:g} {to:.2f} {far:g} {to:.2f}V{to + height:.2f}"
        f"C{middle:g} {to + height:.2f} {middle:g} {y + height:.2f} {near:g} {y + height:.2f}Z"
    )


def counted(report: Report) -> int:
    """Return the index of the first number column."""
    return next(index for index, column in enumerate(report.columns) if column.kind == "number")


def value_of(cell: Cell) -> float | None:
    """Return the number to draw for a cell: 12 for ``12+``, None for ``<5``."""
    if isinstance(cell, str):
        return float(cell[:-1]) if cell.endswith("+") and cell[:-1].isdigit() else None
    return cell


def _across(x: float, rtl: bool) -> float:
    return round(100 - x if rtl else x, 2)
