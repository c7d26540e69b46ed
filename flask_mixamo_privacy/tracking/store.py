"""The event store. It knows no users. Of an erased visitor it keeps only a keyed hash, the tombstone."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa

from ..errors import PrivacyError, StoreUnavailable
from ..storage.clock import milliseconds_of, timestamp_of_milliseconds
from ..storage.database import Connect, Database, KeyRegister
from ..storage.failures import log_failure
from ..storage.files import Spool
from ..storage.keys import KeyRing
from . import event_deletion, event_table, sql_events
from .engine import Events
from .event_table import StoredRow
from .parsing import Batch, Row
from .schema import (
    cells,
    cursors,
    distinct,
    events,
    malformed,
    metadata,
    people,
    pieces,
    placed,
    remote_range,
    tombstones,
    visitors,
)  # fmt: skip
from .schema_steps import STEPS
from .sql_events import SQL

_TURN_MS = 60_000  # the loaders of several hosts take turns; a batch may take seconds
_PATIENCE_MS = 100  # a visitor's request waits so long for the lock, which a batch or a rewrite of the file may hold
_BLOCK_ERASURES = "LOCK TABLE tombstones IN SHARE ROW EXCLUSIVE MODE"


class EventStore:
    """Events, one per (visitor, id), and the tombstones of erased visitors.

    ``database`` has the books, and ``events`` the events. Without ``events``, they are in the books too.
    """

    def __init__(self, url: str, keys: KeyRing, pending: Spool, events: Events | None = None) -> None:
        register = KeyRegister(keys, "events", with_ids=False)
        self.database = Database(
            url, metadata, "The database of events", StoreUnavailable, lock=_BLOCK_ERASURES, keys=register, steps=STEPS
        )
        self._keys = keys
        self.pending = pending
        self.events: Events = events or SQL

    def store_malformed(self, connection: sa.Connection, segment: str, offset: int, line: bytes) -> None:
        """Store a line that is not an event, for an operator to inspect. A line is stored once."""
        text = line[:4096].decode("utf-8", "replace").replace("\0", "\ufffd")
        connection.execute(self.database.insert_new(malformed), {"segment": segment, "offset": offset, "line": text})

    def write(self, connect: Connect | None = None) -> AbstractContextManager[sa.Connection]:
        """Return a write transaction. Raises :class:`StoreUnavailable`.

        No erasure can take place between a query of the tombstones and the commit. ``connect`` opens the connection.
        """
        return self._in_place(self.database.write(turn=_TURN_MS, connect=connect))

    def write_soon(self) -> AbstractContextManager[sa.Connection]:
        """Return a write transaction for a request, which does not wait for a batch of the loader."""
        return self._in_place(self.database.write(_PATIENCE_MS))

    def read(self) -> AbstractContextManager[sa.Connection | None]:
        """Return a read transaction, or None if no event was ever loaded. Raises :class:`StoreUnavailable`."""
        return self._in_place(self.database.read())

    @contextmanager
    def _in_place(self, transaction: AbstractContextManager[Any]) -> Iterator[Any]:
        """Refuse a transaction if the settings name another place for the events than the one that has them."""
        with transaction as connection:
            if connection is not None:
                self._require_place(connection)
            yield connection

    def _require_place(self, connection: sa.Connection) -> None:
        is_moved = connection.scalar(sa.select(remote_range.c.last)) is not None
        if is_moved and not self.events.is_remote:
            raise StoreUnavailable(
                "The events are in ClickHouse. Set PRIVACY_EVENTS_URL to it, and PRIVACY_BOOKS_URL to this."
            )
        if self.events.is_remote and not is_moved and connection.scalar(sa.select(events.c.slot).limit(1)) is not None:
            raise StoreUnavailable("The books have events too. Move them: flask privacy move --events URL --finish.")

    def prepare(self, batch: Batch) -> None:
        """Prepare to add events. Call this before the transaction of :meth:`add_batch`."""
        if self.events.is_remote and (visitors := batch.visitors):
            with self.write() as connection:
                self.events.prepare(connection, visitors - self.erased(connection, visitors))

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> Sequence[StoredRow]:
        """Insert the new events, as :meth:`add_batch` does."""
        return self.add_batch(connection, Batch.of(rows))

    def add_batch(self, connection: sa.Connection, batch: Batch) -> Sequence[StoredRow]:
        """Insert the new events, except those of erased visitors. Returns the inserted rows, in no order.

        If two events have the same visitor and id, the earlier one counts.
        """
        erased = self.erased(connection, batch.visitors)
        if erased:
            self.mark_unscrubbed(connection, erased)
            batch = batch.without(erased)
        if not batch:
            return []
        counted: str | None = connection.scalar(sa.select(sa.func.max(pieces.c.until)))
        return self.events.put(connection, batch, milliseconds_of(counted) if counted else 0)

    def erase(self, visitor: str, day: str, wait: int | None = None) -> int:
        """Insert a tombstone and delete the visitor's events in one transaction. Returns the number of events deleted.

        Waits ``wait`` milliseconds for the lock, as :meth:`.Database.write` does.
        """
        key_id, hashed = self._keys.pseudonymise(visitor)
        with self.write() if wait is None else self._in_place(self.database.write(wait)) as connection:
            values = {"hash": hashed, "key": key_id, "day": day, "clean": False}
            connection.execute(self.database.insert_new(tombstones), values)
            self.mark_unscrubbed(connection, [visitor])
            deleted = self._delete_visitor(connection, visitor)
            connection.execute(sa.delete(malformed).where(malformed.c.line.contains(visitor, autoescape=True)))
        self.database.truncate_wal(wait)
        return deleted

    def _delete_visitor(self, connection: sa.Connection, visitor: str) -> int:
        code = connection.scalar(sa.select(visitors.c.code).where(visitors.c.visitor == visitor))
        slots = self.events.erase(connection, visitor, self._keys.pseudonyms(visitor))
        _mark_incomplete(connection, sorted(set(slots)))
        connection.execute(sa.delete(people).where(people.c.visitor == code))
        return len(slots)

    def erase_or_spool(self, visitor: str, day: str) -> None:
        """Erase a visitor, or spool the erasure if that fails. Raises :class:`OSError` if the spool cannot be written.

        The visitor waits for the answer. So if another writer holds the lock for longer, the next load erases.
        """
        try:
            self.erase(visitor, day, _PATIENCE_MS)
        except (PrivacyError, OSError, ValueError):  # from the database, or from the key file
            self.pending.append({"visitor": visitor, "day": day})

    @property
    def has_spooled(self) -> bool:
        """Whether an erasure is spooled."""
        return bool(self.pending)

    def drain_spool(self) -> int:
        """Carry out the spooled erasures and return their number. Raises :class:`StoreUnavailable`."""
        return self.pending.drain(self._erase_all)

    def _erase_all(self, entries: list[dict[str, str]]) -> None:
        for entry in entries:
            self.erase(entry["visitor"], entry["day"])

    def visitors(self) -> list[str]:
        """Return every visitor in the store. A replay searches them for erased visitors."""
        with self.read() as connection:
            return list(connection.scalars(sa.select(visitors.c.visitor))) if connection is not None else []

    @property
    def is_erasing(self) -> bool:
        """Whether an erasure is spooled, or bytes of an erased visitor may be left in another database of the events."""
        return bool(self.pending) or bool(self.count_remote_erasures())

    def count_remote_erasures(self) -> int:
        """Return the number of erased visitors of whom bytes may be left in the events' own database, or in a copy."""
        with self.read() as connection:
            return event_deletion.count_remote_erasures(connection) if connection is not None else 0

    def scrub_events(self) -> None:
        """Go on with the deletion of erased visitors in the events' own database. If that fails, a later pass does."""
        if self.events.is_remote and self.is_erasing:
            try:
                self.events.scrub(self.write)
            except StoreUnavailable as error:
                log_failure("An erasure is not complete yet, and goes on later", error, level=logging.WARNING)

    def restore_tombstones(self, entries: Iterable[tuple[str, str, str]]) -> None:
        """Insert tombstones that a restored database does not have: keyed hash, key id and day.

        A restored log may contain lines of these visitors. All of these tombstones are therefore marked as not scrubbed.
        """
        rows = [dict(zip(("hash", "key", "day"), entry, strict=True)) for entry in entries]
        if rows:
            with self.write() as connection:
                connection.execute(self.database.insert_new(tombstones), rows)
                self._set_clean(connection, (row["hash"] for row in rows), False)

    def prune(
        self,
        before: str,
        aggregates: str = "",
        progress: Callable[[int], None] = lambda number: None,
        alone: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> int:
        """Delete the events before a day (``2026-05-08``), and the tombstones before it, whose visitors have no lines left.

        Each transaction deletes a part, so that other writers never wait long. Published cells are deleted by month, once
        the whole month is before the day ``aggregates``. Malformed lines have no time, and are deleted once their segment
        no longer exists. The free pages of the database keep no copy: the file is rewritten in the context ``alone``, which
        keeps the loaders out.
        """
        deleted = 0
        end = milliseconds_of(before + "T00:00:00.000Z")
        for part in self.events.prune(self.write, end, _mark_incomplete):
            deleted += part
            progress(deleted)
        old_lines = _delete_some(malformed, malformed.c.segment.not_in(sa.select(cursors.c.segment)))
        lines = sum(self._in_parts(lambda connection: connection.execute(old_lines).rowcount))
        sum(self._in_parts(lambda connection: self._prune_people(connection, before)))
        old_tombstones = _delete_some(tombstones, tombstones.c.day < before)
        sum(self._in_parts(lambda connection: connection.execute(old_tombstones).rowcount))
        self._prune_aggregates(aggregates)
        if deleted or lines:
            with alone():
                self.database.rewrite()
        return deleted

    def _in_parts(self, delete: Callable[[sa.Connection], int]) -> Iterator[int]:
        """Delete in one transaction after another, until nothing is left. Yields the number of rows that each deleted."""
        while True:
            with self.write() as connection:
                part = delete(connection)
            if not part:
                return
            yield part
            sql_events.pause_after(part, connection)

    def _prune_people(self, connection: sa.Connection, before: str) -> int:
        """Delete the oldest rows of visitors who have no event since a day. Returns their number."""
        old = _delete_some(people, people.c.last < before).returning(people.c.visitor)
        forgotten = connection.scalars(old).all()
        self.events.release_visitors(connection, forgotten)
        return len(forgotten)

    def _prune_aggregates(self, before: str) -> None:
        """Delete the months before the month of a day. Keep the newest interval, which marks the end of counting."""
        month = before[:7]
        with self.write() as connection:
            newest = connection.scalar(sa.select(sa.func.max(pieces.c.start))) or ""
            connection.execute(sa.delete(cells).where(cells.c.month < month))
            connection.execute(sa.delete(distinct).where(distinct.c.window != "all", distinct.c.day < month))
            connection.execute(
                sa.delete(placed).where(placed.c.start.in_(sa.select(pieces.c.start).where(pieces.c.day < month)))
            )
            connection.execute(sa.delete(pieces).where(pieces.c.day < month, pieces.c.start != newest))

    def count(self, before: str) -> int:
        """Return the number of events before a day."""
        end = milliseconds_of(before + "T00:00:00.000Z")
        with self.read() as connection:
            return 0 if connection is None else self.events.count(connection, end)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every event in the form of the log, in order of time. Events that came late follow those counted before."""
        with self.read() as connection:
            if connection is not None:
                for _, event in self.events.logged(connection):
                    yield event

    def scrubbed(self, due: Iterable[str]) -> list[str]:
        """Return those tombstones of whose visitors the events' database has no byte left."""
        with self.read() as connection:
            left = set() if connection is None else self.events.unscrubbed(connection)
        return [each for each in due if each not in left]

    def pending_scrub(self) -> list[str]:
        """Return the tombstones of visitors whose lines may still be in a segment."""
        with self.read() as connection:
            chosen = sa.select(tombstones.c.hash).where(sa.not_(tombstones.c.clean))
            return list(connection.scalars(chosen)) if connection is not None else []

    def mark_scrubbed(self, hashes: list[str]) -> None:
        """Record that no loaded line of a segment belongs to these tombstones."""
        with self.write() as connection:
            self._set_clean(connection, hashes, True)

    def mark_unscrubbed(self, connection: sa.Connection, visitors: Iterable[str]) -> None:
        """Record that a segment may hold lines of these erased visitors."""
        self._set_clean(connection, (hashed for visitor in visitors for hashed in self._keys.pseudonyms(visitor)), False)

    def _set_clean(self, connection: sa.Connection, hashes: Iterable[str], clean: bool) -> None:
        statement = sa.update(tombstones).where(tombstones.c.hash == sa.bindparam("tombstone")).values(clean=clean)
        if rows := [{"tombstone": hashed} for hashed in hashes]:
            connection.execute(statement, rows)

    def has_erased(self, visitor: str) -> bool:
        """Return whether a visitor was erased. While an erasure is spooled, it may be that of any visitor.

        Raises :class:`StoreUnavailable` and :class:`KeyMissing`.
        """
        if self.has_spooled:
            return True
        with self.read() as connection:
            return connection is not None and bool(self.erased(connection, [visitor]))

    def erased(self, connection: sa.Connection, visitors: Iterable[str]) -> set[str]:
        """Return the erased visitors among ``visitors``. Raises :class:`KeyMissing`."""
        used = connection.scalars(sa.select(tombstones.c.key).distinct()).all()
        if not used:
            return set()
        for key_id in used:
            self._keys.require(key_id)
        by_hash = {hashed: visitor for visitor in visitors for hashed in self._keys.pseudonyms(visitor)}
        erased: set[str] = set()
        hashes = list(by_hash)
        for start in range(0, len(hashes), 500):
            part = sa.select(tombstones.c.hash).where(tombstones.c.hash.in_(hashes[start : start + 500]))
            erased.update(by_hash[hashed] for hashed in connection.scalars(part))
        return erased


def _delete_some(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.Delete:
    """Return a statement that deletes at most :data:`.sql_events.AT_MOST` of the rows."""
    key = table.primary_key.columns
    return sa.delete(table).where(sa.tuple_(*key).in_(sa.select(*key).where(condition).limit(sql_events.AT_MOST)))


def _mark_incomplete(connection: sa.Connection, slots: list[int]) -> None:
    """Mark the intervals that counted an event with one of these slots, which are in order: they cannot be counted again."""
    if not slots:
        return
    start, until = pieces.c.start, pieces.c.until
    first, last = map(timestamp_of_milliseconds, (slots[0], slots[-1]))
    query = sa.select(start, until).where(pieces.c.whole, until > first, start <= last)
    lost = [
        (row.start,)
        for row in connection.execute(query).all()
        if bisect_left(slots, milliseconds_of(row.start)) < bisect_left(slots, milliseconds_of(row.until))
    ]
    event_table.execute_many(connection, "UPDATE pieces SET whole = FALSE WHERE start = ?", lost)
