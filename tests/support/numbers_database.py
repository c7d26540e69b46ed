"""A database of numbers in two releases: the later one has another column, and a step that fills it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from flask_mixamo_privacy.errors import PrivacyError
from flask_mixamo_privacy.storage.database import Database

_first, _second = sa.MetaData(), sa.MetaData()
sa.Table("numbers", _first, sa.Column("number", sa.Integer))
sa.Table("numbers", _second, sa.Column("number", sa.Integer), sa.Column("double", sa.Integer, nullable=False))


def add_double(connection: sa.Connection) -> None:
    """Add the column of the second release."""
    connection.exec_driver_sql("ALTER TABLE numbers ADD COLUMN double INTEGER NOT NULL DEFAULT 0")
    connection.exec_driver_sql("UPDATE numbers SET double = 2 * number")


def first(url: str) -> Database:
    return Database(url, _first, "The numbers", PrivacyError)


def second(url: str, *, step: Any = add_double) -> Database:
    return Database(url, _second, "The numbers", PrivacyError, steps=[step])


def add(database: Database, **values: int) -> None:
    with database.write() as connection:
        names = ", ".join(values)
        connection.execute(sa.text(f"INSERT INTO numbers ({names}) VALUES (:{', :'.join(values)})"), values)


def query(database: Database, statement: str = "SELECT * FROM numbers ORDER BY number") -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(statement)] if connection else []


def remove_version(database: Database) -> None:
    """Bring a database into the state of a release before versions."""
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE privacy_schema")
