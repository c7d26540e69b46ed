"""Geometry of the charts in reports. A template draws it as SVG, without style and script.

Horizontal positions are percentages, so that a chart fills the page without scaling its text. Vertical positions are pixels.
With ``rtl=True``, for a language written from right to left, horizontal positions are mirrored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .disclosure_control import OTHER
from .query import Cell
from .reports import Report

MOST_BARS, MOST_NODES = 12, 8  # rows that a chart shows; the table below it has all rows
_BAR_PITCH = 32  # pixels from one bar to the next
_FLOW, _GAP, _LINE = 380.0, 5.0, 19.0  # pixels: height of all bands, gap between nodes, least height of a label
_NODE = 0.8  # percent: the width of a node
_STEPS = (1, 2, 2.5, 5, 10)


class Bar(NamedTuple):
    """A bar for a row. The width is in percent of the longest bar."""

    row: tuple[Cell, ...]
    width: float
    y: int


@dataclass(frozen=True)
class Bars:
    """Horizontal bars for the first rows of a report."""

    bars: tuple[Bar, ...]
    height: int
    left_out: int  # the number of rows without a bar


def bars(report: Report) -> Bars:
    """Return bars of the first number column."""
    column = counted(report)
    shown = report.rows[:MOST_BARS]
    longest = max((value_of(row[column]) or 0 for row in shown), default=0) or 1
    widths = [round((value_of(row[column]) or 0) / longest * 100, 2) for row in shown]
    drawn = tuple(
        Bar(row, width, number * _BAR_PITCH) for number, (row, width) in enumerate(zip(shown, widths, strict=True))
    )
    return Bars(drawn, len(drawn) * _BAR_PITCH, len(report.rows) - len(shown))


class ChartPoint(NamedTuple):
    """One point of a series, and the cell that it shows. It is hidden if the cell has no number."""

    x: float
    y: float
    when: str
    cell: Cell
    hidden: bool


@dataclass(frozen=True)
class Panel:
    """One column of a series over time, with its own scale."""

    title: str
    marks: tuple[ChartPoint, ...]
    lines: tuple[str, ...]  # the points of each line without a gap, as in SVG's ``points``
    areas: tuple[str, ...]
    ticks: tuple[tuple[float, float], ...]  # y and number
    height: int
    base: float


def panels(report: Report, *, rtl: bool = False) -> tuple[Panel, ...]:
    """Return a panel for each number column that has at least half of its numbers. The first panel is the tallest."""
    drawn = [_panel(report, index, rtl) for index, column in enumerate(report.columns) if column.kind == "number"]
    return tuple(panel for panel in drawn if panel is not None)


def _panel(report: Report, index: int, rtl: bool) -> Panel | None:
    values = [value_of(row[index]) for row in report.rows]
    if len(values) < 2 or not any(values) or values.count(None) > len(values) / 2:
        return None
    height = 190 if index == 1 else 96
    base, top = height - 8.0, 30.0
    ticks = scale(max(filter(None, values)), 4 if index == 1 else 2)
    xs = [_across(2 + 96 * number / (len(values) - 1), rtl) for number in range(len(values))]
    ys = [base - (value or 0) / ticks[-1] * (base - top) for value in values]
    points = tuple(
        ChartPoint(x, round(y, 1), str(row[0]), row[index], value is None)
        for x, y, row, value in zip(xs, ys, report.rows, values, strict=True)
    )
    runs = list(_runs([None if point.hidden else (point.x, point.y) for point in points]))
    lines = tuple(_points(run) for run in runs)
    areas = tuple(_points([(run[0][0], base), *run, (run[-1][0], base)]) for run in runs)
    axis = tuple((round(base - tick / ticks[-1] * (base - top), 1), tick) for tick in ticks)
    return Panel(report.columns[index].title, points, lines, areas, axis, height, base)


def _runs(points: Iterable[tuple[float, float] | None]) -> Iterable[list[tuple[float, float]]]:
    """Yield the runs of points without a hidden one. A line across a hidden point would suggest its value."""
    run: list[tuple[float, float]] = []
    for point in (*points, None):
        if point is not None:
            run.append(point)
        elif run:
            yield run
            run = []


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def scale(most: float, steps: int) -> tuple[float, ...]:
    """Return round numbers from 0 up to at least ``most``."""
    rough, power = most / steps, 1.0
    while power * 10 <= rough:
        power *= 10
    step = max(next(each * power for each in _STEPS if each * power >= rough), 1)
    return tuple(step * number for number in range(int(-(-most // step)) + 1))


class ChartColumn(NamedTuple):
    """A vertical column of a chart whose names are fixed, such as the hours of the day."""

    x: float
    width: float
    y: float
    height: float
    name: str
    cell: Cell


def columns(report: Report, names: Sequence[str], height: int, *, rtl: bool = False) -> tuple[ChartColumn, ...]:
    """Return a vertical column for each name, in this order. A column without a number has no height."""
    index = counted(report)
    cells = {row[0]: row[index] for row in report.rows if row[0] != OTHER}
    most = max((value_of(cell) or 0 for cell in cells.values()), default=0) or 1
    pitch = 100 / len(names)
    width = round(pitch * 0.8, 2)
    drawn = []
    for number, name in enumerate(names):
        tall = round((value_of(cells.get(name)) or 0) / most * height, 1)
        left = _across(number * pitch + pitch * 0.1, rtl) - (pitch * 0.8 if rtl else 0)
        drawn.append(ChartColumn(round(left, 2), width, round(height - tall, 1), tall, name, cells.get(name)))
    return tuple(drawn)


class Node(NamedTuple):
    """A page on one side of the flow, and its number of views."""

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
    height: int
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
    return Flow(tuple(sides[0]), tuple(sides[1]), tuple(_bands(numbers, sides, scale)), round(height) + 4)


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
        nodes.append(Node(name, left, round(y, 1), round(max(height, 1.0), 1), sums[name]))
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
        f"M{near:g} {y:.1f}C{middle:g} {y:.1f} {middle:g} {to:.1f} {far:g} {to:.1f}V{to + height:.1f}"
        f"C{middle:g} {to + height:.1f} {middle:g} {y + height:.1f} {near:g} {y + height:.1f}Z"
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
