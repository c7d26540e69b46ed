"""Queries of published cells: one table, added up over the intervals of a window.

Without suppression, the events that are not counted yet are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..storage.clock import ONE_DAY, milliseconds_of, timestamp_of_milliseconds
from ..tracking import schema
from ..tracking.store import EventStore
from .counts import WHOLE_DAY
from .disclosure_control import OTHER
from .open_days import OpenDays
from .tables import Group, Table
from .windows import ALL, LEVELS, Calendar, Window

Cell = int | float | str | None  # a number, a text, "<5", "12+", or None if suppressed or unknown


@dataclass(frozen=True, slots=True)
class Row:
    """A publishable row. ``visitors`` is None if several tables were added up, since visitors cannot be added."""

    name: str
    number: int
    amount: int
    visitors: int | None
    share: float


class _RowSum(NamedTuple):
    """The sum of one row's cells in a window."""

    number: int
    amount: int
    visitors: int  # of the cell with the most visitors
    cells: int
    suppressed: int  # cells


class ReportQuery:
    """A read transaction, as a context manager. If there is no store yet, all results are empty."""

    def __init__(self, events: EventStore, calendar: Calendar, min_cell: int) -> None:
        self._store = events
        self._calendar = calendar
        self.suppresses = min_cell > 1
        self._min_cell = min_cell
        self._stack = ExitStack()
        self._connection: sa.Connection | None = None
        self._tables: dict[tuple[str, Window], Mapping[str, _RowSum]] = {}
        self._open_days: OpenDays | None = None  # if nothing is suppressed
        self.until: str | None = None  # the end of the last counted interval

    def __enter__(self) -> ReportQuery:
        self._connection = self._stack.enter_context(self._store.read())
        self.until = self._scalar(sa.select(sa.func.max(schema.pieces.c.until)))
        if self._connection is not None and not self.suppresses:
            self._open_days = OpenDays(self._connection, self._calendar, self._first_unpublished)
        return self

    def __exit__(self, *raised: object) -> None:
        self._stack.__exit__(*raised)  # type: ignore[arg-type]

    def is_closed(self, window: Window) -> bool:
        """Return whether every day of a window was counted."""
        return window != ALL and self.until is not None and self._calendar.start_of(window.end) <= self.until

    @cached_property
    def days(self) -> list[date]:
        """The days from the first to the last that was counted or has events."""
        slot = schema.events.c.slot
        counted = self._rows(sa.select(sa.func.min(schema.pieces.c.day), sa.func.max(schema.pieces.c.day)))
        slots = [self._scalar(sa.select(sa.func.max(slot)))]
        if self.until is None:
            slots.append(self._scalar(sa.select(sa.func.min(slot))))
        moments = [timestamp_of_milliseconds(each) for each in slots if each is not None]
        ends = [date.fromisoformat(day) for row in counted for day in row if day]
        ends += map(self._calendar.day_of, moments)
        return [min(ends) + number * ONE_DAY for number in range((max(ends) - min(ends)).days + 1)] if ends else []

    def unpublished(self) -> set[int]:
        """Return the visitors of events that are not counted yet. Compare their number with ``min_cell``; never show it."""
        # With DISTINCT, SQLite would scan all events by the index of visitors.
        return {row.visitor for row in self._rows(sa.select(schema.events.c.visitor).where(self._is_unpublished))}

    @property
    def _is_unpublished(self) -> sa.ColumnElement[bool]:
        return schema.events.c.slot >= self._first_unpublished

    @property
    def _first_unpublished(self) -> int:
        """The first moment that is not counted yet, in milliseconds."""
        return milliseconds_of(self.until) if self.until else 0

    @property
    def shown_until(self) -> str | None:
        """The end of what an answer shows: of the last counted interval or, without suppression, of the last event."""
        last = None if self.suppresses else self._scalar(sa.select(sa.func.max(schema.events.c.slot)))
        return self.until if last is None or last < self._first_unpublished else timestamp_of_milliseconds(last + 1)

    def total(self, name: str, window: Window) -> Cell:
        """Return the events of a table: "12+" if a part had too few visitors to be published, "<5" if all parts had."""
        number = self._total(name, window)
        if number is None:
            return self._empty_cell(name, window)
        return f"{number}+" if self._has_unpublished_part(name, window) else number

    def fixed(self, name: str, row: str, window: Window) -> Cell:
        """Return the events of a row of a table with fixed rows, or None if complementary suppression hides the row.

        The result is "12+" if "other" or an unpublished part may contain more events of the row.
        """
        table = self._table(name, window)
        if not table:
            return self._empty_cell(name, window)
        rest = table[""].number - sum(row_sum.number for each, row_sum in table.items() if each not in ("", OTHER))
        unpublished, row_sum = self._has_unpublished_part(name, window), table.get(row)
        if row_sum is None:
            return None if rest or unpublished else 0
        if not row_sum.number:
            return self._few
        is_exact = not (unpublished or row_sum.suppressed) and (not rest or table[""].cells == 1)
        return row_sum.number if is_exact else f"{row_sum.number}+"

    def distinct(self, window: Window) -> Cell:
        """Return the number of distinct visitors of a window."""
        stored = self._distinct.get(str(window))
        if not self.suppresses and not self.is_closed(window):
            return self._distinct_of_open(window, stored)
        if stored:
            return int(stored.visitors) if stored.exact else f"{stored.visitors}+"
        total = self._table("visitors", window).get("")
        return f"{total.visitors}+" if total is not None else self._empty_cell("visitors", window)

    def _distinct_of_open(self, window: Window, stored: Any) -> Cell:
        """Return the number of distinct visitors of an open window. All are shown, so new ones can be added to it."""
        if stored:  # all time
            number = int(stored.visitors) + self._count_open_visitors(window, schema.people.c.counted)
            return number if stored.exact else f"{number}+"
        cells = schema.cells.c
        published = sa.select(sa.func.max(cells.visitors)).where(cells.name == "visitors", cells.row == "", *_in(window))
        number = max(self._scalar(published) or 0, self._count_visitors(window))
        if not number:
            return self._empty_cell("visitors", window)
        return f"{number}+" if self._lost_events(window) else number

    def rows(self, name: str, window: Window, most: int | None = None) -> list[Row]:
        """Return the published rows, the largest first, and then "other", the suppressed rows.

        Rows beyond the first ``most`` are added to "other", because a few visitors can make thousands of rows.
        """
        table = self._table(name, window)
        if not table:
            return []
        everything, other = table[""].number, table.get(OTHER)
        shown = [(-row_sum.number, row) for row, row_sum in table.items() if row not in ("", OTHER) and row_sum.number]
        rows = [_row(row, table[row], everything, name) for _, row in sorted(shown)[:most]]
        rest = everything - sum(row.number for row in rows)
        if rest:
            row_sum = other or _RowSum(0, 0, 0, 0, 0)
            visitors = _visitors(row_sum, name) if row_sum.number == rest else None
            rows.append(Row(OTHER, rest, row_sum.amount, visitors, round(rest / everything, 4)))
        return rows

    def consenting(self, window: Window) -> float | None:
        """Return the share of a window's decisions that granted statistics, or None unless both numbers are exact."""
        granted, refused = (self.fixed("decisions", row, window) for row in ("granted", "refused"))
        if isinstance(granted, int) and isinstance(refused, int) and granted + refused:
            return round(granted / (granted + refused), 4)
        return None

    def _total(self, name: str, window: Window) -> int | None:
        """Return the events of a table from its total alone, because it may have many rows. Returns None without cells."""
        if (name, window) in self._tables:
            table = self._tables[name, window]
            return table[""].number if table else None
        cells = schema.cells.c
        number = self._scalar(sa.select(sa.func.sum(cells.number)).where(cells.name == name, cells.row == "", *_in(window)))
        of_open_days = [_sum(each).number for each in self._open(name, window)]
        return None if number is None and not of_open_days else int(number or 0) + sum(of_open_days)

    def _table(self, name: str, window: Window) -> Mapping[str, _RowSum]:
        """Return all rows of a table in a window, with the total under the empty name. Empty if nothing was published."""
        if (name, window) not in self._tables:
            cells, sum_of = schema.cells.c, sa.func.sum
            suppressed = sum_of(sa.case((cells.amount < 0, 1), else_=0))
            sums = (sum_of(cells.number), sum_of(cells.amount), sa.func.max(cells.visitors), sa.func.count(), suppressed)
            query = sa.select(cells.row, *sums).where(cells.name == name, *_in(window)).group_by(cells.row)
            table = {row[0]: _RowSum(*map(int, row[1:])) for row in self._rows(query)}
            for each in self._open(name, window):
                for row_name, group in (("", _sum(each)), *each.items()):
                    table[row_name] = _with(table.get(row_name), group)
            self._tables[name, window] = table if "" in table else {}
        return self._tables[name, window]

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

    def _has_unpublished_part(self, name: str, window: Window) -> bool:
        """Return whether the total of a window leaves out a part of it."""
        levels = LEVELS[window.unit]
        days = self._delayed_totals.items()
        within = (tables for day, tables in days if window == ALL or window.first <= day < window.end)
        return any(table == name and level not in levels for tables in within for table, level in tables)

    def _empty_cell(self, name: str, window: Window) -> Cell:
        """Return the cell of a table without published numbers: 0, "<5", or None if neither is known yet."""
        if self._has_unpublished_part(name, window):
            return self._few
        if name.startswith("decisions"):
            return 0 if self.is_closed(window) or self._connection is None else None
        if name in WHOLE_DAY and self._is_partly_counted(window):
            return None
        if not self._is_begun(window) or not (self.suppresses or name in WHOLE_DAY):
            return 0
        return self._few if self.suppresses and len(self.unpublished()) < self._min_cell else None

    @property
    def _few(self) -> Cell:
        """The cell of a suppressed number. Without suppression, only an earlier setting can have suppressed it."""
        return f"<{self._min_cell}" if self.suppresses else None

    def _count_visitors(self, window: Window) -> int:
        """Count the visitors of an open window: those whose last counted day is in it, because no later day was counted.

        The visitors of events that are not counted yet are added.
        """
        in_window = schema.people.c.last >= window.first.isoformat()
        counted = int(self._scalar(sa.select(sa.func.count()).where(in_window)) or 0)
        return counted + self._count_open_visitors(window, in_window)

    def _count_open_visitors(self, window: Window, counted: sa.ColumnElement[bool]) -> int:
        """Count the visitors of the events of a window that are not counted yet, except people whom a condition includes."""
        # With the plain column, SQLite could scan all events by the index of visitors.
        visitor = (schema.events.c.visitor + 0).label("visitor")
        found = sa.select(visitor).where(self._is_unpublished, *self._slots_in(window)).distinct().subquery()
        is_counted = sa.exists().where(schema.people.c.visitor == found.c.visitor, counted)
        return int(self._scalar(sa.select(sa.func.count()).select_from(found).where(~is_counted)) or 0)

    def _slots_in(self, window: Window) -> list[sa.ColumnElement[bool]]:
        """Return the conditions that an event is in a window."""
        if window == ALL:
            return []
        first, end = (milliseconds_of(self._calendar.start_of(day)) for day in (window.first, window.end))
        return [schema.events.c.slot >= first, schema.events.c.slot < end]

    def _lost_events(self, window: Window) -> bool:
        """Return whether erasure or retention deleted events of a window after they were counted."""
        day = schema.pieces.c.day
        within = sa.and_(day >= window.first.isoformat(), day < window.end.isoformat())
        return self._scalar(sa.select(day).where(within, ~schema.pieces.c.whole).limit(1)) is not None

    def _is_partly_counted(self, window: Window) -> bool:
        """Return whether the last counted day is in a window, and is not counted to its end."""
        if self.until is None or self.is_closed(window):
            return False
        day = self._calendar.day_of(self.until)
        return self._calendar.start_of(day) < self.until and (window == ALL or window.first <= day < window.end)

    def _is_begun(self, window: Window) -> bool:
        """Return whether an open window has events that are not counted yet."""
        query = sa.select(schema.events.c.id).where(self._is_unpublished, *self._slots_in(window)).limit(1)
        return not self.is_closed(window) and self._scalar(query) is not None

    @cached_property
    def _distinct(self) -> dict[str, Any]:
        return {row.window: row for row in self._rows(sa.select(schema.distinct))}

    def _scalar(self, query: sa.Select[Any]) -> Any:
        return None if self._connection is None else self._connection.scalar(query)

    def _rows(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        return [] if self._connection is None else list(self._connection.execute(query))


def _row(row: str, row_sum: _RowSum, everything: int, name: str) -> Row:
    return Row(row, row_sum.number, row_sum.amount, _visitors(row_sum, name), round(row_sum.number / everything, 4))


def _with(row_sum: _RowSum | None, group: Group) -> _RowSum:
    """Return the sum of a row with one more cell."""
    if row_sum is None:
        return _RowSum(group.number, group.amount, len(group.visitors), 1, 0)
    number, amount, visitors, cells, suppressed = row_sum
    most = max(visitors, len(group.visitors))
    return _RowSum(number + group.number, amount + group.amount, most, cells + 1, suppressed)


def _sum(table: Table) -> Group:
    """Return the sum of a table's rows, without visitors."""
    return Group(sum(group.number for group in table.values()), sum(group.amount for group in table.values()))


def _visitors(row_sum: _RowSum, name: str) -> int | None:
    """Return the visitors of a row if it is one cell. The number of people behind decisions is unknown."""
    return row_sum.visitors if row_sum.cells == 1 and not name.startswith("decisions") else None


def _in(window: Window) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a cell is in a window. The month is one of them, because the primary key begins with it."""
    if window == ALL:
        return []
    months = {f"{day:%Y-%m}" for day in (window.first, window.end - ONE_DAY)}
    return [schema.cells.c.month.in_(sorted(months)), schema.cells.c[window.unit] == str(window)]
