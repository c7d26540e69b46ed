"""Moving one part of the data, such as the ledger, from a SQLite file into another database.

A move copies in small transactions and can be killed at any time. The next run continues, because it compares the two
databases row by row. A comparison without a difference is also the verification. Until the move is finished, the target
refuses the site. From then on, the source refuses it, so that no row is written to a database that is no longer in use.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..errors import MoveError, PrivacyError
from .database import Database, register_table
from .failures import describe_driver_error
from .migrations import MOVED, UNFINISHED
from .table_copy import Row, TableCopy, differences, insert, insert_possible, raise_sequence

Progress = Callable[[int], object]

_AT_ONCE = 20_000  # rows in one transaction
_WALKS = 3  # the first makes the tables equal, the second finds no difference; one more if a key was used twice
_LOCK_MS = 60_000  # a long erasure, or a rewrite of the file, may hold the lock

_tables = sa.MetaData()

#: The move that a database takes part in: a random text that source and target share, and the version of their tables.
_moves = sa.Table(
    "privacy_moves",
    _tables,
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("move", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)


class Transfer:
    """The move of one part of the data from a SQLite file to the database with a URL.

    Every method raises the error of a database that is unavailable. Only one move of a source may run at a time.
    """

    def __init__(self, source: Database, url: str) -> None:
        self._source, self._target = source, copy(source)
        self._target.url = sa.make_url(url)
        vars(self._target).pop("_engine", None)  # that of the source
        register = [TableCopy(register_table, source.keys.part)] if source.keys is not None else []
        self._tables = [*register, *map(TableCopy, source.schema.tables.tables.values())]
        self.name = source.name[0].lower() + source.name[1:]
        self.changes = 0  # rows that differed when they were compared, because others had written to the source

    @property
    def has_data(self) -> bool:
        """Whether the source was ever written."""
        return self._source.exists

    @cached_property
    def is_moved(self) -> bool:
        """Whether an earlier run has finished the move. The source is then no longer in use."""
        return self._state(self._source) == MOVED

    def begin(self) -> None:
        """Mark both databases as parts of one move, or open the target of a move that is finished but for this.

        Raises :class:`MoveError` if the target belongs to another move, or has rows that this move has not copied.
        """
        move, known = self._find_move(self._source), self._find_move(self._target)
        version = self._source.schema.newest
        if known is not None and known != (move and (move[0], version)):
            self._refuse("rows of another move, or of a move that another release began")
        if self.is_moved:
            if known is None:
                self._refuse("no rows of this move, although an earlier run has finished it with another target")
            self.open_target()
        elif known is None or self._state(self._target) != UNFINISHED:
            self._begin(
                {"part": self._source.schema.part, "move": move[0] if move else secrets.token_hex(16), "version": version}
            )

    def _begin(self, row: dict[str, Any]) -> None:
        with self._source.write(_LOCK_MS) as connection:
            note_move(connection, row)
        with self._target.write() as connection:
            counts = {name: _count(connection, name) for name in self._target.schema.tables.tables}
            if any(counts.values()):
                self._refuse(f"rows: {_listed(counts)}")
            note_move(connection, row)
            self._target.schema.mark(connection, UNFINISHED)

    def _refuse(self, found: str) -> None:
        hint = "Choose an empty database, or drop these tables if nothing needs them."
        raise MoveError(f"The target for {self.name}", f"a database with {found}", "an empty database", hint)

    def count(self) -> int:
        """Return the number of rows of the source."""
        with self._open(self._source) as connection:
            return sum(connection.exec_driver_sql(each.count).scalar_one() for each in self._tables)

    def copy(self, progress: Progress) -> None:
        """Copy the rows after the last one that the target has, table by table, while others may write to the source."""
        for each in self._tables:
            with self._open(self._target) as connection:
                progress(connection.exec_driver_sql(each.count).scalar_one())
                last = connection.exec_driver_sql(each.select_last(connection.dialect.name)).first()
            after = tuple(last) if last else None
            while rows := self._next_rows(each, after):
                self._change(each, [], rows)
                after = each.key_of(rows[-1])
                progress(len(rows))
                if len(rows) < _AT_ONCE:  # a site that writes all the time must not keep this going
                    break

    def _next_rows(self, each: TableCopy, after: Row | None) -> list[Row]:
        with self._open(self._source) as connection:
            return _next_rows(connection, each, after)

    def compare(self, progress: Progress) -> None:
        """Make the target equal to the source as of now, while others write to the source, and verify that it is.

        Raises :class:`MoveError` if it does not become equal.
        """
        with self._source.read() as connection:
            if connection is not None:
                self._equalise(connection, progress)

    def finish(self, progress: Progress) -> None:
        """Make the target equal while no other process can write to the source, verify it, and let it take over.

        Raises :class:`MoveError` as :meth:`compare` does. The source then stays in use.
        """
        with self._source.write(_LOCK_MS) as connection:
            self._equalise(connection, progress)
            with self._open(self._target, write=True) as target:
                for each in self._tables:
                    raise_sequence(connection, target, each.table)
            self._source.schema.mark(connection, MOVED)
        self.open_target()

    def close_target(self) -> None:
        """Let the target refuse the site. Raises :class:`MoveError` if the target does not belong to this move."""
        if self._find_move(self._target) != self._find_move(self._source):
            self._refuse("no rows of this move")
        self._mark(self._target, UNFINISHED)

    def require_unused(self, progress: Progress) -> None:
        """Raise :class:`MoveError` if the target has changed since the move was finished."""
        with self._open(self._source) as source:
            found = {each.name: self._compare(source, each, progress) for each in self._tables}
        if any(found.values()):
            hint = "The site uses the target already. Leave its settings as they are."
            raise MoveError(f"The number of rows of {self.name} that differ", _listed(found), "none", hint)

    def reopen_source(self) -> None:
        self._mark(self._source, self._source.schema.newest)

    def open_target(self) -> None:
        if self._state(self._target) == UNFINISHED:
            self._mark(self._target, self._target.schema.newest)

    def _mark(self, database: Database, version: int) -> None:
        with self._open(database, write=True) as connection:
            database.schema.mark(connection, version)

    def _equalise(self, source: sa.Connection, progress: Progress) -> None:
        found: dict[str, int] = {}
        for walk in range(_WALKS):
            report = _ignore if walk else progress
            found = {
                each.name: number for each in self._tables if (number := self._compare(source, each, report, self._change))
            }
            if not found:
                return
            self.changes += sum(found.values())
        hint = "Stop what else writes to the target, such as a trigger or another program, and run the command again."
        raise MoveError(f"The number of rows of {self.name} that differ after the copy", _listed(found), "none", hint)

    def _compare(
        self, source: sa.Connection, each: TableCopy, progress: Progress, change: Callable[..., None] | None = None
    ) -> int:
        """Pass the target's stale rows and its missing ones to ``change``, part by part, and return their number."""
        number = 0
        with self._open(self._target) as target:
            different = differences(_source_rows(source, each, progress), _target_rows(target, each), each.key)
            while some := list(islice(different, _AT_ONCE)):
                stale, missing = ([row for is_missing, row in some if is_missing is kind] for kind in (False, True))
                number += max(len(stale), len(missing))
                if change is not None:
                    change(each, stale, missing)
        return number

    def _change(self, each: TableCopy, stale: list[Row], missing: list[Row]) -> None:
        try:
            self._write(each, stale, missing, insert)
        except IntegrityError:  # a later row still has a value that must be unique; a comparison deletes it
            self._write(each, stale, missing, insert_possible)

    def _write(self, each: TableCopy, stale: list[Row], missing: list[Row], insert: Callable[..., None]) -> None:
        with self._open(self._target, write=True) as connection:
            if stale:
                connection.exec_driver_sql(each.delete(connection.dialect.name), list(map(each.key_of, stale)))
            if missing:
                insert(connection, each, missing)

    def _state(self, database: Database) -> int | None:
        """Return the stored version of a database's tables, also if it refuses the site."""
        if not database.exists:
            return None
        with self._open(database) as connection:
            return database.schema.marked(connection)

    def _find_move(self, database: Database) -> tuple[str, int] | None:
        """Return the move that a database takes part in, and the version of the tables."""
        if not database.exists:
            return None
        with self._open(database) as connection:
            return find_move(connection, self._source.schema.part)

    @contextmanager
    def _open(self, database: Database, *, write: bool = False) -> Iterator[sa.Connection]:
        """Open a transaction of a database, also if it refuses the site."""
        try:
            with database.connect("BEGIN IMMEDIATE" if write else "BEGIN", _LOCK_MS) as connection, connection.begin():
                yield connection
        except IntegrityError:
            raise
        except SQLAlchemyError as error:  # its text may quote a person's data
            side = "source" if database is self._source else "target"
            text = f"The {side} of {self.name} could not be used: {describe_driver_error(error)}"
            raise database.error(text) from None


