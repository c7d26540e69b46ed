"""Numbers of distinct visitors per window, protected against subtraction. Never the sum over the days of a window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import date
from itertools import chain

import sqlalchemy as sa

from ..tracking import schema
from ..tracking.event_table import execute_many
from .counts import EventCounts
from .intervals import CountedIntervals
from .windows import ALL, LEVELS, Interval, Window, week_of


class DistinctVisitors:
    """The number of distinct visitors of each closed window, and of all time so far."""

    def __init__(self, connection: sa.Connection, intervals: CountedIntervals, min_cell: int, counts: EventCounts) -> None:
        self._connection = connection
        self._intervals = intervals
        self._min_cell = min_cell
        self._counts = counts

    def close(self, window: Window, levels: Mapping[str, str]) -> None:
        """Publish the number of distinct visitors of a window that has several parts.

        The number is exact if subtracting the published parts from it cannot reveal a group smaller than ``min_cell``: the
        visitors missing from one part, or those in more than one part. Otherwise it is a lower bound, the largest part. It
        is also a lower bound if a part was published before one of its visitors was erased. ``levels`` has the unit of time
        with which the total of each interval in the window was published, by the interval's start.
        """
        if self._intervals.incomplete(window.first, window.end):
            self._close_incomplete(window)
            return
        parts = list(self._parts(window, levels).values())
        if not parts:
            return
        distinct, *of_parts = self._counts.distinct([list(chain.from_iterable(parts)), *parts])
        in_several = sum(of_parts) - distinct
        safe = all(self._meets_threshold(number) for number in (in_several, *(distinct - number for number in of_parts)))
        complete = all(level in LEVELS[window.unit] for level in levels.values())
        self._publish(window, distinct if safe else max(of_parts), exact=safe and complete)

    def _close_incomplete(self, window: Window) -> None:
        cells, published = schema.cells.c, sa.select(schema.distinct.c.window).where(schema.distinct.c.window == str(window))
        of_window = sa.and_(cells.name == "visitors", cells.row == "", cells[window.unit] == str(window))
        largest = self._connection.scalar(sa.select(sa.func.max(cells.visitors)).where(of_window))
        if largest and self._connection.scalar(published) is None:
            self._publish(window, largest, exact=False)

    def add(self, visitors: Collection[int], day: date) -> None:
        """Add the visitors of an interval to the number of all time.

        The number is updated once enough visitors are new and enough known visitors have returned since the last update.
        """
        if not visitors:
            return
        people, run = schema.people, self._connection.execute
        self._upsert_visitors(visitors, day)
        query = sa.select(people.c.counted, sa.func.count()).where(people.c.seen).group_by(people.c.counted)
        by_counted: dict[bool, int] = {bool(counted): number for counted, number in run(query)}
        new = by_counted.get(False, 0)
        before = (
            self._connection.scalar(sa.select(schema.distinct.c.visitors).where(schema.distinct.c.window == str(ALL))) or 0
        )
        if new and all(map(self._meets_threshold, by_counted.values())):
            run(sa.update(people).where(people.c.seen).values(counted=True, seen=False))
            self._publish(ALL, before + new, exact=True)
        elif before:
            self._publish(ALL, before, exact=not new)

    def _upsert_visitors(self, visitors: Collection[int], day: date) -> None:
        rows = [(visitor, day.isoformat(), False, True) for visitor in sorted(visitors)]
        execute_many(self._connection, _UPSERT, rows)

    def _parts(self, window: Window, levels: Mapping[str, str]) -> dict[str, list[Interval]]:
        """Return the intervals of each part of a window, whose total was published together."""
        parts: dict[str, list[Interval]] = {}
        for interval in self._intervals.between(window.first, window.end):
            level = levels.get(interval.start)
            if level in LEVELS[window.unit]:
                parts.setdefault(_PART[window.unit, level](interval), []).append(interval)
        return parts

    def _meets_threshold(self, number: int) -> bool:
        return not number or number >= self._min_cell

    def _publish(self, window: Window, visitors: int, *, exact: bool) -> None:
        row = (str(window), visitors, exact, str(window.first))
        execute_many(self._connection, _PUBLISH, [row])


# Plain SQL for SQLite and PostgreSQL. It runs for thousands of visitors a day, and SQLAlchemy's compiler would cost more.
_UPSERT = """INSERT INTO people (visitor, last, counted, seen) VALUES (?, ?, ?, ?)
    ON CONFLICT (visitor) DO UPDATE SET last = excluded.last, seen = excluded.seen"""
_PUBLISH = """INSERT INTO distinct_visitors ("window", visitors, exact, day) VALUES (?, ?, ?, ?)
    ON CONFLICT ("window") DO UPDATE SET visitors = excluded.visitors, exact = excluded.exact"""


def _small_days_of_week(interval: Interval) -> str:
    return f"in {week_of(interval.day)}, {interval.day:%Y-%m}"


# The part of a window, by the window's unit and the unit with which an interval's total was published. A part has its own
# published number: an interval, a week of a month, or the small days of a week or a month together.
_PART: dict[tuple[str, str], Callable[[Interval], str]] = {
    ("day", "piece"): lambda interval: interval.start,
    ("week", "piece"): lambda interval: str(interval.day),
    ("week", "week"): _small_days_of_week,
    ("month", "piece"): lambda interval: week_of(interval.day),
    ("month", "week"): lambda interval: week_of(interval.day),
    ("month", "month"): lambda interval: "the rest",
}
