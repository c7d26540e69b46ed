"""The personal data store for SQLAlchemy models, which follows ``on_erase`` of each declared field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from ..errors import StoreError
from ..policy.model import Policy
from ..storage.clock import days_after
from ..storage.keys import normalise_subject
from .rows import (
    PersonalRow,
    columns_of,
    field_of,
    is_erased,
    is_placeholder,
    is_protected,
    is_secret,
    placeholder_for,
    python_type,
)
from .stores import PersonalStore, RetainedField, StoreResult

_CREATED = ("created_at", "created_on", "created", "made_at", "registered_at", "date_created", "ordered_at", "sent_at")


@dataclass(frozen=True)
class Models:
    """Registered models of one database, with the column that names the data subject of each row."""

    name: str
    session: Any  # an Engine, or a callable that returns a Session: a sessionmaker, a scoped_session, a function
    subjects: Mapping[Any, str]  # from each model to the column that names the data subject, or "account_id.email"
    created_column: str | None = None  # the column with the time at which a row was created
    names: Mapping[str, str] | None = None  # from a column's name to the declared field, if the names differ

    def __post_init__(self) -> None:
        for model, path in self.subjects.items():
            self._subject(model, path)  # raise for a wrong name at registration

    def bind(self, policy: Policy) -> PersonalStore:
        """Return the store under this policy."""
        store = _ModelStore(self, policy)
        actions = (store.subjects, store.export, store.erase, store.correct, store.expire)
        about = (store.retains_subjects, store.unbounded_retention, store.special_fields, store.declared_fields)
        return PersonalStore(self.name, *actions, tuple(self.subjects), self.names or {}, *about)

    def _subject(self, model: Any, path: str) -> tuple[sa.Column[Any], Any, Any]:
        """Return the column that names the data subject.

        If it is behind a foreign key, also return that key and the column that the key refers to.
        """
        columns = dict(columns_of(model))
        first, _, rest = path.partition(".")
        key = columns.get(first)
        if key is not None and not rest:
            return key, None, None
        target = next(iter(key.foreign_keys)).column if key is not None and key.foreign_keys else None
        column = target.table.columns.get(rest) if target is not None else None
        if column is None:
            allowed = ", ".join(sorted(columns))
            hint = 'Or name a foreign key and a column of the table it refers to, such as "account_id.email".'
            raise StoreError(f"the subject of {model.__name__}", path, allowed, hint)
        return column, key, target


class _ModelStore:
    def __init__(self, models: Models, policy: Policy) -> None:
        self._models = models
        self._policy = policy
        # Rows are deleted before the rows that their foreign keys refer to.
        order = {table: position for position, table in enumerate(_sorted_tables(models.subjects))}
        self._in_order = sorted(models.subjects, key=lambda model: -order[sa.inspect(model).local_table])

    @property
    def retains_subjects(self) -> bool:
        """Whether retained rows still name their data subject. Then only the ledger shows which rows to delete later."""
        paths = ((model, *self._models._subject(model, path)) for model, path in self._models.subjects.items())
        covered = [_table(model) for model in self._models.subjects]
        return any(column.table not in covered or self._retains(model, column) for model, column, _, _ in paths)

    def unbounded_retention(self) -> Iterator[tuple[str, str, str]]:
        """Yield each model whose retained data would never be deleted: its name, the reason, and the next step."""
        for model in filter(self._retains, self._models.subjects):
            column = self._models._subject(model, self._models.subjects[model])[0]
            if self._created_column(model) is None:
                yield model.__name__, "no column has the time of its rows", "Name the column with made=."
            if column.table not in map(_table, self._models.subjects):
                hint = "Register both models in one call."
                yield model.__name__, f"its data subject is in {column.table.name!r}, which this store does not cover", hint
            elif not isinstance(column.type, sa.String):
                hint = "Name a text column, such as an e-mail address or a login."
                yield model.__name__, f"{str(column)!r} names its data subject, but cannot hold a text placeholder", hint
            for retained in (each for each, _ in self._columns_and_fields(model) if self._retains(model, each)):
                try:
                    placeholder_for(retained)
                except StoreError as error:
                    yield model.__name__, f"{str(retained)!r} cannot be emptied", error.hint
                if retained in self._subject_columns(model) and self._outlives_the_ledger(retained, model):
                    hint = "Extend retention.decisions, or shorten kept_for of the field."
                    yield model.__name__, f"{str(retained)!r} is kept longer than the ledger keeps an erasure", hint

    def special_fields(self) -> Mapping[str, str]:
        """Return the declared fields that a correction treats specially; see :class:`PersonalStore`."""
        special: dict[str, str] = {}
        for model in self._models.subjects:
            correctable = dict(self._correctable_columns(model))
            for column, field in self._columns_and_fields(model):
                if field is not None and column not in correctable:
                    special[field.name] = "protected"
                elif field is not None and column in self._subject_columns(model):
                    special.setdefault(field.name, "subject")
        return special

    def declared_fields(self) -> Mapping[str, str]:
        own, names = self._models.subjects, self._models.names or {}
        fields = [(_table(m), name, field_of(name, c, self._policy, names)) for m in own for name, c in columns_of(m)]
        return {f"{table.name}.{name}": field.name for table, name, field in fields if field}

    def _outlives_the_ledger(self, column: sa.Column[Any], model: Any) -> bool:
        day, last = date(2000, 1, 1), days_after(date(2000, 1, 1), self._policy.retention.decisions)
        periods = [field.kept_for for each, field in self._columns_and_fields(model) if each is column and field is not None]
        return any(period is not None and days_after(day, period) > last for period in periods)

    def subjects(self) -> Iterator[str]:
        with self._connect() as connection:
            for model, path in self._models.subjects.items():
                column, key, target = self._models._subject(model, path)
                query = sa.select(column).distinct().where(column.is_not(None))
                if key is not None:
                    query = query.where(target.in_(sa.select(key)))
                yield from (str(subject) for subject in connection.scalars(query) if not is_erased(subject))

    def export(self, subject: str) -> dict[str, Any]:
        tables = {}
        with self._connect() as connection:
            for model in self._models.subjects:
                query = sa.select(*_table(model).columns).where(self._belongs_to(connection, model, subject))
                if rows := [self._exported(model, row) for row in connection.execute(query).mappings()]:
                    tables[_table(model).name] = rows
        return tables

    def erase(self, subject: str, before: datetime | None = None) -> StoreResult:
        result = StoreResult()
        with self._connect(write=True) as connection:
            for model in self._in_order:
                condition = self._belongs_to(connection, model, subject)
                if before is not None:
                    created = self._created_column(model)
                    if created is None:
                        hint = "Name the column with made=, so that newer rows can stay."
                        raise StoreError(f"made of {model.__name__}", None, "a column with the time of a row", hint)
                    condition &= created < _as_column_value(created, before)
                result = self._erase(connection, model, condition, result)
        self._truncate_wal()
        return result

    def correct(self, subject: str, changes: Mapping[str, str]) -> int:
        corrected = 0
        with self._connect(write=True) as connection:
            # Rows behind a foreign key come first: once the address is changed, the old one no longer finds them.
            for model in self._in_order:
                columns = self._correctable_columns(model)
                values = {column.name: changes[f.name] for column, f in columns if f is not None and f.name in changes}
                if values:
                    table = _table(model)
                    corrected += connection.execute(
                        sa.update(table).where(self._belongs_to(connection, model, subject)).values(values)
                    ).rowcount
        return corrected

    def expire(self, now: datetime) -> int:
        """Empty the fields whose period has ended, in rows of erased data subjects, and return the number of deleted rows.

        A row is deleted with the last of its retained fields.
        """
        result = StoreResult()
        with self._connect(write=True) as connection:
            for model in self._in_order:
                column, key, target = self._models._subject(model, self._models.subjects[model])
                condition = is_placeholder(column)
                if key is not None:
                    condition = key.in_(sa.select(target).where(condition))
                result = self._erase(connection, model, condition, result)
        self._truncate_wal()
        return result.deleted

    def _erase(self, connection: sa.Connection, model: Any, condition: Any, result: StoreResult) -> StoreResult:
        table, created, subject_columns = _table(model), self._created_column(model), self._subject_columns(model)
        retained: list[RetainedField] = list(result.retained)
        deleted, anonymised = result.deleted, result.anonymised
        for values in connection.execute(sa.select(*table.columns).where(condition)).mappings().all():
            row = PersonalRow(self._columns_and_fields(model), subject_columns, created, values, self._policy.language)
            row_matches = sa.and_(*(column == values[column.name] for column in table.primary_key))
            has_children = not row.is_retained and self._has_retained_children(connection, table, values)
            if not row.is_retained and not has_children:
                self._null_references(connection, table, values)
                deleted += connection.execute(sa.delete(table).where(row_matches)).rowcount
                continue
            retained += [field for field in row.retained_fields(table.name) if field not in retained]
            if changes := row.changes | (row.secrets if has_children else {}):
                anonymised += connection.execute(sa.update(table).where(row_matches).values(changes)).rowcount
        return StoreResult(deleted, anonymised, 0, tuple(retained))

    def _subject_columns(self, model: Any) -> frozenset[sa.Column[Any]]:
        """Return a model's columns that name the data subject of its own rows or of rows that refer to them."""
        columns = (self._models._subject(model, path)[0] for model, path in self._models.subjects.items())
        return frozenset(column for column in columns if column.table is _table(model))

    def _has_retained_children(self, connection: sa.Connection, table: sa.Table, deleted: sa.RowMapping) -> bool:
        """Whether rows that refer to a row to be deleted are still retained, or cannot lose their reference.

        Only the referenced row shows that their data subject was erased. It therefore stays, emptied and with the
        placeholder, and is deleted after the last of them.
        """
        for model, path in self._models.subjects.items():
            _, key, target = self._models._subject(model, path)
            if key is not None and target.table is table and (self._retains(model) or not key.nullable):
                children = sa.select(sa.literal(1)).where(key == deleted[target.name]).limit(1)
                if connection.scalar(children) is not None:
                    return True
        return False

    def _retains(self, model: Any, column: sa.Column[Any] | None = None) -> bool:
        """Whether a model retains data for a limited period: in this column, or in any column."""
        columns = self._columns_and_fields(model)
        fields = [field for each, field in columns if field is not None and (column is None or each is column)]
        return any(field.on_erase == "keep" and field.kept_for is not None for field in fields)

    def _null_references(self, connection: sa.Connection, table: sa.Table, deleted: sa.RowMapping) -> None:
        """Set foreign keys that refer to a row to be deleted to NULL."""
        for column in (column for model in self._models.subjects for column in _table(model).columns if column.nullable):
            for key in column.foreign_keys:
                if key.column.table is table:
                    condition = column == deleted[key.column.name]
                    connection.execute(sa.update(column.table).where(condition).values({column.name: None}))

    def _columns_and_fields(self, model: Any) -> list[tuple[sa.Column[Any], Any]]:
        names = self._models.names or {}
        return [(column, field_of(name, column, self._policy, names)) for name, column in columns_of(model)]

    def _correctable_columns(self, model: Any) -> list[tuple[sa.Column[Any], Any]]:
        """Return the columns that may be corrected. An attribute may have another name than its column."""
        names = {column: name for name, column in columns_of(model)}
        columns = self._columns_and_fields(model)
        return [(c, field) for c, field in columns if not (is_protected(names[c], c) or is_protected(c.name, c))]

    def _belongs_to(self, connection: sa.Connection, model: Any, subject: str) -> Any:
        column, key, target = self._models._subject(model, self._models.subjects[model])
        matches = _matches(connection, column, normalise_subject(subject))
        return matches if key is None else key.in_(sa.select(target).where(matches))

    def _created_column(self, model: Any) -> sa.Column[Any] | None:
        columns = dict(columns_of(model))
        names = (self._models.created_column,) if self._models.created_column else _CREATED
        return next((columns[name] for name in names if name in columns), None)

    def _exported(self, model: Any, row: sa.RowMapping) -> dict[str, Any]:
        columns = [(name, column) for name, column in columns_of(model) if not is_secret(name)]
        return {name: _as_json(row[column.name]) for name, column in columns}

    @contextmanager
    def _connect(self, *, write: bool = False) -> Iterator[sa.Connection]:
        """Open a transaction on a connection of its own, so that the site's pending session is left as it is."""
        engine = self._engine()
        with engine.connect() as connection:
            if write and engine.dialect.name == "sqlite":  # overwrite deleted rows with zeros in the file
                connection.exec_driver_sql("PRAGMA secure_delete=ON")
                connection.commit()
            yield connection
            connection.commit()

    def _truncate_wal(self) -> None:
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


