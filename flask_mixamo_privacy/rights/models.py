"""The ready store: SQLAlchemy models, by what the declaration says of each field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ..errors import StoreError
from ..policy.model import Policy
from ..storage.clock import days_after
from ..storage.keys import normalise_subject
from .rows import PersonalRow, columns_of, field_of, is_erased, is_placeholder, is_secret, placeholder_for
from .stores import PersonalStore, RetainedField, StoreResult

_MADE = ("created_at", "created_on", "created", "made_at", "registered_at", "date_created", "ordered_at", "sent_at")


@dataclass(frozen=True)
class Models:
    """Some models of one database, and how their rows belong to people."""

    name: str
    session: Any  # an Engine, or what gives a Session when called: a sessionmaker, a scoped_session, a function
    subjects: Mapping[Any, str]  # of each model the column that names the person, or "account_id.email"
    made: str | None = None  # the column that says when a row was made
    names: Mapping[str, str] | None = None  # columns called otherwise than the declared field they hold

    def __post_init__(self) -> None:
        for model, path in self.subjects.items():
            self._subject(model, path)  # a wrong name is told where it is written

    def bind(self, policy: Policy) -> PersonalStore:
        """The store, under this policy."""
        found = _ModelStore(self, policy)
        acts = (found.subjects, found.export, found.erase, found.correct, found.expire)
        return PersonalStore(
            self.name, *acts, tuple(self.subjects), self.names or {}, found.retains_subjects, found.unbounded_retention
        )

    def _subject(self, model: Any, path: str) -> tuple[sa.Column[Any], Any, Any]:
        """The column that names the person; behind a foreign key also that key, and the column it points to."""
        columns = dict(columns_of(model))
        first, _, rest = path.partition(".")
        key = columns.get(first)
        if key is not None and not rest:
            return key, None, None
        target = next(iter(key.foreign_keys)).column if key is not None and key.foreign_keys else None
        column = target.table.columns.get(rest) if target is not None else None
        if column is None:
            allowed = ", ".join(sorted(columns))
            hint = 'Or name a foreign key and a column behind it, such as "account_id.email".'
            raise StoreError(f"the subject of {model.__name__}", path, allowed, hint)
        return column, key, target


class _ModelStore:
    def __init__(self, models: Models, policy: Policy) -> None:
        self._models = models
        self._policy = policy
        # Rows go before those they point to.
        order = {table: place for place, table in enumerate(_sorted(models.subjects))}
        self._in_order = sorted(models.subjects, key=lambda model: -order[sa.inspect(model).local_table])

    @property
    def retains_subjects(self) -> bool:
        """Whether rows name their person still after an erasure, so that only the ledger knows what is to end."""
        paths = ((model, *self._models._subject(model, path)) for model, path in self._models.subjects.items())
        ours = [_table(model) for model in self._models.subjects]
        return any(column.table not in ours or self._ends(model, column) for model, column, _, _ in paths)

    def unbounded_retention(self) -> Iterator[tuple[str, str, str]]:
        """Of each model that keeps something for a time which would not end: its name, why, and what to do."""
        for model in filter(self._ends, self._models.subjects):
            column = self._models._subject(model, self._models.subjects[model])[0]
            if self._made(model) is None:
                yield model.__name__, "no column says since when", "Name the column with the time of a row with made=."
            if column.table not in map(_table, self._models.subjects):
                hint = "Register both models together."
                yield model.__name__, f"this store does not cover {column.table.name!r}, where its person stands", hint
            elif not isinstance(column.type, sa.String):
                hint = "Name a column of text: an address, a login."
                yield model.__name__, f"{str(column)!r}, which names its person, has no room for a mark", hint
            for held in (one for one, _ in self._fields(model) if self._ends(model, one)):
                try:
                    placeholder_for(held)
                except StoreError as error:
                    yield model.__name__, f"{str(held)!r} cannot be emptied", error.hint
                if held in self._people_of(model) and self._outlives_the_ledger(held, model):
                    hint = "Let retention.decisions be longer, or keep it for a shorter time."
                    yield model.__name__, f"{str(held)!r} is kept for longer than the ledger knows of an erasure", hint

    def _outlives_the_ledger(self, column: sa.Column[Any], model: Any) -> bool:
        day, last = date(2000, 1, 1), days_after(date(2000, 1, 1), self._policy.retention.decisions)
        times = [field.kept_for for one, field in self._fields(model) if one is column and field is not None]
        return any(time is not None and days_after(day, time) > last for time in times)

    def subjects(self) -> Iterator[str]:
        with self._connect() as connection:
            for model, path in self._models.subjects.items():
                column, key, target = self._models._subject(model, path)
                rows = sa.select(column).distinct().where(column.is_not(None))
                if key is not None:
                    rows = rows.where(target.in_(sa.select(key)))
                yield from (str(found) for found in connection.scalars(rows) if not is_erased(found))

    def export(self, subject: str) -> dict[str, Any]:
        found = {}
        with self._connect() as connection:
            for model in self._models.subjects:
                rows = connection.execute(sa.select(*_table(model).columns).where(self._is(connection, model, subject)))
                if said := [self._said(model, row) for row in rows.mappings()]:
                    found[_table(model).name] = said
        return found

    def erase(self, subject: str, before: datetime | None = None) -> StoreResult:
        done = StoreResult()
        with self._connect(write=True) as connection:
            for model in self._in_order:
                condition = self._is(connection, model, subject)
                if before is not None:
                    made = self._made(model)
                    if made is None:
                        hint = "Name the column with made=, so that what came later can stay."
                        raise StoreError(f"made of {model.__name__}", None, "a column with the time of a row", hint)
                    condition &= made < _as_column(made, before)
                done = self._erase(connection, model, condition, done)
        self._leave_no_copy()
        return done

    def correct(self, subject: str, changes: Mapping[str, str]) -> int:
        corrected = 0
        with self._connect(write=True) as connection:
            for model in self._in_order:  # once the address itself is another, no row behind it is found by the old one
                held = {c.name: changes[f.name] for c, f in self._fields(model) if f is not None and f.name in changes}
                if held:
                    table = _table(model)
                    corrected += connection.execute(
                        sa.update(table).where(self._is(connection, model, subject)).values(held)
                    ).rowcount
        return corrected

    def expire(self, now: datetime) -> int:
        """Empty what was kept in rows that lost their person to an erasure, once its time is over; the rows go with the
        last of it. Gives the number of rows deleted."""
        done = StoreResult()
        with self._connect(write=True) as connection:
            for model in self._in_order:
                column, key, target = self._models._subject(model, self._models.subjects[model])
                lost = is_placeholder(column)
                done = self._erase(connection, model, lost if key is None else key.in_(sa.select(target).where(lost)), done)
        self._leave_no_copy()
        return done.deleted

    def _erase(self, connection: sa.Connection, model: Any, condition: Any, done: StoreResult) -> StoreResult:
        table, made, people = _table(model), self._made(model), self._people_of(model)
        kept: list[RetainedField] = list(done.retained)
        deleted, anonymised = done.deleted, done.anonymised
        for found in connection.execute(sa.select(*table.columns).where(condition)).mappings().all():
            row = PersonalRow(self._fields(model), people, made, found, self._policy.language)
            row_matches = sa.and_(*(column == found[column.name] for column in table.primary_key))
            held = not row.is_retained and self._has_retained_children(connection, table, found)
            if not row.is_retained and not held:
                self._null_references(connection, table, found)
                deleted += connection.execute(sa.delete(table).where(row_matches)).rowcount
                continue
            kept += [kept_one for kept_one in row.retained_fields(table.name) if kept_one not in kept]
            if changes := row.changes | (row.secrets if held else {}):
                anonymised += connection.execute(sa.update(table).where(row_matches).values(changes)).rowcount
        return StoreResult(deleted, anonymised, 0, tuple(kept))

    def _people_of(self, model: Any) -> frozenset[sa.Column[Any]]:
        """The columns of a model by which its own rows, and those behind it, are somebody's."""
        columns = (self._models._subject(*one)[0] for one in self._models.subjects.items())
        return frozenset(column for column in columns if column.table is _table(model))

    def _has_retained_children(self, connection: sa.Connection, table: sa.Table, going: sa.RowMapping) -> bool:
        """Whether a row that would go is all that tells whose the rows behind it were, of which something is to end yet.

        Then it stays, empty, with the mark of the erased, and goes after the last of them.
        """
        for model, path in self._models.subjects.items():
            _, key, target = self._models._subject(model, path)
            if key is not None and target.table is table and (self._ends(model) or not key.nullable):
                behind = sa.select(sa.literal(1)).where(key == going[target.name]).limit(1)
                if connection.scalar(behind) is not None:
                    return True
        return False

    def _ends(self, model: Any, column: sa.Column[Any] | None = None) -> bool:
        """Whether a model keeps something for a time: in this column, or in any."""
        held = [field for one, field in self._fields(model) if field is not None and (column is None or one is column)]
        return any(field.on_erase == "keep" and field.kept_for is not None for field in held)

    def _null_references(self, connection: sa.Connection, table: sa.Table, going: sa.RowMapping) -> None:
        """Let what stays, and points to a row that goes, point to nothing."""
        for column in (column for model in self._models.subjects for column in _table(model).columns if column.nullable):
            for key in column.foreign_keys:
                if key.column.table is table:
                    theirs = column == going[key.column.name]
                    connection.execute(sa.update(column.table).where(theirs).values({column.name: None}))

    def _fields(self, model: Any) -> list[tuple[sa.Column[Any], Any]]:
        names = self._models.names or {}
        return [(column, field_of(name, column, self._policy, names)) for name, column in columns_of(model)]

    def _is(self, connection: sa.Connection, model: Any, subject: str) -> Any:
        column, key, target = self._models._subject(model, self._models.subjects[model])
        same = _same(connection, column, normalise_subject(subject))
        return same if key is None else key.in_(sa.select(target).where(same))

    def _made(self, model: Any) -> sa.Column[Any] | None:
        columns = dict(columns_of(model))
        wanted = (self._models.made,) if self._models.made else _MADE
        return next((columns[name] for name in wanted if name in columns), None)

    def _said(self, model: Any, row: sa.RowMapping) -> dict[str, Any]:
        columns = [(name, column) for name, column in columns_of(model) if not is_secret(name)]
        return {name: _plain(row[column.name]) for name, column in columns}

    @contextmanager
    def _connect(self, *, write: bool = False) -> Iterator[sa.Connection]:
        """A transaction of its own: what the site has pending in a session is neither committed nor rolled back."""
        engine = self._engine()
        with engine.connect() as connection:
            if write and engine.dialect.name == "sqlite":  # no byte of what was deleted is left in the file
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
                connection.commit()
            yield connection
            connection.commit()

    def _leave_no_copy(self) -> None:
        engine = self._engine()
        if engine.dialect.name == "sqlite":
            with suppress(sa.exc.SQLAlchemyError), engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _engine(self) -> sa.Engine:
        source = self._models.session
        if isinstance(source, sa.Engine):
            return source
        session = source()
        return session.get_bind(sa.inspect(next(iter(self._models.subjects)))).engine  # type: ignore[no-any-return]


