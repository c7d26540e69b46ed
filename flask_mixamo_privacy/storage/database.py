"""One database file or server: opened at first use, made at first write."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..errors import PrivacyError
from .files import make_private_folder, open_private

_WAIT_MS = 2000  # the writer may hold a visitor's request: better a clear "try again" than a spinning page
_RETRY_MS = 5


class Database:
    """Connections to one database, each opened anew.

    Anew, so that a file that was moved or deleted is noticed: a kept connection would go on writing to a file that
    nobody can find any more. None of them is on the path of a page view.

    ``name`` is what an error calls it, and ``error`` the one of ours that is raised when it is away. ``lock`` is the
    statement by which a server keeps writers apart that must not meet; SQLite has one writer at a time as it is.
    """

    def __init__(
        self, url: str, tables: sa.MetaData, name: str, error: type[PrivacyError], *, durable: bool = False, lock: str = ""
    ) -> None:
        self.url = sa.make_url(url)
        self._tables = tables
        self._name = name
        self._error = error
        self._lock = lock
        self._pragmas = (
            f"PRAGMA busy_timeout={_WAIT_MS}",
            f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}",
            "PRAGMA secure_delete=ON",
            "PRAGMA cache_size=-65536",  # KiB: a batch that does not fit is written twice
        )

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def exists(self) -> bool:
        """Whether there is anything to read; a server is taken to be there."""
        return not self.is_sqlite or os.path.exists(self.url.database or "")

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its start; committed at the end, or rolled back.

        Raises this database's error, be it the opening that fails or a statement in between.
        """
        try:
            if self.is_sqlite:
                self._make_file()
            with self._connect("BEGIN IMMEDIATE") as connection, connection.begin():
                self._make_tables(connection)
                if self._lock and not self.is_sqlite:
                    connection.execute(sa.text(self._lock))
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise self._error(f"{self._name} could not be written: {error}") from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection | None]:
        """A transaction that sees one state of the data throughout, or None where nothing was ever written.

        Raises this database's error, be it the opening that fails or a statement in between.
        """
        if not self.exists:
            yield None
            return
        try:
            with self._connect("BEGIN") as connection:
                if not self.is_sqlite:
                    connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    yield connection if self._has_tables(connection) else None
        except SQLAlchemyError as error:
            raise self._error(f"{self._name} could not be read: {error}") from error

    def delete(self, *statements: sa.Delete) -> int:
        """Execute deletions in one transaction and return the number of deleted rows.

        Leaves no copy of them in SQLite's write-ahead log. Creates no database: if nothing was ever written, returns 0.
        """
        if not self.exists:
            return 0
        with self.write() as connection:
            deleted = sum(connection.execute(statement).rowcount for statement in statements)
        self.truncate_wal()
        return deleted

    def insert_new(self, table: sa.Table) -> sa.Insert:
        """An insert that leaves alone what is there already under the same key."""
        if self.is_sqlite:
            return sqlite.insert(table).on_conflict_do_nothing()
        return postgresql.insert(table).on_conflict_do_nothing()

    def rewrite(self) -> bool:
        """Leave no copy of deleted rows in SQLite's file at all, and say whether none is left.

        ``secure_delete`` alone does not: where pages were split or joined, whole rows stay in the gaps between others.
        Takes a time that grows with the file, while which nobody else can write. A server gives the room of deleted rows
        free at once, instead of when it comes to it; the bytes are there until something else is written over them.
        """
        if self.is_sqlite:
            return self._maintain("VACUUM") is None and self.truncate_wal()
        return all(self._maintain(f'VACUUM "{name}"') is None for name in self._tables.tables)

    def truncate_wal(self) -> bool:
        """Leave no copy of deleted rows in SQLite's write-ahead log, and say whether none is left."""
        # Another connection may be reading just now; then the next deletion or the last reader does it.
        return not self.is_sqlite or self._maintain("PRAGMA wal_checkpoint(TRUNCATE)") == 0

    def _maintain(self, statement: str) -> int | None:
        """The number that a statement outside any transaction gives, None if it gives none, -1 if it failed."""
        try:
            with self._connect("") as connection:
                if not self.is_sqlite:
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                found = connection.exec_driver_sql(statement)
                return int(found.scalar_one()) if found.returns_rows else None
        except SQLAlchemyError:
            return -1

    def _connect(self, begin: str) -> sa.Connection:
        return self._engine.connect().execution_options(privacy_begin=begin)

    @cached_property
    def _engine(self) -> sa.Engine:
        if not self.is_sqlite:
            waits = {"connect_timeout": _WAIT_MS // 1000, "options": f"-c lock_timeout={_WAIT_MS}"}
            return sa.create_engine(self.url, poolclass=NullPool, connect_args=waits)
        engine = sa.create_engine(self.url, poolclass=NullPool)
        sa.event.listen(engine, "connect", self._on_connect)
        sa.event.listen(engine, "begin", _on_begin)
        return engine

    def _on_connect(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # sqlite3 shall not begin transactions of its own
        _to_wal(connection)
        for pragma in self._pragmas:
            connection.execute(pragma)

    def _make_file(self) -> None:
        path = self.url.database or ""
        if not os.path.exists(path):
            make_private_folder(os.path.dirname(path))
            os.close(open_private(path, os.O_CREAT))

    def _has_tables(self, connection: sa.Connection) -> bool:
        """Whether the first of its tables is there; one that a later version brings is made by the next write."""
        return sa.inspect(connection).has_table(next(iter(self._tables.tables)))

    def _make_tables(self, connection: sa.Connection) -> None:
        # Two processes of a server may meet here at once; SQLite's write lock keeps them apart already.
        names = sa.inspect(connection).get_table_names()
        if not set(self._tables.tables) <= set(names):
            if not self.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7069697661637921)"))
            self._tables.create_all(connection)


def rewrite_rows(
    connection: sa.Connection,
    table: sa.Table,
    matching: sa.ColumnElement[bool],
    rewrite: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    """Replace the matching rows with those that ``rewrite`` returns for them.

    The rows are read in the caller's writing transaction, so rows that were deleted meanwhile do not come back.
    """
    rows = [dict(row) for row in connection.execute(sa.select(table).where(matching)).mappings()]
    connection.execute(sa.delete(table).where(matching))
    if rewritten := rewrite(rows):
        connection.execute(sa.insert(table), rewritten)


def _to_wal(connection: Any) -> None:
    """Turn a file that has just been made, or was restored from a dump, to write-ahead logging.

    While another opens the same file this fails at once, whatever ``busy_timeout`` says, so it is tried again as long.
    """
    connection.execute("PRAGMA busy_timeout=0")
    for left in reversed(range(_WAIT_MS // _RETRY_MS)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not left:  # of its kinds any
                raise
            time.sleep(_RETRY_MS / 1000)


def _on_begin(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("privacy_begin", "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)
