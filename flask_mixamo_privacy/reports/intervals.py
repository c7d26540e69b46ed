"""The intervals of time that were counted."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from ..storage.clock import ONE_DAY
from ..tracking import schema
from .windows import Calendar, Interval


class CountedIntervals:
    """The intervals that were counted."""

    def __init__(self, connection: sa.Connection, calendar: Calendar) -> None:
        self._connection = connection
        self._calendar = calendar

    def ends_day(self, interval: Interval) -> bool:
        """Return whether the interval is its whole day, or the last part of it."""
        return interval.until == self._calendar.start_of(interval.day + ONE_DAY)

    def day_until(self, interval: Interval) -> Interval:
        """Return the day of an interval until the end of the interval."""
        if interval.start == self._calendar.start_of(interval.day):
            return interval
        earlier = self.between(interval.day, interval.day + ONE_DAY)
        return interval._replace(start=min(part.start for part in (interval, *earlier)))

    def is_first_day(self, day: date) -> bool:
        """Return whether no earlier day was counted."""
        first: str | None = self._connection.scalar(sa.select(sa.func.min(schema.pieces.c.day)))
        return first == day.isoformat()

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
