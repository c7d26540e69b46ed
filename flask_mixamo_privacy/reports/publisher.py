"""What reports are made of: each stretch of time is counted once, when it has closed, and stays as it was published."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..errors import LedgerUnavailable
from ..storage.clock import ONE_DAY, just_after, timestamp, timestamp_of
from ..tracking import schema
from ..tracking.store import EventStore, Row, by_time
from .disclosure_control import OTHER, Table, Tally, meets_threshold, merged, suppress_small_cells, total, within_loss_limit
from .distinct import DistinctVisitors
from .intervals import CountedIntervals, LoadCache
from .tables import WHOLE_DAY, tables_of, visitor_of
from .windows import Calendar, Interval, Window, week_of

#: How long a day still waits for lines after midnight; a segment of the log lives no longer.
GRACE = timedelta(hours=1)

#: Tables whose rows are known beforehand: of a row with few visitors it is said that it is one.
FIXED = ("returning", "decisions")
SUPPRESSED = Tally(0, -1)  # as a published cell: fewer than may be told

logger = logging.getLogger("flask_mixamo_privacy")

# The tables of decisions of each day, from one to before another.
Decided = Callable[[date, date], dict[date, dict[str, Table]]]


class PublishedAt(NamedTuple):
    """With which unit of time ("piece", "week", "month") a piece's total was published, and its rows; else empty."""

    total: str = ""
    rows: str = ""


Location = tuple[str, Interval]  # a table, and a piece of time


def no_decisions(_first: date, _end: date) -> dict[date, dict[str, Table]]:
    """Where there is no ledger to ask."""
    return {}


class Publisher:
    """Counts what has closed, in a transaction that holds the store's write lock."""

    def __init__(self, calendar: Calendar, least: int, decided: Decided = no_decisions) -> None:
        self._calendar = calendar
        self._least = least
        self._decided = decided

    def begin(self) -> LoadPass:
        """Start to aggregate what the loader loads."""
        return LoadPass(self)

    def complete_until(self, waiting: str | None) -> str:
        """The moment before which no line can be missing, given the first that waits; empty if that is unknown."""
        if waiting == "":
            return ""
        now = timestamp()
        return timestamp_of(datetime.fromisoformat(min(waiting or now, now)) - GRACE)

    def close(self, connection: sa.Connection, now: str, recent: LoadCache) -> int:
        """Publish the days that ended before a moment and are not published yet, at most to the end of a month.

        A day has ended when it is over in UTC, too: decisions know no other day.
        With them the weeks and the month that end with them. Gives the number of days: 0 says that there are no more.
        ``recent`` is what the pass over the log has at hand.
        """
        first = self._next(connection)
        if first is None:
            return 0
        day = self._calendar.day_of(first)
        end = min(self._calendar.day_of(now), date.fromisoformat(now[:10]), Window.of("month", day).end)
        return self._pass(connection, recent).close(first, end) if day < end else 0

    def step(self, connection: sa.Connection) -> bool:
        """Publish what came since the last piece, on the day at hand, if nobody can be told apart in it."""
        first = self._next(connection)
        if first is None:
            return False
        day, at = self._calendar.day_of(first), schema.events.c.at
        ends = self._calendar.starts(day + ONE_DAY)
        newest = connection.scalar(sa.select(sa.func.max(at)).where(at >= first, at < ends))
        until = timestamp_of(just_after(newest or first))
        if until >= ends:
            return False  # at the very end of its day, which will be closed soon
        return self._pass(connection, LoadCache()).step(Interval(first, until, day))

    def again(self, connection: sa.Connection, month: Window) -> bool:
        """Publish a month once more; returns False, and changes nothing, if events of it are gone."""
        return self._pass(connection, LoadCache()).republish(month)

    def _pass(self, connection: sa.Connection, recent: LoadCache) -> PublishingPass:
        return PublishingPass(connection, self._calendar, self._least, self._decided, recent)

    def _next(self, connection: sa.Connection) -> str | None:
        """Where the next piece starts: at first with the day of the first event, or of a decision before it.

        None while there is no event.
        """
        last = connection.scalar(sa.select(sa.func.max(schema.pieces.c.until)))
        if last is not None:
            return str(last)
        oldest = connection.scalar(sa.select(sa.func.min(schema.events.c.at)))
        if oldest is None:
            return None
        day = self._calendar.day_of(oldest)
        return self._calendar.starts(min([day, *self._decided(date.min, day)]))


