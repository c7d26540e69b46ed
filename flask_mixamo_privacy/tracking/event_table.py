"""The events in SQL. Each text and each visitor is stored once, in a dictionary, and events have its integer code."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa

from ..storage.clock import hour_in_milliseconds, timestamp_of_milliseconds
from . import schema
from .events import FIELDS
from .schema import CODED, LONGEST_SHARED, events, texts, visitors

#: The fields of an event in the order of its row in the log's form, which the parser returns.
COLUMNS = ("at", "visitor", "id", "kind", "visit", *CODED[1:])

#: The columns of an event's row in the store.
STORED = tuple(column.name for column in schema.events.columns)

Row = tuple[Any, ...]  # an event with the columns of COLUMNS
StoredRow = tuple[Any, ...]  # an event with the columns of STORED

_AT_ONCE = 500  # rows or values in one statement: SQLite allows 32,766 values, PostgreSQL 65,535
_MOST_NAMES = 200_000  # remembered texts
_SECONDS = {f"{second // 60:02d}:{second % 60:02d}": second * 1000 for second in range(3600)}  # milliseconds of an hour

_visitor_of = itemgetter(STORED.index("visitor"))
_texts_of = itemgetter(*(STORED.index(name) for name in CODED))


class Names(dict[int, str]):
    """The texts of codes, remembered. A code is never used for another text."""

    def __init__(self) -> None:
        self.rows: defaultdict[str, dict[Any, str]] = defaultdict(dict)  # by table: the row of each key made of codes

    def learn(self, connection: sa.Connection, events: Iterable[StoredRow]) -> None:
        """Look up the codes of events that are not known yet. Forgets the others if they are many."""
        if len(self) + sum(map(len, self.rows.values())) > _MOST_NAMES:
            self.clear()
            self.rows.clear()
        self.learn_codes(connection, chain.from_iterable(map(_texts_of, events)))

    def learn_codes(self, connection: sa.Connection, some: Iterable[int | None]) -> None:
        """Look up codes that are not known yet."""
        codes = set(some) - {None} - self.keys()
        self.update(_select_in(connection, "SELECT code, text FROM event_texts WHERE code", list(codes)))


def shared_code(text: str) -> sa.ScalarSelect[int]:
    """Return the query of the code of a short text."""
    return (
        sa.select(texts.c.code).where(sa.func.length(texts.c.text) <= LONGEST_SHARED, texts.c.text == text).scalar_subquery()
    )


def encode(connection: sa.Connection, rows: Sequence[Row], counted: int) -> tuple[list[StoredRow], set[int]]:
    """Return rows as they are stored, and the codes of texts that are new in the dictionary, whose uses are not counted.

    ``counted`` is the end of the last counted interval.
    """
    at, visitors, ids, kinds, visits, *others = zip(*rows, strict=True)
    texts = {text for column in (kinds, *others) for text in set(column)} - {None}
    code_of, new = _codes(connection, _TEXTS, texts)
    visitor_code, _ = _codes(connection, _VISITORS, set(visitors))
    hours = {hour: hour_in_milliseconds(hour) for hour in {moment[:13] for moment in at}}
    moments = [hours[text[:13]] + _SECONDS[text[14:19]] + int(text[20:23]) for text in at]
    is_late = min(moments) < counted
    columns = (
        [max(moment, counted) for moment in moments] if is_late else moments,
        map(visitor_code.__getitem__, visitors),
        ids,
        [moment if moment < counted else None for moment in moments] if is_late else [None] * len(moments),
        map(code_of.__getitem__, kinds),
        visits,
        *(map(code_of.get, column) for column in others),
    )
    return list(zip(*columns, strict=True)), new


def count_uses(connection: sa.Connection, rows: Sequence[StoredRow], new: Collection[int]) -> None:
    """Count the texts of events that were inserted. Delete the texts among ``new`` that none of them uses."""
    uses = _uses(rows)
    statement = "UPDATE event_texts SET uses = uses + ? WHERE code = ?"
    execute_many(connection, statement, [(number, code) for code, number in uses.items()])
    _delete_unused(connection, [code for code in new if code not in uses])


def _release(connection: sa.Connection, uses: Counter[int]) -> None:
    """Release the texts of events that were deleted. A text that no other event uses is deleted too."""
    del uses[None]
    statement = "UPDATE event_texts SET uses = uses - ? WHERE code = ?"
    execute_many(connection, statement, [(number, code) for code, number in uses.items()])
    _delete_unused(connection, list(uses))


def release_visitors(connection: sa.Connection, codes: Collection[int]) -> None:
    """Delete the visitors among ``codes`` whom no other table names."""
    code, events, people = schema.visitors.c.code, schema.events, schema.people
    for part in _parts(list(codes)):
        named = sa.or_(sa.exists().where(events.c.visitor == code), sa.exists().where(people.c.visitor == code))
        connection.execute(sa.delete(schema.visitors).where(code.in_(part), ~named))


def execute_many(connection: sa.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute plain SQL with ``?`` for each value. SQLAlchemy's compiler would cost more than thousands of short rows."""
    if rows:
        is_sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql(statement if is_sqlite else statement.replace("?", "%s"), list(rows))


