"""Schema versions: which version of its tables a database has, and the steps from each version to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from ..errors import Moved, NewerSchema

#: A step changes the tables of one version into those of the next. It uses SQL of its own, and no table of this package:
#: a later release changes those tables, but the step must stay as it is.
Step = Callable[[sa.Connection], None]

_tables = sa.MetaData()

#: Parts of the data may share one database, so each part has its own version. A part is named after its first table.
_versions = sa.Table(
    "privacy_schema",
    _tables,
    sa.Column("part", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)

#: Versions that no release has. With them, a database is used neither by this release nor by an earlier one: it was moved
#: away, or a move into it is not finished.
MOVED, UNFINISHED = 2**31 - 1, 2**31 - 2
_MOVED_TEXTS = {
    MOVED: "The table {!r} was moved to another database. Set the URL that `flask privacy move` has printed, and restart "
    "every process of the site.",
    UNFINISHED: "The move of the table {!r} into this database is not finished. Set the URL of the database before, and run "
    "`flask privacy move` with --finish.",
}

# Two processes may migrate the tables of a server at once, so a lock excludes one. SQLite's write lock does already.
_ONE_MIGRATION = "SELECT pg_advisory_xact_lock(7069697661637921)"
# A step may sort more rows than fit into the memory, so its transaction begins again, with temporary files.
_WITH_TEMPORARY_FILES = ("COMMIT", "PRAGMA temp_store=FILE", "BEGIN IMMEDIATE")


class Schema:
    """The tables of one part of the data, and the steps to them from the tables of every earlier release.

    Version 1 is the schema before the first step, and also that of databases without a version. A change of a table adds a
    step at the end of ``steps``. A new table needs no step, because missing tables are created. ``more`` are further
    tables, which have no version.
    """

    def __init__(self, tables: sa.MetaData, steps: Sequence[Step] = (), more: Sequence[sa.MetaData] = ()) -> None:
        self.tables = tables
        self._steps = tuple(steps)
        self._all = (_tables, tables, *more)
        self.names = {name for each in self._all for name in each.tables}
        self.part = next(iter(tables.tables))
        self.newest = 1 + len(self._steps)  # the version of the tables in this release
        self.stored_version = sa.select(_versions.c.version).where(_versions.c.part == self.part)

    def version(self, connection: sa.Connection) -> int:
        """Return the version of a database's tables, or 0 if it has none. Raises :class:`NewerSchema` or :class:`Moved`.

        A version that no release has is damaged, and no step starts from it.
        """
        return self._version(*self._state(connection))

    def prepare(self, connection: sa.Connection) -> None:
        """Create the missing tables, or migrate the existing ones, in a transaction that writes.

        Raises as :meth:`version` does. The data and its version change together, so a killed process leaves it as it was.
        """
        names, stored = self._state(connection)
        version = self._version(names, stored)
        if version == stored == self.newest and self.names <= names:
            return
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(_ONE_MIGRATION))
        elif 0 < version < self.newest:
            for statement in _WITH_TEMPORARY_FILES:
                connection.exec_driver_sql(statement)
        version = self.version(connection)  # another process may have migrated meanwhile
        for step in self._steps[version - 1 :] if version else ():
            step(connection)
        for tables in self._all:
            tables.create_all(connection)
        self.mark(connection, self.newest)

    def mark(self, connection: sa.Connection, version: int) -> None:
        """Store a version, or one of :data:`MOVED` and :data:`UNFINISHED`."""
        connection.execute(sa.delete(_versions).where(_versions.c.part == self.part))
        connection.execute(sa.insert(_versions), {"part": self.part, "version": version})

    def marked(self, connection: sa.Connection) -> int | None:
        """Return what :meth:`mark` has stored, or None."""
        return self._state(connection)[1]

    def _version(self, names: set[str], stored: int | None) -> int:
        if self.part not in names:
            return 0
        if stored in (MOVED, UNFINISHED):
            raise Moved(_MOVED_TEXTS[stored].format(self.part))
        if stored is not None and stored not in range(1, self.newest + 1):
            raise NewerSchema(self.part, stored, self.newest)
        return stored or 1

    def _state(self, connection: sa.Connection) -> tuple[set[str], int | None]:
        """Return the names of a database's tables, and the stored version of this part."""
        names = set(sa.inspect(connection).get_table_names())
        return names, connection.scalar(self.stored_version) if _versions.name in names else None
