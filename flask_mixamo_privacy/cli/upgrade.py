"""``flask privacy upgrade``: the schema of each database, before the processes of a new release are started."""

from __future__ import annotations

import sys
from typing import NamedTuple

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from ..errors import Moved, NewerSchema
from ..reports.formatting import counted
from ..storage.database import Database
from ..storage.failures import describe_driver_error
from ..web.context import current_runtime
from .common import echo, exit_2_on_error, exit_codes, json_option, print_json, without_collecting
from .move import databases_of


class _Schema(NamedTuple):
    """The version of a database's tables, 0 if there are none yet, and whether they lack something of this release."""

    database: Database
    version: int
    is_pending: bool

    @property
    def newest(self) -> int:
        return self.database.schema.newest

    def line(self, migrated: bool) -> str:
        if not self.is_pending:
            return f"version {self.version}, nothing to do" if self.version else "no data yet"
        if self.version == self.newest:
            return f"version {self.version}, {'completed' if migrated else 'lacks a table of this release'}"
        to = f"version {self.version} to version {self.newest}"
        return f"migrated from {to}" if migrated else f"has to be migrated from {to}"


@exit_codes("nothing is left to migrate", "with --check, a database has to be migrated", error="a database was refused")
@click.command("upgrade")
@click.option("--check", is_flag=True, help="Change nothing. Exit with 1 if a database has to be migrated.")
@json_option
@with_appcontext
@exit_2_on_error
def upgrade_command(check: bool, as_json: bool) -> None:
    """Migrate every database to this release. Run it once, before the processes of the new release start.

    Without it, the first read or write of each database migrates it, and a visitor waits for that. A database of a later
    release is refused.
    """
    databases = [database for each in databases_of(current_runtime()).values() for database in each]
    schemas = [_schema_of(database) for database in databases]  # all of them, before one is changed
    pending = [schema for schema in schemas if schema.is_pending]
    if not check:
        with without_collecting():
            for schema in pending:
                _migrate(schema.database)
    if as_json:
        print_json([_as_json(schema, check) for schema in schemas])
    else:
        for schema in schemas:
            echo(f"{schema.database.name}: {schema.line(migrated=not check)}.")
        if check and pending:
            echo(f"{counted(len(pending), 'database')} to migrate. Next: back them up, then run `flask privacy upgrade`.")
    sys.exit(1 if check and pending else 0)


def _schema_of(database: Database) -> _Schema:
    """Return the state of a database, and change nothing. Raises the database's error."""
    if not database.exists:
        return _Schema(database, 0, is_pending=False)
    try:
        with database.connect("BEGIN") as connection, connection.begin():
            version = database.schema.version(connection)
            return _Schema(database, version, is_pending=version > 0 and not database.is_current(connection))
    except SQLAlchemyError as error:
        raise database.error(f"{database.name} could not be read: {describe_driver_error(error)}") from None
    except (Moved, NewerSchema) as error:
        raise database.error(f"{database.name} could not be read: {error}") from error


def _migrate(database: Database) -> None:
    """Migrate one database in a transaction of its own, which a killed process leaves as if it had not begun."""
    with database.write():
        pass


def _as_json(schema: _Schema, check: bool) -> dict[str, object]:
    version = schema.version if check or not schema.is_pending else schema.newest
    state = {"version": version, "newest": schema.newest, "pending": schema.is_pending and check}
    return {"database": schema.database.name, "table": schema.database.schema.part, **state}
