"""Reports: tables of what consenting visitors did in a window of time, in which no visitor can be distinguished.

If ``PRIVACY_MIN_CELL`` is 1, every number is shown, so a visitor may be distinguished.

:class:`Reports` returns :class:`Report` objects. Each is one table with its columns, so that one renderer per format serves
all of them in HTML, CSV, JSON and the terminal::

    reports.windows("month")                  # the months with data, the newest first.
    reports.report("pages", Window.parse("2026-05"))
    reports.every(Window.parse("2026-W19"))   # all of NAMES, in order.
    reports.summary()                         # totals, pages and customisation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import LedgerUnavailable, StoreUnavailable
from ..tracking.row_names import parts_of
from ..tracking.store import EventStore
from .counts import WHOLE_DAY
from .disclosure_control import OTHER
from .publisher import Publisher
from .query import Cell, ReportQuery, Row
from .windows import ALL, Calendar, Unit, Window

# Report definitions.

COUNTED = "visitors who consented to statistics"

Kind = Literal["text", "number", "share", "seconds", "change"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, its English heading, and the kind of its cells.

    A ``share`` is from 0 to 1. A ``change`` is relative to the window before: 0.5 is 50 % more.
    """

    id: str
    title: str
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class Report:
    """One table about one window of time. Counts only visitors who consented.

    A cell is a text, a number, ``"<5"`` (fewer visitors than ``min_cell``), ``"12+"`` (12 or more), or None (suppressed or
    unknown). The row ``"other"`` holds the suppressed rows. It is the last row.
    """

    id: str
    title: str  # in English, a msgid
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    window: Window
    state: Literal["open", "closed"]  # an open window has rows only if ``min_cell`` is 1; see ``docs/reports-method.md``
    total: Cell  # of the first number column
    consenting: float | None  # the share of decisions that granted statistics, from 0 to 1; None if suppressed
    min_cell: int
    until: str | None = None  # the end (UTC) of the last counted interval or, if ``min_cell`` is 1, of the last event
    counted: str = COUNTED

    @property
    def suppresses(self) -> bool:
        """Whether some numbers may be hidden: False if ``PRIVACY_MIN_CELL`` is 1."""
        return self.min_cell > 1

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON. A row is an object with the columns' ids as keys."""
        names = [column.id for column in self.columns]
        rows = [dict(zip(names, row, strict=True)) for row in self.rows]
        columns = [dataclasses.asdict(column) for column in self.columns]
        fields = {
            name: getattr(self, name) for name in ("id", "title", "state", "total", "consenting", "min_cell", "counted")
        }
        return fields | {"window": str(self.window), "columns": columns, "rows": rows}


@dataclass(frozen=True, slots=True)
class ReportDefinition:
    """How a published table becomes a report: its title, the columns that name a row, and the column of the count."""

    title: str
    names: tuple[Column, ...]
    counts: Column
    order: tuple[str, ...] = ()  # the order of the rows, if it is not by size


def _names(*columns: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, title, "text") for name, title in columns)


_VISITS, _VIEWS, _TIMES = Column("visits", "Visits"), Column("views", "Views"), Column("times", "Times")
_PAGE = ("page", "Page")
_HOURS = tuple(f"{hour:02d}" for hour in range(24))
_NUMBERS = ("1", "2", "3", "4–5", "6–10", "11 or more")
_GAPS = ("the same day", "1 day", "2–6 days", "1 week", "2–4 weeks", "a month or more")

