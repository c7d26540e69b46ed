"""The publisher: decides which intervals have closed and publishes them once. Published numbers never change."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa

from ..errors import LedgerUnavailable
from ..ledger.refusals import REFUSALS, number_of
from ..storage.clock import ONE_DAY, milliseconds_of, timestamp, timestamp_of, timestamp_of_milliseconds
from ..storage.failures import log_failure
from ..tracking import schema
from ..tracking.engine import Events, RemoteEvents
from ..tracking.event_table import StoredRow
from ..tracking.row_names import key
from ..tracking.sql_events import SQL
from ..tracking.store import EventStore
from .counts import DecisionTables, EventCounts, add_tallies
from .disclosure_control import Tally
from .publishing import PublishingPass
from .remote_counts import RemoteCounts
from .visitor_sets import VisitorSets
from .windows import Calendar, Interval, Window

#: How long a day waits for late lines after midnight. No segment of the log is written for longer than this.
GRACE = timedelta(hours=1)


def no_decisions(_first: date, _end: date) -> dict[date, dict[str, dict[str, Tally]]]:
    """Return no decisions, for a store without a ledger."""
    return {}


class Publisher:
    """Publishes what has closed, in a transaction that holds the write lock of the event store."""

    def __init__(
        self, calendar: Calendar, min_cell: int, decisions: DecisionTables = no_decisions, events: Events = SQL
    ) -> None:
        self._calendar = calendar
        self._events = events
        self._min_cell = min_cell
        self._decisions = decisions

    def begin(self) -> LoadPass:
        """Start to aggregate what one pass of the loader loads."""
        return LoadPass(self)

    def new_counts(self) -> EventCounts:
        """Return what counts the events of one pass."""
        if self._events.is_remote:
            return RemoteCounts(self._calendar, cast(RemoteEvents, self._events))
        return VisitorSets(self._calendar)

    def complete_until(self, waiting: str | None) -> str:
        """Return the moment before which no line can be missing, or the empty string if that is unknown.

        ``waiting`` is the time of the first line that is not loaded, as in :meth:`LoadPass.close`.
        """
        if waiting == "":
            return ""
        now = timestamp()
        return timestamp_of(datetime.fromisoformat(min(waiting or now, now)) - GRACE)

    def close(self, connection: sa.Connection, now: str, counts: EventCounts) -> int:
        """Publish the unpublished days that ended before ``now``, and the weeks and the month that end with them.

        Stops at the end of a month. Returns the number of days published; 0 means that none is left. A day ends when it is
        over both in the site's time zone and in UTC, because decisions are dated in UTC.
        """
        first = self._next(connection)
        if first is None:
            return 0
        day = self._calendar.day_of(first)
        end = min(self._calendar.day_of(now), date.fromisoformat(now[:10]), Window.of("month", day).end)
        if day >= end:
            return 0
        self._events.settle(connection)
        with self._pass(connection, counts) as publishing:
            return publishing.close(first, end)

    def publish_today(self, connection: sa.Connection) -> bool:
        """Publish the events since the last interval as a part of the current day. Returns False if they are too few."""
        first = self._next(connection)
        if first is None:
            return False
        self._events.settle(connection)
        day, start = self._calendar.day_of(first), milliseconds_of(first)
        day_end = self._calendar.start_of(day + ONE_DAY)
        last = self._events.last_slot(connection, start, milliseconds_of(day_end))
        until = timestamp_of_milliseconds((last or start) + 1)
        if until >= day_end:
            return False  # the day closes soon
        with self._pass(connection, self.new_counts()) as publishing:
            return publishing.publish_part(Interval(first, until, day))

    def republish(self, connection: sa.Connection, month: Window) -> bool:
        """Publish a month again. Returns False, and changes nothing, if the month lost events."""
        self._events.settle(connection)
        with self._pass(connection, self.new_counts()) as publishing:
            return publishing.republish(month)

    @contextmanager
    def _pass(self, connection: sa.Connection, counts: EventCounts) -> Iterator[PublishingPass]:
        try:
            yield PublishingPass(connection, self._calendar, self._min_cell, self._decisions, counts)
        finally:
            counts.end()

    def _next(self, connection: sa.Connection) -> str | None:
        """Return the start of the next interval, or None if there is no event.

        The first interval starts with the day of the first event, or with the day of an earlier decision.
        """
        last = connection.scalar(sa.select(sa.func.max(schema.pieces.c.until)))
        if last is not None:
            return str(last)
        oldest = self._events.first_slot(connection)
        if oldest is None:
            return None
        day = self._calendar.day_of(timestamp_of_milliseconds(oldest))
        return self._calendar.start_of(min([day, *self._decisions(date.min, day)]))


class LoadPass:
    """Publishes what closes during one pass of the loader. Caches the events of the pass."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._counts = publisher.new_counts()

    def add(self, connection: sa.Connection, rows: Sequence[StoredRow]) -> None:
        self._counts.add(connection, rows)

    def close(self, connection: sa.Connection, waiting: str | None) -> int:
        """Publish the days, weeks and months that have closed. If the ledger is unavailable, leave them to a later pass."""
        now = self._publisher.complete_until(waiting)
        try:
            return self._publisher.close(connection, now, self._counts) if now else 0
        except LedgerUnavailable as error:
            log_failure("The days that have closed will be published later, by another load", error, level=logging.WARNING)
            return 0


