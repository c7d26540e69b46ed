"""One publishing pass: counts intervals in order of time, and publishes each table as soon as it is safe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..storage.clock import ONE_DAY
from ..tracking import schema
from ..tracking.event_table import execute_many
from .counts import (
    EVENT_TABLES,
    WHOLE_DAY,
    AddedCounts,
    Counts,
    DecisionTables,
    EventCounts,
    Question,
    is_own,
)
from .disclosure_control import OTHER, CountedTable, Tally, suppress_small_cells, within_loss_limit
from .distinct import DistinctVisitors
from .intervals import CountedIntervals
from .windows import Calendar, Interval, Window, week_of

#: Tables whose possible rows are known in advance. For them, a row with too few visitors is published as a suppressed cell.
FIXED = ("returning", "decisions")
SUPPRESSED = Tally(0, -1)  # the published cell of a row with too few visitors


class PublishedAt(NamedTuple):
    """The unit of time ("piece", "week", "month") with which a table's total and rows were published, or empty strings."""

    total: str = ""
    rows: str = ""


_INSERT_CELLS = "INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

Location = tuple[str, Interval]  # the name of a table, and an interval


class PublishingPass:
    """Publishes intervals in order of time. Tables may wait for the end of their week or month."""

    def __init__(
        self, connection: sa.Connection, calendar: Calendar, min_cell: int, decisions: DecisionTables, counts: EventCounts
    ) -> None:
        self._connection = connection
        self._counts = counts
        self._intervals = CountedIntervals(connection, calendar)
        self._distinct = DistinctVisitors(connection, self._intervals, min_cell, counts)
        self._calendar = calendar
        self._min_cell = min_cell
        self._read_decisions = decisions
        self._decisions = AddedCounts({})
        self._publications: dict[Location, PublishedAt] = {}  # of the intervals of this month
        self._new_cells: list[tuple[Any, ...]] = []  # published, and not written yet
        self._changed: dict[Location, PublishedAt] = {}  # publications not written yet
        self._incomplete: set[str] = set()  # the starts of intervals that lost events after they were counted

    def close(self, first: str, end: date) -> int:
        """Close the days from the moment ``first`` to before the day ``end``. Returns their number."""
        day = self._calendar.day_of(first)
        starts = [first]
        while day < end:
            day += ONE_DAY
            starts.append(self._calendar.start_of(day))
        intervals = [Interval(start, until, self._calendar.day_of(start)) for start, until in pairwise(starts)]
        self._restore(intervals, end)
        self._intervals.record(intervals)
        for interval in intervals:
            self.count(interval)
            self.end_day(interval.day)
        return len(intervals)

    def publish_part(self, interval: Interval) -> bool:
        """Publish a part of a day. Returns False, and changes nothing, if it has too few visitors."""
        self._counts.begin(self._connection, [interval], ())
        (everybody,) = self._counts.totals([Question("visitors", (interval,))], self._min_cell)
        if everybody.persons < self._min_cell:
            return False
        self._intervals.record([interval])
        self.count(interval)
        return True

    def republish(self, month: Window) -> bool:
        """Publish the intervals of a month again. Returns False, and changes nothing, if one of them lost events."""
        if self._intervals.incomplete(month.first, month.end):
            return False
        intervals = self._intervals.between(month.first, month.end)
        self._unpublish(month, intervals)
        self._decisions = AddedCounts(self._read_decisions(intervals[0].day, month.end))
        self._counts.begin(self._connection, intervals, ())
        self._read_publications(Window.of("week", month.first).first, month.first)
        for interval in intervals:
            self.count(interval, new=False)
            if self._intervals.ends_day(interval):
                self.end_day(interval.day)
        return True

    def count(self, interval: Interval, *, new: bool = True) -> None:
        """Publish the tables of an interval that can be published without a longer unit of time."""
        always = not self._intervals.ends_day(interval) and self._intervals.is_first_day(interval.day)
        self._publish({name: [interval] for name in self._names(interval)}, interval.cell_key, "piece", always=always)
        if new:
            self._distinct.add(self._counts.visitors(interval), interval.day)

    def end_day(self, day: date) -> None:
        """Publish the tables that wait for the longer units of time that end with this day."""
        after, week, month = day + ONE_DAY, Window.of("week", day), Window.of("month", day)
        self._close_window(Window.of("day", day))
        if after.weekday() == 0 or after.day == 1:
            self._publish_waiting("week", max(week.first, month.first), after)
        if after.weekday() == 0:
            self._close_window(week)
        if after.day == 1:
            self._publish_waiting("month", month.first, after)
            self._close_window(month)
            # The week may end in the next month. Its number of visitors needs to know how its days were published.
            of_week = [location for location in self._publications if location[1].day >= week.first]
            self._publications = {location: self._publications[location] for location in of_week}
            self._counts.forget_before(week.first)

    def _close_window(self, window: Window) -> None:
        intervals = self._intervals.between(window.first, window.end)
        published = {each.start: self._publications.get(("visitors", each)) for each in intervals}
        self._distinct.close(window, {start: each.total for start, each in published.items() if each is not None})

    def _names(self, interval: Interval) -> list[str]:
        """Return the names of the tables of an interval. Some tables, and decisions, belong to the last part of a day."""
        if not self._intervals.ends_day(interval):
            return [*(name for name in EVENT_TABLES if name not in WHOLE_DAY), *self._calendar.own]
        return [*EVENT_TABLES, *self._calendar.own, *self._decisions.names(interval.day)]

    def _publish_waiting(self, level: str, first: date, end: date) -> None:
        cell_key = (f"{first:%Y-%m}", week_of(first) if level == "week" else "", "", "")
        waiting: dict[str, list[Interval]] = {}
        for (name, interval), publication in sorted(self._publications.items()):
            is_known = not is_own(name) or name in self._calendar.own  # no table that was declared only earlier
            if first <= interval.day < end and not publication.rows and is_known:
                waiting.setdefault(name, []).append(interval)
        self._publish(waiting, cell_key, level, always=level == "month")

    def _publish(self, tables: Mapping[str, list[Interval]], cell_key: tuple[str, ...], level: str, *, always: bool) -> None:
        """Publish one total of the intervals that have none yet, then the rows of the intervals that have only a total."""
        for counts in (self._counts, self._decisions):
            of_events = counts is self._counts
            some = {name: each for name, each in tables.items() if (name in EVENT_TABLES or is_own(name)) == of_events}
            self._publish_totals(counts, some, cell_key, level)
            self._publish_rows(counts, some, cell_key, level, always)
        self._flush()

    def _publish_totals(
        self, counts: Counts, tables: Mapping[str, list[Interval]], cell_key: tuple[str, ...], level: str
    ) -> None:
        asked = self._questions(tables, lambda published: not published.total)
        totals = counts.totals([question for question, _ in asked], self._min_cell)
        for (question, intervals), total in zip(asked, totals, strict=True):
            if not total.number:
                continue  # a table without events is not published
            is_safe = total.is_publishable(self._min_cell)
            if is_safe:
                self._write(question.table, cell_key, {"": total})
            for interval in intervals:
                self._set_publication(question.table, interval, PublishedAt(level if is_safe else ""))

    def _publish_rows(
        self, counts: Counts, tables: Mapping[str, list[Interval]], cell_key: tuple[str, ...], level: str, always: bool
    ) -> None:
        asked = self._questions(tables, lambda published: bool(published.total) and not published.rows)
        questions = [question for question, _ in asked]
        for (question, intervals), table in zip(asked, counts.tables(questions, self._min_cell), strict=True):
            complete = not self._lost_events(question)
            merge = partial(counts.merged, question, self._min_cell)
            shown, other = suppress_small_cells(table, self._min_cell, merge, complete=complete)
            if always or within_loss_limit(table, other):
                suppressed = self._small_rows(counts, question, table) if question.table in FIXED else {}
                self._write(question.table, cell_key, shown | ({OTHER: other} if other.number else {}) | suppressed)
                for interval in intervals:
                    published = self._publications[question.table, interval]
                    self._set_publication(question.table, interval, published._replace(rows=level))
                self._counts.release([question])

    def _lost_events(self, question: Question) -> bool:
        """Return whether a counted interval lost events. It may be the whole day of the interval that is published."""
        return any(each.start <= start < each.until for start in self._incomplete for each in question.intervals)

    def _questions(
        self, tables: Mapping[str, list[Interval]], is_due: Callable[[PublishedAt], bool]
    ) -> list[tuple[Question, list[Interval]]]:
        """Return a question for each table that is due in some of its intervals, and these intervals."""
        asked = []
        for name, some in tables.items():
            if due := [each for each in some if is_due(self._publications.get((name, each), PublishedAt()))]:
                counted = map(self._intervals.day_until, due) if name in WHOLE_DAY else due
                asked.append((Question(name, tuple(counted)), due))
        return asked

    def _small_rows(self, counts: Counts, question: Question, table: CountedTable) -> dict[str, Tally]:
        if not table.rest.number:
            return {}
        (every,) = counts.tables([question], 1)
        return dict.fromkeys(every.rows.keys() - table.rows.keys(), SUPPRESSED)

    def _set_publication(self, name: str, interval: Interval, publication: PublishedAt) -> None:
        if self._publications.get((name, interval)) != publication:
            self._publications[name, interval] = publication
            self._changed[name, interval] = publication

    def _write(self, name: str, cell_key: tuple[str, ...], rows: dict[str, Tally]) -> None:
        self._new_cells += (
            (name, *cell_key, row, tally.number, tally.amount, tally.visitors) for row, tally in rows.items()
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

    def _restore(self, intervals: Sequence[Interval], end: date) -> None:
        """Restore the state in which an earlier pass left the month. Count again the intervals that lost events since."""
        month = Window.of("month", intervals[0].day)
        first = min(month.first, Window.of("week", intervals[0].day).first)
        self._decisions = AddedCounts(self._read_decisions(month.first, end))
        self._incomplete = self._intervals.incomplete(month.first, month.end)
        self._counts.begin(self._connection, intervals, self._intervals.incomplete(first, end))
        self._read_publications(first, month.end)

    def _read_publications(self, first: date, end: date) -> None:
        by_start = {interval.start: interval for interval in self._intervals.between(first, end)}
        for row in self._connection.execute(sa.select(schema.placed).where(schema.placed.c.start.in_(by_start))):
            self._publications[row.name, by_start[row.start]] = PublishedAt(row.total, row.rows)
