"""Pictures of reports as plain geometry, which a template draws as SVG: no style, no script, no width of their own.

Across, places are percentages, so that a picture is as wide as its page while its words keep their size; down, they are
pixels. In a language read from the right everything across is mirrored, words excepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .disclosure_control import OTHER
from .query import Cell
from .reports import Report

MOST_BARS, MOST_NODES = 12, 8  # rows that a picture shows; the table beneath it has them all
_BAR_PITCH = 32  # pixels from one bar to the next
_FLOW, _GAP, _LINE = 380.0, 5.0, 19.0  # pixels: all bands together, between two of them, at least for a label
_NODE = 0.8  # percent: how wide a node is
_STEPS = (1, 2, 2.5, 5, 10)


class Bar(NamedTuple):
    """A row as a bar: how far it reaches, in percent of the longest, and the row it stands for."""

    row: tuple[Cell, ...]
    width: float
    y: int


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, the rows of a report in its order."""

    bars: tuple[Bar, ...]
    height: int
    left_out: int  # rows for which there was no room


def bars(report: Report) -> Bars:
    """The first rows of a report by its first number."""
    place = counted(report)
    shown = report.rows[:MOST_BARS]
    longest = max((value_of(row[place]) or 0 for row in shown), default=0) or 1
    found = [
        Bar(row, round((value_of(row[place]) or 0) / longest * 100, 2), at * _BAR_PITCH) for at, row in enumerate(shown)
    ]
    return Bars(tuple(found), len(found) * _BAR_PITCH, len(report.rows) - len(shown))


class ChartPoint(NamedTuple):
    """One moment of a series: where, and what the report says of it; hidden where it says only that it is little."""

    x: float
    y: float
    when: str
    cell: Cell
    hidden: bool


@dataclass(frozen=True)
class Panel:
    """One column of a series over time, with a scale of its own."""

    title: str
    marks: tuple[ChartPoint, ...]
    lines: tuple[str, ...]  # points of unbroken lines, across from 0 to 100
    areas: tuple[str, ...]
    ticks: tuple[tuple[float, float], ...]  # y, and the number there
    height: int
    base: float


def panels(report: Report, *, rtl: bool = False) -> tuple[Panel, ...]:
    """A panel for each column half of whose numbers at least can be told; the first one is the tallest."""
    found = [_panel(report, place, rtl) for place, column in enumerate(report.columns) if column.kind == "number"]
    return tuple(panel for panel in found if panel is not None)


def _panel(report: Report, place: int, rtl: bool) -> Panel | None:
    values = [value_of(row[place]) for row in report.rows]
    if len(values) < 2 or not any(values) or values.count(None) > len(values) / 2:
        return None
    height = 190 if place == 1 else 96
    base, top = height - 8.0, 30.0
    ticks = scale(max(filter(None, values)), 4 if place == 1 else 2)
    xs = [_across(2 + 96 * at / (len(values) - 1), rtl) for at in range(len(values))]
    ys = [base - (value or 0) / ticks[-1] * (base - top) for value in values]
    marks = tuple(
        ChartPoint(x, round(y, 1), str(row[0]), row[place], value is None)
        for x, y, row, value in zip(xs, ys, report.rows, values, strict=True)
    )
    runs = list(_runs([None if mark.hidden else (mark.x, mark.y) for mark in marks]))
    lines = tuple(_points(run) for run in runs)
    areas = tuple(_points([(run[0][0], base), *run, (run[-1][0], base)]) for run in runs)
    places = tuple((round(base - tick / ticks[-1] * (base - top), 1), tick) for tick in ticks)
    return Panel(report.columns[place].title, marks, lines, areas, places, height, base)


