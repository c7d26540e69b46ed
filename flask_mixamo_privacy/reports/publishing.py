"""One publishing pass: counts intervals in order of time, and publishes each table as soon as it is safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..storage.clock import ONE_DAY
from ..tracking import schema
from ..tracking.event_table import StoredRow, execute_many
from .disclosure_control import (
    OTHER,
    Table,
    Tally,
    are_enough,
    meets_threshold,
    merge_tables,
    suppress_small_cells,
    total,
    within_loss_limit,
)
from .distinct import DistinctVisitors
from .intervals import CountedIntervals, LoadCache, in_order_of_time
from .tables import WHOLE_DAY, networks_of, tables_of, visitor_of
from .windows import Calendar, Interval, Window, week_of

#: Tables whose possible rows are known in advance. For them, a row with too few visitors is published as a suppressed cell.
FIXED = ("returning", "decisions")
SUPPRESSED = Tally(0, -1)  # the published cell of a row with too few visitors

#: Returns the tables of decisions by day, from the first date to before the second.
DecisionTables = Callable[[date, date], dict[date, dict[str, Table]]]


class PublishedAt(NamedTuple):
    """The unit of time ("piece", "week", "month") with which a table's total and rows were published, or empty strings."""

    total: str = ""
    rows: str = ""


_INSERT_CELLS = "INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

Location = tuple[str, Interval]  # the name of a table, and an interval