def _uses(rows: Sequence[StoredRow]) -> Counter[int]:
    uses = Counter(chain.from_iterable(map(_texts_of, rows)))
    del uses[None]
    return uses


def _delete_unused(connection: sa.Connection, codes: Sequence[int]) -> None:
    texts = schema.texts.c
    for part in _parts(codes):
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


def _codes(connection: sa.Connection, dictionary: _Dictionary, texts: set[str]) -> tuple[dict[str, int], set[int]]:
    """Return the codes of texts, and which of them are new. New texts are added to the dictionary."""
    shared = [text for text in texts if len(text) <= dictionary.longest]
    codes: dict[str, int] = dict(_select_in(connection, dictionary.known, shared))
    added: dict[str, int] = {}
    for part in _parts(sorted(texts - codes.keys())):
        insert = dictionary.add + ", ".join([dictionary.row] * len(part)) + dictionary.added
        added.update((row[0], row[1]) for row in _execute(connection, insert, part))
    return codes | added, set(added.values())


def _select_in(connection: sa.Connection, query: str, values: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the rows of a query of two columns whose last column, at its end, is one of many values."""
    for part in _parts(values):
        for row in _execute(connection, f"{query} IN ({', '.join('?' * len(part))})", part):
            yield row[0], row[1]


def _execute(connection: sa.Connection, statement: str, values: Sequence[Any]) -> Any:
    """Execute plain SQL with ``?`` for each value. SQLAlchemy would compile thousands of values each time."""
    if connection.dialect.name != "sqlite":
        statement = statement.replace("?", "%s")
    return connection.exec_driver_sql(statement, tuple(values))


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield values in parts that fit into one statement."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


# Events, inserted once each and deleted with all that is stored about them.

_COLUMNS = ", ".join(f'"{name}"' for name in STORED)

# All rows first go to a temporary table. One statement then removes those that are stored already, and another one inserts
# the rest. The driver releases the GIL meanwhile, so other threads serve visitors.
_STAGE = {
    "sqlite": "CREATE TEMP TABLE incoming AS SELECT * FROM events WHERE 0",
    "postgresql": "CREATE TEMP TABLE incoming (LIKE events) ON COMMIT DROP",
}
_TAKE_KNOWN = """DELETE FROM incoming WHERE EXISTS
    (SELECT 1 FROM events AS e WHERE e.visitor = incoming.visitor AND e.id = incoming.id) RETURNING visitor, id"""
_INSERT = f"INSERT INTO events ({_COLUMNS}) SELECT {_COLUMNS} FROM incoming"  # noqa: S608 — only names of our own columns


def insert_new(connection: sa.Connection, rows: Sequence[StoredRow]) -> set[tuple[int, str]]:
    """Insert the events whose visitor and id are not stored yet. Return the visitor and id of the others.

    No two rows have the same visitor and id.
    """
    run = connection.exec_driver_sql
    run(_STAGE[connection.dialect.name])
    if connection.dialect.name == "postgresql":
        _copy(connection, rows)
    else:
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            values = ", ".join([f"({', '.join('?' * len(STORED))})"] * len(part))
            run(f"INSERT INTO incoming VALUES {values}", tuple(chain.from_iterable(part)))  # noqa: S608 — only question marks
    known = {(visitor, name) for visitor, name in run(_TAKE_KNOWN)}
    run(_INSERT)
    run("DROP TABLE incoming")
    return known


def _copy(connection: sa.Connection, rows: Sequence[StoredRow]) -> None:
    driver, statement = connection.connection.cursor(), f"COPY incoming ({_COLUMNS}) FROM STDIN"
    try:
        with driver.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:  # SQLAlchemy's own error, because its callers expect that
        raise sa.exc.DBAPIError(statement, None, error, hide_parameters=True) from None


def delete(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[int]:
    """Delete events and return their slots. Texts and visitors that nothing else names are deleted too."""
    columns = events.c.slot, events.c.visitor, *(events.c[name] for name in CODED)
    result = connection.execute(sa.delete(events).where(condition).returning(*columns)).cursor
    assert result is not None
    rows = result.fetchall()  # the driver's tuples: a visitor may have 100,000 events
    slots, of_visitors, *codes = zip(*rows, strict=True) if rows else ((), ())
    uses: Counter[int] = Counter()
    for column in codes:
        uses.update(column)
    _release(connection, uses)
    release_visitors(connection, set(of_visitors))
    return list(slots)


# Events as the log has them.

_dictionaries = {name: texts.alias(f"{name}_text") for name in CODED}
_name = visitors.alias("visitor_name")
_kind = _dictionaries["kind"].c.text

#: When an event happened, in milliseconds since 1970-01-01 UTC.
moment = sa.func.coalesce(events.c.at, events.c.slot)
#: The place of an event among those of the same millisecond: visits begin first.
rank = sa.case({"visit_start": 0, "repeat_visit": 1}, value=_kind, else_=2)


def logged(*order: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return a query of all events, whose rows :func:`as_logged` reads. The order is by ``order``, rank and id."""
    tables: sa.FromClause = events.join(_name, _name.c.code == events.c.visitor)
    for name, each in _dictionaries.items():
        tables = tables.outerjoin(each, each.c.code == events.c[name])
    columns: dict[str, sa.ColumnElement[Any]] = {name: each.c.text for name, each in _dictionaries.items()}
    columns |= {"at": moment, "visitor": _name.c.visitor, "id": events.c.id, "visit": events.c.visit}
    query = sa.select(*(columns[name].label(f"of_{name}") for name in FIELDS), rank.label("rank"))
    return query.select_from(tables).order_by(*order, rank, events.c.id)


def as_logged(row: sa.Row[Any]) -> dict[str, Any]:
    """Return an event in the form of the log from a row of :func:`logged`."""
    event = dict(zip(FIELDS, row, strict=False))
    return event | {"at": timestamp_of_milliseconds(event["at"]), "data": orjson.loads(event["data"])}


def count_kinds_and_pages(connection: sa.Connection, of: Sequence[str]) -> Iterator[tuple[str, str | None, int, str, str]]:
    """Yield kind, page (of page views), number, first and last moment of the events of some visitors."""
    page, kind = _dictionaries["page"], _dictionaries["kind"]
    viewed = sa.case((kind.c.text == "page_view", page.c.text))
    tables = events.join(kind, kind.c.code == events.c.kind).outerjoin(page, page.c.code == events.c.page)
    query = sa.select(kind.c.text, viewed, sa.func.count(), sa.func.min(moment), sa.func.max(moment)).select_from(tables)
    rows = connection.execute(
        query.where(of_visitors(of)).group_by(kind.c.text, viewed), execution_options={"yield_per": 1000}
    )
    for name, path, number, first, last in rows:
        yield name, path, number, timestamp_of_milliseconds(first), timestamp_of_milliseconds(last)


def of_visitors(of: Sequence[str]) -> sa.ColumnElement[bool]:
    """Return the condition for the events of some visitors."""
    return events.c.visitor.in_(sa.select(visitors.c.code).where(visitors.c.visitor.in_(of)))
