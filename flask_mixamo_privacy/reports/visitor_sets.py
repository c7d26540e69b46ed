"""Counts in Python, with a set of visitors for each row. For days of a few thousand events, this is faster than SQL."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice, pairwise

import sqlalchemy as sa

from ..tracking import schema
from ..tracking.event_table import StoredRow
from ..tracking.schema import CODED
from ..tracking.sql_events import SQL, SqlEvents
from .counts import Question
from .disclosure_control import CountedTable, Tally
from .tables import Columns, Group, Table, merge_groups, merge_tables, networks_of, tables_of
from .windows import Calendar, Interval

_MOST = 500_000  # cached events; older ones are read from the store

Networks = Mapping[int, str]  # the network of each visitor for whom one was recorded


@dataclass
class _Counted:
    """What is kept of an interval: its visitors, their networks, and its tables once one of them was asked for."""

    visitors: frozenset[int]
    networks: Networks
    tables: dict[str, Table] | None = None


class LoadedEvents:
    """The events of intervals. Those that were just loaded come from a cache, and all others from the store.

    The cache names visitors, so it lives only for one pass. Before it is used, it checks for erasures and for other loaders.
    """

    def __init__(self, engine: SqlEvents = SQL) -> None:
        self._engine = engine
        self.names = engine.names()
        self._batches: list[Columns] = []  # each in order of slot, visitor and id, as in the store
        self._erasures: int | None = None

    def add(self, connection: sa.Connection, events: Sequence[StoredRow]) -> None:
        """Cache events that this transaction inserted into the store."""
        if self._erasures is None:
            self._erasures = _erasures(connection)
        self._batches.append(_columns(sorted(events)))
        while sum(len(batch.slot) for batch in self._batches) > _MOST:
            del self._batches[0]

    def of(self, connection: sa.Connection, interval: Interval) -> Columns:
        """Return the events of an interval in order of time, with the late events that it counts in place of their own."""
        return _in_order_of_time(self._cached(connection, interval) or self._stored(connection, interval))

    def _cached(self, connection: sa.Connection, interval: Interval) -> Columns | None:
        """Return the events of an interval in order of slots, or None unless all are cached."""
        parts = [part for batch in self._batches if (part := _part(batch, *interval.slots)).slot]
        if not parts or self._erasures != _erasures(connection):
            return None
        number = sa.select(sa.func.count()).select_from(schema.events).where(_is_in(interval))
        return _joined(parts) if connection.scalar(number) == sum(len(part.slot) for part in parts) else None

    def _stored(self, connection: sa.Connection, interval: Interval) -> Columns:
        return _columns(self._engine.between(connection, *interval.slots, self.names))

    def forget_before(self, slot: int) -> None:
        """Drop the batches that have only events before a slot."""
        self._batches = [batch for batch in self._batches if batch.slot and batch.slot[-1] >= slot]


def _erasures(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(schema.tombstones)) or 0


def _is_in(interval: Interval) -> sa.ColumnElement[bool]:
    slot, (first, end) = schema.events.c.slot, interval.slots
    return sa.and_(slot >= first, slot < end)


def _columns(rows: Sequence[StoredRow]) -> Columns:
    return Columns(*zip(*rows, strict=True))


def _part(batch: Columns, first: int, end: int) -> Columns:
    start, stop = bisect_left(batch.slot, first), bisect_left(batch.slot, end)
    return batch if stop - start == len(batch.slot) else Columns._make(column[start:stop] for column in batch)


def _joined(parts: list[Columns]) -> Columns:
    """Return parts in order of slot, visitor and id. Most do not overlap, because batches follow each other in time."""
    if all(earlier.slot[-1] < later.slot[0] for earlier, later in pairwise(parts)):
        return parts[0] if len(parts) == 1 else Columns._make(list(chain(*columns)) for columns in zip(*parts, strict=True))
    return _columns(sorted(chain.from_iterable(zip(*part, strict=True) for part in parts)))


def _in_order_of_time(events: Columns) -> Columns:
    """Return events, given in order of slots, in order of time. Only late events differ."""
    if events.at.count(None) == len(events.at):
        return events
    happened = [slot if at is None else at for slot, at in zip(events.slot, events.at, strict=True)]
    order = sorted(range(len(happened)), key=lambda place: (happened[place], events.visitor[place], events.id[place]))
    return Columns._make(list(map(column.__getitem__, order)) for column in events)


class VisitorSets:
    """Implements :class:`.EventCounts`. Keeps the tables and visitors of intervals that wait for a longer window.

    They name visitors, so an object lives only for one pass of the loader.
    """

    def __init__(self, calendar: Calendar, engine: SqlEvents = SQL) -> None:
        self._calendar = calendar
        self._events = LoadedEvents(engine)
        self._names = self._events.names
        self._counted: dict[Interval, _Counted] = {}
        # The last networks that were merged, and the last table that was asked for.
        self._networks: tuple[tuple[Interval, ...], Networks] = ((), {})
        self._split: tuple[Question | None, dict[str, Group], list[Group]] = (None, {}, [])

    def add(self, connection: sa.Connection, events: Sequence[StoredRow]) -> None:
        self._events.add(connection, events)

    def begin(self, connection: sa.Connection, intervals: Sequence[Interval], lost: Collection[str]) -> None:
        self._connection = connection
        for interval in [each for each in self._counted if any(each.start <= start < each.until for start in lost)]:
            del self._counted[interval]

    def totals(self, questions: Sequence[Question], least: int) -> Iterator[Tally]:
        for question in questions:
            groups = [group for interval in question.intervals for group in self._table(question.table, interval).values()]
            yield _tally(merge_groups(groups), least, self._networks_of(question))

    def tables(self, questions: Sequence[Question], least: int) -> Iterator[CountedTable]:
        for question in questions:
            large, small = self._rows(question, least)
            rows = {row: Tally(group.number, group.amount, len(group.visitors), least) for row, group in large.items()}
            yield CountedTable(rows, _tally(merge_groups(small), least, self._networks_of(question)))

    def merged(self, question: Question, least: int, row: str) -> Tally:
        large, small = self._rows(question, least) if self._split[0] != question else self._split[1:]
        return _tally(merge_groups([large[row], *small]), least, self._networks_of(question))

    def visitors(self, interval: Interval) -> frozenset[int]:
        return (self._counted.get(interval) or self._count(interval)).visitors

    def distinct(self, parts: Sequence[Sequence[Interval]]) -> list[int]:
        return [len(frozenset[int]().union(*map(self.visitors, part))) for part in parts]

    def release(self, published: Iterable[Question]) -> None:
        for name, intervals in published:
            for interval in intervals:
                if interval in self._counted:
                    (self._counted[interval].tables or {}).pop(name, None)

    def end(self) -> None:
        """Do nothing: what is kept serves the next transaction."""

    def forget_before(self, day: date) -> None:
        self._counted = {interval: counted for interval, counted in self._counted.items() if interval.day >= day}
        self._networks, self._split = ((), {}), (None, {}, [])

    def _rows(self, question: Question, least: int) -> tuple[dict[str, Group], list[Group]]:
        """Return the rows with at least ``least`` persons, and the groups of all other rows."""
        networks = self._networks_of(question)
        table = merge_tables([self._table(question.table, each) for each in question.intervals])
        # Most rows are small, so look at their number of visitors first.
        several = [(row, group) for row, group in table.items() if len(group.visitors) >= least]
        large = {row: group for row, group in several if persons(group.visitors, least, networks) >= least}
        small = [group for row, group in table.items() if row not in large]
        self._split = (question, large, small)
        return large, small

    def _networks_of(self, question: Question) -> Networks:
        """Return the last network of each visitor in the intervals of a question."""
        if self._networks[0] != question.intervals:
            networks: dict[int, str] = {}
            for interval in sorted(question.intervals):
                networks |= (self._counted.get(interval) or self._count(interval)).networks
            self._networks = (question.intervals, networks)
        return self._networks[1]

    def _table(self, name: str, interval: Interval) -> Table:
        counted = self._counted.get(interval) or self._count(interval, with_tables=True)
        if counted.tables is None:
            counted = self._count(interval, with_tables=True)
        return (counted.tables or {}).get(name, {})

    def _count(self, interval: Interval, *, with_tables: bool = False) -> _Counted:
        events = self._events.of(self._connection, interval)
        self._names.learn(self._connection, chain.from_iterable(set(getattr(events, name)) for name in CODED))
        counted = _Counted(frozenset(events.visitor), networks_of(events, self._names))
        if with_tables:
            counted.tables = tables_of(events, self._names, self._calendar)
            self._events.forget_before(interval.slots[1])
        self._counted[interval] = counted
        return counted


def persons(visitors: Collection[int], least: int, networks: Networks) -> int:
    """Return the number of persons behind visitors, or a number of at least ``least``. Those of one network count once.

    One person can invent any number of visitors, but has few networks. A visitor without a network counts as one.
    """
    if len(visitors) < least or not networks:
        return len(visitors)
    some = len({networks.get(visitor, visitor) for visitor in islice(visitors, 2 * least)})
    return some if some >= least else len({networks.get(visitor, visitor) for visitor in visitors})


def _tally(group: Group, least: int, networks: Networks) -> Tally:
    return Tally(group.number, group.amount, len(group.visitors), persons(group.visitors, least, networks))