class PublishingPass:
    """Publishes intervals in order of time. Keeps the tables that wait for the end of their week or month."""

    def __init__(
        self, connection: sa.Connection, calendar: Calendar, min_cell: int, decisions: DecisionTables, cache: LoadCache
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._intervals = CountedIntervals(connection, calendar, cache)
        self._distinct = DistinctVisitors(connection, self._intervals, min_cell, cache)
        self._calendar = calendar
        self._min_cell = min_cell
        self._read_decisions = decisions
        self._decisions: dict[date, dict[str, Table]] = {}
        self._publications: dict[Location, PublishedAt] = {}  # of the intervals of this month
        self._new_cells: list[tuple[Any, ...]] = []  # published, and not written yet
        self._changed: dict[Location, PublishedAt] = {}  # publications not written yet
        self._incomplete: set[str] = set()  # the starts of intervals that lost events after they were counted

    def close(self, first: str, end: date) -> int:
        """Close the days from the moment ``first`` to before the day ``end``. Returns their number."""
        day = self._calendar.day_of(first)
        self._restore(day, end)
        closed = 0
        while day < end:
            interval = Interval(first, self._calendar.start_of(day + ONE_DAY), day)
            self._intervals.record(interval)
            self.count(interval)
            self.end_day(day)
            self._cache.forget_before(interval.until)
            first, day, closed = interval.until, day + ONE_DAY, closed + 1
        return closed

    def publish_part(self, interval: Interval) -> bool:
        """Publish a part of a day. Returns False, and changes nothing, if it has too few visitors."""
        events = self._intervals.events(interval)
        self._cache.names.learn(self._connection, events)
        networks = networks_of(events, self._cache.names)
        if not are_enough(set(map(visitor_of, events)), self._min_cell, networks):
            return False
        self._intervals.record(interval)
        self.count(interval)
        return True

    def republish(self, month: Window) -> bool:
        """Publish the intervals of a month again. Returns False, and changes nothing, if one of them lost events."""
        if self._intervals.incomplete(month.first, month.end):
            return False
        intervals = self._intervals.between(month.first, month.end)
        self._unpublish(month, intervals)
        self._decisions = self._read_decisions(intervals[0].day, month.end)
        for interval in intervals:
            self.count(interval, new=False)
            if self._intervals.ends_day(interval):
                self.end_day(interval.day)
        return True

    def count(self, interval: Interval, *, new: bool = True) -> None:
        """Publish the tables of an interval that can be published without a longer unit of time."""
        tables = self._tables(interval)
        self._cache.tables[interval] = tables
        visitors = total(tables.get("visitors", {})).visitors
        self._distinct.remember_visitors(interval, visitors)
        always = not self._intervals.ends_day(interval) and self._intervals.is_first_day(interval.day)
        for name in tables:
            self._publish(name, [interval], interval.cell_key, "piece", always=always)
        self._cache.tables[interval] = {name: table for name, table in tables.items() if not self._is_done(name, interval)}
        self._flush()
        if new:
            self._distinct.add(visitors, interval.day)

    def end_day(self, day: date) -> None:
        """Publish the tables that wait for the longer units of time that end with this day."""
        after, week, month = day + ONE_DAY, Window.of("week", day), Window.of("month", day)
        self._distinct.close(Window.of("day", day))
        if after.weekday() == 0 or after.day == 1:
            self._publish_waiting("week", max(week.first, month.first), after)
            self._flush()
        if after.weekday() == 0:
            self._distinct.close(week)
        if after.day == 1:
            self._publish_waiting("month", month.first, after)
            self._flush()
            self._distinct.close(month)
            self._distinct.forget_before(week.first)
            self._publications, self._cache.tables, self._cache.networks = {}, {}, {}

    def _publish_waiting(self, level: str, first: date, end: date) -> None:
        cell_key = (f"{first:%Y-%m}", week_of(first) if level == "week" else "", "", "")
        waiting: dict[str, list[Interval]] = {}
        for name, interval in sorted(self._publications):
            if first <= interval.day < end and not self._is_done(name, interval):
                waiting.setdefault(name, []).append(interval)
        for name, intervals in waiting.items():
            self._publish(name, intervals, cell_key, level, always=level == "month")

    def _publish(self, name: str, intervals: list[Interval], cell_key: tuple[str, ...], level: str, *, always: bool) -> None:
        """Publish one total of the intervals that have none yet, then the rows of the intervals that have only a total."""
        tables = {interval: self._table(name, interval) for interval in intervals}
        publications = {interval: self._publications.get((name, interval), PublishedAt()) for interval in intervals}
        without_total = [interval for interval in intervals if not publications[interval].total]
        everything = total(merge_tables([tables[interval] for interval in without_total]))
        if without_total and meets_threshold(everything, self._min_cell, self._cache.networks):
            self._write(name, cell_key, {"": everything})
            publications |= {interval: PublishedAt(level) for interval in without_total}
        without_rows = [each for each in intervals if publications[each].total and not publications[each].rows]
        table = merge_tables([tables[interval] for interval in without_rows])
        complete = not without_rows or self._incomplete.isdisjoint(interval.start for interval in without_rows)
        networks = self._cache.networks
        shown, other = suppress_small_cells(table, self._min_cell, complete=complete, networks=networks)
        if table and (always or within_loss_limit(table, other)):
            hidden = table.keys() - shown.keys() if name in FIXED else ()
            suppressed = {row: SUPPRESSED for row in hidden if not are_enough(table[row].visitors, self._min_cell, networks)}
            self._write(name, cell_key, shown | ({OTHER: other} if other.number else {}) | suppressed)
            publications |= {interval: PublishedAt(publications[interval].total, level) for interval in without_rows}
        for interval, publication in publications.items():
            self._set_publication(name, interval, publication)

    def _set_publication(self, name: str, interval: Interval, publication: PublishedAt) -> None:
        if self._publications.get((name, interval)) != publication:
            self._publications[name, interval] = publication
            self._changed[name, interval] = publication

    def _is_done(self, name: str, interval: Interval) -> bool:
        return bool(self._publications[name, interval].rows)

    def _write(self, name: str, cell_key: tuple[str, ...], rows: dict[str, Tally]) -> None:
        self._new_cells += (
            (name, *cell_key, row, tally.number, tally.amount, len(tally.visitors)) for row, tally in rows.items()
        )

    def _flush(self) -> None:
        """Write the new cells and publications to the store."""
        execute_many(self._connection, _INSERT_CELLS, self._new_cells)
        if self._changed:
            placed = schema.placed
            rows = [
                {"of": name, "at": interval.start, **publication._asdict()}
                for (name, interval), publication in self._changed.items()
            ]
            matches = sa.and_(placed.c.name == sa.bindparam("of"), placed.c.start == sa.bindparam("at"))
            self._connection.execute(sa.delete(placed).where(matches), rows)
            self._connection.execute(sa.insert(placed).values(name=sa.bindparam("of"), start=sa.bindparam("at")), rows)
        self._new_cells, self._changed = [], {}

    def _unpublish(self, month: Window, intervals: list[Interval]) -> None:
        self._connection.execute(sa.delete(schema.cells).where(schema.cells.c.month == str(month)))
        starts = [interval.start for interval in intervals]
        self._connection.execute(sa.delete(schema.placed).where(schema.placed.c.start.in_(starts)))

    def _table(self, name: str, interval: Interval) -> Table:
        if interval not in self._cache.tables:
            self._cache.tables[interval] = self._tables(interval)
        return self._cache.tables[interval].get(name, {})

    def _tables(self, interval: Interval) -> dict[str, Table]:
        """Count the tables of an interval. The last part of a day also has the tables that need the whole day."""
        tables = self._count(self._intervals.events(interval))
        starts_day = interval.start == self._calendar.start_of(interval.day)
        ends_day = self._intervals.ends_day(interval)
        if not (starts_day and ends_day):
            tables = {name: table for name, table in tables.items() if name not in WHOLE_DAY}
        if ends_day and not starts_day:
            parts = self._intervals.between(interval.day, interval.day + ONE_DAY)
            events = in_order_of_time([event for part in parts for event in self._intervals.events(part)])
            tables |= {name: table for name, table in self._count(events).items() if name in WHOLE_DAY}
        return tables | (self._decisions.get(interval.day, {}) if ends_day else {})

    def _count(self, events: Sequence[StoredRow]) -> dict[str, Table]:
        names = self._cache.names
        names.learn(self._connection, events)
        self._cache.networks |= networks_of(events, names)
        return tables_of(events, names, self._calendar)

    def _restore(self, day: date, end: date) -> None:
        """Restore the state in which an earlier pass left the month of ``day``. Drop the cache of incomplete intervals."""
        first = day.replace(day=1)
        self._decisions = self._read_decisions(first, end)
        self._incomplete = self._intervals.incomplete(first, Window.of("month", day).end)
        self._cache.drop(self._intervals.incomplete(min(first, Window.of("week", day).first), end))
        by_start = {interval.start: interval for interval in self._intervals.between(first, Window.of("month", day).end)}
        for row in self._connection.execute(sa.select(schema.placed).where(schema.placed.c.start.in_(by_start))):
            self._publications[row.name, by_start[row.start]] = PublishedAt(row.total, row.rows)
