"""Pieces of time: the stretches that are counted at once, and the events that each of them is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from ..storage.moments import ONE_DAY
from ..tracking import schema
from ..tracking.store import in_time
from .piece import Piece
from .recent import Recent
from .tally import COUNTED, Event
from .windows import Calendar

_EVENT = [schema.events.c[name] for name in COUNTED]
_IS_LATE = sa.and_(schema.late.c.visitor == schema.events.c.visitor, schema.late.c.id == schema.events.c.id)


class Pieces:
    """The pieces that were counted, and how one becomes one of them."""

    def __init__(self, connection: sa.Connection, calendar: Calendar, recent: Recent) -> None:
        self._connection = connection
        self._calendar = calendar
        self._recent = recent

    def ends_day(self, piece: Piece) -> bool:
        """Whether it is the whole of its day, or the last part."""
        return piece.until == self._calendar.starts(piece.day + ONE_DAY)

    def is_first_day(self, day: date) -> bool:
        """Whether nothing was counted before this day."""
        first: str | None = self._connection.scalar(sa.select(sa.func.min(schema.pieces.c.day)))
        return first == day.isoformat()

    def events(self, piece: Piece, late: str | None = None) -> Sequence[Event]:
        """A piece's events in order of time; with those that came late, which are counted with it instead of their own."""
        came_late = self._late(piece.start if late is None else late)
        on_time = self._recent.events(self._connection, piece) or self._on_time(piece)
        return sorted([*came_late, *on_time], key=in_time) if came_late else on_time

    def _late(self, label: str) -> Sequence[Event]:
        chosen = sa.select(*_EVENT).join(schema.late, _IS_LATE).where(schema.late.c.piece == label)
        return self._read(chosen)

    def _on_time(self, piece: Piece) -> Sequence[Event]:
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
