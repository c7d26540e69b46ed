"""Queries of published cells: one table, added up over the intervals of a window.

Without suppression, the events that are not counted yet are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import date
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ..storage.clock import ONE_DAY, milliseconds_of, timestamp_of_milliseconds
from ..tracking import schema
from ..tracking.store import EventStore
from .cells import Cell, Row, RowSum, Share, bound_of, sum_of_rows, with_group
from .counts import WHOLE_DAY
from .disclosure_control import OTHER
from .open_days import OpenDays
from .tables import Table
from .windows import ALL, LEVELS, Calendar, Unit, Window, week_of


class ReportQuery:
    """A read transaction, as a context manager. If there is no store yet, all results are empty."""

    def __init__(self, events: EventStore, calendar: Calendar, min_cell: int) -> None:
        self._store = events
        self._calendar = calendar
        self.suppresses = min_cell > 1
        self.can_count = not events.events.is_remote  # another database is asked once per closed window, not by a page
        self._min_cell = min_cell
        self._stack = ExitStack()
        self._connection: sa.Connection | None = None
        self._tables: dict[tuple[str, Window], Mapping[str, RowSum]] = {}
        self._totals: dict[tuple[str, Window], int | None] = {}
        self._open_days: OpenDays | None = None  # if nothing is suppressed
        self.until: str | None = None  # the end of the last counted interval

    def __enter__(self) -> ReportQuery:
        self._connection = self._stack.enter_context(self._store.read())
        self.until = self._scalar(sa.select(sa.func.max(schema.pieces.c.until)))
        if self._connection is not None and not self.suppresses:
            self._open_days = OpenDays(self._connection, self._store.events, self._calendar, self._first_unpublished)
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.__exit__(*raised)  # type: ignore[arg-type]

    def is_closed(self, window: Window) -> bool:
        """Return whether every day of a window was counted."""
        return window != ALL and self.until is not None and self._calendar.start_of(window.end) <= self.until

    @cached_property
    def days(self) -> list[date]:
        """The days from the first to the last that was counted or has events."""
        counted = self._rows(sa.select(sa.func.min(schema.pieces.c.day), sa.func.max(schema.pieces.c.day)))
        slots = [self._last_slot]
        if self.until is None and self._connection is not None:
            slots.append(self._store.events.first_slot(self._connection))
        moments = [timestamp_of_milliseconds(each) for each in slots if each is not None]
        ends = [date.fromisoformat(day) for row in counted for day in row if day]
        ends += map(self._calendar.day_of, moments)
        return [min(ends) + number * ONE_DAY for number in range((max(ends) - min(ends)).days + 1)] if ends else []

    @cached_property
    def unpublished(self) -> set[int]:
        """The visitors of events that are not counted yet. Compare their number with ``min_cell``; never show it."""
        if self._connection is None:
            return set()
        return self._store.events.visitors_between(self._connection, self._first_unpublished)

    @cached_property
    def _last_slot(self) -> int | None:
        return None if self._connection is None else self._store.events.last_slot(self._connection)

    @property
    def _first_unpublished(self) -> int:
        """The first moment that is not counted yet, in milliseconds."""
        return milliseconds_of(self.until) if self.until else 0

    @property
    def shown_until(self) -> str | None:
        """The end of what an answer shows: of the last counted interval or, without suppression, of the last event."""
        last = None if self.suppresses else self._last_slot
        return self.until if last is None or last < self._first_unpublished else timestamp_of_milliseconds(last + 1)

    def total(self, name: str, window: Window) -> Cell:
        """Return the events of a table: "12+" if a part had too few visitors to be published, "<5" if all parts had."""
        number = self._total(name, window)
        if number is None:
            return self._empty_cell(name, window)
        return f"{number}+" if self.has_unpublished_part(name, window) else number

    def fixed(self, name: str, row: str, window: Window) -> Cell:
        """Return the events of a row of a table with fixed rows, or None if complementary suppression hides the row.

        The result is "12+" if "other" or an unpublished part may contain more events of the row.
        """
        table = self._table(name, window)
        if not table:
            return self._empty_cell(name, window)
        rest = table[""].number - sum(row_sum.number for each, row_sum in table.items() if each not in ("", OTHER))
        unpublished, row_sum = self.has_unpublished_part(name, window), table.get(row)
        if row_sum is None:
            return None if rest or unpublished else 0
        if not row_sum.number:
            return self._few
        is_exact = not (unpublished or row_sum.suppressed) and (not rest or table[""].cells == 1)
        return row_sum.number if is_exact else f"{row_sum.number}+"

    def distinct(self, window: Window) -> Cell:
        """Return the number of distinct visitors of a window."""
        if window.count > 1:
            return self._largest_part(window)
        stored = self._distinct.get(str(window))
        if self._open_days is not None and not self.is_closed(window):
            return self._open_days.visitors(window, stored) or self._empty_cell("visitors", window)
        if stored:
            most = max(row.visitors for row in self._distinct.values()) if window == ALL else stored.visitors
            return int(stored.visitors) if stored.exact else f"{most}+"
        total = self._table("visitors", window).get("")
        return f"{total.visitors}+" if total is not None else self._empty_cell("visitors", window)

    def _largest_part(self, window: Window) -> Cell:
        """Return the visitors of several units as a lower bound, because a visitor may have come in more than one."""
        numbers = [bound_of(self.distinct(part)) for part in window.parts]
        return f"{max(numbers)}+" if any(numbers) else self._empty_cell("visitors", window)

    def rows(self, name: str, window: Window, most: int | None = None) -> list[Row]:
        """Return the published rows, the largest first, and then "other", the suppressed rows.

        Rows beyond the first ``most`` are added to "other", because a few visitors can make thousands of rows.
        """
        table = self._table(name, window)
        if not table:
            return []
        everything, other = table[""].number, table.get(OTHER)
        shown = [(-row_sum.number, row) for row, row_sum in table.items() if row not in ("", OTHER) and row_sum.number]
        rows = [_row_of(row, table[row], everything, name) for _, row in sorted(shown)[:most]]
        rest = everything - sum(row.number for row in rows)
        if rest:
            row_sum = other or RowSum(0, 0, 0, 0, 0)
            visitors = _visitors_of(row_sum, name) if row_sum.number == rest else None
            rows.append(Row(OTHER, rest, row_sum.amount, visitors, round(rest / everything, 4)))
        return rows

    def consenting(self, window: Window) -> Share | None:
        """Return the bounds of the share of a window's decisions that granted statistics, or None without such decisions.

        A decision whose outcome is suppressed may be either. So may those of a day that is too small for a total: it has
        fewer than ``min_cell`` decisions.
        """
        table = self._table("decisions", window)
        granted, refused, withdrawn = (_number_of(table.get(row)) for row in ("granted", "refused", "withdrawn"))
        hidden = _number_of(table.get("")) - granted - refused - withdrawn
        hidden += (self._min_cell - 1) * self.unpublished_parts("decisions", window)
        if not granted + refused:
            return None
        everything = granted + refused + hidden
        return Share(round(granted / everything, 4), round((granted + hidden) / everything, 4))

    def units_in(self, window: Window, unit: Unit) -> list[Window]:
        """Return the units of a window with data, in order of time."""
        return sorted({Window.of(unit, day) for day in self.days if window.contains(day)}, key=str)

    def read_totals(self, name: str, window: Window, unit: Unit) -> None:
        """Read the totals of all units of a window at once, for :meth:`total`."""
        cells, key = schema.cells.c, schema.cells.c[unit]
        query = sa.select(key, sa.func.sum(cells.number)).where(key != "", *_totals_of(name, window))
        numbers: dict[str, int] = dict(map(tuple, self._rows(query.group_by(key))))
        for part in self.units_in(window, unit):
            of_open_days = [sum_of_rows(each).number for each in self._open(name, part)]
            found = str(part) in numbers or of_open_days
            self._totals[name, part] = int(numbers.get(str(part), 0)) + sum(of_open_days) if found else None

    def read_tables(self, name: str, window: Window, unit: Unit) -> None:
        """Read the tables of all units of a window at once. Use it for tables with few rows."""
        key = schema.cells.c[unit]
        found: dict[str, dict[str, RowSum]] = {}
        for row in self._rows(_sums_by_row(name, window).add_columns(key.label("unit")).where(key != "").group_by(key)):
            found.setdefault(row.unit, {})[row.row] = RowSum(*map(int, row[1:6]))
        for each in self.units_in(window, unit):
            self._tables[name, each] = self._with_open_days(name, each, found.get(str(each), {}))

    def together(self, name: str, window: Window) -> list[tuple[frozenset[date], int]]:
        """Return the days of a window that were published together, each group with its total."""
        groups: dict[tuple[str, str], set[date]] = {}
        for day, tables in self._delayed_totals.items():
            for level in {level for table, level in tables if table == name and level in LEVELS[window.unit]}:
                if window.contains(day):
                    groups.setdefault((f"{day:%Y-%m}", week_of(day) if level == "week" else ""), set()).add(day)
        cells = schema.cells.c
        query = sa.select(cells.month, cells.week, cells.number).where(cells.day == "", *_totals_of(name, window))
        numbers = {(row.month, row.week): row.number for row in self._rows(query)}
        return [(frozenset(days), int(numbers[key])) for key, days in groups.items() if key in numbers]

    def counted_days(self, window: Window) -> list[date]:
        """Return the days of a window that were counted to their end."""
        # The end is the first day that was not counted, or counted only in part.
        end = self._calendar.day_of(self.until) if self.until else date.min
        return [day for day in self.days if window.contains(day) and day < end]

    def _total(self, name: str, window: Window) -> int | None:
        """Return the events of a table from its total alone, because it may have many rows. Returns None without cells."""
        if (name, window) in self._totals:
            return self._totals[name, window]
        if (name, window) in self._tables:
            table = self._tables[name, window]
            return table[""].number if table else None
        number = self._scalar(sa.select(sa.func.sum(schema.cells.c.number)).where(*_totals_of(name, window)))
        of_open_days = [sum_of_rows(each).number for each in self._open(name, window)]
        return None if number is None and not of_open_days else int(number or 0) + sum(of_open_days)

    def _table(self, name: str, window: Window) -> Mapping[str, RowSum]:
        """Return all rows of a table in a window, with the total under the empty name. Empty if nothing was published."""
        if (name, window) not in self._tables:
            found = {row[0]: RowSum(*map(int, row[1:])) for row in self._rows(_sums_by_row(name, window))}
            self._tables[name, window] = self._with_open_days(name, window, found)
        return self._tables[name, window]

    def _with_open_days(self, name: str, window: Window, table: dict[str, RowSum]) -> Mapping[str, RowSum]:
        for each in self._open(name, window):
            for row_name, group in (("", sum_of_rows(each)), *each.items()):
                table[row_name] = with_group(table.get(row_name), group)
        return table if "" in table else {}

    def _open(self, name: str, window: Window) -> list[Table]:
        """Return the tables of the open days in a window, or none if small numbers are suppressed."""
        return [] if self._open_days is None or self.is_closed(window) else self._open_days.tables(name, window)

    @cached_property
    def _delayed_totals(self) -> dict[date, list[tuple[str, str]]]:
        """By day, the tables whose total was not published with the interval itself, and the unit of time with which it was.

        The unit is empty if the total is not published yet.
        """
        placed, pieces = schema.placed.c, schema.pieces.c
        query = sa.select(pieces.day, placed.name, placed.total).join(schema.pieces, pieces.start == placed.start)
        by_day: dict[date, list[tuple[str, str]]] = {}
        for row in self._rows(query.where(placed.total != "piece")):
            by_day.setdefault(date.fromisoformat(row.day), []).append((row.name, row.total))
        return by_day

    def has_unpublished_part(self, name: str, window: Window) -> bool:
        """Return whether the total of a window leaves out a part of it."""
        return self.unpublished_parts(name, window) > 0

    def unpublished_parts(self, name: str, window: Window) -> int:
        """Return the number of counted parts of days that a window's total leaves out."""
        levels, delayed = LEVELS[window.unit], self._delayed_totals
        days = delayed if window.unit != "day" or window.count > 1 else delayed.keys() & {window.first}
        tables = [table for day in days if window.contains(day) for table in delayed[day]]
        return sum(table == name and level not in levels for table, level in tables)

    def _empty_cell(self, name: str, window: Window) -> Cell:
        """Return the cell of a table without published numbers: 0, "<5", or None if neither is known yet."""
        if self.has_unpublished_part(name, window):
            return self._few
        if name.startswith("decisions"):
            return 0 if self.is_closed(window) or self._connection is None else None
        if name in WHOLE_DAY and self.is_partly_counted(window):
            return None
        if not self._is_begun(window) or not (self.suppresses or name in WHOLE_DAY):
            return 0
        return self._few if self.suppresses and self.can_count and len(self.unpublished) < self._min_cell else None

    @property
    def _few(self) -> Cell:
        """The cell of a suppressed number. Without suppression, only an earlier setting can have suppressed it."""
        return f"<{self._min_cell}" if self.suppresses else None

    def is_partly_counted(self, window: Window) -> bool:
        """Return whether the last counted day is in a window, and is not counted to its end."""
        if self.until is None or self.is_closed(window):
            return False
        day = self._calendar.day_of(self.until)
        return self._calendar.start_of(day) < self.until and window.contains(day)

    def _is_begun(self, window: Window) -> bool:
        """Return whether an open window has events that are not counted yet."""
        if self._connection is None or self.is_closed(window):
            return False
        start, end = 0, None
        if window != ALL:
            start, end = (milliseconds_of(self._calendar.start_of(day)) for day in (window.first, window.end))
        return self._store.events.last_slot(self._connection, max(start, self._first_unpublished), end) is not None

    @cached_property
    def _distinct(self) -> dict[str, Any]:
        return {row.window: row for row in self._rows(sa.select(schema.distinct))}

    def _scalar(self, query: sa.Select[Any]) -> Any:
        return None if self._connection is None else self._connection.scalar(query)

    def _rows(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        return [] if self._connection is None else list(self._connection.execute(query))


def _number_of(row_sum: RowSum | None) -> int:
    return row_sum.number if row_sum is not None else 0


def _visitors_of(row_sum: RowSum, name: str) -> int | None:
    """Return the visitors of a row if it is one cell. The number of people behind decisions is unknown."""
    return row_sum.visitors if row_sum.cells == 1 and not name.startswith("decisions") else None


def _row_of(row: str, row_sum: RowSum, everything: int, name: str) -> Row:
    return Row(row, row_sum.number, row_sum.amount, _visitors_of(row_sum, name), round(row_sum.number / everything, 4))


def _sums_by_row(name: str, window: Window) -> sa.Select[Any]:
    """Return the query of a table's rows in a window: the name of each row, and its fields of :class:`RowSum`."""
    cells, sum_of = schema.cells.c, sa.func.sum
    suppressed = sum_of(sa.case((cells.amount < 0, 1), else_=0))
    sums = (sum_of(cells.number), sum_of(cells.amount), sa.func.max(cells.visitors), sa.func.count(), suppressed)
    return sa.select(cells.row, *sums).where(cells.name == name, *_in_window(window)).group_by(cells.row)


def _totals_of(name: str, window: Window) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a cell is a total of a table in a window."""
    return [schema.cells.c.name == name, schema.cells.c.row == "", *_in_window(window)]


def _in_window(window: Window) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a cell is in a window. The month is one of them, because the primary key begins with it.

    A cell of a longer unit has no day. So a window of days leaves it out, and a window of weeks those of a whole month.
    """
    if window == ALL:
        return []
    cells, parts = schema.cells.c, window.parts
    months = {f"{day:%Y-%m}" for part in parts for day in (part.first, part.end - ONE_DAY)}
    return [cells.month.in_(sorted(months)), cells[window.unit].in_(map(str, parts))]