class LoadPass:
    """Publishes what closes during one pass of the loader, whose latest events it keeps in memory."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._recent = LoadCache()

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        self._recent.add(connection, rows)

    def close(self, connection: sa.Connection, waiting: str | None) -> int:
        """Publish the days, weeks and months that have closed; without the ledger, leave that to a later pass."""
        now = self._publisher.complete_until(waiting)
        try:
            return self._publisher.close(connection, now, self._recent) if now else 0
        except LedgerUnavailable as error:
            logger.warning("What has closed will be published later: %s", error)
            return 0


class PublishingPass:
    """One pass over pieces in order of time; keeps at hand what waits for the end of its week or month."""

    def __init__(
        self, connection: sa.Connection, calendar: Calendar, least: int, decided: Decided, recent: LoadCache
    ) -> None:
        self._connection = connection
        self._recent = recent
        self._pieces = CountedIntervals(connection, calendar, recent)
        self._headcount = DistinctVisitors(connection, self._pieces, least, recent)
        self._calendar = calendar
        self._least = least
        self._decided = decided
        self._decisions: dict[date, dict[str, Table]] = {}
        self._placed: dict[Location, PublishedAt] = {}  # what was published of this month's pieces
        self._new_cells: list[dict[str, Any]] = []  # published, and not written yet
        self._changed: dict[Location, PublishedAt] = {}
        self._broken: set[str] = set()  # the starts of pieces that lost events after their total was published

    def close(self, first: str, end: date) -> int:
        """Close the days from a moment to before a day."""
        day = self._calendar.day_of(first)
        self._remember(day, end)
        closed = 0
        while day < end:
            piece = Interval(first, self._calendar.starts(day + ONE_DAY), day)
            self._pieces.take_late(piece)
            self._pieces.note(piece)
            self.count(piece)
            self.end_day(day)
            self._recent.counted(piece.until)
            first, day, closed = piece.until, day + ONE_DAY, closed + 1
        return closed

    def step(self, piece: Interval) -> bool:
        """Publish a part of a day, unless its total could tell of somebody."""
        if len(set(map(visitor_of, self._pieces.events(piece, late="")))) < self._least:
            return False
        self._pieces.take_late(piece)
        self._pieces.note(piece)
        self.count(piece)
        return True

    def republish(self, month: Window) -> bool:
        """Publish the pieces of a month once more, unless one of them lost events."""
        if self._pieces.broken(month.first, month.end):
            return False
        pieces = self._pieces.between(month.first, month.end)
        self._unpublish(month, pieces)
        self._decisions = self._decided(pieces[0].day, month.end)
        for piece in pieces:
            self.count(piece, new=False)
            if self._pieces.ends_day(piece):
                self.end_day(piece.day)
        return True

    def count(self, piece: Interval, *, new: bool = True) -> None:
        """Publish what can be published of one piece by itself."""
        tables = self._tables(piece)
        self._recent.tables[piece] = tables
        visitors = total(tables.get("visitors", {})).visitors
        self._headcount.remember_visitors(piece, visitors)
        always = not self._pieces.ends_day(piece) and self._pieces.is_first_day(piece.day)
        for name in tables:
            self._publish(name, [piece], piece.unit, "piece", always=always)
        self._recent.tables[piece] = {name: table for name, table in tables.items() if not self._is_done(name, piece)}
        self._flush()
        if new:
            self._headcount.add(visitors, piece.day)

    def end_day(self, day: date) -> None:
        """Publish what can be published with the longer units of time that end with this day."""
        after, week, month = day + ONE_DAY, Window.of("week", day), Window.of("month", day)
        self._headcount.close(Window.of("day", day))
        if after.weekday() == 0 or after.day == 1:
            self._gather("week", max(week.first, month.first), after)
            self._flush()
        if after.weekday() == 0:
            self._headcount.close(week)
        if after.day == 1:
            self._gather("month", month.first, after)
            self._flush()
            self._headcount.close(month)
            self._headcount.forget(week.first)
            self._placed, self._recent.tables = {}, {}

    def _gather(self, level: str, first: date, end: date) -> None:
        unit = (f"{first:%Y-%m}", week_of(first) if level == "week" else "", "", "")
        pieces: dict[str, list[Interval]] = {}
        for name, piece in sorted(self._placed):
            if first <= piece.day < end and not self._is_done(name, piece):
                pieces.setdefault(name, []).append(piece)
        for name, having in pieces.items():
            self._publish(name, having, unit, level, always=level == "month")

    def _publish(self, name: str, having: list[Interval], unit: tuple[str, ...], level: str, *, always: bool) -> None:
        """Publish the total of the pieces that have none yet, then the rows of those that have one and no rows."""
        tables = {piece: self._table(name, piece) for piece in having}
        before = {piece: self._placed.get((name, piece), PublishedAt()) for piece in having}
        without = [piece for piece in having if not before[piece].total]
        everything = total(merged([tables[piece] for piece in without]))
        if without and meets_threshold(everything, self._least):
            self._write(name, unit, {"": everything})
            before |= {piece: PublishedAt(level) for piece in without}
        waiting = [piece for piece in having if before[piece].total and not before[piece].rows]
        table = merged([tables[piece] for piece in waiting])
        whole = not waiting or self._broken.isdisjoint(piece.start for piece in waiting)
        shown, other = suppress_small_cells(table, self._least, whole=whole)
        if table and (always or within_loss_limit(table, other)):
            small = table.keys() - shown.keys() if name in FIXED else ()
            few = {row: SUPPRESSED for row in small if len(table[row].visitors) < self._least}
            self._write(name, unit, shown | ({OTHER: other} if other.number else {}) | few)
            before |= {piece: PublishedAt(before[piece].total, level) for piece in waiting}
        for piece, placed in before.items():
            self._mark(name, piece, placed)

    def _mark(self, name: str, piece: Interval, now: PublishedAt) -> None:
        if self._placed.get((name, piece)) != now:
            self._placed[name, piece] = now
            self._changed[name, piece] = now

    def _is_done(self, name: str, piece: Interval) -> bool:
        return bool(self._placed[name, piece].rows)

    def _write(self, name: str, unit: tuple[str, ...], rows: dict[str, Tally]) -> None:
        where = {"name": name} | dict(zip(("month", "week", "day", "start"), unit, strict=True))
        self._new_cells += (
            where | {"row": row, "number": t.number, "amount": t.amount, "visitors": len(t.visitors)}
            for row, t in rows.items()
        )

    def _flush(self) -> None:
        """Write down what was published."""
        if self._new_cells:
            self._connection.execute(sa.insert(schema.cells), self._new_cells)
        if self._changed:
            rows = [{"of": name, "at": piece.start, **now._asdict()} for (name, piece), now in self._changed.items()]
            row_matches = sa.and_(schema.placed.c.name == sa.bindparam("of"), schema.placed.c.start == sa.bindparam("at"))
            self._connection.execute(sa.delete(schema.placed).where(row_matches), rows)
            self._connection.execute(
                sa.insert(schema.placed).values(name=sa.bindparam("of"), start=sa.bindparam("at")), rows
            )
        self._new_cells, self._changed = [], {}

    def _unpublish(self, month: Window, pieces: list[Interval]) -> None:
        self._connection.execute(sa.delete(schema.cells).where(schema.cells.c.month == str(month)))
        starts = [piece.start for piece in pieces]
        self._connection.execute(sa.delete(schema.placed).where(schema.placed.c.start.in_(starts)))

    # What was counted, and who was there

    def _table(self, name: str, piece: Interval) -> Table:
        if piece not in self._recent.tables:
            self._recent.tables[piece] = self._tables(piece)
        return self._recent.tables[piece].get(name, {})

    def _tables(self, piece: Interval) -> dict[str, Table]:
        found = tables_of(self._pieces.events(piece), self._calendar)
        starts_day, ends_day = piece.start == self._calendar.starts(piece.day), self._pieces.ends_day(piece)
        if not (starts_day and ends_day):
            found = {name: table for name, table in found.items() if name not in WHOLE_DAY}
        if ends_day and not starts_day:
            parts = self._pieces.between(piece.day, piece.day + ONE_DAY)
            events = sorted((event for part in parts for event in self._pieces.events(part)), key=by_time)
            found |= {name: table for name, table in tables_of(events, self._calendar).items() if name in WHOLE_DAY}
        return found | (self._decisions.get(piece.day, {}) if ends_day else {})

    def _remember(self, day: date, end: date) -> None:
        """Take up the month that a day is in where an earlier pass left it."""
        first = day.replace(day=1)
        self._decisions = self._decided(first, end)
        self._broken = self._pieces.broken(first, Window.of("month", day).end)
        self._recent.drop(self._pieces.broken(min(first, Window.of("week", day).first), end))
        pieces = {piece.start: piece for piece in self._pieces.between(first, Window.of("month", day).end)}
        for row in self._connection.execute(sa.select(schema.placed).where(schema.placed.c.start.in_(pieces))):
            self._placed[row.name, pieces[row.start]] = PublishedAt(row.total, row.rows)


# Making reports anew from the events: the same tables, where the events are all there still.


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The months that were made anew, and those left as they are: an erasure or retention took events of them."""

    made: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Rebuilder:
    """Publishes whole months once more, each in one transaction."""

    def __init__(self, events: EventStore, publisher: Publisher) -> None:
        self._store = events
        self._publisher = publisher

    def months(self) -> list[Window]:
        """The months of which something was counted, in order of time; raises :class:`StoreUnavailable`."""
        with self._store.read() as connection:
            if connection is None:
                return []
            days = connection.scalars(sa.select(schema.pieces.c.day).distinct())
            return sorted({Window.of("month", date.fromisoformat(day)) for day in days}, key=str)

    def rebuild(self, progress: Callable[[Window], None] = lambda month: None) -> Rebuilt:
        """Make every month anew whose events are whole; raises :class:`StoreUnavailable`."""
        made: list[str] = []
        skipped: list[str] = []
        for month in self.months():
            (made if self._rebuild(month) else skipped).append(str(month))
            progress(month)
        return Rebuilt(tuple(made), tuple(skipped))

    def _rebuild(self, month: Window) -> bool:
        with self._store.write() as connection:
            return self._publisher.again(connection, month)
