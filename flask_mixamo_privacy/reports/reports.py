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
from datetime import date
from typing import Any, Literal

from ..errors import LedgerUnavailable, StoreUnavailable
from ..storage.clock import today
from ..tracking.row_names import parts_of
from ..tracking.store import EventStore
from .cells import Cell, Row, Share
from .dashboard import MOST_DAYS, Overview, overview
from .definitions import COUNTED, DEFINITIONS, NAMES, OWN, SERIES, TOTALS, TWO_NAMES, Column
from .disclosure_control import OTHER
from .own_rows import own_rows, sum_of
from .publisher import Publisher
from .query import ReportQuery
from .windows import ALL, Calendar, Unit, Window


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
    state: Literal["open", "closed"]  # an open window has what was published of it so far
    total: Cell  # of the first number column
    share: Share | None  # the bounds of the share of decisions that granted statistics; None without decisions
    min_cell: int
    until: str | None = None  # the end (UTC) of the last counted interval or, if ``min_cell`` is 1, of the last event
    counted: str = COUNTED

    @property
    def consenting(self) -> float | None:
        """The share of decisions that granted statistics, from 0 to 1. None if only its bounds are known."""
        return self.share.least if self.share is not None and self.share.least == self.share.most else None

    @property
    def has_named_row(self) -> bool:
        """Whether a row is not "other"."""
        return any(row[0] != OTHER for row in self.rows)

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
        bounds = {"consenting_between": list(self.share) if self.share is not None else None}
        return fields | bounds | {"window": str(self.window), "columns": columns, "rows": rows}


_MOST_PUBLIC_ROWS = 20
MOST_ROWS = 1000  # of a report; a page shows fewer, because it shows all reports


@dataclass(frozen=True, slots=True)
class PageReport:
    """The numbers of one page, and the pages from which and to which its visitors went."""

    numbers: tuple[tuple[Column, Cell], ...]
    sources: Report
    targets: Report


def _moves(movement: Report, name: str, page: str) -> Report:
    """Return the rows of a movement report that lead to a page (``sources``) or away from it (``targets``)."""
    title, own, place = ("Where visitors came from", 1, 0) if name == "sources" else ("Where visitors went", 0, 1)
    rows = tuple((row[place], *row[2:4]) for row in movement.rows if row[own] == page)
    columns = (Column("page", "Page", "text"), *movement.columns[2:4])
    return dataclasses.replace(movement, id=name, title=title, columns=columns, rows=rows)


