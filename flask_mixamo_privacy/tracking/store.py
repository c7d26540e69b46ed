"""The event store. It knows no users. Of an erased visitor it keeps only a keyed hash, the tombstone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from ..errors import PrivacyError, StoreUnavailable
from ..storage.database import Database, KeyRegister
from ..storage.files import Spool
from ..storage.keys import KeyRing
from .events import FIELDS
from .schema import cells, distinct, events, late, malformed, metadata, people, pieces, placed, tombstones

Row = tuple[Any, ...]

_AT_ONCE = 500  # rows in one statement
_PATIENCE_MS = 100  # a visitor's request waits so long for the lock, which a batch or a rewrite of the file may hold
_BLOCK_ERASURES = "LOCK TABLE tombstones IN SHARE ROW EXCLUSIVE MODE"

COLUMNS = tuple(column.name for column in events.columns)
_AT, _VISITOR = itemgetter(COLUMNS.index("at")), itemgetter(COLUMNS.index("visitor"))
_KEY = itemgetter(COLUMNS.index("visitor"), COLUMNS.index("id"))
by_time = itemgetter(0, 1, 2)  # the sort key of events: at, visitor, id


class EventStore:
    """Events, one per (visitor, id), and the tombstones of erased visitors."""

    def __init__(self, url: str, keys: KeyRing, pending: Spool) -> None:
        register = KeyRegister(keys, "events", with_ids=False)
        self.database = Database(
            url, metadata, "The database of events", StoreUnavailable, lock=_BLOCK_ERASURES, keys=register
        )
        self._keys = keys
        self.pending = pending

    def store_malformed(self, connection: sa.Connection, segment: str, offset: int, line: bytes) -> None:
        """Store a line that is not an event, for an operator to inspect. A line is stored once."""
        text = line[:4096].decode("utf-8", "replace").replace("\0", "\ufffd")
        connection.execute(self.database.insert_new(malformed), {"segment": segment, "offset": offset, "line": text})

    def write(self) -> AbstractContextManager[sa.Connection]:
        """Return a write transaction. Raises :class:`StoreUnavailable`.

        No erasure can take place between a query of the tombstones and the commit.
        """
        return self.database.write()

    def write_soon(self) -> AbstractContextManager[sa.Connection]:
        """Return a write transaction for a request, which does not wait for a batch of the loader."""
        return self.database.write(_PATIENCE_MS)

    def read(self) -> AbstractContextManager[sa.Connection | None]:
        """Return a read transaction, or None if no event was ever loaded. Raises :class:`StoreUnavailable`."""
        return self.database.read()

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        """Insert the new events, except those of erased visitors. Returns the number inserted."""
        erased = self.erased(connection, set(map(_VISITOR, rows)))
        if erased:
            self.mark_unscrubbed(connection, erased)
            rows = [row for row in rows if _VISITOR(row) not in erased]
        if not rows:
            return 0
        self._record_late(connection, rows)
        return sum(self._insert(connection, part) for part in _parts(rows))

    def _record_late(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Record new events whose interval was already counted, so that the next interval counts them."""
        counted = connection.scalar(sa.select(sa.func.max(pieces.c.until)))
        if counted is None or min(map(_AT, rows)) >= counted:
            return
        came_late = {_KEY(row) for row in rows if _AT(row) < counted}
        for part in _parts(sorted(came_late)):
            visitors, ids = {visitor for visitor, _ in part}, {name for _, name in part}
            chosen = sa.select(events.c.visitor, events.c.id).where(events.c.visitor.in_(visitors), events.c.id.in_(ids))
            new = set(part) - {(row.visitor, row.id) for row in connection.execute(chosen)}
            if new:
                values = [{"visitor": visitor, "id": name, "piece": ""} for visitor, name in sorted(new)]
                connection.execute(self.database.insert_new(late), values)

    def erase(self, visitor: str, day: str, wait: int | None = None) -> int:
        """Insert a tombstone and delete the visitor's events in one transaction. Returns the number of events deleted.

        Waits ``wait`` milliseconds for the lock, as :meth:`.Database.write` does.
        """
        key_id, hashed = self._keys.pseudonymise(visitor)
        with self.database.write(wait) as connection:
            values = {"hash": hashed, "key": key_id, "day": day, "clean": False}
            connection.execute(self.database.insert_new(tombstones), values)
            self.mark_unscrubbed(connection, [visitor])
            _mark_incomplete(connection, _counted_with(visitor))
            deleted = connection.execute(sa.delete(events).where(events.c.visitor == visitor)).rowcount
            for table in (people, late):
                connection.execute(sa.delete(table).where(table.c.visitor == visitor))
            connection.execute(sa.delete(malformed).where(malformed.c.line.contains(visitor, autoescape=True)))
        self.database.truncate_wal(wait)
        return deleted

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
        """Return every visitor with an event. A replay searches them for erased visitors."""
        with self.read() as connection:
            return list(connection.scalars(sa.select(events.c.visitor).distinct())) if connection is not None else []

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

        Each transaction deletes one day, so that other writers never wait long. Published cells are deleted by month, once
        the whole month is before the day ``aggregates``. The free pages of the database keep no copy: the file is
        rewritten in the context ``alone``, which keeps the loaders out.
        """
        deleted = 0
        while oldest := self._oldest(before):
            deleted += self._prune(min(before, oldest[:10] + "~"))
            progress(deleted)
        self._prune(before)
        self._prune_aggregates(aggregates)
        if deleted:
            with alone():
                self.database.rewrite()
        return deleted

    def _oldest(self, before: str) -> str | None:
        with self.read() as connection:
            chosen = sa.select(sa.func.min(events.c.at)).where(events.c.at < before)
            return None if connection is None else connection.scalar(chosen)

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

    def _prune(self, before: str) -> int:
        expired = events.c.at < before
        with self.write() as connection:
            _mark_incomplete(connection, _counted_before(before))
            connection.execute(sa.delete(late).where(sa.exists().where(_is_late, expired)))
            deleted = connection.execute(sa.delete(events).where(expired)).rowcount
            connection.execute(sa.delete(people).where(people.c.last < before))
            connection.execute(sa.delete(tombstones).where(tombstones.c.day < before))
        return deleted

    def count(self, before: str) -> int:
        """Return the number of events before a day."""
        with self.read() as connection:
            chosen = sa.select(sa.func.count()).select_from(events).where(events.c.at < before)
            return 0 if connection is None else connection.scalar(chosen) or 0

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every event in the form of the log, in order of time."""
        with self.read() as connection:
            if connection is not None:
                starts_first = sa.case({"visit_start": 0, "repeat_visit": 1}, value=events.c.kind, else_=2)
                chosen = sa.select(*(events.c[name] for name in FIELDS)).order_by(events.c.at, starts_first, events.c.id)
                for row in connection.execution_options(yield_per=1000).execute(chosen):
                    yield dict(zip(FIELDS, row, strict=True)) | {"data": orjson.loads(row[-1])}

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

    def _insert(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        statement = _insert_of(len(rows), "?" if self.database.is_sqlite else "%s")
        return connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows))).rowcount