def _runs(points: Iterable[tuple[float, float] | None]) -> Iterable[list[tuple[float, float]]]:
    """Stretches in which nothing is hidden: over a gap no line is drawn, for it would tell what is not told."""
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
    """Round numbers from 0 to one that is not below the most."""
    rough, power = most / steps, 1.0
    while power * 10 <= rough:
        power *= 10
    step = max(next(each * power for each in _STEPS if each * power >= rough), 1)
    return tuple(step * number for number in range(int(-(-most // step)) + 1))


class ChartColumn(NamedTuple):
    """An hour of the day, or whatever has a place in an order known beforehand."""

    x: float
    width: float
    y: float
    height: float
    name: str
    cell: Cell


def columns(report: Report, names: Sequence[str], height: int, *, rtl: bool = False) -> tuple[ChartColumn, ...]:
    """Upright columns at the places of these names; one without a number of its own has no height."""
    place = counted(report)
    cells = {row[0]: row[place] for row in report.rows if row[0] != OTHER}
    most = max((value_of(cell) or 0 for cell in cells.values()), default=0) or 1
    wide = 100 / len(names)
    found = []
    for at, name in enumerate(names):
        tall = round((value_of(cells.get(name)) or 0) / most * height, 1)
        left = _across(at * wide + wide * 0.1, rtl) - (wide * 0.8 if rtl else 0)
        found.append(ChartColumn(round(left, 2), round(wide * 0.8, 2), round(height - tall, 1), tall, name, cells.get(name)))
    return tuple(found)


class Node(NamedTuple):
    """A page on one side of the flow: where it stands, how much flows through, and its share of all."""

    name: str
    x: float
    y: float
    height: float
    number: int


class Band(NamedTuple):
    """What flows from one page to another, as a closed path."""

    path: str
    start: str
    end: str
    number: int
    rank: int  # of the page it comes from, from 0


@dataclass(frozen=True)
class Flow:
    """Movement from pages on one side to pages on the other; the smaller ones are folded into "other"."""

    sources: tuple[Node, ...]
    targets: tuple[Node, ...]
    bands: tuple[Band, ...]
    height: int
    node: float = _NODE


def flow(report: Report, *, rtl: bool = False) -> Flow | None:
    """The rows of a report whose first two columns say from where and to where; None without any."""
    rows = [(str(row[0]), str(row[1]), int(value_of(row[2]) or 0)) for row in report.rows]
    if not rows:
        return None
    folded: dict[tuple[str, str], int] = {}
    kept = [_largest([(start, number) for start, _, number in rows]), _largest([(end, number) for _, end, number in rows])]
    for start, end, number in rows:
        pair = start if start in kept[0] else OTHER, end if end in kept[1] else OTHER
        folded[pair] = folded.get(pair, 0) + number
    pixel = _FLOW / (sum(folded.values()) or 1)
    sides = [_side(folded, place, pixel, _across(0.0 if place == 0 else 100.0, rtl), rtl) for place in (0, 1)]
    height = max(node.y + max(node.height, _LINE) for side in sides for node in side)
    return Flow(tuple(sides[0]), tuple(sides[1]), tuple(_bands(folded, sides, pixel)), round(height) + 4)


def _largest(numbers: Iterable[tuple[str, int]]) -> set[str]:
    sums: dict[str, int] = {}
    for name, number in numbers:
        sums[name] = sums.get(name, 0) + number
    ranked = sorted(sums, key=lambda name: (name == OTHER, -sums[name], name))
    return set(ranked if len(ranked) <= MOST_NODES else ranked[: MOST_NODES - 1])


def _side(folded: dict[tuple[str, str], int], place: int, pixel: float, edge: float, rtl: bool) -> list[Node]:
    sums: dict[str, int] = {}
    for pair, number in folded.items():
        sums[pair[place]] = sums.get(pair[place], 0) + number
    nodes, y = [], 0.0
    left = edge - _NODE if edge > 50 else edge
    for name in sorted(sums, key=lambda each: (each == OTHER, -sums[each], each)):
        height = sums[name] * pixel
        nodes.append(Node(name, left, round(y, 1), round(max(height, 1.0), 1), sums[name]))
        y += max(height + _GAP, _LINE)
    return nodes


def _bands(folded: dict[tuple[str, str], int], sides: list[list[Node]], pixel: float) -> Iterable[Band]:
    ends = {node.name: node.y for node in sides[1]}
    order = {node.name: at for at, node in enumerate(sides[1])}
    for rank, source in enumerate(sides[0]):
        y = source.y
        for start, end in sorted((pair for pair in folded if pair[0] == source.name), key=lambda pair: order[pair[1]]):
            thick = folded[start, end] * pixel
            yield Band(_ribbon(source, sides[1][0], y, ends[end], thick), start, end, folded[start, end], rank)
            y += thick
            ends[end] += thick


def _ribbon(source: Node, target: Node, y: float, to: float, thick: float) -> str:
    """Out of one node and into another, as smooth as a ribbon."""
    near, far = (source.x + _NODE, target.x) if source.x < target.x else (source.x, target.x + _NODE)
    middle = (near + far) / 2
    return (
        f"M{near:g} {y:.1f}C{middle:g} {y:.1f} {middle:g} {to:.1f} {far:g} {to:.1f}V{to + thick:.1f}"
        f"C{middle:g} {to + thick:.1f} {middle:g} {y + thick:.1f} {near:g} {y + thick:.1f}Z"
    )


def counted(report: Report) -> int:
    """The place of a report's first column that is a number."""
    return next(place for place, column in enumerate(report.columns) if column.kind == "number")


def value_of(cell: Cell) -> float | None:
    """The number to draw for a cell: of ``12+`` the 12, of ``<5`` none."""
    if isinstance(cell, str):
        return float(cell[:-1]) if cell.endswith("+") and cell[:-1].isdigit() else None
    return cell


def _across(x: float, rtl: bool) -> float:
    return round(100 - x if rtl else x, 2)
