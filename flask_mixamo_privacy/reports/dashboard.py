"""The first screen of the reports: headline numbers, one chart over time, and the share of visitors who consent by week.

Everything is calculated from published cells, so nothing suppressed can be derived from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, NamedTuple

from ..storage.clock import ONE_DAY
from .cells import Cell, Share, bound_of
from .query import ReportQuery
from .windows import ALL, Unit, Window

MOST_DAYS = 92  # in a chart by day; a longer window has a chart by month
_LEAST_WEEKS, _MOST_WEEKS = 13, 53  # of the trend
_MOST_RANGE = 0.25  # of a share in an open window: wider bounds would mislead
_ENOUGH = 2 / 3  # of the days of an open window: with fewer, a lower bound would mislead

Shown = Literal["number", "together", "hidden"]


class Slot(NamedTuple):
    """One part of a chart: a day or a month with its cell, or some days that were published together."""

    parts: tuple[Window, ...]  # consecutive
    cell: Cell  # of the part, or of all days published together
    shown: Shown
    height: float  # what to draw: the number, the mean of the days, or 0


@dataclass(frozen=True, slots=True)
class Headline:
    """A number at the top of the page. ``waits_for`` is the unit whose end makes it known, if it is not known yet."""

    id: str
    title: str  # a msgid
    cell: Cell = None
    share: Share | None = None
    change: float | None = None  # from the window before: 0.5 is 50 % more; of a share, the difference
    waits_for: str = ""
    points: tuple[float | None, ...] = ()


class Week(NamedTuple):
    """The share of a week's decisions that granted statistics."""

    window: Window
    share: Share | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen about a window."""

    window: Window
    closed: bool
    through: date | None  # the last day counted to its end; None if no day of the window was
    partly: bool  # whether a part of the next day was published
    compared: Window | None  # the window with which the headlines are compared
    headlines: tuple[Headline, ...]
    slots: tuple[Slot, ...]  # visits over time
    weeks: tuple[Week, ...]


def overview(query: ReportQuery, window: Window) -> Overview:
    """Return the first screen about a window."""
    days, closed = query.counted_days(window), query.is_closed(window)
    unit = chart_unit(window, len(days))
    for name in ("returning", "visitors", "decisions"):
        query.read_tables(name, window, unit)
    query.read_totals("pages", window, unit)
    parts = [part for part in query.units_in(window, unit) if not days or part.first <= days[-1]]
    compared = _compared(query, window, days, closed=closed)
    headlines = (
        _total(query, "visits", "Visits", "returning", window, parts, compared),
        _visitors(query, window, parts, closed=closed),
        _total(query, "views", "Page views", "pages", window, parts, compared),
        _consenting(query, window, parts, compared),
    )
    slots = _slots(query, "returning", window, parts)
    through = days[-1] if days else None
    return Overview(
        window,
        closed,
        through,
        query.is_partly_counted(window),
        compared and compared[1],
        headlines,
        slots,
        _weeks(query, window, closed=closed),
    )


def chart_unit(window: Window, days: int) -> Unit:
    """Return the unit of a chart: days, or months if there are many days."""
    return "month" if days > MOST_DAYS or (window.unit == "month" and window.count > 3) else "day"


def _compared(query: ReportQuery, window: Window, days: Sequence[date], *, closed: bool) -> tuple[Window, Window] | None:
    """Return what is compared, and with what. An open window is compared by its closed days. None if data is missing."""
    if window == ALL or not days or query.days[0] > window.previous.first:
        return None
    if closed:
        return window, window.previous
    number = (days[-1] - window.first).days + 1
    return Window("day", window.first, number), Window("day", window.previous.first, number)


def _total(
    query: ReportQuery, name: str, title: str, table: str, window: Window, parts: Sequence[Window],
    compared: tuple[Window, Window] | None,
) -> Headline:  # fmt: skip
    cell, points = query.total(table, window), tuple(_drawn(query.total(table, part)) for part in parts)
    if isinstance(cell, str) and not query.is_closed(window) and _leaves_out_much(points):
        return Headline(name, title, waits_for=window.unit, points=points)
    change = None
    if compared is not None and not any(query.has_unpublished_part(table, each) for each in compared):
        now, before = (bound_of(query.total(table, each)) for each in compared)
        change = round(now / before - 1, 4) if before else None
    return Headline(name, title, cell, change=change, points=points)


def _leaves_out_much(points: Sequence[float | None]) -> bool:
    return len(points) - points.count(None) < _ENOUGH * len(points)


def _visitors(query: ReportQuery, window: Window, parts: Sequence[Window], *, closed: bool) -> Headline:
    """Return the distinct visitors. Those of several weeks or months cannot be added, so their mean is shown."""
    points = tuple(_drawn(query.distinct(part)) for part in parts)
    if window.count > 1:
        title = "Visitors a week" if window.unit == "week" else "Visitors a month"
        means = [_mean_visitors(query, each) for each in (window, window.previous)]
        change = _change(*means) if closed or window.unit == "week" else None
        return Headline("visitors", title, means[0], change=change, waits_for="" if means[0] else window.unit, points=points)
    if not closed and query.suppresses and window != ALL:
        return Headline("visitors", "Visitors", waits_for=window.unit, points=points)
    cells = query.distinct(window), None if window == ALL or not closed else query.distinct(window.previous)
    return Headline("visitors", "Visitors", cells[0], change=_change(*cells), points=points)


def _mean_visitors(query: ReportQuery, window: Window) -> Cell:
    """Return the mean of the visitors of each closed week or month."""
    cells = [query.distinct(part) for part in window.parts if query.counted_days(part) and query.is_closed(part)]
    if not cells:
        return None
    mean = round(sum(map(bound_of, cells)) / len(cells))
    return mean if all(isinstance(cell, int) for cell in cells) else f"{mean}+"


def _change(now: Cell, before: Cell) -> float | None:
    return round(now / before - 1, 4) if isinstance(now, int) and isinstance(before, int) and before else None


def _consenting(
    query: ReportQuery, window: Window, parts: Sequence[Window], compared: tuple[Window, Window] | None
) -> Headline:
    share = query.consenting(window)
    shares = [query.consenting(part) for part in parts]
    points = tuple(each.middle if each is not None else None for each in shares)
    now, before = [query.consenting(each) for each in compared] if compared else (None, None)
    exact = (now.exact, before.exact) if now and before else (None, None)
    change = None if exact[0] is None or exact[1] is None else round(exact[0] - exact[1], 4)
    if share is not None and share.most - share.least > _MOST_RANGE and not query.is_closed(window) and window != ALL:
        return Headline("consenting", "Consenting", waits_for="month", points=points)  # decisions can wait for its end
    return Headline("consenting", "Consenting", share=share, change=change, points=points)


def _drawn(cell: Cell) -> float | None:
    """Return the number to draw for a cell, or None if it is hidden."""
    return None if cell is None or (isinstance(cell, str) and not cell.endswith("+")) else bound_of(cell)


def _slots(query: ReportQuery, name: str, window: Window, parts: Sequence[Window]) -> tuple[Slot, ...]:
    """Return the parts of the chart. Consecutive days that were published together are one of them."""
    groups = [] if not parts or parts[0].unit != "day" else query.together(name, window)
    slots: list[Slot] = []
    group_before: object = None
    for part in parts:
        cell = query.total(name, part)
        group = next((each for each in groups if part.first in each[0]), None) if not bound_of(cell) else None
        if group is not None and group is group_before:
            slots[-1] = slots[-1]._replace(parts=(*slots[-1].parts, part))
        elif group is not None:
            slots.append(Slot((part,), group[1], "together", group[1] / len(group[0])))
        else:
            drawn = _drawn(cell)
            slots.append(Slot((part,), cell, "hidden" if drawn is None else "number", drawn or 0))
        group_before = group
    return tuple(slots)


def _weeks(query: ReportQuery, window: Window, *, closed: bool) -> tuple[Week, ...]:
    """Return the weeks of the trend: those of the window, and at least a quarter of a year, up to its end.

    A week that ends after a closed window is left out: it has days of the next one, which may be open.
    """
    days = [day for day in query.days if window == ALL or day < window.end]
    if not days:
        return ()
    first = max(days[0], days[-1] - _MOST_WEEKS * 7 * ONE_DAY, date.min if window == ALL else window.first)
    number = min(max(_LEAST_WEEKS, (days[-1] - first).days // 7 + 1), _MOST_WEEKS)
    weeks = Window.of("week", days[-1], number)
    query.read_tables("decisions", weeks, "week")
    shown = [week for week in query.units_in(weeks, "week") if not closed or week.end <= window.end]
    return tuple(Week(week, query.consenting(week)) for week in shown)
