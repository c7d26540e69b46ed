"""Pieces of time: the stretches that are counted at once, and the events that each of them is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import schema
from .tally import COUNTED
from .windows import Calendar, week_of

_DAY = timedelta(days=1)
in_time = itemgetter(2, 0, 1)

Event = Sequence[Any]  # with the columns of COUNTED


class Piece(NamedTuple):
    """A stretch of time within one day that is counted at once: the day, or a part of one that somebody looked at."""

    start: str
    until: str
    day: date

    @property
    def unit(self) -> tuple[str, str, str, str]:
        return f"{self.day:%Y-%m}", week_of(self.day), self.day.isoformat(), self.start


class Pieces:
    """The pieces that were counted, and how one becomes one of them."""

    def __init__(self, connection: sa.Connection, calendar: Calendar) -> None:
        self._connection = connection
        self._calendar = calendar

    def ends_day(self, piece: Piece) -> bool:
        """Whether it is the whole of its day, or the last part."""
        return piece.until == self._calendar.starts(piece.day + _DAY)

    def is_first_day(self, day: date) -> bool:
        """Whether nothing was counted before this day."""
        first: str | None = self._connection.scalar(sa.select(sa.func.min(schema.pieces.c.day)))
        return first == day.isoformat()

    def events(self, piece: Piece, late: str | None = None) -> list[Any]:
        """A piece's events in order of time; with those that came late, which are counted with it instead of their own."""
        events, late_ones = schema.events.c, schema.late.c
        columns = [events[name] for name in COUNTED]
        of_event = sa.and_(late_ones.visitor == events.visitor, late_ones.id == events.id)
        came_late = sa.select(*columns).join(schema.late, of_event)
        came_late = came_late.where(late_ones.piece == (piece.start if late is None else late))
        on_time = sa.select(*columns).where(events.at >= piece.start, events.at < piece.until)
        on_time = on_time.order_by(events.at, events.visitor, events.id)
        if self._connection.execute(sa.select(late_ones.id).limit(1)).first() is None:
            return list(self._connection.execute(on_time).all())
        on_time = on_time.where(~sa.exists().where(of_event))
        found = [*self._connection.execute(came_late).all(), *self._connection.execute(on_time).all()]
        return sorted(found, key=in_time)

    def take_late(self, piece: Piece) -> None:
        """Let the events that came after their own time had been counted be counted with this piece."""
        self._connection.execute(sa.update(schema.late).where(schema.late.c.piece == "").values(piece=piece.start))

    def note(self, piece: Piece) -> None:
        """Note that a piece has been counted."""
        values = {"start": piece.start, "until": piece.until, "day": piece.day.isoformat(), "whole": True}
        self._connection.execute(sa.insert(schema.pieces), values)

    def broken(self, first: date, end: date) -> set[str]:
        """The starts of the pieces in these days that lost events to an erasure or to retention after they were counted."""
        day = schema.pieces.c.day
        chosen = sa.select(schema.pieces.c.start).where(day >= first.isoformat(), day < end.isoformat())
        return set(self._connection.scalars(chosen.where(~schema.pieces.c.whole)))

    def between(self, first: date, end: date) -> list[Piece]:
        """The pieces that were counted from a day to before another."""
        day = schema.pieces.c.day
        chosen = (
            sa.select(schema.pieces).where(day >= first.isoformat(), day < end.isoformat()).order_by(schema.pieces.c.start)
        )
        return [Piece(row.start, row.until, date.fromisoformat(row.day)) for row in self._connection.execute(chosen)]
