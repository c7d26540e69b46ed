"""What reports are made of: each stretch of time is counted once, when it has closed, and stays as it was published."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import store
from .disclosure import Table, Tally, is_safe, loses_little, merged, told_apart, total
from .tally import COUNTED, WHOLE_DAY, tables_of
from .windows import Calendar, Window, week_of

#: Seconds after midnight during which a day still waits for lines; a segment of the log lives no longer.
GRACE = 3600.0

OTHER = "other"

#: Tables whose rows are known beforehand: of a row with few visitors it is said that it is one.
FIXED = ("returning", "decisions")
FEW = Tally(0, -1)  # as a published cell: fewer than may be told

_DAY = timedelta(days=1)

Decided = Callable[[date, date], dict[date, dict[str, Table]]]  # the tables of decisions on each day, from one to before another


class Piece(NamedTuple):
    """A stretch of time within one day that is counted at once: the day, or a part of the first one that somebody looked at."""

    start: str
    until: str
    day: date

    @property
    def unit(self) -> tuple[str, str, str, str]:
        return f"{self.day:%Y-%m}", week_of(self.day), self.day.isoformat(), self.start


class Placed(NamedTuple):
    """With which unit of time, "piece", "week" or "month", a piece's total was published, and its rows; empty while they wait."""

    total: str = ""
    rows: str = ""


Place = tuple[str, Piece]  # a table, and a piece of time
_LEVELS = {"day": ("piece",), "week": ("piece", "week"), "month": ("piece", "week", "month")}


def no_decisions(_first: date, _end: date) -> dict[date, dict[str, Table]]:
    """Where there is no ledger to ask."""
    return {}


class Publisher:
    """Counts what has closed, in a transaction that holds the store's write lock."""

    def __init__(self, calendar: Calendar, least: int, decided: Decided = no_decisions) -> None:
        self._calendar = calendar
        self._least = least
        self._decided = decided

    def close(self, connection: sa.Connection, now: str, progress: Callable[[date], None] = lambda day: None) -> int:
        """Publish every day, week and month that ended an hour ago or more and is not published yet; gives the days."""
        end = self._calendar.day_of(now)
        first = self._next(connection)
        if first is None or self._calendar.day_of(first) >= end:
            return 0
        return Pass(connection, self._calendar, self._least, self._decided).close(first, end, progress)

    def step(self, connection: sa.Connection) -> bool:
        """Publish what came since the last piece, on the day at hand, if nobody can be told apart in it."""
        first, newest = self._next(connection), connection.scalar(sa.select(sa.func.max(store.events.c.at)))
        if first is None or newest is None:
            return False
        until = max(_after(newest), _after(first))
        piece = Piece(first, until, self._calendar.day_of(newest))
        if self._calendar.day_of(first) != piece.day or self._calendar.starts(piece.day + _DAY) <= until:
            return False  # a day that has not been closed lies between, or this one is at its very end
        return Pass(connection, self._calendar, self._least, self._decided).step(piece)

    def _next(self, connection: sa.Connection) -> str | None:
        """Where the next piece starts; None while there is no event."""
        last = connection.scalar(sa.select(sa.func.max(store.pieces.c.until)))
        if last is not None:
            return str(last)
        oldest = connection.scalar(sa.select(sa.func.min(store.events.c.at)))
        return None if oldest is None else self._calendar.starts(self._calendar.day_of(oldest))


