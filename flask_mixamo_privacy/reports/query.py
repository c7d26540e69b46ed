"""Reading what was published: cells of one table, added up over the pieces of a window."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..storage.clock import ONE_DAY
from ..tracking import schema
from ..tracking.store import EventStore
from .disclosure_control import OTHER
from .windows import ALL, LEVELS, Calendar, Window

Cell = int | float | str | None  # a number, a text, "<5", "12+", or nothing that could be told


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it may be shown: its events, what they measure, its visitors if one table holds them all, and its share."""

    name: str
    number: int
    amount: int
    visitors: int | None
    share: float


class _Sum(NamedTuple):
    """One row's cells in a window: their sums, the visitors of one of them, their number, and those of which few is said."""

    number: int
    amount: int
    visitors: int
    parts: int
    few: int


class ReportQuery:
    """One look at one state of the store, as a context; everything is empty where there is no store yet."""

    def __init__(self, events: EventStore, calendar: Calendar, least: int) -> None:
        self._store = events
        self._calendar = calendar
        self._least = least
        self._open = ExitStack()
        self._connection: sa.Connection | None = None
        self._tables: dict[tuple[str, Window], Mapping[str, _Sum]] = {}
        self.until: str | None = None  # up to where events were counted

    def __enter__(self) -> ReportQuery:
        self._connection = self._open.enter_context(self._store.read())
        self.until = self._scalar(sa.select(sa.func.max(schema.pieces.c.until)))
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.__exit__(*raised)  # type: ignore[arg-type]

    def is_closed(self, window: Window) -> bool:
        """Whether every day of a window was counted."""
        return window != ALL and self.until is not None and self._calendar.starts(window.end) <= self.until

    @cached_property
    def days(self) -> list[date]:
        """The days from the first that was counted, or has events, to the last."""
        at = schema.events.c.at
        counted = self._rows(sa.select(sa.func.min(schema.pieces.c.day), sa.func.max(schema.pieces.c.day)))
        moments = [self._scalar(sa.select(sa.func.max(at)))]
        if self.until is None:
            moments.append(self._scalar(sa.select(sa.func.min(at))))
        ends = [date.fromisoformat(day) for row in counted for day in row if day]
        ends += [self._calendar.day_of(moment) for moment in moments if moment]
        return [min(ends) + number * ONE_DAY for number in range((max(ends) - min(ends)).days + 1)] if ends else []

    def unpublished(self) -> set[str]:
        """The visitors of events that no piece holds yet. Never shown: whether they are enough is all that is asked."""
        # Without DISTINCT, for which SQLite would look through all events in order of their visitors.
        since = sa.select(schema.events.c.visitor).where(schema.events.c.at >= (self.until or ""))
        came_late = sa.select(schema.late.c.visitor).where(schema.late.c.piece == "")
        return {row.visitor for chosen in (since, came_late) for row in self._rows(chosen)}

    def total(self, name: str, window: Window) -> Cell:
        """A table's events; "12+" where a part had too few visitors to be counted in, "<5" where all of it has."""
        number = self._total(name, window)
        if number is None:
            return self._nothing(name, window)
        return f"{number}+" if self._waits(name, window) else number

    def fixed(self, name: str, row: str, window: Window) -> Cell:
        """The events of a row that is known beforehand; None where it is hidden for the sake of another one.

        "12+" where more may lie in what was not told apart, or waits.
        """
        table = self._table(name, window)
        if not table:
            return self._nothing(name, window)
        rest = table[""].number - sum(found.number for name, found in table.items() if name not in ("", OTHER))
        waits, found = self._waits(name, window), table.get(row)
        if found is None:
            return None if rest or waits else 0
        if not found.number:
            return f"<{self._least}"
        is_all = not (waits or found.few) and (not rest or table[""].parts == 1)
        return found.number if is_all else f"{found.number}+"

    def distinct(self, window: Window) -> Cell:
        """The visitors of a window, each counted once."""
        if stored := self._distinct.get(str(window)):
            return int(stored.visitors) if stored.exact else f"{stored.visitors}+"
        most = self._table("visitors", window).get("")
        return f"{most.visitors}+" if most else self._nothing("visitors", window)

    def rows(self, name: str, window: Window) -> list[Row]:
        """The rows told apart, the largest first, and "other": all that is not."""
        table = self._table(name, window)
        if not table:
            return []
        everything, other = table[""].number, table.get(OTHER)
        told = {row: found for row, found in table.items() if row not in ("", OTHER) and found.number}
        rows = [_row(row, found, everything, name) for row, found in told.items()]
        rows.sort(key=lambda row: (-row.number, row.name))
        rest = everything - sum(row.number for row in rows)
        if rest:
            found = other or _Sum(0, 0, 0, 0, 0)
            visitors = _visitors(found, name) if found.number == rest else None
            rows.append(Row(OTHER, rest, found.amount, visitors, round(rest / everything, 4)))
        return rows

    def consenting(self, window: Window) -> float | None:
        """The share of the window's decisions that granted statistics."""
        granted, refused = (self.fixed("decisions", row, window) for row in ("granted", "refused"))
        if isinstance(granted, int) and isinstance(refused, int) and granted + refused:
            return round(granted / (granted + refused), 4)
        return None

    def _total(self, name: str, window: Window) -> int | None:
        """A table's events alone, of which there may be many more rows to read."""
        if (name, window) in self._tables:
            table = self._tables[name, window]
            return table[""].number if table else None
        cells = schema.cells.c
        number = self._scalar(sa.select(sa.func.sum(cells.number)).where(cells.name == name, cells.row == "", *_in(window)))
        return None if number is None else int(number)

    def _table(self, name: str, window: Window) -> Mapping[str, _Sum]:
        """All rows of a table in a window, the total under the empty name; empty where nothing was published."""
        if (name, window) not in self._tables:
            cells, sum_of = schema.cells.c, sa.func.sum
            few = sum_of(sa.case((cells.amount < 0, 1), else_=0))
            sums = (sum_of(cells.number), sum_of(cells.amount), sa.func.max(cells.visitors), sa.func.count(), few)
            chosen = sa.select(cells.row, *sums).where(cells.name == name, *_in(window)).group_by(cells.row)
            found = {row[0]: _Sum(*map(int, row[1:])) for row in self._rows(chosen)}
            self._tables[name, window] = found if "" in found else {}
        return self._tables[name, window]

    @cached_property
    def _waiting(self) -> dict[date, list[tuple[str, str]]]:
        """By day, the tables whose total was not published with a piece of it, and the unit of time with which it was."""
        placed, pieces = schema.placed.c, schema.pieces.c
        chosen = sa.select(pieces.day, placed.name, placed.total).join(schema.pieces, pieces.start == placed.start)
        found: dict[date, list[tuple[str, str]]] = {}
        for row in self._rows(chosen.where(placed.total != "piece")):
            found.setdefault(date.fromisoformat(row.day), []).append((row.name, row.total))
        return found

    def _waits(self, name: str, window: Window) -> bool:
        """Whether a part of a window is not in its total."""
        levels = LEVELS[window.unit]
        within = (tables for day, tables in self._waiting.items() if window == ALL or window.first <= day < window.end)
        return any(of == name and level not in levels for tables in within for of, level in tables)

    def _nothing(self, name: str, window: Window) -> Cell:
        """What to say where nothing was published: that there is nothing, or little; None where that is not known yet."""
        if self._waits(name, window):
            return f"<{self._least}"
        if name.startswith("decisions"):
            return 0 if self.is_closed(window) or self._connection is None else None
        if not self._is_begun(window):
            return 0
        return f"<{self._least}" if len(self.unpublished()) < self._least else None

    def _is_begun(self, window: Window) -> bool:
        """Whether events wait in a window that has not been counted."""
        at = schema.events.c.at
        waiting = sa.select(schema.events.c.id).where(at >= (self.until or "")).limit(1)
        if window != ALL:
            waiting = waiting.where(at >= self._calendar.starts(window.first), at < self._calendar.starts(window.end))
        return not self.is_closed(window) and self._scalar(waiting) is not None

    @cached_property
    def _distinct(self) -> dict[str, Any]:
        return {row.window: row for row in self._rows(sa.select(schema.distinct))}

    def _scalar(self, chosen: sa.Select[Any]) -> str | None:
        return None if self._connection is None else self._connection.scalar(chosen)

    def _rows(self, chosen: sa.Select[Any]) -> list[sa.Row[Any]]:
        return [] if self._connection is None else list(self._connection.execute(chosen))


def _row(row: str, found: _Sum, everything: int, name: str) -> Row:
    return Row(row, found.number, found.amount, _visitors(found, name), round(found.number / everything, 4))


def _visitors(found: _Sum, name: str) -> int | None:
    """How many stand behind a row, where one table holds them all; of decisions nobody knows."""
    return found.visitors if found.parts == 1 and not name.startswith("decisions") else None


def _in(window: Window) -> list[sa.ColumnElement[bool]]:
    """That a cell is in a window; the month is named, too, since cells are in order of it."""
    if window == ALL:
        return []
    months = {f"{day:%Y-%m}" for day in (window.first, window.end - ONE_DAY)}
    return [schema.cells.c.month.in_(sorted(months)), schema.cells.c[window.unit] == str(window)]