def undo(transfers: list[Transfer], progress: Progress) -> None:
    """Let the sources of finished moves take over again, all or none of them.

    Raises :class:`MoveError` if one of the targets has changed since. A later run can finish the moves again.
    """
    for transfer in transfers:
        transfer.close_target()
    try:
        for transfer in transfers:
            transfer.require_unused(progress)
    except PrivacyError:
        for transfer in transfers:
            transfer.open_target()
        raise
    for transfer in transfers:
        transfer.reopen_source()


def _listed(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} in {name}" for name, number in numbers.items() if number)


def _ignore(_number: int) -> None:
    pass


def find_move(connection: sa.Connection, part: str) -> tuple[str, int] | None:
    """Return the move that a part of a database takes part in, and the version of its tables."""
    if not sa.inspect(connection).has_table(_moves.name):
        return None
    row = connection.execute(sa.select(_moves.c.move, _moves.c.version).where(_moves.c.part == part)).first()
    return (row.move, row.version) if row else None


def note_move(connection: sa.Connection, row: dict[str, Any]) -> None:
    """Record the move that a part of a database takes part in."""
    _tables.create_all(connection)
    connection.execute(sa.delete(_moves).where(_moves.c.part == row["part"]))
    connection.execute(sa.insert(_moves), row)


def forget_move(connection: sa.Connection, part: str) -> None:
    """Delete the record of a move that was undone."""
    connection.execute(sa.delete(_moves).where(_moves.c.part == part))


def _count(connection: sa.Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one())  # noqa: S608 — only our own names


def _next_rows(connection: sa.Connection, each: TableCopy, after: Row | None) -> list[Row]:
    query = each.select(connection.dialect.name, after, _AT_ONCE)
    return [tuple(row) for row in connection.exec_driver_sql(query, after or ())]


def _source_rows(connection: sa.Connection, each: TableCopy, progress: Progress) -> Iterator[Row]:
    after = None
    while rows := _next_rows(connection, each, after):
        yield from rows
        after = each.key_of(rows[-1])
        progress(len(rows))


def _target_rows(connection: sa.Connection, each: TableCopy) -> Iterator[Row]:
    """Yield the rows in one pass, because PostgreSQL sorts all texts of a table for each query in this order."""
    options = {"stream_results": True, "yield_per": _AT_ONCE}
    for part in connection.exec_driver_sql(each.select(connection.dialect.name), execution_options=options).partitions():
        yield from map(tuple, part)
