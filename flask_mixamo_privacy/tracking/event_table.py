"""The events in SQL. Each text and each visitor is stored once, in a dictionary, and events have its integer code."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, compress, repeat
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import schema
from .parsing import Batch, Words, are_first, in_order
from .schema import CODED, LONGEST_SHARED

#: The columns of an event's row in the store.
STORED = tuple(column.name for column in schema.events.columns)

StoredRow = tuple[Any, ...]  # an event with the columns of STORED
Columns = list[Sequence[Any]]  # events by column, with the columns of STORED

_AT_ONCE = 500  # values in one statement: SQLite allows 32,766 values, PostgreSQL 65,535
_ROWS_AT_ONCE = 100  # in one statement; 500 take as long
_MOST_NAMES = 200_000  # remembered texts
_CODES = "privacy_codes"  # where a connection has those that it remembers

_SLOT, _AT = STORED.index("slot"), STORED.index("at")
_IDENTITY = STORED.index("visitor"), STORED.index("id")  # each event is stored once
_texts_of = itemgetter(*(STORED.index(name) for name in CODED))


class Names(dict[int, str]):
    """The texts of codes, remembered. A code is never used for another text."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, dict[Any, str]] = defaultdict(dict)  # by table: the row of each key made of codes

    def learn(self, connection: sa.Connection, some: Iterable[int | None]) -> None:
        """Look up codes that are not known yet. Forgets the others if they are many."""
        if len(self) + sum(map(len, self.rows.values())) > _MOST_NAMES:
            self.clear()
            self.rows.clear()
        self.learn_codes(connection, some)

    def learn_codes(self, connection: sa.Connection, some: Iterable[int | None]) -> None:
        """Look up codes that are not known yet."""
        codes = set(some) - {None} - self.keys()
        self.update(select_in(connection, "SELECT code, text FROM event_texts WHERE code", list(codes)))


@dataclass
class _Codes:
    """Codes that a connection remembers, until another one writes."""

    version: int | None = None  # of the database
    texts: dict[str, int] = field(default_factory=dict)
    visitors: dict[str, int] = field(default_factory=dict)
    words: Words = field(default_factory=Words)
    numbers: dict[int, Sequence[Any]] = field(default_factory=dict)  # what is stored of each number of ``words``


def _remembered(connection: sa.Connection, words: Words) -> _Codes:
    """Return the codes that are still valid. PostgreSQL has no such number, so there are none."""
    codes: _Codes = connection.info.get(_CODES, _Codes())
    is_sqlite = connection.dialect.name == "sqlite"
    version = connection.exec_driver_sql("PRAGMA data_version").scalar() if is_sqlite else None
    if version is None or version != codes.version or len(codes.texts) + len(codes.visitors) > _MOST_NAMES:
        codes = _Codes(version)
    if codes.words is not words:
        codes.words, codes.numbers = words, {}
    connection.info[_CODES] = codes
    return codes


def forget(connection: sa.Connection) -> None:
    """Forget all codes, because this connection deletes some."""
    connection.info.pop(_CODES, None)


def encode(connection: sa.Connection, batch: Batch, counted: int) -> tuple[Columns, set[int]]:
    """Return events as they are stored, and the codes of texts that are new in the dictionary, whose uses are not counted.

    ``counted`` is the end of the last counted interval. If two events have the same id, the events are in order of time, so
    that the earlier one counts. Otherwise they are as they came, which is faster.
    """
    known = _remembered(connection, batch.words)
    numbers = set(chain.from_iterable(batch.groups)).difference(known.numbers)
    visits = numbers.intersection(batch.visits)
    values = batch.words.values_of
    texts = {text for number in numbers - visits for text in values[number] if text is not None}
    new = _learn(connection, _TEXTS, known.texts, texts)
    _learn(connection, _VISITORS, known.visitors, {str(values[number][0]) for number in visits})
    for number in numbers - visits:
        known.numbers[number] = [None if text is None else known.texts[text] for text in values[number]]
    for number in visits:
        visitor, visit = values[number]
        known.numbers[number] = known.visitors[str(visitor)], visit
    return columns_of(batch, known.numbers, counted), new


def columns_of(batch: Batch, stored: Mapping[int, Sequence[Any]], counted: int) -> Columns:
    """Return events as they are stored, in order of time. ``stored`` has what is stored of each number of a word."""
    groups = [list(zip(*map(stored.__getitem__, column), strict=True)) for column in batch.groups]
    kinds, (of_visitors, of_visits), *others = groups
    columns: Columns = [
        batch.moments,
        of_visitors,
        batch.ids,
        [None] * len(batch),
        *kinds,
        of_visits,
        *chain.from_iterable(others),
    ]
    if len(set(batch.ids)) < len(batch):
        columns = in_order(columns)
    if min(batch.moments) < counted:
        moments = columns[_SLOT]
        columns[_SLOT] = [max(moment, counted) for moment in moments]
        columns[_AT] = [moment if moment < counted else None for moment in moments]
    return columns


