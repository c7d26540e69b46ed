"""Reports: tables of what consenting visitors did, in a window of time, in which nobody can be told apart.

A presentation needs this module alone. ``Reports`` (``site().reports``) gives :class:`Report` objects, each one table with
its columns, so that one renderer serves them all in HTML, CSV, JSON and the terminal::

    reports.windows("month")                  # the windows there is something to say about, newest first
    reports.report("pages", Window.parse("2026-05"))
    reports.every(Window.parse("2026-W19"))   # all of NAMES, in order
    reports.summary()                         # totals, pages and customisation of all time
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

from ..errors import LedgerUnavailable
from ..tracking.store import Store
from .disclosure import OTHER
from .published import Publisher
from .reading import Cell, Reading, Row
from .shapes import COUNTED, NAMES, SERIES, SHAPES, TOTALS, TWO_NAMES, Column, Report
from .tally import UNKNOWN, parts_of
from .windows import ALL, UNITS, Calendar, Unit, Window

__all__ = [
    "ALL",
    "COUNTED",
    "NAMES",
    "OTHER",
    "UNITS",
    "UNKNOWN",
    "Cell",
    "Column",
    "Report",
    "Reports",
    "Window",
]

_MOST_DAYS = 92  # in a series; a longer one is told by months


class Reports:
    """What can be told of a store's events. Publishing happens on the way: see :class:`.published.Publisher`."""

    def __init__(self, store: Store, publisher: Publisher, calendar: Calendar, min_cell: int) -> None:
        self._store = store
        self._publisher = publisher
        self._calendar = calendar
        self._least = min_cell

    def windows(self, unit: Unit) -> tuple[Window, ...]:
        """The windows of this unit since the first event, the newest first; raises :class:`StoreUnavailable`."""
        if unit == "all":
            return (ALL,)
        with self._read() as reading:
            days = reading.days
        return tuple(sorted({Window.of(unit, day) for day in days}, key=str, reverse=True))

    def report(self, name: str, window: Window) -> Report:
        """One of :data:`NAMES` about a window; raises :class:`KeyError` and :class:`StoreUnavailable`."""
        with self._read_of(window) as reading:
            return self._report(reading, name, window)

    def every(self, window: Window) -> tuple[Report, ...]:
        """All of :data:`NAMES` about a window, of one state of the store; raises :class:`StoreUnavailable`."""
        with self._read_of(window) as reading:
            return tuple(self._report(reading, name, window) for name in NAMES)

    def distinct(self, window: Window) -> Cell:
        """How many visitors came in a window, each counted once; raises :class:`StoreUnavailable`."""
        with self._read() as reading:
            return reading.distinct(window)

    def summary(self) -> tuple[Report, Report, Report]:
        """Totals, pages and customisation of everything so far, including today where it can be told.

        Raises :class:`StoreUnavailable`.
        """
        with self._read_of(ALL) as reading:
            return self._totals(reading), self._report(reading, "pages", ALL), self._report(reading, "choices", ALL)

    def _totals(self, reading: Reading) -> Report:
        visits, repeats = reading.total("returning", ALL), reading.fixed("returning", "repeat", ALL)
        row = (reading.distinct(ALL), visits, repeats, _rate(repeats, visits), reading.total("pages", ALL))
        return self._made(reading, "totals", "Totals", TOTALS, [row], ALL, row[0])

    def _read_of(self, window: Window) -> Reading:
        """A look at a window, of which today is counted first, if it is in it and that tells of nobody."""
        with self._read() as reading:
            waits = not reading.is_closed(window) and len(reading.unpublished()) >= self._least
        if waits:
            # Without the ledger today waits, as closing does.
            with suppress(LedgerUnavailable), self._store.write() as connection:
                self._publisher.step(connection)
        return self._read()

    def _read(self) -> Reading:
        return Reading(self._store, self._calendar, self._least)

    def _report(self, reading: Reading, name: str, window: Window) -> Report:
        if name in SERIES:
            return self._series(reading, name, window)
        shape = SHAPES[name]
        rows = self._rows(reading, name, window) if reading.is_closed(window) or window == ALL else []
        extra = self._interest(reading, window, rows) if name == "pages" else [()] * len(rows)
        cells = (
            (*(_two(row.name) if name in TWO_NAMES else (row.name,)), row.number, row.visitors, row.share, *more)
            for row, more in zip(rows, extra, strict=True)
        )
        columns = (*shape.names, shape.counts, Column("visitors", "Visitors"), Column("share", "Share", "share"))
        more_columns = (
            (Column("seconds", "Time on page", "seconds"), Column("trend", "Change", "change")) if name == "pages" else ()
        )
        return self._made(reading, name, shape.title, (*columns, *more_columns), cells, window, reading.total(name, window))

    def _rows(self, reading: Reading, name: str, window: Window) -> list[Row]:
        rows, order = reading.rows(name, window), SHAPES[name].order
        return sorted(rows, key=lambda row: order.index(row.name) if row.name in order else len(order)) if order else rows

    def _interest(self, reading: Reading, window: Window, rows: list[Row]) -> list[tuple[Cell, ...]]:
        """How long pages were in view, on average, and how their views changed against the window before."""
        times = {row.name: round(row.amount / row.number) for row in reading.rows("time", window) if row.number}
        before = {} if window == ALL else {row.name: row.number for row in reading.rows("pages", window.previous)}
        return [
            (times.get(row.name), _change(before.get(row.name), row.number) if row.name != OTHER else None) for row in rows
        ]

    def _series(self, reading: Reading, name: str, window: Window) -> Report:
        title, columns = SERIES[name]
        days = [day for day in reading.days if window == ALL or window.first <= day < window.end]
        unit: Unit = "month" if len(days) > _MOST_DAYS else "day"
        parts = sorted({Window.of(unit, day) for day in days}, key=str)
        cells = ((str(part), *self._point(reading, name, part)) for part in parts)
        total = reading.total("returning" if name == "visits" else name, window)
        return self._made(reading, name, title, (Column("when", "When", "text"), *columns), cells, window, total)

    def _point(self, reading: Reading, name: str, part: Window) -> tuple[Cell, ...]:
        if name == "visits":
            return reading.total("returning", part), reading.distinct(part), reading.total("pages", part)
        return tuple(reading.fixed(name, row, part) for row in ("granted", "refused", "withdrawn"))

    def _made(
        self, reading: Reading, name: str, title: str, columns: tuple[Column, ...], cells: Iterable[tuple[Cell, ...]],
        window: Window, total: Cell,
    ) -> Report:  # fmt: skip
        state: Literal["open", "closed"] = "closed" if reading.is_closed(window) else "open"
        share = reading.consenting(window)
        return Report(name, title, columns, tuple(cells), window, state, total, share, self._least, reading.until)


def _two(row: str) -> tuple[str, str]:
    return (OTHER, OTHER) if row == OTHER else parts_of(row)


def _change(before: int | None, now: int) -> float | None:
    return round(now / before - 1, 4) if before else None


def _rate(repeats: Cell, visits: Cell) -> Cell:
    """What share of the visits was a repeat; nothing where of either no exact number is told, as in "12+"."""
    if isinstance(repeats, str) or repeats is None:
        return None if repeats and repeats.endswith("+") else repeats
    if repeats == 0:
        return 0.0
    return round(repeats / visits, 4) if isinstance(visits, int) and visits else None