def _table(model: Any) -> sa.Table:
    return sa.inspect(model).local_table  # type: ignore[no-any-return]


def _same(connection: sa.Connection, column: sa.Column[Any], subject: str) -> Any:
    """Whether a column holds this subject: an id as it is, an address in any spelling of the same person.

    What a database takes for a small letter depends on the database (SQLite knows A to Z only), so it is asked for what
    has the same ASCII letters, and Python decides. K and I are no such letters: two that are not ASCII become k and i.
    """
    text = sa.cast(column, sa.Text)
    if "@" not in subject:
        return text == subject
    name = subject.rpartition("@")[0]  # the host may be stored in Unicode
    pattern = "%" + re.sub(r"[^!-hjl-~]+", "%", re.sub(r"([\\%_])", r"\\\1", name)) + "@%"
    alike = sa.select(text).distinct().where(sa.func.lower(text).like(pattern, escape="\\"))
    return text.in_([found for found in connection.scalars(alike) if normalise_subject(found) == subject])


def _sorted(models: Iterable[Any]) -> list[sa.Table]:
    return list(next(iter(models)).metadata.sorted_tables) if models else []


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _as_column(column: sa.Column[Any], moment: datetime) -> Any:
    """A moment as this column writes it; one without a time zone is taken to be UTC."""
    if isinstance(column.type, sa.DateTime):
        return moment if column.type.timezone else moment.astimezone(UTC).replace(tzinfo=None)
    if isinstance(column.type, sa.Date):
        return moment.astimezone(UTC).date() + timedelta(days=1)  # of that day it cannot tell, so all of it counts
    if isinstance(column.type, sa.Numeric | sa.Float | sa.Integer):
        return moment.timestamp()
    return moment.astimezone(UTC).isoformat()