DEFINITIONS = {
    "returning": ReportDefinition("New and repeat visits", _names(("visit", "Visit")), _VISITS, ("first", "repeat")),
    "visit_numbers": ReportDefinition("Visits by number", _names(("number", "Number of the visit")), _VISITS, _NUMBERS),
    "days_between": ReportDefinition("Days between visits", _names(("gap", "Since the visit before")), _VISITS, _GAPS),
    "pages": ReportDefinition("Pages", _names(_PAGE), _VIEWS),
    "entries": ReportDefinition("Entry pages", _names(_PAGE), _VISITS),
    "exits": ReportDefinition("Exit pages", _names(_PAGE), _VISITS),
    "movement": ReportDefinition("Movement", _names(("from", "From"), ("to", "To")), _VIEWS),
    "referrers": ReportDefinition("Referring sites", _names(("site", "Site")), _VISITS),
    "exit_links": ReportDefinition("Exit links", _names(("to", "To")), _TIMES),
    "clicks": ReportDefinition("Clicks", _names(_PAGE, ("on", "On")), _TIMES),
    "choices": ReportDefinition("Customisation", _names(("name", "Name"), ("value", "Value")), Column("choices", "Choices")),
    "changes": ReportDefinition("Changed choices", _names(("name", "Name")), Column("changes", "Changes")),
    "browsers": ReportDefinition("Browsers", _names(("browser", "Browser")), _VISITS),
    "platforms": ReportDefinition("Platforms", _names(("platform", "Platform")), _VISITS),
    "providers": ReportDefinition("Internet providers", _names(("provider", "Provider")), _VISITS),
    "hours": ReportDefinition("Busiest hours", _names(("hour", "Hour")), _VIEWS, _HOURS),
    "decisions_by_version": ReportDefinition(
        "Decisions by policy version",
        _names(("version", "Version"), ("decision", "Decision")),
        Column("decisions", "Decisions"),
    ),
    "decisions_by_locale": ReportDefinition(
        "Decisions by language", _names(("locale", "Language"), ("decision", "Decision")), Column("decisions", "Decisions")
    ),
}
TWO_NAMES = tuple(name for name, definition in DEFINITIONS.items() if len(definition.names) == 2)
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

#: The columns of the totals, the first table of ``Reports.summary()``.
TOTALS = (
    Column("visitors", "Visitors"),
    Column("visits", "Visits"),
    Column("repeat_visits", "Repeat visits"),
    Column("repeat_visit_rate", "Repeat-visit rate", "share"),
    Column("page_views", "Page views"),
)

#: The names of all reports, in the order of the page.
NAMES = ("visits", *list(DEFINITIONS)[:-2], "decisions", *list(DEFINITIONS)[-2:])

#: The reports that need the events or decisions of a whole day.
AT_END_OF_DAY = (*WHOLE_DAY, "decisions", "decisions_by_version", "decisions_by_locale")


MOST_ROWS = 1000  # of a report; a page shows fewer, because it shows all reports
_MOST_DAYS = 92  # of a series by day; a longer series is by month


