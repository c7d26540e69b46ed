"""The store: the database of events. It knows no user, and it keeps only a keyed hash of whom it has forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ..database import Database
from ..errors import PrivacyError, StoreUnavailable
from ..keys import Keys
from ..pending import Pending
from .events import FIELDS

metadata = sa.MetaData()

events = sa.Table(
    "events",
    metadata,
    sa.Column("visitor", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    *(
        sa.Column(name, sa.Text, nullable=name not in ("at", "kind", "visit"))
        for name in FIELDS
        if name not in ("id", "visitor")
    ),
    sqlite_with_rowid=False,
)

cursors = sa.Table(
    "cursors", metadata, sa.Column("segment", sa.Text, primary_key=True), sa.Column("offset", sa.BigInteger, nullable=False)
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("clean", sa.Boolean, nullable=False, default=False),  # whether no segment of the log holds a line of theirs
)

malformed = sa.Table(
    "malformed",
    metadata,
    sa.Column("segment", sa.Text, primary_key=True),
    sa.Column("offset", sa.BigInteger, primary_key=True),
    sa.Column("line", sa.Text, nullable=False),
)

Row = tuple[Any, ...]

_KEY = itemgetter(0, 1)  # visitor and id; what else two lines of one event say need not compare

COLUMNS = tuple(column.name for column in events.columns)


class Store:
    """Events by (visitor, id), and the erasures that outlive them."""

    def __init__(self, url: str, keys: Keys, pending: Pending) -> None:
        self.database = Database(url, metadata, wait_ms=2000)
        self._keys = keys
        self._pending = pending

    def set_aside(self, connection: sa.Connection, segment: str, offset: int, line: bytes) -> None:
        """Keep a line that is no event, once, for somebody to look at."""
        text = line[:4096].decode("utf-8", "replace").replace("\0", "\ufffd")
        connection.execute(self.database.insert_new(malformed), {"segment": segment, "offset": offset, "line": text})

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction in which no erasure can slip between a look at the tombstones and a commit."""
        try:
            with self.database.write() as connection:
                if not self.database.is_sqlite:  # SQLite holds its one write lock already
                    connection.execute(sa.text("LOCK TABLE tombstones IN SHARE ROW EXCLUSIVE MODE"))
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"The database of events could not be written: {error}") from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection | None]:
        """A reading transaction, or None where no event was ever loaded."""
        try:
            if not self.database.exists:
                yield None
                return
            with self.database.read() as connection:
                yield connection if sa.inspect(connection).has_table("events") else None
        except SQLAlchemyError as error:
            raise StoreUnavailable(f"The database of events could not be read: {error}") from error

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        """Insert the events not there yet, but none of an erased visitor; gives how many were new."""
        gone = self.erased(connection, {row[0] for row in rows})
        if gone:
            self.note_lines_of(connection, gone)
            rows = [row for row in rows if row[0] not in gone]
        return connection.exec_driver_sql(self._insert, sorted(rows, key=_KEY)).rowcount if rows else 0

    def erase(self, visitor: str, day: str) -> int:
        """Forget a visitor: tombstone and delete in one transaction; gives the number of events deleted."""
        key_id, hashed = self._keys.hash(visitor)
        with self.write() as connection:
            values = {"hash": hashed, "key": key_id, "day": day, "clean": False}
            connection.execute(self.database.insert_new(tombstones), values)
            self.note_lines_of(connection, [visitor])
            deleted = connection.execute(sa.delete(events).where(events.c.visitor == visitor)).rowcount
            connection.execute(sa.delete(malformed).where(malformed.c.line.contains(visitor, autoescape=True)))
        self.database.truncate_wal()
        return deleted

    def erase_or_wait(self, visitor: str, day: str) -> None:
        """Erase now, or as soon as the database is back; raises :class:`OSError` when not even that can be noted."""
        try:
            self.erase(visitor, day)
        except (PrivacyError, OSError, ValueError):  # the database, or the file of the keys
            self._pending.append({"visitor": visitor, "day": day})

    def take_up(self) -> int:
        """Carry out the erasures that waited; gives their number. Raises :class:`StoreUnavailable`."""
        return self._pending.take(self._erase_all)

    def _erase_all(self, entries: list[dict[str, str]]) -> None:
        for entry in entries:
            self.erase(**entry)

    def visitors(self) -> list[str]:
        """Every visitor with an event, for a replay to look for those who were erased."""
        with self.read() as connection:
            return list(connection.scalars(sa.select(events.c.visitor).distinct())) if connection is not None else []

    def bury(self, graves: Iterable[tuple[str, str, str]]) -> None:
        """Put back tombstones, each a keyed hash, its key's id and a day, that a restored database has not."""
        rows = [dict(zip(("hash", "key", "day"), grave, strict=True)) for grave in graves]
        if rows:
            with self.write() as connection:
                connection.execute(self.database.insert_new(tombstones), rows)

    def prune(self, before: str) -> int:
        """Delete the events before a day (``2026-05-08``), and tombstones as old: no line of theirs can still come."""
        with self.write() as connection:
            deleted = connection.execute(sa.delete(events).where(events.c.at < before)).rowcount
            connection.execute(sa.delete(tombstones).where(tombstones.c.day < before))
        self.database.truncate_wal()
        return deleted

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

    def unclean(self) -> list[str]:
        """The tombstones of which a segment may still hold a line."""
        with self.read() as connection:
            chosen = sa.select(tombstones.c.hash).where(sa.not_(tombstones.c.clean))
            return list(connection.scalars(chosen)) if connection is not None else []

    def cleaned(self, hashes: list[str]) -> None:
        """Note that no segment holds a line of these any more, as far as they were loaded."""
        with self.write() as connection:
            for hashed in hashes:
                connection.execute(sa.update(tombstones).where(tombstones.c.hash == hashed).values(clean=True))

    def note_lines_of(self, connection: sa.Connection, visitors: Iterable[str]) -> None:
        """Note that a segment may hold lines of these erased visitors."""
        for visitor in visitors:
            theirs = tombstones.c.hash.in_(self._keys.hashes(visitor))
            connection.execute(sa.update(tombstones).where(theirs).values(clean=False))

    def erased(self, connection: sa.Connection, visitors: Iterable[str]) -> set[str]:
        """Those among the visitors who were erased; raises :class:`KeyMissing`."""
        used = connection.scalars(sa.select(tombstones.c.key).distinct()).all()
        if not used:
            return set()
        for key_id in used:
            self._keys.require(key_id)
        by_hash = {hashed: visitor for visitor in visitors for hashed in self._keys.hashes(visitor)}
        found: set[str] = set()
        hashes = list(by_hash)
        for start in range(0, len(hashes), 500):
            part = sa.select(tombstones.c.hash).where(tombstones.c.hash.in_(hashes[start : start + 500]))
            found.update(by_hash[hashed] for hashed in connection.scalars(part))
        return found

    @property
    def _insert(self) -> str:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        if self.database.is_sqlite:
            return f"INSERT OR IGNORE INTO events ({names}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
        return f"INSERT INTO events ({names}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT DO NOTHING"  # noqa: S608
