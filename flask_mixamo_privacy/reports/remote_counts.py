"""Counts of events in a database of their own, by the statements that count in any engine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from ..storage.clock import milliseconds_of
from ..tracking.engine import EventCopy, RemoteEvents
from .sql_counts import SqlCounts
from .statements import CLICKHOUSE, Statements
from .windows import Calendar, Interval, Window


class RemoteCounts(SqlCounts):
    """Implements :class:`.EventCounts`. From :meth:`begin` to :meth:`end`, the engine has a copy of what is counted.

    Every answer is about all shards, or raises :class:`StoreUnavailable`.
    """

    def __init__(self, calendar: Calendar, events: RemoteEvents) -> None:
        super().__init__(self._query, "", CLICKHOUSE)
        self._calendar = calendar
        self._events = events
        self._copy: EventCopy | None = None
        self._of_shard = self._statements
        self._stored: tuple[Sequence[Interval], frozenset[str]] = ((), frozenset())  # what the copy has the groups for

    def begin(self, connection: sa.Connection, intervals: Sequence[Interval], lost: Collection[str]) -> None:
        # The first week of the month may begin in the month before, and its visitors are counted with it.
        month = Window.of("month", intervals[0].day)
        start = milliseconds_of(self._calendar.start_of(Window.of("week", month.first).first))
        self._copy = self._events.copy(connection, start, intervals[-1].slots[1], self._calendar.offsets)
        self._statements = Statements(self._copy.name, CLICKHOUSE)
        self._of_shard = Statements(self._copy.of_shard, CLICKHOUSE, own=self._calendar.own)
        self._stored = ((), frozenset())

    def end(self) -> None:
        if self._copy is not None:
            self._copy.drop()
            self._copy = None

    def visitors(self, interval: Interval) -> list[int]:
        return super().visitors(interval) if self._has_events([interval]) else []

    def _has_events(self, intervals: Sequence[Interval]) -> bool:
        assert self._copy is not None
        ranges = [interval.slots for interval in intervals]
        return any(first < end and start <= last for start, end in ranges for first, last in self._copy.days)

    def _groups(self, tables: Sequence[str], intervals: Sequence[Interval]) -> str:
        """Store the groups of the tables in the engine, unless it has them: several statements are about them."""
        assert self._copy is not None
        if not self._has_events(intervals):
            return ""
        if self._stored[0] != intervals or not self._stored[1].issuperset(tables):
            self._copy.store(self._of_shard.groups(tables, intervals))
            self._stored = (intervals, frozenset(tables))
        return self._copy.groups

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        assert self._copy is not None
        return self._copy.query(statement)