@lru_cache(maxsize=2)
def _insert_of(number: int, placeholder: str) -> str:
    """Return a statement that inserts many rows. The driver releases the GIL once for all of them, so other threads run."""
    names, row = ", ".join(f'"{name}"' for name in COLUMNS), f"({', '.join([placeholder] * len(COLUMNS))})"
    return f"INSERT INTO events ({names}) VALUES {', '.join([row] * number)} ON CONFLICT DO NOTHING"  # noqa: S608 — only names of our own columns


_is_late = sa.and_(late.c.visitor == events.c.visitor, late.c.id == events.c.id)


def _mark_incomplete(connection: sa.Connection, counted: sa.ColumnElement[bool]) -> None:
    """Mark the intervals that are about to lose events as incomplete: they cannot be counted again."""
    connection.execute(sa.update(pieces).where(pieces.c.whole, counted).values(whole=False))


def _counted_with(visitor: str) -> sa.ColumnElement[bool]:
    """Return the condition for the intervals that counted an event of a visitor.

    Each event looks its interval up in the key. A join of intervals and events would compare each with each, and a visitor
    with 100,000 events would lock the store for minutes. Intervals have no gaps, so the last start is the event's.
    """
    other = pieces.alias()
    start = sa.select(sa.func.max(other.c.start)).where(other.c.start <= events.c.at).correlate(events).scalar_subquery()
    counted_until = sa.select(sa.func.max(other.c.until)).scalar_subquery()
    on_time = sa.select(start).where(events.c.visitor == visitor, events.c.at < counted_until)
    return sa.or_(pieces.c.start.in_(on_time), pieces.c.start.in_(sa.select(late.c.piece).where(late.c.visitor == visitor)))


def _counted_before(before: str) -> sa.ColumnElement[bool]:
    """Return the condition for the intervals that counted an event before a day. Each reads one event at most."""
    at = events.c.at
    on_time = sa.and_(pieces.c.start < before, sa.exists().where(at >= pieces.c.start, at < pieces.c.until, at < before))
    counted_late = sa.select(late.c.piece).where(sa.exists().where(_is_late, at < before))
    return sa.or_(on_time, pieces.c.start.in_(counted_late))


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Yield the rows in parts that fit into one statement. SQLite allows 32,766 values in it, PostgreSQL 65,535."""
    for start in range(0, len(rows), _AT_ONCE):
        yield rows[start : start + _AT_ONCE]


def sort_events(events: list[Any]) -> None:
    """Sort events in place by time, visitor and id, which is the order of their table."""
    try:
        events.sort()
    except TypeError:  # two rows have equal keys, and one has None where the other has a string
        events.sort(key=by_time)