class Reports:
    """The reports of an event store. A request for a window that includes today can publish the current part of today.

    If ``min_cell`` is 1, it publishes nothing: the events that are not counted yet are counted for the answer.
    """

    def __init__(self, store: EventStore, publisher: Publisher, calendar: Calendar, min_cell: int) -> None:
        self._store = store
        self._publisher = publisher
        self._calendar = calendar
        self._min_cell = min_cell

    def windows(self, unit: Unit) -> tuple[Window, ...]:
        """Return the windows of this unit since the first event, the newest first. Raises :class:`StoreUnavailable`."""
        if unit == "all":
            return (ALL,)
        with self._query() as query:
            days = query.days
        return tuple(sorted({Window.of(unit, day) for day in days}, key=str, reverse=True))

    def report(self, name: str, window: Window) -> Report:
        """Return one of the :data:`NAMES` about a window. Raises :class:`KeyError` and :class:`StoreUnavailable`."""
        with self._query_of(window) as query:
            return self._report(query, name, window)

    def every(self, window: Window, most: int = MOST_ROWS) -> tuple[Report, ...]:
        """Return all reports about a window, with ``most`` rows and "other", from one transaction.

        Raises :class:`StoreUnavailable`.
        """
        with self._query_of(window) as query:
            return tuple(self._report(query, name, window, most) for name in NAMES)

    def distinct(self, window: Window) -> Cell:
        """Return the number of distinct visitors in a window. Raises :class:`StoreUnavailable`."""
        with self._query() as query:
            return query.distinct(window)

    def summary(self) -> tuple[Report, Report, Report]:
        """Return totals, pages and customisation of all time, including today if enough visitors came.

        Raises :class:`StoreUnavailable`.
        """
        with self._query_of(ALL) as query:
            return self._totals(query), self._report(query, "pages", ALL), self._report(query, "choices", ALL)

    def _totals(self, query: ReportQuery) -> Report:
        visits, repeats = query.total("returning", ALL), query.fixed("returning", "repeat", ALL)
        row = (query.distinct(ALL), visits, repeats, _rate(repeats, visits), query.total("pages", ALL))
        return self._build(query, "totals", "Totals", TOTALS, [row], ALL, row[0])

    def _query_of(self, window: Window) -> ReportQuery:
        """Return a query of a window. If the window is open and enough visitors are not counted yet, publish them first."""
        with self._query() as query:
            # Without suppression, the query counts what is not published, and there is no need to publish it.
            waits = query.suppresses and not query.is_closed(window)
            publishable = waits and len(query.unpublished()) >= self._min_cell
        if publishable:
            # If the ledger is unavailable, or a loader holds the lock, leave today to a later request or load.
            with suppress(LedgerUnavailable, StoreUnavailable), self._store.write_soon() as connection:
                self._publisher.publish_today(connection)
        return self._query()

    def _query(self) -> ReportQuery:
        return ReportQuery(self._store, self._calendar, self._min_cell)

    def _report(self, query: ReportQuery, name: str, window: Window, most: int = MOST_ROWS) -> Report:
        if name in SERIES:
            return self._series(query, name, window)
        definition = DEFINITIONS[name]
        has_rows = query.is_closed(window) or window == ALL or not query.suppresses
        rows = self._rows(query, name, window, most) if has_rows else []
        extra_cells = self._page_columns(query, window, rows) if name == "pages" else [()] * len(rows)
        cells = (
            (*(_two_names(row.name) if name in TWO_NAMES else (row.name,)), row.number, row.visitors, row.share, *more)
            for row, more in zip(rows, extra_cells, strict=True)
        )
        columns = (*definition.names, definition.counts, Column("visitors", "Visitors"), Column("share", "Share", "share"))
        extra_columns = (
            (Column("seconds", "Time on page", "seconds"), Column("trend", "Change", "change")) if name == "pages" else ()
        )
        return self._build(
            query, name, definition.title, (*columns, *extra_columns), cells, window, query.total(name, window)
        )

    def _rows(self, query: ReportQuery, name: str, window: Window, most: int) -> list[Row]:
        rows, order = query.rows(name, window, most), DEFINITIONS[name].order
        return sorted(rows, key=lambda row: order.index(row.name) if row.name in order else len(order)) if order else rows

    def _page_columns(self, query: ReportQuery, window: Window, rows: list[Row]) -> list[tuple[Cell, ...]]:
        """Return for each page the mean seconds in view, and the change of its views from the window before."""
        times = {row.name: round(row.amount / row.number) for row in query.rows("time", window) if row.number}
        comparable = query.is_closed(window)  # part of a month is not compared with a whole one
        before = {row.name: row.number for row in query.rows("pages", window.previous)} if comparable else {}
        return [
            (times.get(row.name), _change(before.get(row.name), row.number) if row.name != OTHER else None) for row in rows
        ]

    def _series(self, query: ReportQuery, name: str, window: Window) -> Report:
        title, columns = SERIES[name]
        days = [day for day in query.days if window == ALL or window.first <= day < window.end]
        unit: Unit = "month" if len(days) > _MOST_DAYS else "day"
        parts = sorted({Window.of(unit, day) for day in days}, key=str)
        cells = ((str(part), *self._point(query, name, part)) for part in parts)
        total = query.total("returning" if name == "visits" else name, window)
        return self._build(query, name, title, (Column("when", "When", "text"), *columns), cells, window, total)

    def _point(self, query: ReportQuery, name: str, part: Window) -> tuple[Cell, ...]:
        if name == "visits":
            return query.total("returning", part), query.distinct(part), query.total("pages", part)
        return tuple(query.fixed(name, row, part) for row in ("granted", "refused", "withdrawn"))

    def _build(
        self, query: ReportQuery, name: str, title: str, columns: tuple[Column, ...], cells: Iterable[tuple[Cell, ...]],
        window: Window, total: Cell,
    ) -> Report:  # fmt: skip
        state: Literal["open", "closed"] = "closed" if query.is_closed(window) else "open"
        share = query.consenting(window)
        return Report(name, title, columns, tuple(cells), window, state, total, share, self._min_cell, query.shown_until)


def _two_names(row: str) -> tuple[str, str]:
    return (OTHER, OTHER) if row == OTHER else parts_of(row)


def _change(before: int | None, now: int) -> float | None:
    return round(now / before - 1, 4) if before else None


def _rate(repeats: Cell, visits: Cell) -> Cell:
    """Return the share of repeat visits, ``"<5"`` if they are suppressed, or None unless both numbers are exact."""
    if isinstance(repeats, str) or repeats is None:
        return None if repeats and repeats.endswith("+") else repeats
    if repeats == 0:
        return 0.0
    return round(repeats / visits, 4) if isinstance(visits, int) and visits else None
