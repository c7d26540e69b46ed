"""Pieces of time: the stretches that are counted at once, and the events that each of them is made of."""

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

# What one pass over the log has at hand, so that what closes in it need not be read from the store again.

_MOST = 500_000  # events kept; what waits longer than for so many is read from the store
_AT = itemgetter(0)


class LoadCache:
    """The events that were loaded and not counted yet; the tables and visitors of pieces that wait for a longer window.

    It holds what names visitors, and so lives no longer than the pass. An erasure meanwhile, or another machine's loader,
    is noticed: of that, nothing that is at hand is used.
    """

    def __init__(self) -> None:
        self.tables: dict[Interval, dict[str, Table]] = {}
        self.visitors: dict[Interval, frozenset[str]] = {}
        self._events: list[Event] = []  # in order of time
        self._erasures: int | None = None

    def add(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Keep events, in order of time, that were all new to the store in this transaction."""
        if self._erasures is None:
            self._erasures = _erasures(connection)
        self._events += events
        sort_events(self._events)
        del self._events[:-_MOST]

    def events(self, connection: sa.Connection, piece: Interval) -> list[Event] | None:
        """A piece's events in order of time, those that came late left out; None unless all of them are at hand."""
        start, end = (bisect_left(self._events, at, key=_AT) for at in (piece.start, piece.until))
        if start == end or self._erasures != _erasures(connection):
            return None
        at = schema.events.c.at
        number = sa.select(sa.func.count()).select_from(schema.events).where(at >= piece.start, at < piece.until)
        return self._events[start:end] if connection.scalar(number) == end - start else None

    def counted(self, until: str) -> None:
        """Let go of the events before a moment."""
        del self._events[: bisect_left(self._events, until, key=_AT)]

    def drop(self, starts: set[str]) -> None:
        """Let go of the pieces that lost events meanwhile."""
        for piece in [piece for piece in {*self.tables, *self.visitors} if piece.start in starts]:
            self.tables.pop(piece, None)
            self.visitors.pop(piece, None)


def _erasures(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(schema.tombstones)) or 0


_EVENT = [schema.events.c[name] for name in COUNTED]
_IS_LATE = sa.and_(schema.late.c.visitor == schema.events.c.visitor, schema.late.c.id == schema.events.c.id)


class CountedIntervals:
    """The pieces that were counted, and how one becomes one of them."""

    def __init__(self, connection: sa.Connection, calendar: Calendar, recent: LoadCache) -> None:
        self._connection = connection
        self._calendar = calendar
        self._recent = recent

    def ends_day(self, piece: Interval) -> bool:
        """Whether it is the whole of its day, or the last part."""
        return piece.until == self._calendar.starts(piece.day + ONE_DAY)

    def is_first_day(self, day: date) -> bool:
        """Whether nothing was counted before this day."""
        first: str | None = self._connection.scalar(sa.select(sa.func.min(schema.pieces.c.day)))
        return first == day.isoformat()

    def events(self, piece: Interval, late: str | None = None) -> Sequence[Event]:
        """A piece's events in order of time; with those that came late, which are counted with it instead of their own."""
        came_late = self._late(piece.start if late is None else late)
        on_time = self._recent.events(self._connection, piece) or self._on_time(piece)
        return sorted([*came_late, *on_time], key=by_time) if came_late else on_time

    def _late(self, label: str) -> Sequence[Event]:
        chosen = sa.select(*_EVENT).join(schema.late, _IS_LATE).where(schema.late.c.piece == label)
        return self._read(chosen)

    def _on_time(self, piece: Interval) -> Sequence[Event]:
        at = schema.events.c.at
        chosen = sa.select(*_EVENT).where(at >= piece.start, at < piece.until)
        if self._connection.scalar(sa.select(schema.late.c.id).limit(1)) is not None:
            chosen = chosen.where(~sa.exists().where(_IS_LATE))
        return self._read(chosen.order_by(at, schema.events.c.visitor, schema.events.c.id))

    def _read(self, chosen: sa.Select[Any]) -> Sequence[Event]:
        cursor = self._connection.execute(chosen).cursor
        assert cursor is not None
        found: Sequence[Event] = cursor.fetchall()  # tuples of the driver's own: millions of rows are not made objects
        return found

    def take_late(self, piece: Interval) -> None:
        """Let the events that came after their own time had been counted be counted with this piece."""
        self._connection.execute(sa.update(schema.late).where(schema.late.c.piece == "").values(piece=piece.start))

    def note(self, piece: Interval) -> None:
        """Note that a piece has been counted."""
        values = {"start": piece.start, "until": piece.until, "day": piece.day.isoformat(), "whole": True}
        self._connection.execute(sa.insert(schema.pieces), values)

    def broken(self, first: date, end: date) -> set[str]:
        """The starts of the pieces in these days that lost events to an erasure or to retention after they were counted."""
        day = schema.pieces.c.day
        chosen = sa.select(schema.pieces.c.start).where(day >= first.isoformat(), day < end.isoformat())
        return set(self._connection.scalars(chosen.where(~schema.pieces.c.whole)))

    def between(self, first: date, end: date) -> list[Interval]:
        """The pieces that were counted from a day to before another."""
        day = schema.pieces.c.day
        chosen = (
            sa.select(schema.pieces).where(day >= first.isoformat(), day < end.isoformat()).order_by(schema.pieces.c.start)
        )
        return [Interval(row.start, row.until, date.fromisoformat(row.day)) for row in self._connection.execute(chosen)]
