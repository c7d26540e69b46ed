"""One database, a file or a server: opened at the first use, created at the first write."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..errors import ForeignKeys, Moved, NewerSchema, PrivacyError
from .failures import describe_driver_error
from .files import make_private_folder, open_private
from .keys import KeyRing
from .migrations import Schema, Step

_WAIT_MS = 2000  # a visitor's request may wait for the lock; a quick "try again" is better than a page that hangs
_RETRY_MS = 5
_CHECKPOINT_RETRY_MS = 50

Connect = Callable[[str, int | None], AbstractContextManager[sa.Connection]]

# The register of keys: it records which keys a database was written with, so that a host with other keys is detected.

_register_tables = sa.MetaData()

#: A fingerprint proves that a host has the secret, and does not reveal it. ``number`` is the order of the first uses.
register_table = sa.Table(
    "privacy_keys",
    _register_tables,
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
)

_ONE_HOST = "SELECT pg_advisory_xact_lock(7069697661637923)"
_ONE_TURN = "SELECT pg_advisory_xact_lock(7069697661637924)"


class KeyRegister:
    """The keys with which one part of the data was written: the ledger, the events, or the rights.

    Parts may share one database. ``with_ids`` is false for events, because traffic has no value in common with identities.
    ``needs_newest`` is false for the ledger, whose head names the key that it needs.
    """

    def __init__(self, keys: KeyRing, part: str, *, with_ids: bool = True, needs_newest: bool = True) -> None:
        self._keys = keys
        self.part = part
        self._with_ids = with_ids
        self._needs_newest = needs_newest

    def register(self, connection: sa.Connection) -> None:
        """Register the newest key, in a transaction that writes.

        Raises :class:`ForeignKeys` as :meth:`check` does, and if the key that was registered last is missing here. Older
        keys may be dropped.
        """
        newest, fingerprint = list(self._fingerprints.items())[-1]
        if fingerprint in self._check_newest(connection):
            return
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(_ONE_HOST))
        if fingerprint not in (known := self._check_newest(connection)):  # another host may have registered meanwhile
            row = {"part": self.part, "fingerprint": fingerprint, "number": len(known) + 1}
            connection.execute(sa.insert(register_table), row | {"key": newest if self._with_ids else ""})

    def check(self, connection: sa.Connection) -> None:
        """Raise :class:`ForeignKeys` if this host has another secret under a registered id."""
        if sa.inspect(connection).has_table(register_table.name):  # an earlier version has not created it
            self._check_ids(self._rows(connection))

    def _check_newest(self, connection: sa.Connection) -> set[str]:
        rows = self._rows(connection)
        self._check_ids(rows)
        if self._needs_newest and rows and rows[-1].fingerprint not in self._fingerprints.values():
            raise ForeignKeys(rows[-1].key, self._keys, self._keys.origin, same_id=False)
        return {row.fingerprint for row in rows}

    def _check_ids(self, rows: Sequence[sa.Row[Any]]) -> None:
        for row in rows:
            if self._fingerprints.get(row.key, row.fingerprint) != row.fingerprint:
                raise ForeignKeys(row.key, self._keys, self._keys.origin, same_id=True)

    def _rows(self, connection: sa.Connection) -> Sequence[sa.Row[Any]]:
        query = sa.select(register_table).where(register_table.c.part == self.part).order_by(register_table.c.number)
        return connection.execute(query).all()

    @cached_property
    def _fingerprints(self) -> dict[str, str]:
        """The fingerprint of each kept key, by key id, the newest last. The keys of a process never change."""
        return {key_id: self._keys.mac(key_id, "register", self.part.encode()) for key_id in self._keys}


class Database:
    """Connections to one database. Each transaction opens a new connection, but no page view opens one.

    A pooled connection would keep writing to a file that was moved or deleted. ``name`` names the database in errors, and
    ``error`` is the class raised if the database is unavailable. ``lock`` is the statement with which a server excludes
    other writers. SQLite allows only one writer anyway. ``keys`` registers the keys of a database with keyed hashes. A host
    with other keys then gets ``error`` instead of a mixture. ``steps`` migrate the tables of earlier releases.
    """

    def __init__(
        self,
        url: str,
        tables: sa.MetaData,
        name: str,
        error: type[PrivacyError],
        *,
        durable: bool = False,
        lock: str = "",
        keys: KeyRegister | None = None,
        steps: Sequence[Step] = (),
    ) -> None:
        self.url = sa.make_url(url)
        self.schema = Schema(tables, steps, [_register_tables] if keys is not None else [])
        self.name = name
        self.error = error
        self._lock = lock
        self.keys = keys
        self._pragmas = (
            f"PRAGMA busy_timeout={_WAIT_MS}",
            f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}",
            "PRAGMA secure_delete=ON",
            "PRAGMA cache_size=-65536",  # in KiB; SQLite writes a batch twice if it does not fit
        )

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @property
    def exists(self) -> bool:
        """Whether the database file exists. A server is assumed to exist."""
        return not self.is_sqlite or os.path.exists(self.url.database or "")

    @contextmanager
    def write(self, wait: int | None = None, turn: int = 0, connect: Connect | None = None) -> Iterator[sa.Connection]:
        """Open a transaction that holds the write lock from its start. Commits at the end, or rolls back on an error.

        Waits ``wait`` milliseconds for the lock, by default two seconds. On a server, those with a ``turn`` first wait that
        long for one another, so that others wait for one of them. Creates the database and missing tables, and migrates
        older tables. Raises this database's error if a statement fails, or if a later release migrated it.
        ``connect`` replaces :meth:`connect`.
        """
        try:
            if self.is_sqlite:
                self._make_file()
            with (connect or self.connect)("BEGIN IMMEDIATE", wait) as connection, connection.begin():
                if turn and not self.is_sqlite:
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = {turn:d}"))
                    connection.execute(sa.text(_ONE_TURN))
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = {_WAIT_MS:d}"))
                if wait is not None and not self.is_sqlite:
                    connection.execute(sa.text(f"SET LOCAL lock_timeout = {wait:d}"))
                if not self.is_current(connection):
                    self.schema.prepare(connection)
                if self._lock and not self.is_sqlite:
                    connection.execute(sa.text(self._lock))
                if self.keys is not None:
                    self.keys.register(connection)
                yield connection
        except SQLAlchemyError as error:  # its text and its causes may quote a person's data
            raise self.error(f"{self.name} could not be written: {describe_driver_error(error)}") from None
        except (OSError, ForeignKeys, Moved, NewerSchema) as error:
            raise self.error(f"{self.name} could not be written: {error}") from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection | None]:
        """Open a transaction with one consistent snapshot, or yield None if nothing was ever written.

        Migrates older tables first. Raises this database's error as :meth:`write` does.
        """
        if not self.exists:
            yield None
            return
        try:
            with self.connect("BEGIN") as connection:
                if not self.is_sqlite:
                    connection.execution_options(isolation_level="REPEATABLE READ")
                with self._begin_migrated(connection) as is_written:
                    if is_written and self.keys is not None:
                        self.keys.check(connection)
                    yield connection if is_written else None
        except SQLAlchemyError as error:
            raise self.error(f"{self.name} could not be read: {describe_driver_error(error)}") from None
        except (ForeignKeys, Moved, NewerSchema) as error:
            raise self.error(f"{self.name} could not be read: {error}") from error

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
        """Return an insert that keeps an existing row with the same key."""
        insert: Any = sqlite.insert if self.is_sqlite else postgresql.insert
        return insert(table).on_conflict_do_nothing()  # type: ignore[no-any-return]

    def rewrite(self) -> bool:
        """Remove every copy of deleted rows from SQLite's file, and return whether that succeeded.

        ``secure_delete`` alone is not enough: after a page split or merge, whole rows remain in unused gaps. The time
        grows with the size of the file, and no other writer can write meanwhile. So call it only with the loader's lock
        held: other loaders then wait quietly, and an erasure is spooled. On a server, vacuums the tables, beside which
        others write: the space is free at once, and the bytes remain until other rows overwrite them.
        """
        if self.is_sqlite:
            return self._maintain("VACUUM") is None and self.truncate_wal()
        return all(self._maintain(f'VACUUM "{name}"') is None for name in self.schema.tables.tables)

    def truncate_wal(self, wait: int | None = None) -> bool:
        """Remove every copy of deleted rows from SQLite's write-ahead log, and return whether that succeeded.

        Waits ``wait`` milliseconds for other connections, by default two seconds.
        """
        # SQLite waits for readers, and not for another connection that moves the log. After a rewrite of a large file,
        # that takes seconds. If both last longer, the next deletion truncates the log, or the last connection on closing.
        deadline = time.monotonic() + (_WAIT_MS if wait is None else wait) / 1000
        while self.is_sqlite and (busy := self._maintain("PRAGMA wal_checkpoint(TRUNCATE)", wait)):
            if busy != 1 or time.monotonic() >= deadline:
                return False
            time.sleep(_CHECKPOINT_RETRY_MS / 1000)
        return True

    def _maintain(self, statement: str, wait: int | None = None) -> int | None:
        """Execute a statement outside a transaction and return its number; None without a result, -1 if it failed."""
        try:
            with self.connect("", wait) as connection:
                if not self.is_sqlite:
                    connection.execution_options(isolation_level="AUTOCOMMIT")
                result = connection.exec_driver_sql(statement)
                return int(result.scalar_one()) if result.returns_rows else None
        except SQLAlchemyError:
            return -1

    def connect(self, begin: str, wait: int | None = None) -> sa.Connection:
        """Return a connection whose transactions begin with this statement, whatever state the tables are in."""
        return self._engine.connect().execution_options(privacy_begin=begin, privacy_wait=wait)

    @cached_property
    def _engine(self) -> sa.Engine:
        waits = {"connect_timeout": _WAIT_MS // 1000, "options": f"-c lock_timeout={_WAIT_MS}"}
        # A writer that waited must see what was committed meanwhile, whatever the server's default is.
        server: dict[str, Any] = {"connect_args": waits, "isolation_level": "READ COMMITTED"}
        arguments = {} if self.is_sqlite else server
        engine = sa.create_engine(self.url, poolclass=NullPool, hide_parameters=True, **arguments)
        if self.is_sqlite:
            sa.event.listen(engine, "connect", self._on_connect)
            sa.event.listen(engine, "begin", _on_begin)
        sa.event.listen(engine, "before_cursor_execute", _make_storable, retval=True)
        return engine

    def _on_connect(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # keeps sqlite3 from beginning transactions itself
        _to_wal(connection)
        for pragma in self._pragmas:
            connection.execute(pragma)

    def _make_file(self) -> None:
        path = self.url.database or ""
        if not os.path.exists(path):
            make_private_folder(os.path.dirname(path))
            os.close(open_private(path, os.O_CREAT))

    def is_current(self, connection: sa.Connection) -> bool:
        """Return whether all tables exist in the version of this release."""
        has_all = self.schema.names.issubset(sa.inspect(connection).get_table_names())
        return has_all and connection.scalar(self.schema.stored_version) == self.schema.newest

    @contextmanager
    def _begin_migrated(self, connection: sa.Connection) -> Iterator[bool]:
        """Migrate tables of an older version, then open a transaction, and yield whether there are any tables."""
        with connection.begin():
            is_written = self.schema.part in sa.inspect(connection).get_table_names()
            if not is_written or self.is_current(connection):
                yield is_written
                return
            self.schema.version(connection)  # raises NewerSchema
        with self.write():  # migrates
            pass
        with connection.begin():
            yield self.schema.version(connection) > 0


def _to_wal(connection: Any) -> None:
    """Switch a file to write-ahead logging, in case it is new or was restored from a dump.

    If another connection opens the same file, SQLite fails at once and ignores ``busy_timeout``. Retries for that time.
    """
    connection.execute("PRAGMA busy_timeout=0")
    for retries_left in reversed(range(_WAIT_MS // _RETRY_MS)):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or not retries_left:  # any extended code of BUSY
                raise
            time.sleep(_RETRY_MS / 1000)


def _on_begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    if (wait := options.get("privacy_wait")) is not None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={wait:d}")
    if statement := options.get("privacy_begin", "BEGIN"):
        if statement != "BEGIN":  # a writer, whose rows must not be copied to temporary files
            connection.exec_driver_sql("PRAGMA temp_store=MEMORY")
        connection.exec_driver_sql(statement)


def _make_storable(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, is_many: bool
) -> tuple[str, Any]:
    """Remove what no database stores from every text that reaches one: NUL and lone surrogates.

    A statement of the driver's own SQL is left alone: it has events, which the parser of the log has checked.
    """
    if context is None or context.compiled is None:
        return statement, parameters
    return statement, list(map(_storable_values, parameters)) if is_many else _storable_values(parameters)


def _storable_values(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: storable(value) for name, value in values.items()}
    return tuple(map(storable, values))


def storable(value: Any) -> Any:
    """Return a text without NUL, and with a question mark for each lone surrogate. Other values stay as they are."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.replace("\0", "").encode(errors="replace").decode()
