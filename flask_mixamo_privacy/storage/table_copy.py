"""One table of a move: its rows in the order of its key, and the statements that differ between SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

Row = tuple[Any, ...]


class TableCopy:
    """One table, with the columns of its key first.

    ``part`` selects the rows of a table that several parts of the data share. All names are this package's own.
    """

    def __init__(self, table: sa.Table, part: str = "") -> None:
        self.table, self.name = table, table.name
        keys = list(table.primary_key.columns) or list(table.columns)  # a table without a key has one row
        columns = [*keys, *(column for column in table.columns if column not in keys)]
        self._keys = columns[: len(keys)]
        self._of_part = [f"part = '{part}'"] if part else []
        self.names = ", ".join(f'"{column.name}"' for column in columns)
        self.key = itemgetter(*range(len(keys)))
        self.count = f'SELECT count(*) FROM "{self.name}"{_where(self._of_part)}'  # noqa: S608 — only our own names

    def select(self, dialect: str, after: Row | None = None, most: int = 0) -> str:
        """Return a query of the rows in the order of the key, or of the first rows after a key."""
        order = self._order(dialect)
        later = [f"({', '.join(order)}) > ({', '.join([_mark(dialect)] * len(order))})"] if after else []
        text = f'SELECT {self.names} FROM "{self.name}"{_where(self._of_part + later)} ORDER BY {", ".join(order)}'  # noqa: S608 — only our own names
        return text + (f" LIMIT {most}" if most else "")

    def select_last(self, dialect: str) -> str:
        """Return a query of the last key."""
        names = ", ".join(f'"{key.name}"' for key in self._keys)
        order = ", ".join(f"{key} DESC" for key in self._order(dialect))
        return f'SELECT {names} FROM "{self.name}"{_where(self._of_part)} ORDER BY {order} LIMIT 1'  # noqa: S608 — only our own names

    def delete(self, dialect: str) -> str:
        """Return a statement that deletes the row with a key."""
        equal = [f'"{key.name}" = {_mark(dialect)}' for key in self._keys]
        return f'DELETE FROM "{self.name}"{_where(equal)}'  # noqa: S608 — only our own names

    def key_of(self, row: Row) -> Row:
        return row[: len(self._keys)]

    def _order(self, dialect: str) -> list[str]:
        """Return the columns to sort by. Texts are in the order of their code points, as in Python and in SQLite."""
        collation = ' COLLATE "C"' if dialect == "postgresql" else ""
        return [f'"{key.name}"' + (collation if isinstance(key.type, sa.String) else "") for key in self._keys]


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _mark(dialect: str) -> str:
    return "?" if dialect == "sqlite" else "%s"


def differences(source: Iterable[Row], target: Iterator[Row], key: Callable[[Row], Any]) -> Iterator[tuple[bool, Row]]:
    """Yield each row that only one of the two has, with whether the target lacks it. Both are in the order of the key."""
    other = next(target, None)
    for row in source:
        if row == other:
            other = next(target, None)
            continue
        place = key(row)
        while other is not None and key(other) <= place and other != row:
            yield False, other
            other = next(target, None)
        if other == row:
            other = next(target, None)
        else:
            yield True, row
    while other is not None:
        yield False, other
        other = next(target, None)


def insert(connection: sa.Connection, each: TableCopy, rows: list[Row]) -> None:
    """Insert rows; raises :class:`sqlalchemy.exc.IntegrityError`."""
    if connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, each, rows, "INSERT")
    else:
        _copy(connection, each, rows, f'"{each.name}"')


def insert_possible(connection: sa.Connection, each: TableCopy, rows: list[Row]) -> None:
    """Insert rows, except those with a value that must be unique and that a stored row has."""
    if connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, each, rows, "INSERT OR IGNORE")
        return
    connection.exec_driver_sql(f'CREATE TEMPORARY TABLE moving (LIKE "{each.name}") ON COMMIT DROP')
    _copy(connection, each, rows, "moving")
    select = f"SELECT {each.names} FROM moving ON CONFLICT DO NOTHING"  # noqa: S608 — only our own names
    connection.exec_driver_sql(f'INSERT INTO "{each.name}" ({each.names}) {select}')


def _insert_into_sqlite(connection: sa.Connection, each: TableCopy, rows: list[Row], verb: str) -> None:
    values = ", ".join("?" * len(rows[0]))
    connection.exec_driver_sql(f'{verb} INTO "{each.name}" ({each.names}) VALUES ({values})', rows)


def _copy(connection: sa.Connection, each: TableCopy, rows: list[Row], into: str) -> None:
    driver, error_class = connection.connection.driver_connection, connection.dialect.loaded_dbapi.Error
    statement = f"COPY {into} ({each.names}) FROM STDIN"
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[union-attr]
            for row in rows:
                copy.write_row(row)
    except error_class as error:
        raise sa.exc.DBAPIError.instance(statement, (), error, error_class, dialect=connection.dialect) from None


def raise_sequence(source: sa.Connection, target: sa.Connection, table: sa.Table) -> None:
    """Let a table continue after the highest number that the source has used, also if its row was deleted."""
    key = list(table.primary_key)
    if len(key) != 1 or not key[0].autoincrement or not isinstance(key[0].type, sa.Integer):
        return
    column = key[0]
    highest = source.scalar(sa.select(sa.func.max(column))) or 0
    keeps_numbers = table.dialect_options["sqlite"]["autoincrement"]
    if keeps_numbers:
        used = source.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).scalar()
        highest = max(highest, used or 0)
    if highest and target.dialect.name != "sqlite":
        sequence = f'"{table.name}"', column.name, highest
        target.exec_driver_sql("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", sequence)
    elif highest and keeps_numbers:
        target.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        target.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, highest))
