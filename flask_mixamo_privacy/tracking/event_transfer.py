"""Moving the events out of the books' database into one of their own, while the site is served.

The copy can be killed at any time. The next run continues after the last slot that it has inserted, and then compares the
two row by row. Finishing compares once more while no other process can write. It then deletes the events of the books, in
one transaction. From then on a store with other settings refuses to read and to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ..errors import MoveError
from ..storage.table_copy import differences
from ..storage.transfer import find_move, forget_move, note_move
from . import schema
from .clickhouse_events import ClickHouseEvents
from .event_deletion import MOVE, count_remote_erasures
from .event_table import STORED, Names, StoredRow
from .schema import CODED
from .store import EventStore

Progress = Callable[[int], object]

_AT_ONCE = 20_000  # rows in one block
_WALKS = 3  # the first makes both equal, the second finds no difference
_SLOT, _VISITOR, _ID = (STORED.index(name) for name in ("slot", "visitor", "id"))
_key = itemgetter(_SLOT, _VISITOR, _ID)
_CODED_PLACES = [STORED.index(name) for name in CODED]


class EventTransfer:
    """The move of a site's events, with the same steps as :class:`.Transfer`. Raises :class:`StoreUnavailable`."""

    name = "the events"

    def __init__(self, source: EventStore, target: ClickHouseEvents) -> None:
        self._source, self._target = source, target
        self._names = Names()
        self.changes = 0  # rows that differed when they were compared, because the site had changed them

    @property
    def has_data(self) -> bool:
        """Whether the source was ever written."""
        return self._source.database.exists

    @cached_property
    def is_moved(self) -> bool:
        """Whether an earlier run has finished the move."""
        with self._source.database.read() as connection:
            return connection is not None and connection.scalar(sa.select(schema.remote_range.c.last)) is not None

    def begin(self) -> None:
        """Note the move in the books, which then record erasures for the copy too.

        Raises :class:`MoveError` if the target has rows that this move has not copied, or is not that of the move.
        """
        if self.is_moved:
            return
        with self._source.database.write() as connection:
            if not self._has_begun(connection):
                if rows := self._target.tables.count_rows():
                    hint = "Choose an empty database, or drop its tables if nothing needs them."
                    raise MoveError("The target for the events", f"a database with {rows} rows", "an empty database", hint)
                note_move(connection, {"part": MOVE, "move": self._target.tables.place, "version": 1})

    def _has_begun(self, connection: sa.Connection) -> bool:
        """Return whether a move into this target has begun. Raises :class:`MoveError` if it has another target."""
        move = find_move(connection, MOVE)
        if move is not None and not self._target.tables.is_at(move[0]):
            hint = "Name that database again, to go on or to delete its copy with --undo."
            raise MoveError("The target for the events", self._target.tables.place, f"the target so far, {move[0]}", hint)
        return move is not None

    def count(self) -> int:
        """Return the number of events of the source."""
        with self._source.database.read() as connection:
            query = sa.select(sa.func.count()).select_from(schema.events)
            return 0 if connection is None else connection.scalar(query) or 0

    def copy(self, progress: Progress) -> None:
        """Copy the events after the last slot that the target has, while others may write to the source."""
        after: StoredRow = (self._target.tables.last_slot(), -1, "")
        while rows := self._next_rows(after):
            self._target.put_stored(rows)
            after = _key(rows[-1])
            progress(len(rows))
            if len(rows) < _AT_ONCE:  # a site that writes all the time must not keep this going
                break

    def _next_rows(self, after: Sequence[Any]) -> list[StoredRow]:
        with self._source.database.read() as connection:
            return [] if connection is None else self._rows_after(connection, after)

    def compare(self, progress: Progress) -> None:
        """Make the target equal to the source as of now, and verify that it is. Raises :class:`MoveError`."""
        with self._source.database.read() as connection:
            if connection is not None:
                self._equalise(connection, progress)
        self._scrub()

    def _scrub(self) -> None:
        """Delete what the copy has of visitors who were erased meanwhile, and verify it."""
        for _ in ("delete", "look whether the replaced files are gone"):
            self._target.scrub(self._source.database.write)

    @property
    def erasures(self) -> int:
        """The number of erased visitors of whom the target may have bytes."""
        with self._source.database.read() as connection:
            return 0 if connection is None else count_remote_erasures(connection)

    def finish(self, progress: Progress) -> None:
        """Make the target equal while no other process can write, verify it, and let it take over."""
        with self._source.database.write() as connection:
            self._equalise(connection, progress)
            last = connection.scalar(sa.select(sa.func.max(schema.events.c.slot))) or 0
            connection.execute(sa.delete(schema.events))
            connection.execute(sa.delete(schema.texts))
            connection.execute(sa.insert(schema.remote_range), {"last": last})
        self._source.database.rewrite()

    def undo(self) -> None:
        """Delete what was copied. Raises :class:`MoveError` if the move is finished, or has another target."""
        if self.is_moved:
            hint = "Keep the events in ClickHouse. Export them with `flask privacy events` if you need them elsewhere."
            raise MoveError("The move of the events", "finished", "a move that is not finished", hint)
        with self._source.database.write() as connection:
            if not self._has_begun(connection):
                return
        self._target.tables.truncate()
        self._scrub()
        with self._source.database.write() as connection:
            if number := count_remote_erasures(connection):
                hint = "ClickHouse removes replaced files within minutes. Run the command again then."
                raise MoveError("The number of erased visitors with a file in ClickHouse", number, "none", hint)
            forget_move(connection, MOVE)

    def _equalise(self, connection: sa.Connection, progress: Progress) -> None:
        for walk in range(_WALKS):
            self._target.settle(connection)
            number = 0
            report = progress if not walk else _ignore
            found = differences(self._source_rows(connection, report), self._target.all_stored(), _key)
            while some := list(islice(found, _AT_ONCE)):
                self._change(
                    [row for is_missing, row in some if not is_missing], [row for is_missing, row in some if is_missing]
                )
                number += len(some)
            if not number:
                return
            self.changes += number if walk else 0
        hint = "Stop what else writes to the target, and run the command again."
        raise MoveError("The number of events that differ after the copy", number, "none", hint)

    def _change(self, stale: list[StoredRow], missing: list[StoredRow]) -> None:
        if stale:
            self._target.delete_stored([(row[_VISITOR], row[_ID]) for row in stale])
        if missing:
            self._target.put_stored(missing)

    def _source_rows(self, connection: sa.Connection, progress: Progress) -> Iterator[StoredRow]:
        after: Sequence[Any] = (-1, -1, "")
        while rows := self._rows_after(connection, after):
            yield from rows
            after = _key(rows[-1])
            progress(len(rows))

    def _rows_after(self, connection: sa.Connection, after: Sequence[Any]) -> list[StoredRow]:
        """Return the next events in the order of slot, visitor and id, with texts in place of their codes."""
        events = schema.events.c
        name = events.id if connection.dialect.name == "sqlite" else sa.collate(events.id, "C")
        key = sa.tuple_(events.slot, events.visitor, name)
        query = sa.select(schema.events).where(key > sa.tuple_(*map(sa.literal, after)))
        query = query.order_by(events.slot, events.visitor, name).limit(_AT_ONCE)
        rows = [tuple(row) for row in connection.execute(query)]
        self._names.learn(connection, {row[place] for row in rows for place in _CODED_PLACES})
        return [self._with_texts(row) for row in rows]

    def _with_texts(self, row: StoredRow) -> StoredRow:
        values = list(row)
        for place in _CODED_PLACES:
            values[place] = None if values[place] is None else self._names[values[place]]
        return tuple(values)


def _ignore(_number: int) -> None:
    pass
