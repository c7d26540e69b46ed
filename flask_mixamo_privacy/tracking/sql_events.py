"""Events in the books' own database, SQLite or PostgreSQL: each change shares the transaction of the books."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import sleep
from typing import Any

import sqlalchemy as sa

from . import event_deletion, event_table, logged_events
from .engine import Counts, Logged, Write
from .event_table import Names, StoredRow
from .events import KINDS
from .schema import LONGEST_SHARED, events, people, texts, visitors

#: Rows that one transaction deletes, in about 0.1 s.
AT_MOST = 2_500
PAUSE = 0.1  # seconds between two such transactions; a writer that waits for SQLite tries again within that time

_slot = events.c.slot


class SqlEvents:
    """Implements :class:`.engine.Events`."""

    is_remote = False

    def servers(self) -> dict[str, str]:
        return {}

    names = Names

    def settle(self, connection: sa.Connection) -> None:
        """Do nothing: a transaction sees every earlier one."""

    def prepare(self, connection: sa.Connection, visitors: set[str]) -> None:
        """Do nothing: a code is committed with the events."""

    put = staticmethod(event_table.put)

    def erase(self, connection: sa.Connection, visitor: str, tombstones: Sequence[str]) -> list[int]:
        code = connection.scalar(sa.select(visitors.c.code).where(visitors.c.visitor == visitor))
        if code is None:
            return []
        slots = event_deletion.delete(connection, events.c.visitor == code)
        event_deletion.erase_in_copy(connection, code, tombstones)
        connection.execute(sa.delete(visitors).where(visitors.c.code == code))
        return slots

    def scrub(self, write: Write) -> None:
        """Do nothing: a deletion is complete, and the file is rewritten with the books."""

    def unscrubbed(self, connection: sa.Connection) -> set[str]:
        return set()

    def prune(self, write: Write, end: int, lost: Callable[[sa.Connection, list[int]], None]) -> Iterator[int]:
        while True:
            with write() as connection:
                if slots := _delete_oldest(connection, end):
                    lost(connection, sorted(set(slots)))
            if not slots:
                return
            yield len(slots)
            pause_after(len(slots), connection)

    def release_visitors(self, connection: sa.Connection, codes: Sequence[int]) -> None:
        event_deletion.release_visitors(connection, codes)

    def count(self, connection: sa.Connection, end: int) -> int:
        chosen = sa.select(sa.func.count()).select_from(events).where(sa.or_(_slot < end, events.c.at < end))
        return connection.scalar(chosen) or 0

    def logged(self, connection: sa.Connection, visitors: Sequence[str] | None = None) -> Iterator[Logged]:
        if visitors is None:
            query = logged_events.logged(_slot)
        else:
            query = logged_events.logged(logged_events.moment).where(logged_events.of_visitors(visitors))
        for row in connection.execute(query.execution_options(yield_per=1000)):
            yield row.rank, logged_events.as_logged(row)

    def known_ids(self, connection: sa.Connection, visitors: Sequence[str], ids: Sequence[str]) -> Iterable[str]:
        return connection.scalars(_KNOWN_IDS, {"visitors": visitors, "ids": ids})

    def count_kinds_and_pages(self, connection: sa.Connection, visitors: Sequence[str]) -> Iterator[Counts]:
        return logged_events.count_kinds_and_pages(connection, visitors)

    first_slot = staticmethod(event_table.first_slot)

    last_slot = staticmethod(event_table.last_slot)

    def between(self, connection: sa.Connection, start: int, end: int, names: Names) -> list[StoredRow]:
        query = sa.select(events).where(*event_table.slots_in(start, end)).order_by(_slot, events.c.visitor, events.c.id)
        cursor = connection.execute(query).cursor
        assert cursor is not None
        return list(cursor.fetchall())  # the driver's tuples: SQLAlchemy's rows would cost millions of objects

    def of_kind(
        self, connection: sa.Connection, kind: str | None, columns: Sequence[str], start: int, end: int, names: Names
    ) -> Sequence[tuple[Any, ...]]:
        query = sa.select(*(events.c[name] for name in columns)).where(*event_table.slots_in(start, end))
        # A kind without events has no code. With NULL in its list, NOT IN would find nothing.
        built_in = [sa.func.coalesce(_kind_code(each), -1) for each in KINDS]
        query = query.where(events.c.kind.not_in(built_in) if kind is None else events.c.kind == _kind_code(kind))
        query = query.order_by(_slot, events.c.visitor, events.c.id)
        cursor = connection.execute(query).cursor
        assert cursor is not None
        return cursor.fetchall()  # the driver's tuples: SQLAlchemy's rows would cost as much again

    def count_visitors(self, connection: sa.Connection, start: int, end: int | None, known: sa.ColumnElement[bool]) -> int:
        # With the plain column, SQLite could scan all events by the index of visitors.
        visitor = (events.c.visitor + 0).label("visitor")
        found = sa.select(visitor).where(*event_table.slots_in(start, end)).distinct().subquery()
        is_known = sa.exists().where(people.c.visitor == found.c.visitor, known)
        return connection.scalar(sa.select(sa.func.count()).select_from(found).where(~is_known)) or 0

    visitors_between = staticmethod(event_table.visitors_between)


def pause_after(deleted: int, connection: sa.Connection) -> None:
    """Let other writers of SQLite have the lock after a full part. Those of a server queue for it."""
    if deleted >= AT_MOST and connection.dialect.name == "sqlite":
        sleep(PAUSE)


#: The events of a store that has no other database for them.
SQL = SqlEvents()

_KNOWN_IDS = sa.select(events.c.id).where(
    events.c.visitor.in_(sa.select(visitors.c.code).where(visitors.c.visitor.in_(sa.bindparam("visitors", expanding=True)))),
    events.c.id.in_(sa.bindparam("ids", expanding=True)),
)


def _kind_code(kind: str) -> sa.ScalarSelect[int]:
    """Return the query of the code of a kind."""
    is_kind = sa.and_(sa.func.length(texts.c.text) <= LONGEST_SHARED, texts.c.text == kind)
    return sa.select(texts.c.code).where(is_kind).scalar_subquery()


def _delete_oldest(connection: sa.Connection, end: int) -> list[int]:
    """Delete the oldest events before a moment, at most about :data:`AT_MOST`. Returns their slots."""
    # Delete late events first, in order of ``at``, which only they have: thousands of late events may share one slot, and
    # one transaction would then delete them all.
    for column in (events.c.at, _slot):
        oldest = sa.select(column).where(column < end).order_by(column)
        last = connection.scalar(oldest.offset(AT_MOST - 1).limit(1))
        if slots := event_deletion.delete(connection, column < end if last is None else column <= last):
            return slots
    return []