def _matches(connection: sa.Connection, column: sa.Column[Any], subject: str) -> Any:
    """Return the condition that a column names a data subject: an id exactly, an address in any equivalent spelling.

    Databases differ in which letters they lower: SQLite lowers only A to Z. The query therefore selects the addresses with
    the same ASCII characters, and Python compares them. K and I match any text, because two letters outside ASCII also
    become k and i in lower case.
    """
    text = sa.cast(column, sa.Text)
    if "@" not in subject:
        return _has_id(column, text, subject)
    name = subject.rpartition("@")[0]  # any host matches, because it may be stored in Unicode
    pattern = "%" + re.sub(r"[^!-hjl-~]+", "%", re.sub(r"([\\%_])", r"\\\1", name)) + "@%"
    candidates = sa.select(text).distinct().where(sa.func.lower(text).like(pattern, escape="\\"))
    return text.in_([address for address in connection.scalars(candidates) if normalise_subject(address) == subject])


def _has_id(column: sa.Column[Any], text: Any, subject: str) -> Any:
    """Return the condition that a column has an id.

    A UUID has one spelling as a subject, and several in databases: SQLite and MySQL store it without hyphens, and some
    types of other packages store its bytes. A column of text is compared exactly.
    """
    try:
        number = UUID(subject)
    except ValueError:
        return text == subject
    if isinstance(column.type, sa.String) or str(number) != subject:
        return text == subject
    matches = text.in_([subject, number.hex])
    return matches | (column == number) if python_type(column) is UUID else matches


def _sorted_tables(models: Iterable[Any]) -> list[sa.Table]:
    return list(next(iter(models)).metadata.sorted_tables) if models else []


def _as_json(value: Any) -> Any:
    """Return a JSON-compatible value."""
    if isinstance(value, date):
        return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value.isoformat()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _as_column_value(column: sa.Column[Any], moment: datetime) -> Any:
    """Return a time as the type of a column. A column without a time zone is taken as UTC."""
    if isinstance(column.type, sa.DateTime):
        return moment if column.type.timezone else moment.astimezone(UTC).replace(tzinfo=None)
    if isinstance(column.type, sa.Date):
        return moment.astimezone(UTC).date() + timedelta(days=1)  # a date has no time, so the whole day counts as before
    if isinstance(column.type, sa.Numeric | sa.Float | sa.Integer):
        return moment.timestamp()
    return moment.astimezone(UTC).isoformat()
