"""The store: the database of events. It knows no user, and it keeps only a keyed hash of whom it has forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from ..errors import PrivacyError, StoreUnavailable
from ..storage.database import Database
from ..storage.files import Spool
from ..storage.keys import KeyRing
from .events import FIELDS
from .schema import cells, distinct, events, late, malformed, metadata, people, pieces, placed, tombstones

Row = tuple[Any, ...]

_AT_ONCE = 500  # rows in one statement
_NO_ERASURE = "LOCK TABLE tombstones IN SHARE ROW EXCLUSIVE MODE"

COLUMNS = tuple(column.name for column in events.columns)
_AT, _VISITOR = itemgetter(COLUMNS.index("at")), itemgetter(COLUMNS.index("visitor"))
_KEY = itemgetter(COLUMNS.index("visitor"), COLUMNS.index("id"))
in_time = itemgetter(0, 1, 2)  # at, visitor, id


class EventStore:
    """Events by (visitor, id), and the erasures that outlive them."""

    def __init__(self, url: str, keys: KeyRing, pending: Spool) -> None:
        self.database = Database(url, metadata, "The database of events", StoreUnavailable, lock=_NO_ERASURE)
        self._keys = keys
        self._pending = pending

    def store_malformed(self, connection: sa.Connection, segment: str, offset: int, line: bytes) -> None:
        """Keep a line that is no event, once, for somebody to look at."""
        text = line[:4096].decode("utf-8", "replace").replace("\0", "\ufffd")
        connection.execute(self.database.insert_new(malformed), {"segment": segment, "offset": offset, "line": text})

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction in which no erasure can slip between a look at the tombstones and a commit.

        Raises :class:`StoreUnavailable`.
        """
        return self.database.write()

    def read(self) -> AbstractContextManager[sa.Connection | None]:
        """A reading transaction, or None where no event was ever loaded; raises :class:`StoreUnavailable`."""
        return self.database.read()

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        """Insert the events not there yet, but none of an erased visitor; gives how many were new."""
        gone = self.erased(connection, set(map(_VISITOR, rows)))
        if gone:
            self.mark_unscrubbed(connection, gone)
            rows = [row for row in rows if _VISITOR(row) not in gone]
        if not rows:
            return 0
        self._note_late(connection, rows)
        return sum(self._insert(connection, part) for part in _parts(rows))

    def _note_late(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Note the new events of a time that was counted already, so that they are counted with the next."""
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

    def erase(self, visitor: str, day: str) -> int:
        """Forget a visitor: tombstone and delete in one transaction; gives the number of events deleted."""
        key_id, hashed = self._keys.pseudonymise(visitor)
        with self.write() as connection:
            values = {"hash": hashed, "key": key_id, "day": day, "clean": False}
            connection.execute(self.database.insert_new(tombstones), values)
            self.mark_unscrubbed(connection, [visitor])
            _no_longer_whole(connection, events.c.visitor == visitor)
            deleted = connection.execute(sa.delete(events).where(events.c.visitor == visitor)).rowcount
            for table in (people, late):
                connection.execute(sa.delete(table).where(table.c.visitor == visitor))
            connection.execute(sa.delete(malformed).where(malformed.c.line.contains(visitor, autoescape=True)))
        self.database.truncate_wal()
        return deleted

    def erase_or_spool(self, visitor: str, day: str) -> None:
        """Erase now, or as soon as the database is back; raises :class:`OSError` when not even that can be noted."""
        try:
            self.erase(visitor, day)
        except (PrivacyError, OSError, ValueError):  # the database, or the file of the keys
            self._pending.append({"visitor": visitor, "day": day})

    @property
    def has_spooled(self) -> bool:
        """Whether some erasure waits for the database."""
        return bool(self._pending)

    def drain_spool(self) -> int:
        """Carry out the erasures that waited; gives their number. Raises :class:`StoreUnavailable`."""
        return self._pending.drain(self._erase_all)

    def _erase_all(self, entries: list[dict[str, str]]) -> None:
        for entry in entries:
            self.erase(**entry)

    def visitors(self) -> list[str]:
        """Every visitor with an event, for a replay to look for those who were erased."""
        with self.read() as connection:
            return list(connection.scalars(sa.select(events.c.visitor).distinct())) if connection is not None else []

    def restore_tombstones(self, graves: Iterable[tuple[str, str, str]]) -> None:
        """Put back tombstones, each a keyed hash, its key's id and a day, that a restored database has not.

        Of those it has, too, a restored log may hold a line: none counts as clean any longer.
        """
        rows = [dict(zip(("hash", "key", "day"), grave, strict=True)) for grave in graves]
        if rows:
            with self.write() as connection:
                connection.execute(self.database.insert_new(tombstones), rows)
                self._set_clean(connection, (row["hash"] for row in rows), False)

    def prune(self, before: str, aggregates: str = "", progress: Callable[[int], None] = lambda number: None) -> int:
        """Delete the events before a day (``2026-05-08``), and tombstones as old: no line of theirs can still come.

        A day of them in a transaction, so that nothing else waits long. What reports were made of goes a month at a time,
        once the whole month lies before the day ``aggregates``. No copy is left in the database's free pages.
        """
        deleted = 0
        while oldest := self._oldest(before):
            deleted += self._prune(min(before, oldest[:10] + "~"))
            progress(deleted)
        self._prune(before)
        self._prune_aggregates(aggregates)
        if deleted:
            self.database.rewrite()
        return deleted

    def _oldest(self, before: str) -> str | None:
        with self.read() as connection:
            chosen = sa.select(sa.func.min(events.c.at)).where(events.c.at < before)
            return None if connection is None else connection.scalar(chosen)

    def _prune_aggregates(self, before: str) -> None:
        """Drop the months before a day's; the newest piece says up to where was counted, and stays."""
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
        old = events.c.at < before
        with self.write() as connection:
            _no_longer_whole(connection, old)
            gone = sa.exists().where(_is_late, old)
            connection.execute(sa.delete(late).where(gone))
            deleted = connection.execute(sa.delete(events).where(old)).rowcount
            connection.execute(sa.delete(people).where(people.c.last < before))
            connection.execute(sa.delete(tombstones).where(tombstones.c.day < before))
        return deleted

    def count(self, before: str) -> int:
        """How many events there are before a day."""
        with self.read() as connection:
            chosen = sa.select(sa.func.count()).select_from(events).where(events.c.at < before)
            return 0 if connection is None else connection.scalar(chosen) or 0

    def of(self, visitor: str) -> list[dict[str, Any]]:
        """One visitor's events, for nobody but that visitor."""
        with self.read() as connection:
            if connection is None:
                return []
            found = connection.execute(sa.select(events).where(events.c.visitor == visitor)).mappings()
            return [{**row, "data": orjson.loads(row["data"])} for row in found]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every event as the log had it, in order of time."""
        with self.read() as connection:
            if connection is not None:
                starts_first = sa.case({"visit_start": 0, "repeat_visit": 1}, value=events.c.kind, else_=2)
                chosen = sa.select(*(events.c[name] for name in FIELDS)).order_by(events.c.at, starts_first, events.c.id)
                for row in connection.execution_options(yield_per=1000).execute(chosen):
                    yield dict(zip(FIELDS, row, strict=True)) | {"data": orjson.loads(row[-1])}

    def pending_scrub(self) -> list[str]:
        """The tombstones of which a segment may still hold a line."""
        with self.read() as connection:
            chosen = sa.select(tombstones.c.hash).where(sa.not_(tombstones.c.clean))
            return list(connection.scalars(chosen)) if connection is not None else []

    def mark_scrubbed(self, hashes: list[str]) -> None:
        """Note that no segment holds a line of these any more, as far as they were loaded."""
        with self.write() as connection:
            self._set_clean(connection, hashes, True)

    def mark_unscrubbed(self, connection: sa.Connection, visitors: Iterable[str]) -> None:
        """Note that a segment may hold lines of these erased visitors."""
        self._set_clean(connection, (hashed for visitor in visitors for hashed in self._keys.pseudonyms(visitor)), False)

    def _set_clean(self, connection: sa.Connection, hashes: Iterable[str], clean: bool) -> None:
        of = sa.update(tombstones).where(tombstones.c.hash == sa.bindparam("of")).values(clean=clean)
        if rows := [{"of": hashed} for hashed in hashes]:
            connection.execute(of, rows)

    def erased(self, connection: sa.Connection, visitors: Iterable[str]) -> set[str]:
        """Those among the visitors who were erased; raises :class:`KeyMissing`."""
        used = connection.scalars(sa.select(tombstones.c.key).distinct()).all()
        if not used:
            return set()
        for key_id in used:
            self._keys.require(key_id)
        by_hash = {hashed: visitor for visitor in visitors for hashed in self._keys.pseudonyms(visitor)}
        found: set[str] = set()
        hashes = list(by_hash)
        for start in range(0, len(hashes), 500):
            part = sa.select(tombstones.c.hash).where(tombstones.c.hash.in_(hashes[start : start + 500]))
            found.update(by_hash[hashed] for hashed in connection.scalars(part))
        return found

    def _insert(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        statement = _insert_of(len(rows), "?" if self.database.is_sqlite else "%s")
        return connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows))).rowcount


@lru_cache(maxsize=2)
def _insert_of(number: int, mark: str) -> str:
    """Many rows by one statement: Python lets go of its own lock once for all of them, and other threads go on."""
    names, row = ", ".join(f'"{name}"' for name in COLUMNS), f"({', '.join([mark] * len(COLUMNS))})"
    return f"INSERT INTO events ({names}) VALUES {', '.join([row] * number)} ON CONFLICT DO NOTHING"  # noqa: S608


_is_late = sa.and_(late.c.visitor == events.c.visitor, late.c.id == events.c.id)


def _no_longer_whole(connection: sa.Connection, going: sa.ColumnElement[bool]) -> None:
    """Note the pieces of time of which events are about to go: they cannot be counted again."""
    counted = sa.exists().where(going, events.c.at >= pieces.c.start, events.c.at < pieces.c.until)
    counted_late = pieces.c.start.in_(sa.select(late.c.piece).where(sa.exists().where(_is_late, going)))
    connection.execute(sa.update(pieces).where(sa.or_(counted, counted_late)).values(whole=False))


def _parts(found: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """As many as one statement takes: SQLite allows 32,766 values in it, and PostgreSQL 65,535."""
    for start in range(0, len(found), _AT_ONCE):
        yield found[start : start + _AT_ONCE]


def in_order(events: list[Any]) -> None:
    """Sort events by time, visitor and id, which is the order of their table."""
    try:
        events.sort()
    except TypeError:  # two lines of one event differ in something that one of them has not
        events.sort(key=in_time)