# Rebuilding of published months.


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The months that were published again, and those that were skipped because erasure or retention deleted events."""

    months: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Rebuilder:
    """Publishes months again from their events, each in one transaction."""

    def __init__(self, events: EventStore, publisher: Publisher) -> None:
        self._store = events
        self._publisher = publisher

    def months(self) -> list[Window]:
        """Return the months with a counted interval, in order of time. Raises :class:`StoreUnavailable`."""
        with self._store.read() as connection:
            if connection is None:
                return []
            days = connection.scalars(sa.select(schema.pieces.c.day).distinct())
            return sorted({Window.of("month", date.fromisoformat(day)) for day in days}, key=str)

    def rebuild(self, progress: Callable[[Window], None] = lambda month: None) -> Rebuilt:
        """Publish every month again whose events are complete. Raises :class:`StoreUnavailable`."""
        rebuilt: list[str] = []
        skipped: list[str] = []
        for month in self.months():
            (rebuilt if self._rebuild(month) else skipped).append(str(month))
            progress(month)
        return Rebuilt(tuple(rebuilt), tuple(skipped))

    def _rebuild(self, month: Window) -> bool:
        with self._store.write() as connection:
            return self._publisher.republish(connection, month)


# Tables of decisions.

Rows = Callable[[str, str], Iterable[Any]]  # the decisions of the ledger from one day to before another


def decision_tables(rows: Rows) -> DecisionTables:
    """Return a function that returns the tables of decisions by UTC day. A refusal is dated only by its UTC day.

    A row is one decision, or the refusals of one day in one language.
    """

    def decisions(first: date, end: date) -> dict[date, dict[str, dict[str, Tally]]]:
        by_day: dict[date, dict[str, dict[str, Tally]]] = {}
        for row in rows(first.isoformat(), end.isoformat()):
            tables = by_day.setdefault(date.fromisoformat(row.at[:10]), {})
            decided, outcome = _decided(row), _outcome(row.kind, row.purposes)
            keys = {
                "decisions": outcome,
                "decisions_by_version": key(row.policy, outcome),
                "decisions_by_locale": key(row.locale, outcome),
            }
            for name, row_key in keys.items():
                table = tables.setdefault(name, {})
                table[row_key] = add_tallies((table.get(row_key, Tally()), decided))
        return by_day

    return decisions


def _decided(row: Any) -> Tally:
    """Return the number of decisions in a row, each as a person of its own: the ledger does not record who decides again."""
    number = number_of(row.detail) if row.kind == REFUSALS else 1
    return Tally(number, 0, number, number)


def _outcome(kind: str, purposes: str) -> str:
    """Return the outcome of a decision for statistics: granted, withdrawn or refused."""
    if kind not in ("refusal", REFUSALS) and "statistics" in json.loads(purposes):
        return "granted"
    return "withdrawn" if kind == "withdrawal" else "refused"
