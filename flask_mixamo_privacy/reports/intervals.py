"""Counted intervals of time, their events, and the cache of events during one pass of the loader."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from operator import itemgetter

import sqlalchemy as sa

from ..storage.clock import ONE_DAY, milliseconds_of
from ..tracking import schema
from ..tracking.event_table import STORED, Names, StoredRow
from .disclosure_control import Table
from .windows import Calendar, Interval

_MOST = 500_000  # cached events; older ones are read from the store
_SLOT, _AT = STORED.index("slot"), STORED.index("at")
_slot_of, _at_of = itemgetter(_SLOT), itemgetter(_AT)


class LoadCache:
    """Loaded events that are not counted yet, and the tables and visitors of intervals that wait for a longer window.

    The cache names visitors, so it lives only for one pass. Before it is used, it checks for erasures and for other loaders.
    Intervals and events that they may have changed are read from the store instead.
    """

    def __init__(self) -> None:
        self.tables: dict[Interval, dict[str, Table]] = {}
        self.visitors: dict[Interval, frozenset[int]] = {}
        self.networks: dict[int, str] = {}  # by visitor, of this month
        self.names = Names()
        self._events: list[StoredRow] = []  # in order of slot, visitor and id, as in the store
        self._erasures: int | None = None

    def add(self, connection: sa.Connection, events: Sequence[StoredRow]) -> None:
        """Cache events that this transaction inserted into the store."""
        if self._erasures is None:
            self._erasures = _erasures(connection)
        self._events += events
        self._events.sort()
        del self._events[:-_MOST]

    def events(self, connection: sa.Connection, interval: Interval) -> list[StoredRow] | None:
        """Return the events of an interval in order of slots, or None unless all are cached."""
        start, end = (
            bisect_left(self._events, milliseconds_of(moment), key=_slot_of) for moment in (interval.start, interval.until)
        )
        if start == end or self._erasures != _erasures(connection):
            return None
        number = sa.select(sa.func.count()).select_from(schema.events).where(_is_in(interval))
        return self._events[start:end] if connection.scalar(number) == end - start else None

    def forget_before(self, moment: str) -> None:
        """Drop the events before a moment."""
        del self._events[: bisect_left(self._events, milliseconds_of(moment), key=_slot_of)]

    def drop(self, starts: set[str]) -> None:
        """Drop the tables and visitors of the intervals with these starts."""
        for interval in [interval for interval in {*self.tables, *self.visitors} if interval.start in starts]:
            self.tables.pop(interval, None)
            self.visitors.pop(interval, None)


def _erasures(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(schema.tombstones)) or 0


def _is_in(interval: Interval) -> sa.ColumnElement[bool]:
    slot = schema.events.c.slot
    return sa.and_(slot >= milliseconds_of(interval.start), slot < milliseconds_of(interval.until))


def in_order_of_time(events: list[StoredRow]) -> list[StoredRow]:
    """Return events, given in order of slots, in order of time. Only late events differ."""
    if list(map(_at_of, events)).count(None) < len(events):
        events.sort(key=lambda event: (event[_SLOT] if event[_AT] is None else event[_AT], event[1:3]))
    return events


class CountedIntervals:
    """The intervals that were counted, and the events of each."""

    def __init__(self, connection: sa.Connection, calendar: Calendar, cache: LoadCache) -> None:
        self._connection = connection
        self._calendar = calendar
        self._cache = cache

    def ends_day(self, interval: Interval) -> bool:
        """Return whether the interval is its whole day, or the last part of it."""
        return interval.until == self._calendar.start_of(interval.day + ONE_DAY)

    def is_first_day(self, day: date) -> bool:
        """Return whether no earlier day was counted."""
        first: str | None = self._connection.scalar(sa.select(sa.func.min(schema.pieces.c.day)))
        return first == day.isoformat()

    def events(self, interval: Interval) -> list[StoredRow]:
        """Return the events of an interval in order of time, with the late events that it counts in place of their own."""
        return in_order_of_time(self._cache.events(self._connection, interval) or self._stored(interval))

    def _stored(self, interval: Interval) -> list[StoredRow]:
        events = schema.events
        query = sa.select(events).where(_is_in(interval)).order_by(events.c.slot, events.c.visitor, events.c.id)
        cursor = self._connection.execute(query).cursor
        assert cursor is not None
        return list(cursor.fetchall())  # the driver's tuples: SQLAlchemy's rows would cost millions of objects

    def record(self, interval: Interval) -> None:
        """Record that an interval is counted."""
        values = {"start": interval.start, "until": interval.until, "day": interval.day.isoformat(), "whole": True}
        self._connection.execute(sa.insert(schema.pieces), values)

    def incomplete(self, first: date, end: date) -> set[str]:
        """Return the starts of the intervals in these days that lost events to erasure or retention after their count."""
        day = schema.pieces.c.day
        query = sa.select(schema.pieces.c.start).where(day >= first.isoformat(), day < end.isoformat())
        return set(self._connection.scalars(query.where(~schema.pieces.c.whole)))

    def between(self, first: date, end: date) -> list[Interval]:
        """Return the counted intervals from the day ``first`` to before the day ``end``."""
        day = schema.pieces.c.day
        query = (
            sa.select(schema.pieces).where(day >= first.isoformat(), day < end.isoformat()).order_by(schema.pieces.c.start)
        )
        return [Interval(row.start, row.until, date.fromisoformat(row.day)) for row in self._connection.execute(query)]
