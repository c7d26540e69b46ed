"""Reports: tables of what consenting visitors did, in a window of time, in which nobody can be told apart.

A presentation needs this module alone. ``Reports`` (``site().reports``) gives :class:`Report` objects, each one table with
its columns, so that one renderer serves them all in HTML, CSV, JSON and the terminal::

    reports.windows("month")                  # the windows there is something to say about, newest first
    reports.report("pages", Window.parse("2026-05"))
    reports.every(Window.parse("2026-W19"))   # all of NAMES, in order
    reports.summary()                         # totals, pages and customisation of all time
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import LedgerUnavailable
from ..tracking.store import EventStore
from .disclosure_control import OTHER
from .publisher import Publisher
from .query import Cell, ReportQuery, Row
from .tables import parts_of
from .windows import ALL, Calendar, Unit, Window

# What a report looks like, and every report there is.

COUNTED = "visitors who consented to statistics"

Kind = Literal["text", "number", "share", "seconds", "change"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, its English heading, and what its cells are.

    ``text``; ``number``; ``share``, from 0 to 1; ``seconds``; ``change`` against the window before, 0.5 being half as much
    again.
    """

    id: str
    title: str
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class Report:
    """One table about one window of time. Counts only visitors who consented.

    A cell is a text, a number, ``"<5"`` where fewer visitors stand behind it, ``"12+"`` where it is 12 or more, or None
    where nothing is said. A row named ``"other"`` holds all that is not told apart; it comes last.
    """

    id: str
    title: str  # in English; a presentation may translate it by ``id``
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    window: Window
    state: Literal["open", "closed"]  # an open window has rows only where its parts have closed; see ``docs/reports.md``
    total: Cell  # of the first column that is a number
    consenting: float | None  # the share of decisions that granted statistics, from 0 to 1; None where it cannot be told
    min_cell: int
    until: str | None = None  # the moment (UTC) from which on events are not counted yet
    counted: str = COUNTED

    def as_dict(self) -> dict[str, Any]:
        """For JSON: rows as objects by the columns' ids."""
        names = [column.id for column in self.columns]
        rows = [dict(zip(names, row, strict=True)) for row in self.rows]
        columns = [dataclasses.asdict(column) for column in self.columns]
        own = {name: getattr(self, name) for name in ("id", "title", "state", "total", "consenting", "min_cell", "counted")}
        return own | {"window": str(self.window), "columns": columns, "rows": rows}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a published table becomes a report: its title, the columns that name a row, and what is counted."""

    title: str
    names: tuple[Column, ...]
    counts: Column
    order: tuple[str, ...] = ()  # of rows whose order is not that of their size


def _names(*columns: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, title, "text") for name, title in columns)


_VISITS, _VIEWS, _TIMES = Column("visits", "Visits"), Column("views", "Views"), Column("times", "Times")
_PAGE = ("page", "Page")
_HOURS = tuple(f"{hour:02d}" for hour in range(24))
_NUMBERS = ("1", "2", "3", "4–5", "6–10", "11 or more")
_GAPS = ("the same day", "1 day", "2–6 days", "1 week", "2–4 weeks", "a month or more")

SHAPES = {
    "returning": Shape("New and repeat visits", _names(("visit", "Visit")), _VISITS, ("first", "repeat")),
    "visit_numbers": Shape("Visits by number", _names(("number", "Number of the visit")), _VISITS, _NUMBERS),
    "days_between": Shape("Days between visits", _names(("gap", "Since the visit before")), _VISITS, _GAPS),
    "pages": Shape("Pages", _names(_PAGE), _VIEWS),
    "entries": Shape("Entry pages", _names(_PAGE), _VISITS),
    "exits": Shape("Exit pages", _names(_PAGE), _VISITS),
    "movement": Shape("Movement", _names(("from", "From"), ("to", "To")), _VIEWS),
    "referrers": Shape("Referring sites", _names(("site", "Site")), _VISITS),
    "exit_links": Shape("Exit links", _names(("to", "To")), _TIMES),
    "clicks": Shape("Clicks", _names(_PAGE, ("on", "On")), _TIMES),
    "choices": Shape("Customisation", _names(("name", "Name"), ("value", "Value")), Column("choices", "Choices")),
    "changes": Shape("Changed choices", _names(("name", "Name")), Column("changes", "Changes")),
    "browsers": Shape("Browsers", _names(("browser", "Browser")), _VISITS),
    "platforms": Shape("Platforms", _names(("platform", "Platform")), _VISITS),
    "providers": Shape("Internet providers", _names(("provider", "Provider")), _VISITS),
    "hours": Shape("Busiest hours", _names(("hour", "Hour")), _VIEWS, _HOURS),
    "decisions_by_version": Shape(
        "Decisions by policy version",
        _names(("version", "Version"), ("decision", "Decision")),
        Column("decisions", "Decisions"),
    ),
    "decisions_by_locale": Shape(
        "Decisions by language", _names(("locale", "Language"), ("decision", "Decision")), Column("decisions", "Decisions")
    ),
}
TWO_NAMES = tuple(name for name, shape in SHAPES.items() if len(shape.names) == 2)
SERIES = {
    "visits": (
        "Visits over time",
        (Column("visits", "Visits"), Column("visitors", "Visitors"), Column("views", "Page views")),
    ),
    "decisions": (
        "Decisions over time",
        (Column("granted", "Granted"), Column("refused", "Refused"), Column("withdrawn", "Withdrawn")),
    ),
}

#: The columns of the only row of ``Reports.summary()``'s first table.
TOTALS = (
    Column("visitors", "Visitors"),
    Column("visits", "Visits"),
    Column("repeat_visits", "Repeat visits"),
    Column("repeat_visit_rate", "Repeat-visit rate", "share"),
    Column("page_views", "Page views"),
)

#: Every report there is, in the order in which they are shown.
NAMES = ("visits", *list(SHAPES)[:-2], "decisions", *list(SHAPES)[-2:])


_MOST_DAYS = 92  # in a series; a longer one is told by months


class Reports:
    """What can be told of a store's events. Publishing happens on the way: see :class:`.published.Publisher`."""

    def __init__(self, store: EventStore, publisher: Publisher, calendar: Calendar, min_cell: int) -> None:
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

    def _totals(self, reading: ReportQuery) -> Report:
        visits, repeats = reading.total("returning", ALL), reading.fixed("returning", "repeat", ALL)
        row = (reading.distinct(ALL), visits, repeats, _rate(repeats, visits), reading.total("pages", ALL))
        return self._made(reading, "totals", "Totals", TOTALS, [row], ALL, row[0])

    def _read_of(self, window: Window) -> ReportQuery:
        """A look at a window, of which today is counted first, if it is in it and that tells of nobody."""
        with self._read() as reading:
            waits = not reading.is_closed(window) and len(reading.unpublished()) >= self._least
        if waits:
            # Without the ledger today waits, as closing does.
            with suppress(LedgerUnavailable), self._store.write() as connection:
                self._publisher.step(connection)
        return self._read()

    def _read(self) -> ReportQuery:
        return ReportQuery(self._store, self._calendar, self._least)

    def _report(self, reading: ReportQuery, name: str, window: Window) -> Report:
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

    def _rows(self, reading: ReportQuery, name: str, window: Window) -> list[Row]:
        rows, order = reading.rows(name, window), SHAPES[name].order
        return sorted(rows, key=lambda row: order.index(row.name) if row.name in order else len(order)) if order else rows

    def _interest(self, reading: ReportQuery, window: Window, rows: list[Row]) -> list[tuple[Cell, ...]]:
        """How long pages were in view, on average, and how their views changed against the window before."""
        times = {row.name: round(row.amount / row.number) for row in reading.rows("time", window) if row.number}
        before = {} if window == ALL else {row.name: row.number for row in reading.rows("pages", window.previous)}
        return [
            (times.get(row.name), _change(before.get(row.name), row.number) if row.name != OTHER else None) for row in rows
        ]

    def _series(self, reading: ReportQuery, name: str, window: Window) -> Report:
        title, columns = SERIES[name]
        days = [day for day in reading.days if window == ALL or window.first <= day < window.end]
        unit: Unit = "month" if len(days) > _MOST_DAYS else "day"
        parts = sorted({Window.of(unit, day) for day in days}, key=str)
        cells = ((str(part), *self._point(reading, name, part)) for part in parts)
        total = reading.total("returning" if name == "visits" else name, window)
        return self._made(reading, name, title, (Column("when", "When", "text"), *columns), cells, window, total)

    def _point(self, reading: ReportQuery, name: str, part: Window) -> tuple[Cell, ...]:
        if name == "visits":
            return reading.total("returning", part), reading.distinct(part), reading.total("pages", part)
        return tuple(reading.fixed(name, row, part) for row in ("granted", "refused", "withdrawn"))

    def _made(
        self, reading: ReportQuery, name: str, title: str, columns: tuple[Column, ...], cells: Iterable[tuple[Cell, ...]],
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