def count_uses(connection: sa.Connection, columns: Columns, new: Collection[int]) -> None:
    """Count the texts of events that were inserted. Delete the texts among ``new`` that none of them uses."""
    uses: Counter[int] = Counter()
    for name in CODED:
        uses.update(columns[STORED.index(name)])
    del uses[None]
    statement = "UPDATE event_texts SET uses = uses + ? WHERE code = ?"
    execute_many(connection, statement, [(number, code) for code, number in uses.items()])
    delete_unused(connection, [code for code in new if code not in uses])


def execute_many(connection: sa.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute plain SQL with ``?`` for each value. SQLAlchemy's compiler would cost more than thousands of short rows."""
    if rows:
        is_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql(statement if is_sqlite else statement.replace("?", "%s"), list(rows))


def delete_unused(connection: sa.Connection, codes: Sequence[int]) -> None:
    texts = schema.texts.c
    if codes:
        forget(connection)
    for part in parts_of(codes):
        connection.execute(sa.delete(schema.texts).where(texts.code.in_(part), texts.uses <= 0))


class _Dictionary(NamedTuple):
    """The statements of one dictionary."""

    known: str  # selects texts and codes of the values that follow
    add: str  # inserts the rows that follow
    row: str
    added: str  # returns texts and codes
    longest: int  # the characters of a text that is looked up


_TEXTS = _Dictionary(
    f"SELECT text, code FROM event_texts WHERE length(text) <= {LONGEST_SHARED} AND text",  # noqa: S608 — a number of ours
    "INSERT INTO event_texts (text, uses) VALUES ",
    "(?, 0)",
    " RETURNING text, code",
    LONGEST_SHARED,
)
_VISITORS = _Dictionary(
    "SELECT visitor, code FROM event_visitors WHERE visitor",
    "INSERT INTO event_visitors (visitor) VALUES ",
    "(?)",
    " RETURNING visitor, code",
    sys.maxsize,
)


def _learn(connection: sa.Connection, dictionary: _Dictionary, codes: dict[str, int], texts: set[str]) -> set[int]:
    """Look up the codes of texts that are not among ``codes``. Return those of texts that are new in the dictionary."""
    unknown = texts.difference(codes)
    codes.update(select_in(connection, dictionary.known, [text for text in unknown if len(text) <= dictionary.longest]))
    added: set[int] = set()
    for part in parts_of(sorted(unknown.difference(codes))):
        insert = dictionary.add + ", ".join([dictionary.row] * len(part)) + dictionary.added
        for text, code in _execute(connection, insert, part):
            codes[text] = code
            added.add(code)
    return added


def select_in(connection: sa.Connection, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the rows of a query of two columns whose last column, at its end, is one of many values."""
    for part in parts_of(values):
        for row in _execute(connection, f"{query} IN ({', '.join('?' * len(part))})", part):
            yield row[0], row[1]


def _execute(connection: sa.Connection, statement: str, values: Sequence[Any]) -> Any:
    """Execute plain SQL with ``?`` for each value. SQLAlchemy would compile thousands of values each time."""
    if connection.dialect.name != "sqlite":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, tuple(values))


def parts_of(values: Sequence[Any], size: int = _AT_ONCE) -> Iterator[Sequence[Any]]:
    """Yield values in parts that fit into one statement."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


# Events, inserted once each.

_COLUMNS = ", ".join(f'"{name}"' for name in STORED)


def insert_new(connection: sa.Connection, columns: Columns) -> Columns:
    """Insert the events whose visitor and id are not stored yet, and return them. Of two such events the first counts."""
    insert = _insert_in_parts if connection.dialect.name == "sqlite" else _insert_at_once
    is_new = insert(connection, columns)
    return columns if all(is_new) else [list(compress(column, is_new)) for column in columns]


def put(connection: sa.Connection, batch: Batch, counted: int) -> list[StoredRow]:
    """Insert the events that are not stored yet, and return them in order of time."""
    columns, new_texts = encode(connection, batch, counted)
    columns = insert_new(connection, columns)
    count_uses(connection, columns, new_texts)
    return list(zip(*columns, strict=True))


# On SQLite each statement inserts a few rows, and fails as a whole if one of them is stored already. The driver releases the
# GIL meanwhile, so other threads serve visitors. A column without values is left out, because each value takes time.


def _insert_in_parts(connection: sa.Connection, columns: Columns) -> list[bool]:
    """Insert the new ones among some events. Return for each event whether it was inserted."""
    size = len(columns[0])
    places = [place for place, column in enumerate(columns) if column.count(None) < size]
    width = len(places)
    values: list[Any] = [None] * (size * width)
    for number, place in enumerate(places):
        values[number::width] = columns[place]
    insert = _Insert(connection, [STORED[place] for place in places])
    is_new: list[bool] = []
    for start in range(0, size, _ROWS_AT_ONCE):
        part = values[start * width : (start + _ROWS_AT_ONCE) * width]
        try:
            insert(part)
            is_new += repeat(True, len(part) // width)
        except sa.exc.IntegrityError:
            is_new += _insert_some(connection, [column[start : start + _ROWS_AT_ONCE] for column in columns])
    return is_new


def _insert_some(connection: sa.Connection, columns: Columns) -> list[bool]:
    """Insert the new ones among a few events."""
    keys = list(zip(*map(columns.__getitem__, _IDENTITY), strict=True))
    query = f"SELECT visitor, id FROM events WHERE (visitor, id) IN (VALUES {', '.join(['(?, ?)'] * len(keys))})"  # noqa: S608
    is_new = are_first(keys, map(tuple, _execute(connection, query, list(chain.from_iterable(keys)))))
    if any(is_new):
        rows = compress(zip(*columns, strict=True), is_new)
        _Insert(connection, STORED)(list(chain.from_iterable(rows)))
    return is_new


class _Insert:
    """A statement that inserts a few rows. It inserts none, and raises, if one of them is stored already."""

    def __init__(self, connection: sa.Connection, names: Sequence[str]) -> None:
        self._connection = connection
        self._cursor = connection.connection.cursor()
        self._width = len(names)
        self._start = f"INSERT INTO events ({', '.join(names)}) VALUES "  # noqa: S608 — only names of our own columns
        self._statements: dict[int, str] = {}  # by number of rows

    def __call__(self, values: list[Any]) -> None:
        number = len(values) // self._width
        if number not in self._statements:
            row = f"({', '.join('?' * self._width)})"
            self._statements[number] = self._start + ", ".join([row] * number)
        with _driver_errors(self._connection, self._start):
            self._cursor.execute(self._statements[number], values)


# On PostgreSQL all rows first go to a temporary table. One statement then removes those that are stored already, and another
# one inserts the rest.
_STAGE = "CREATE TEMP TABLE incoming (LIKE events) ON COMMIT DROP"
_TAKE_KNOWN = """DELETE FROM incoming WHERE EXISTS
    (SELECT 1 FROM events AS e WHERE e.visitor = incoming.visitor AND e.id = incoming.id) RETURNING visitor, id"""
_TAKE = f"INSERT INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming"  # noqa: S608 — only names of our own columns


def _insert_at_once(connection: sa.Connection, columns: Columns) -> list[bool]:
    run = connection.exec_driver_sql
    keys = list(zip(*map(columns.__getitem__, _IDENTITY), strict=True))
    is_first = are_first(keys, ())
    run(_STAGE)
    _copy(connection, compress(zip(*columns, strict=True), is_first))
    known = set(map(tuple, run(_TAKE_KNOWN)))
    run(_TAKE)
    run("DROP TABLE incoming")
    return are_first(keys, known) if known else is_first


def _copy(connection: sa.Connection, rows: Iterable[StoredRow]) -> None:
    statement = f"COPY incoming ({_COLUMNS}) FROM STDIN"
    with _driver_errors(connection, statement), connection.connection.cursor().copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def _driver_errors(connection: sa.Connection, statement: str) -> Iterator[None]:
    """Raise SQLAlchemy's own errors in place of the driver's, because callers expect those. They quote no values."""
    driver = connection.dialect.loaded_dbapi
    try:
        yield
    except driver.IntegrityError as error:
        raise sa.exc.IntegrityError(statement, None, error, hide_parameters=True) from None
    except driver.Error as error:
        raise sa.exc.DBAPIError(statement, None, error, hide_parameters=True) from None


# Queries by slot. A range is from ``start`` to before ``end``, in milliseconds.

_slot = schema.events.c.slot


def slots_in(start: int, end: int | None) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the events of a range."""
    return [_slot >= start] if end is None else [_slot >= start, _slot < end]


def first_slot(connection: sa.Connection, start: int = 0) -> int | None:
    found: int | None = connection.scalar(sa.select(sa.func.min(_slot)).where(_slot >= start))
    return found


def last_slot(connection: sa.Connection, start: int = 0, end: int | None = None) -> int | None:
    found: int | None = connection.scalar(sa.select(sa.func.max(_slot)).where(*slots_in(start, end)))
    return found


def visitors_between(connection: sa.Connection, start: int, end: int | None = None) -> set[int]:
    # With DISTINCT, SQLite would scan all events by the index of visitors.
    return set(connection.scalars(sa.select(schema.events.c.visitor).where(*slots_in(start, end))))