class Pass:
    """One pass over pieces in order of time; keeps at hand what waits for the end of its week or month."""

    def __init__(self, connection: sa.Connection, calendar: Calendar, least: int, decided: Decided) -> None:
        self._connection = connection
        self._calendar = calendar
        self._least = least
        self._decided = decided
        self._decisions: dict[date, dict[str, Table]] = {}
        self._placed: dict[Place, Placed] = {}  # what was published of this month's pieces
        self._waiting: dict[Piece, dict[str, Table]] = {}  # the tables of pieces of which something was not
        self._seen: dict[Piece, set[str]] = {}

    def close(self, first: str, end: date, progress: Callable[[date], None]) -> int:
        """Close the days from a moment to before a day."""
        day = self._calendar.day_of(first)
        self._remember(day, end)
        closed = 0
        while day < end:
            piece = Piece(first, self._calendar.starts(day + _DAY), day)
            self._take_late(piece)
            self._note(piece)
            self.count(piece)
            self.end_day(day)
            progress(day)
            first, day, closed = piece.until, day + _DAY, closed + 1
        return closed

    def step(self, piece: Piece) -> bool:
        """Publish a part of a day, unless its total could tell of somebody."""
        if len({event[0] for event in self._events(piece, late="")}) < self._least:
            return False
        self._take_late(piece)
        self._note(piece)
        self.count(piece)
        return True

    def count(self, piece: Piece) -> None:
        """Publish what can be published of one piece by itself."""
        tables = self._tables(piece)
        self._waiting[piece] = tables
        self._seen[piece] = set(total(tables.get("visitors", {})).visitors)
        always = not self._ends_day(piece) and self._is_first_day(piece.day)
        for name in tables:
            self._publish(name, [piece], piece.unit, "piece", always=always)
        self._waiting[piece] = {name: table for name, table in tables.items() if not self._is_done(name, piece)}
        self._count_everybody(self._seen[piece], piece.day)

    def end_day(self, day: date) -> None:
        """Publish what can be published with the longer units of time that end with this day."""
        after, week, month = day + _DAY, Window.of("week", day), Window.of("month", day)
        self._count_distinct(Window.of("day", day), lambda piece: piece.start)
        if after.weekday() == 0 or after.day == 1:
            self._gather("week", max(week.first, month.first), after)
        if after.weekday() == 0:
            self._count_distinct(week, lambda piece: str(piece.day))
        if after.day == 1:
            self._gather("month", month.first, after)
            self._count_distinct(month, lambda piece: week_of(piece.day))
            self._placed, self._waiting = {}, {}
            self._seen = {piece: seen for piece, seen in self._seen.items() if piece.day > day - 7 * _DAY}

    def _gather(self, level: str, first: date, end: date) -> None:
        unit = (f"{first:%Y-%m}", week_of(first) if level == "week" else "", "", "")
        pieces: dict[str, list[Piece]] = {}
        for name, piece in sorted(self._placed):
            if first <= piece.day < end and not self._is_done(name, piece):
                pieces.setdefault(name, []).append(piece)
        for name, having in pieces.items():
            self._publish(name, having, unit, level, always=level == "month")

    def _publish(self, name: str, having: list[Piece], unit: tuple[str, ...], level: str, *, always: bool) -> None:
        """Publish the total of the pieces that have none yet, then the rows of those that have one and are not told apart."""
        tables = {piece: self._table(name, piece) for piece in having}
        before = {piece: self._placed.get((name, piece), Placed()) for piece in having}
        without = [piece for piece in having if not before[piece].total]
        everything = total(merged(tables[piece] for piece in without))
        if without and is_safe(everything, self._least):
            self._write(name, unit, {"": everything})
            before |= {piece: Placed(level) for piece in without}
        waiting = [piece for piece in having if before[piece].total and not before[piece].rows]
        table = merged(tables[piece] for piece in waiting)
        shown, other = told_apart(table, self._least)
        if waiting and (always or loses_little(table, other)):
            small = table.keys() - shown.keys() if name in FIXED else ()
            few = {row: FEW for row in small if len(table[row].visitors) < self._least}
            self._write(name, unit, shown | ({OTHER: other} if other.number else {}) | few)
            before |= {piece: Placed(before[piece].total, level) for piece in waiting}
        for piece, placed in before.items():
            self._mark(name, piece, placed)

    def _mark(self, name: str, piece: Piece, now: Placed) -> None:
        before = self._placed.get((name, piece))
        self._placed[name, piece] = now
        if before is None:
            self._connection.execute(sa.insert(store.placed), {"name": name, "start": piece.start, **now._asdict()})
        elif before != now:
            here = sa.and_(store.placed.c.name == name, store.placed.c.start == piece.start)
            self._connection.execute(sa.update(store.placed).where(here).values(now._asdict()))

    def _is_done(self, name: str, piece: Piece) -> bool:
        return bool(self._placed[name, piece].rows)

    def _write(self, name: str, unit: tuple[str, ...], rows: dict[str, Tally]) -> None:
        where = {"name": name} | dict(zip(("month", "week", "day", "start"), unit, strict=True))
        values = [where | {"row": row, "number": t.number, "amount": t.amount, "visitors": len(t.visitors)} for row, t in rows.items()]
        self._connection.execute(sa.insert(store.cells), values)

    # What was counted, and who was there

    def _table(self, name: str, piece: Piece) -> Table:
        if piece not in self._waiting:
            self._waiting[piece] = self._tables(piece)
        return self._waiting[piece].get(name, {})

    def _tables(self, piece: Piece) -> dict[str, Table]:
        found = tables_of(self._events(piece), self._calendar)
        starts_day, ends_day = piece.start == self._calendar.starts(piece.day), self._ends_day(piece)
        if not (starts_day and ends_day):
            found = {name: table for name, table in found.items() if name not in WHOLE_DAY}
        if ends_day and not starts_day:
            parts = self._pieces_of(piece.day, piece.day + _DAY)
            events = sorted((event for part in parts for event in self._events(part)), key=lambda event: (event[2], event[0], event[1]))
            found |= {name: table for name, table in tables_of(events, self._calendar).items() if name in WHOLE_DAY}
        return found | (self._decisions.get(piece.day, {}) if ends_day else {})

    def _ends_day(self, piece: Piece) -> bool:
        return piece.until == self._calendar.starts(piece.day + _DAY)

    def _is_first_day(self, day: date) -> bool:
        return self._connection.scalar(sa.select(sa.func.min(store.pieces.c.day))) == day.isoformat()

    def _events(self, piece: Piece, late: str | None = None) -> list[Any]:
        """A piece's events in order of time; with those that came late, which are counted with it instead of their own."""
        events, late_ones = store.events.c, store.late.c
        columns = [events[name] for name in COUNTED]
        of_event = sa.and_(late_ones.visitor == events.visitor, late_ones.id == events.id)
        came_late = sa.select(*columns).join(store.late, of_event)
        came_late = came_late.where(late_ones.piece == (piece.start if late is None else late))
        on_time = sa.select(*columns).where(events.at >= piece.start, events.at < piece.until)
        on_time = on_time.order_by(events.at, events.visitor, events.id)
        if self._connection.execute(sa.select(late_ones.id).limit(1)).first() is None:
            return list(self._connection.execute(on_time))
        on_time = on_time.where(~sa.exists().where(of_event))
        found = [*self._connection.execute(came_late), *self._connection.execute(on_time)]
        return sorted(found, key=lambda event: (event[2], event[0], event[1]))

    def _take_late(self, piece: Piece) -> None:
        self._connection.execute(sa.update(store.late).where(store.late.c.piece == "").values(piece=piece.start))

    def _note(self, piece: Piece) -> None:
        values = {"start": piece.start, "until": piece.until, "day": piece.day.isoformat(), "whole": True}
        self._connection.execute(sa.insert(store.pieces), values)

    def _pieces_of(self, first: date, end: date) -> list[Piece]:
        day = store.pieces.c.day
        chosen = sa.select(store.pieces).where(day >= first.isoformat(), day < end.isoformat()).order_by(store.pieces.c.start)
        return [Piece(row.start, row.until, date.fromisoformat(row.day)) for row in self._connection.execute(chosen)]

    def _remember(self, day: date, end: date) -> None:
        """Take up the month that a day is in where an earlier pass left it."""
        first = day.replace(day=1)
        self._decisions = self._decided(first, end)
        pieces = {piece.start: piece for piece in self._pieces_of(first, Window.of("month", day).end)}
        for row in self._connection.execute(sa.select(store.placed).where(store.placed.c.start.in_(pieces))):
            self._placed[row.name, pieces[row.start]] = Placed(row.total, row.rows)

    # Distinct visitors, which are never summed

    def _count_distinct(self, window: Window, part_of: Callable[[Piece], str]) -> None:
        """How many came in a window of several parts: exactly, unless that told how few came in one of them alone, or in two."""
        sets = list(self._parts_of(window, part_of).values())
        if not sets:
            return
        everybody = set().union(*sets)
        twice = sum(map(len, sets)) - len(everybody)
        exact = all(number == 0 or number >= self._least for number in (twice, *(len(everybody - seen) for seen in sets)))
        values = {"window": str(window), "visitors": len(everybody) if exact else max(map(len, sets)), "exact": exact}
        self._connection.execute(sa.delete(store.distinct).where(store.distinct.c.window == str(window)))
        self._connection.execute(sa.insert(store.distinct), values)

    def _parts_of(self, window: Window, part_of: Callable[[Piece], str]) -> dict[str, set[str]]:
        """The visitors of a window whose number was published, by the part with which it was."""
        levels, placed = _LEVELS[window.unit], store.placed.c
        found: dict[str, set[str]] = {}
        for piece in self._pieces_of(window.first, window.end):
            chosen = sa.select(placed.total).where(placed.name == "visitors", placed.start == piece.start)
            level = self._connection.scalar(chosen)
            if level in levels:
                part = part_of(piece) if level == "piece" or (window.unit, level) == ("month", "week") else level
                found.setdefault(part, set()).update(self._visitors(piece))
        return found

    def _visitors(self, piece: Piece) -> set[str]:
        if piece not in self._seen:
            self._seen[piece] = {event[0] for event in self._events(piece)}
        return self._seen[piece]

    def _count_everybody(self, seen: Iterable[str], day: date) -> None:
        """Move on the number of all visitors so far, once enough are new and enough of the others came, too."""
        people, run = store.people, self._connection.execute
        seen = list(seen)
        for part in _parts(seen):
            known = set(self._connection.scalars(sa.select(people.c.visitor).where(people.c.visitor.in_(part))))
            if known:
                run(sa.update(people).where(people.c.visitor.in_(known)).values(last=day.isoformat(), seen=True))
            new = [{"visitor": v, "last": day.isoformat(), "counted": False, "seen": True} for v in part if v not in known]
            if new:
                run(sa.insert(people), new)
        counted = dict.fromkeys((True, False), 0) | {
            row.counted: row.number
            for row in run(sa.select(people.c.counted, sa.func.count().label("number")).where(people.c.seen).group_by(people.c.counted))
        }
        if counted[False] and all(not number or number >= self._least for number in counted.values()):
            run(sa.update(people).where(people.c.seen).values(counted=True, seen=False))
            all_time = store.distinct.c.window == "all"
            added = store.distinct.c.visitors + counted[False]
            if not run(sa.update(store.distinct).where(all_time).values(visitors=added)).rowcount:
                run(sa.insert(store.distinct), {"window": "all", "visitors": counted[False], "exact": True})


def _after(at: str) -> str:
    """The millisecond after a moment."""
    moment = datetime.fromisoformat(at).astimezone(UTC) + timedelta(milliseconds=1)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _parts(texts: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), 500):
        yield texts[start : start + 500]
