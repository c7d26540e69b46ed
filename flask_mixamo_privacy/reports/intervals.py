"""Counted intervals of time, their events, and the cache of events during one pass of the loader."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..storage.clock import ONE_DAY
from ..tracking import schema
from ..tracking.store import by_time, sort_events
from .disclosure_control import Table
from .tables import COUNTED, Event
from .windows import Calendar, Interval

_MOST = 500_000  # cached events; older ones are read from the store
_AT = itemgetter(0)


class LoadCache:
    """Loaded events that are not counted yet, and the tables and visitors of intervals that wait for a longer window.

    The cache names visitors, so it lives only for one pass. Before it is used, it checks for erasures and for other loaders.
    Intervals and events that they may have changed are read from the store instead.
    """

    def __init__(self) -> None:
        self.tables: dict[Interval, dict[str, Table]] = {}
        self.visitors: dict[Interval, frozenset[str]] = {}
        self.networks: dict[str, str] = {}  # by visitor, of this month
        self._events: list[Event] = []  # in order of time
        self._erasures: int | None = None

    def add(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Cache events, in order of time, that this transaction inserted into the store."""
        if self._erasures is None:
            self._erasures = _erasures(connection)
        self._events += events
        sort_events(self._events)
        del self._events[:-_MOST]

    def events(self, connection: sa.Connection, interval: Interval) -> list[Event] | None:
        """Return the events of an interval in order of time, without late ones. Returns None unless all are cached."""
        start, end = (bisect_left(self._events, moment, key=_AT) for moment in (interval.start, interval.until))
        if start == end or self._erasures != _erasures(connection):
            return None
        at = schema.events.c.at
        number = sa.select(sa.func.count()).select_from(schema.events).where(at >= interval.start, at < interval.until)
        return self._events[start:end] if connection.scalar(number) == end - start else None

    def forget_before(self, moment: str) -> None:
        """Drop the events before a moment."""
        del self._events[: bisect_left(self._events, moment, key=_AT)]

    def drop(self, starts: set[str]) -> None:
        """Drop the tables and visitors of the intervals with these starts."""
        for interval in [interval for interval in {*self.tables, *self.visitors} if interval.start in starts]:
            self.tables.pop(interval, None)
            self.visitors.pop(interval, None)


def _erasures(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(schema.tombstones)) or 0


_EVENT = [schema.events.c[name] for name in COUNTED]
_IS_LATE = sa.and_(schema.late.c.visitor == schema.events.c.visitor, schema.late.c.id == schema.events.c.id)


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

    def events(self, interval: Interval, late: str | None = None) -> Sequence[Event]:
        """Return the events of an interval in order of time.

        Includes the late events that this interval counts in place of their own. ``late`` is the start of the interval whose
        late events to include, by default this one; the empty string means late events that no interval counts yet.
        """
        late_events = self._late(interval.start if late is None else late)
        on_time = self._cache.events(self._connection, interval) or self._on_time(interval)
        return sorted([*late_events, *on_time], key=by_time) if late_events else on_time

    def _late(self, start: str) -> Sequence[Event]:
        return self._read(sa.select(*_EVENT).join(schema.late, _IS_LATE).where(schema.late.c.piece == start))

    def _on_time(self, interval: Interval) -> Sequence[Event]:
        at = schema.events.c.at
        query = sa.select(*_EVENT).where(at >= interval.start, at < interval.until)
        if self._connection.scalar(sa.select(schema.late.c.id).limit(1)) is not None:
            query = query.where(~sa.exists().where(_IS_LATE))
        return self._read(query.order_by(at, schema.events.c.visitor, schema.events.c.id))

    def _read(self, query: sa.Select[Any]) -> Sequence[Event]:
        cursor = self._connection.execute(query).cursor
        assert cursor is not None
        events: Sequence[Event] = cursor.fetchall()  # the driver's tuples: SQLAlchemy's rows would cost millions of objects
        return events

    def assign_late(self, interval: Interval) -> None:
        """Assign the late events that no interval counts yet to this interval."""
        self._connection.execute(sa.update(schema.late).where(schema.late.c.piece == "").values(piece=interval.start))

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