class Reports:
    """The reports of an event store. A request for a window that includes today can publish the current part of today.

    If ``min_cell`` is 1, it publishes nothing: the events that are not counted yet are counted for the answer.
    """

    def __init__(self, store: EventStore, publisher: Publisher, calendar: Calendar, min_cell: int) -> None:
        self._store = store
        self._publisher = publisher
        self._calendar = calendar
        self._min_cell = min_cell
        self._public: dict[tuple[Window, str], tuple[Overview, tuple[Report, ...]]] = {}  # by month and today

    def windows(self, unit: Unit) -> tuple[Window, ...]:
        """Return the windows of this unit since the first event, the newest first. Raises :class:`StoreUnavailable`."""
        if unit == "all":
            return (ALL,)
        with self._query() as query:
            days = query.days
        return tuple(sorted({Window.of(unit, day) for day in days}, key=str, reverse=True))

    def newest_day(self) -> date | None:
        """Return the last day that was counted to its end, or the last with an event if nothing is suppressed or counted.

        None without an event. Raises :class:`StoreUnavailable`.
        """
        with self._query() as query:
            counted = query.counted_days(ALL) if query.suppresses else []
            return next(iter([*counted[-1:], *query.days[-1:]]), None)

    def report(self, name: str, window: Window) -> Report:
        """Return one of the :data:`NAMES` about a window. Raises :class:`KeyError` and :class:`StoreUnavailable`."""
        with self._query_of(window) as query:
            return self._report(query, name, window)

    def every(self, window: Window, most: int = MOST_ROWS) -> tuple[Report, ...]:
        """Return all reports about a window, with ``most`` rows and "other", from one transaction.

        Raises :class:`StoreUnavailable`.
        """
        with self._query_of(window) as query:
            return tuple(self._report(query, name, window, most) for name in self._names())

    def dashboard(self, window: Window, most: int = MOST_ROWS) -> tuple[Overview, tuple[Report, ...]]:
        """Return the first screen about a window and all reports, from one transaction.

        It publishes no part of today, except on the first day of a site. A part has fewer visitors than its day, so a page
        that is read often would merge more rows into "other". Raises :class:`StoreUnavailable`.
        """
        with self._query() as query:
            has_days = query.until is not None
        with self._query() if has_days else self._query_of(window) as query:
            return overview(query, window), tuple(self._report(query, name, window, most) for name in self._names())

    def closed_months(self) -> list[Window]:
        """Return the months that have closed, the newest first. Raises :class:`StoreUnavailable`."""
        with self._query() as query:
            return [month for month in reversed(query.units_in(ALL, "month")) if query.is_closed(month)]

    def of_closed_month(self, month: Window) -> tuple[Overview, tuple[Report, ...]]:
        """Return the first screen about a closed month and its reports, calculated once a day: any visitor may ask for them.

        Raises :class:`StoreUnavailable`.
        """
        key = month, today()
        self._public = {each: found for each, found in self._public.items() if each[1] == key[1]}
        if key not in self._public:
            self._public[key] = self.dashboard(month, _MOST_PUBLIC_ROWS)
        return self._public[key]

    def about_page(self, page: str, window: Window) -> PageReport | None:
        """Return what the reports on a window show about one page, or None if it has no row of its own.

        It only selects rows of other reports, so it shows nothing that they do not. Raises :class:`StoreUnavailable`.
        """
        with self._query() as query:
            pages, movement, entries, exits = (
                self._report(query, name, window) for name in ("pages", "movement", "entries", "exits")
            )
        sources, targets = _moves(movement, "sources", page), _moves(movement, "targets", page)
        row = next((row for row in pages.rows if row[0] == page), (page,))
        numbers = [*zip(pages.columns[1:], row[1:], strict=False)]
        for report, title in ((entries, "Visits that began here"), (exits, "Visits that ended here")):
            numbers += [(Column(report.id, title), each[1]) for each in report.rows if each[0] == page]
        shown = tuple(number for number in numbers if number[1] is not None)
        return PageReport(shown, sources, targets) if page != OTHER and (shown or sources.rows or targets.rows) else None

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

    def _names(self) -> list[str]:
        """Return the names of the reports, except those that the site would have to declare."""
        declared = {table.report for table in self._calendar.own.values()}
        return [name for name in NAMES if name not in OWN or name in declared]

    def _query_of(self, window: Window) -> ReportQuery:
        """Return a query of a window. If the window is open and enough visitors are not counted yet, publish them first."""
        with self._query() as query:
            # Without suppression, the query counts what is not published, and there is no need to publish it.
            waits = query.suppresses and query.can_count and not query.is_closed(window)
            publishable = waits and len(query.unpublished) >= self._min_cell
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
        if name in OWN:
            return self._own(query, name, window, most)
        definition = DEFINITIONS[name]
        has_rows = window == ALL or not query.suppresses or query.counted_days(window)  # not of a part of today alone
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

    def _own(self, query: ReportQuery, name: str, window: Window, most: int) -> Report:
        definition = DEFINITIONS[name]
        share = () if name == "goals" else (Column("share", "Share", "share"),)
        rows = own_rows(query, self._calendar, name, window, most)
        columns = (*definition.names, definition.counts, *share)
        return self._build(query, name, definition.title, columns, rows, window, sum_of(rows, len(definition.names)))

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
        days = [day for day in query.days if window.contains(day)]
        unit: Unit = "month" if len(days) > MOST_DAYS else "day"
        parts = query.units_in(window, unit)
        for table in ("returning", "visitors") if name == "visits" else ("decisions",):
            query.read_tables(table, window, unit)
        if name == "visits":
            query.read_totals("pages", window, unit)
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
