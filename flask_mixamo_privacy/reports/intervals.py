"""The intervals of time that were counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import sqlalchemy as sa

from ..storage.clock import ONE_DAY
from ..tracking import schema
from .windows import Calendar, Interval


class CountedIntervals:
    """The intervals that were counted. They are read once in a transaction, which keeps out all others who count."""

    def __init__(self, connection: sa.Connection, calendar: Calendar) -> None:
        self._connection = connection
        self._calendar = calendar
        self._since = date.max  # the first day whose intervals were read
        self._read: list[tuple[Interval, bool]] = []  # in order of time, each with whether it is complete

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

    def record(self, intervals: Sequence[Interval]) -> None:
        """Record that intervals are counted."""
        rows = [{"start": each.start, "until": each.until, "day": each.day.isoformat(), "whole": True} for each in intervals]
        self._connection.execute(sa.insert(schema.pieces), rows)
        self._read += [(interval, True) for interval in intervals]

    def incomplete(self, first: date, end: date) -> set[str]:
        """Return the starts of the intervals in these days that lost events to erasure or retention after their count."""
        return {interval.start for interval, is_complete in self._of(first, end) if not is_complete}

    def between(self, first: date, end: date) -> list[Interval]:
        """Return the counted intervals from the day ``first`` to before the day ``end``."""
        return [interval for interval, _ in self._of(first, end)]

    def _of(self, first: date, end: date) -> list[tuple[Interval, bool]]:
        if first < self._since:
            query = sa.select(schema.pieces).where(schema.pieces.c.day >= first.isoformat()).order_by(schema.pieces.c.start)
            rows = self._connection.execute(query)
            self._read = [(Interval(row.start, row.until, date.fromisoformat(row.day)), row.whole) for row in rows]
            self._since = first
        return [each for each in self._read if first <= each[0].day < end]
