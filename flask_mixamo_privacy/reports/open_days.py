"""Open days without suppression: events that are not counted yet, counted for one answer. Nothing of it is published."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache, cached_property
from itertools import chain
from typing import Any

import sqlalchemy as sa

from ..storage.clock import ONE_DAY, milliseconds_of, timestamp_of_milliseconds
from ..tracking.engine import Events
from ..tracking.event_table import Names
from ..tracking.schema import CODED, cells, people, pieces
from .cells import Cell
from .counts import WHOLE_DAY
from .tables import COLUMNS_OF, OWN, Columns, Table, counters_of
from .windows import ALL, Calendar, Window


class OpenDays:
    """The tables of each day that has not closed. A day has the events that would be published if it closed now."""

    def __init__(self, connection: sa.Connection, events: Events, calendar: Calendar, first: int) -> None:
        """``first`` is the end of the last counted interval in milliseconds, or 0."""
        self._connection = connection
        self._events = events
        self._calendar = calendar
        self._first = first

    def tables(self, name: str, window: Window) -> list[Table]:
        """Return one non-empty table of each open day in a window. Those that need a whole day have to wait for its end."""
        if name in WHOLE_DAY:
            return []
        days = [day for day in self._counters if window == ALL or window.first <= day < window.end]
        found = (self._counters[day][name]() for day in days if name in self._counters[day])
        return [table for table in found if table]

    def visitors(self, window: Window, stored: Any) -> Cell:
        """Return the distinct visitors of an open window, or None without one. All are shown, so new ones can be added.

        ``stored`` is the published number of all time, if the window is all time.
        """
        if stored:
            number = int(stored.visitors) + self._count_open(window, people.c.counted)
            return number if stored.exact else f"{number}+"
        of_window = (cells.c.name == "visitors", cells.c.row == "", cells.c.day >= str(window.first))
        published = self._connection.scalar(sa.select(sa.func.max(cells.c.visitors)).where(*of_window))
        # The visitors whose last counted day is in the window, because no later day was counted.
        in_window = people.c.last >= window.first.isoformat()
        counted = self._connection.scalar(sa.select(sa.func.count()).where(in_window)) or 0
        number = max(published or 0, counted + self._count_open(window, in_window))
        return f"{number}+" if number and self._lost_events(window) else number or None

    def _count_open(self, window: Window, counted: sa.ColumnElement[bool]) -> int:
        """Count the visitors of the events of a window that are not counted yet, except people whom a condition includes."""
        start, end = (0, None) if window == ALL else (self._slot_of(window.first), self._slot_of(window.end))
        return self._events.count_visitors(self._connection, max(start, self._first), end, counted)

    def _slot_of(self, day: date) -> int:
        return milliseconds_of(self._calendar.start_of(day))

    def _lost_events(self, window: Window) -> bool:
        """Return whether erasure or retention deleted events of a window after they were counted."""
        within = sa.and_(pieces.c.day >= window.first.isoformat(), pieces.c.day < window.end.isoformat())
        return self._connection.scalar(sa.select(pieces.c.day).where(within, ~pieces.c.whole).limit(1)) is not None

    @cached_property
    def _counters(self) -> dict[date, dict[str, Callable[[], Table]]]:
        """By day, the functions that count its tables, because most answers show few of them."""
        counters: dict[date, dict[str, Callable[[], Table]]] = {}
        names, slot = self._events.names(), self._events.first_slot(self._connection, self._first)
        while slot is not None:
            day = self._calendar.day_of(timestamp_of_milliseconds(slot))
            end = milliseconds_of(self._calendar.start_of(day + ONE_DAY))
            kinds = _Kinds(self._connection, self._events, names, slot, end)
            counters[day] = {name: cache(count) for name, count in counters_of(kinds, names, self._calendar).items()}
            slot = self._events.first_slot(self._connection, end)
        return counters


class _Kinds(dict[str, Columns]):
    """The events of each kind in a range of slots. A kind is read once it is needed, and only the columns that are."""

    def __init__(self, connection: sa.Connection, events: Events, names: Names, first: int, end: int) -> None:
        self._connection = connection
        self._events = events
        self._names = names
        self._range = first, end

    def __missing__(self, kind: str) -> Columns:
        needed = COLUMNS_OF[kind]
        own = None if kind == OWN else kind
        rows = self._events.of_kind(self._connection, own, needed, *self._range, self._names)
        self[kind] = found = Columns(**dict(zip(needed, zip(*rows, strict=True), strict=False)))
        self._names.learn_codes(self._connection, chain.from_iterable(getattr(found, name) for name in CODED))
        return found
