"""Events in ClickHouse. Visitors are there only as the integer codes of the books, so no ID of a visitor is in its files.

One event may be inserted several times, by a loader that was killed or by two hosts. The engine keeps, and reads, the row
with the smallest slot of each (visitor, id). Every row that comes later has a slot after the last counted interval, so the
row that was counted stays. All rows of a visitor are in one shard and in one partition, where equal keys are merged.
"""

# ruff: noqa: S608 — statements have only numbers, names of our own columns and quoted texts

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from ..errors import StoreUnavailable
from ..policy.clickhouse_url import ClickHouseURL
from ..storage.clock import timestamp_of_milliseconds
from . import event_table, schema
from .clickhouse_copies import ClickHouseCopy, drop_copies
from .clickhouse_servers import ClickHouseServer, Servers
from .clickhouse_tables import LOCAL, ClickHouseTables
from .engine import Counts, Logged, Offsets, Write
from .event_deletion import record_remote_erasure
from .event_table import STORED, Names, StoredRow
from .events import FIELDS, FIRST, KINDS
from .local_names import LocalNames, codes_of_visitors, visitors_of_codes
from .parsing import Batch
from .row_names import row_names

_AT_ONCE = 1000  # rows, or codes in one statement
_MOMENT = "ifNull(at, slot)"
_PLACES = "".join(f"kind = '{kind}', {place}, " for place, kind in enumerate(FIRST))
_RANK = f"multiIf({_PLACES}{len(FIRST)})"
_FIELDS = ", ".join(_MOMENT if name == "at" else f"{name}" for name in FIELDS)
_STORED = ", ".join(f"{name}" for name in STORED)
_KEYS = itemgetter(slice(0, 3))
_SLOT = STORED.index("slot")


class ClickHouseEvents:
    """Implements :class:`.engine.Events`. Every read asks one server of each shard that has every block."""

    is_remote = True

    def __init__(self, tables: ClickHouseTables) -> None:
        self.tables = tables

    @classmethod
    def at(cls, url: ClickHouseURL) -> ClickHouseEvents:
        """Return the events of a URL, without a connection yet."""
        return cls(ClickHouseTables(Servers.at(url)))

    def servers(self) -> dict[str, str]:
        return self.tables.servers.states()

    def names(self) -> Names:
        return LocalNames()

    def settle(self, connection: sa.Connection) -> None:
        self.tables.require_quiet()

    def prepare(self, connection: sa.Connection, visitors: set[str]) -> None:
        new = sorted(visitors - codes_of_visitors(connection, visitors).keys())
        # A random code is new also in books that were restored from a backup.
        rows = [(secrets.randbits(62), visitor) for visitor in new]
        event_table.execute_many(connection, "INSERT INTO event_visitors (code, visitor) VALUES (?, ?)", rows)

    def put(self, connection: sa.Connection, batch: Batch, counted: int) -> Sequence[StoredRow]:
        visitors, values = batch.visitors, batch.words.values_of
        codes = codes_of_visitors(connection, visitors)
        if visitors - codes.keys():  # retention released a code after ``prepare``
            raise StoreUnavailable("A visitor's code was deleted meanwhile. Load again.")
        stored: dict[int, Sequence[Any]] = {number: values[number] for number in set(chain.from_iterable(batch.groups))}
        stored |= {number: (codes[str(values[number][0])], values[number][1]) for number in set(batch.visits)}
        columns = event_table.columns_of(batch, stored, counted)
        self._insert(columns)
        _widen_range(connection, max(columns[_SLOT]))
        return list(zip(*columns, strict=True))

    def put_stored(self, rows: Sequence[StoredRow]) -> None:
        """Store events that have codes of visitors, texts and slots, such as those of a move."""
        self._insert(list(zip(*rows, strict=True)))

    def _insert(self, columns: Sequence[Sequence[Any]]) -> None:
        names = row_names(dict(zip(STORED, columns, strict=True)))
        self.tables.insert([*columns, *names.values()], sha256(orjson.dumps(columns)).hexdigest())

    def all_stored(self) -> Iterator[StoredRow]:
        """Yield every row in the order of slot, visitor and id."""
        query = f"SELECT {_STORED} FROM {LOCAL} FINAL ORDER BY slot, visitor, id"
        streams = [chain.from_iterable(server.stream(query)) for server in self.tables.current()]
        return map(tuple, merge(*streams, key=_KEYS))

    def delete_stored(self, keys: Sequence[tuple[int, str]]) -> None:
        """Delete events by their visitor and id, and verify it."""
        for start in range(0, len(keys), _AT_ONCE):
            listed = ", ".join(f"({code:d}, {_quoted(name)})" for code, name in keys[start : start + _AT_ONCE])
            self.tables.delete(f"(visitor, id) IN ({listed})")
            self.tables.require_none(f"(visitor, id) IN ({listed})")

    def erase(self, connection: sa.Connection, visitor: str, tombstones: Sequence[str]) -> list[int]:
        code = codes_of_visitors(connection, {visitor}).get(visitor)
        if code is None:
            return []
        slots = [slot for (slot,) in self._select(connection, f"SELECT slot FROM {LOCAL} FINAL WHERE visitor = {code:d}")]
        record_remote_erasure(connection, code, tombstones)
        connection.execute(sa.delete(schema.visitors).where(schema.visitors.c.code == code))
        return slots

    def scrub(self, write: Write) -> None:
        erasures = schema.remote_erasures
        with write() as connection:
            query = sa.select(erasures.c.code, erasures.c.none_since)
            found: dict[int, int | None] = {row.code: row.none_since for row in connection.execute(query)}
        if new := sorted(code for code, verified in found.items() if verified is None):
            self._verify(write, new)
        for code, verified in found.items():
            if verified is not None and not self.tables.has_old_parts(verified):
                with write() as connection:
                    connection.execute(sa.delete(erasures).where(erasures.c.code == code))

    def _verify(self, write: Write, codes: list[int]) -> None:
        """Delete the rows of erased visitors on every server, and record since when none is left."""
        for part in _parts(codes):
            condition = f"visitor IN ({_listed(part)})"
            self.tables.delete(condition)
            with write() as connection:  # no loader inserts or counts meanwhile
                self.tables.require_quiet()
                drop_copies(self.tables.servers.all)
                verified = self.tables.require_none(condition)
                erasures = schema.remote_erasures
                connection.execute(sa.update(erasures).where(erasures.c.code.in_(part)).values(none_since=verified))

    def unscrubbed(self, connection: sa.Connection) -> set[str]:
        return set(connection.scalars(sa.select(schema.remote_erasures.c.tombstone)))

    def prune(self, write: Write, end: int, lost: Callable[[sa.Connection, list[int]], None]) -> Iterator[int]:
        condition = f"{_MOMENT} < {end:d}"
        with write() as connection:
            query = f"SELECT slot, count() FROM {LOCAL} FINAL WHERE {condition}{_but_erased(connection)} GROUP BY slot"
            slots = self._select(connection, query)
            query = f"SELECT DISTINCT visitor FROM {LOCAL} WHERE {condition}"
            visitors = [visitor for (visitor,) in self._select(connection, query)]
            lost(connection, sorted({slot for slot, _ in slots}))
        if visitors:
            self.tables.delete(condition)
            self.tables.require_none(condition)
            with write() as connection:
                drop_copies(self.tables.servers.all)  # of a loader that was killed
                self.release_visitors(connection, visitors)
        if slots:
            yield sum(number for _, number in slots)

    def release_visitors(self, connection: sa.Connection, codes: Sequence[int]) -> None:
        if codes:
            self.tables.require_quiet()  # an event of a killed loader would stay without its visitor
        for part in _parts(codes):
            query = f"SELECT DISTINCT visitor FROM {LOCAL} WHERE visitor IN ({_listed(part)})"
            named = {visitor for (visitor,) in self._select(connection, query)}
            code = schema.visitors.c.code
            released = sa.delete(schema.visitors).where(code.in_(set(part) - named))
            connection.execute(released.where(~sa.exists().where(schema.people.c.visitor == code)))

    def count(self, connection: sa.Connection, end: int) -> int:
        query = f"SELECT count() FROM {LOCAL} FINAL WHERE {_MOMENT} < {end:d}{_but_erased(connection)}"
        return sum(number for (number,) in self._select(connection, query))

    def logged(self, connection: sa.Connection, visitors: Sequence[str] | None = None) -> Iterator[Logged]:
        order, condition = "slot", "1"
        if visitors is not None:
            codes = codes_of_visitors(connection, set(visitors))
            if not codes:
                return
            order, condition = _MOMENT, f"visitor IN ({_listed(codes.values())})"
        condition += _but_erased(connection)
        query = f"SELECT {order} AS place, {_RANK} AS rank, {_FIELDS} FROM {LOCAL} FINAL WHERE {condition}"
        query += " ORDER BY place, rank, id"
        streams = (chain.from_iterable(server.stream(query)) for server in self.tables.current())
        rows = merge(*streams, key=_KEYS)
        visitor, data = 2 + FIELDS.index("visitor"), 2 + FIELDS.index("data")
        while part := list(islice(rows, _AT_ONCE)):
            names = visitors_of_codes(connection, {row[visitor] for row in part})
            for row in part:
                if row[visitor] not in names:  # of a backup that is older than the erasure of its visitor
                    continue
                event = dict(zip(FIELDS, row[2:], strict=True))
                event |= {"at": timestamp_of_milliseconds(event["at"]), "data": orjson.loads(row[data])}
                yield row[1], event | {"visitor": names[row[visitor]]}

    def known_ids(self, connection: sa.Connection, visitors: Sequence[str], ids: Sequence[str]) -> Iterable[str]:
        codes = codes_of_visitors(connection, set(visitors))
        if not codes:
            return []
        names = ", ".join(map(_quoted, ids))
        query = f"SELECT id FROM {LOCAL} WHERE visitor IN ({_listed(codes.values())}) AND id IN ({names})"
        return [name for (name,) in self._select(connection, query)]

    def count_kinds_and_pages(self, connection: sa.Connection, visitors: Sequence[str]) -> Iterator[Counts]:
        codes = codes_of_visitors(connection, set(visitors))
        if not codes:
            return
        query = f"""SELECT kind, if(kind = 'page_view', page, NULL) AS viewed, count(), min({_MOMENT}), max({_MOMENT})
            FROM {LOCAL} FINAL WHERE visitor IN ({_listed(codes.values())}) GROUP BY kind, viewed"""
        for kind, page, number, first, last in self._select(connection, query):
            yield kind, page, number, timestamp_of_milliseconds(first), timestamp_of_milliseconds(last)

    def first_slot(self, connection: sa.Connection, start: int = 0) -> int | None:
        query = f"SELECT min(slot), count() FROM {LOCAL} WHERE slot >= {start:d}{_but_erased(connection)}"
        return min((slot for slot, number in self._select(connection, query) if number), default=None)

    def last_slot(self, connection: sa.Connection, start: int = 0, end: int | None = None) -> int | None:
        if end is None:  # each page of reports asks this, and does not need a server for it
            last: int | None = connection.scalar(sa.select(schema.remote_range.c.last))
            return None if last is None or last < start else last
        query = f"SELECT max(slot), count() FROM {LOCAL} WHERE {_in(start, end)}{_but_erased(connection)}"
        return max((slot for slot, number in self._select(connection, query) if number), default=None)

    def copy(self, connection: sa.Connection, start: int, end: int, offsets: Offsets) -> ClickHouseCopy:
        condition = _in(start, end) + _but_erased(connection)
        query = f"SELECT min(at), count() FROM {LOCAL} WHERE {_in(start, end)} AND at IS NOT NULL"
        late = [first for first, number in self._select(connection, query) if number]  # happened before the range
        copy = ClickHouseCopy(self.tables)
        try:
            copy.fill(condition, offsets(min([start, *late]), end))
        except StoreUnavailable:
            copy.drop()
            raise
        return copy

    def of_kind(
        self, connection: sa.Connection, kind: str | None, columns: Sequence[str], start: int, end: int, names: Names
    ) -> Sequence[tuple[Any, ...]]:
        assert isinstance(names, LocalNames)
        is_kind = f"= {_quoted(kind)}" if kind is not None else f"NOT IN ({', '.join(map(_quoted, KINDS))})"
        condition = f"{_in(start, end)} AND kind {is_kind}{_but_erased(connection)}"
        chosen = ", ".join(("slot", "visitor", "id", *columns))
        query = f"SELECT {chosen} FROM {LOCAL} FINAL WHERE {condition} ORDER BY slot, visitor, id"
        streams = [server.query(query) for server in self.tables.current()]
        return names.coded((row[3:] for row in merge(*streams, key=_KEYS)), columns)

    def count_visitors(self, connection: sa.Connection, start: int, end: int | None, known: sa.ColumnElement[bool]) -> int:
        found = self.visitors_between(connection, start, end)
        people, number = schema.people.c.visitor, len(found)
        for part in _parts(sorted(found)):
            number -= connection.scalar(sa.select(sa.func.count()).where(people.in_(part), known)) or 0
        return number

    def visitors_between(self, connection: sa.Connection, start: int, end: int | None = None) -> set[int]:
        query = f"SELECT DISTINCT visitor FROM {LOCAL} WHERE {_in(start, end)}{_but_erased(connection)}"
        return {visitor for (visitor,) in self._select(connection, query)}

    def _select(self, connection: sa.Connection, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query from all shards."""
        servers: list[ClickHouseServer] = self.tables.current()
        return [row for server in servers for row in server.query(query)]


def _widen_range(connection: sa.Connection, last: int) -> None:
    """Record the last slot of all events."""
    table = schema.remote_range
    known: int | None = connection.scalar(sa.select(table.c.last))
    if known is None:
        connection.execute(sa.insert(table), {"last": last})
    elif last > known:
        connection.execute(sa.update(table).values(last=last))


def _but_erased(connection: sa.Connection) -> str:
    """Return the condition that leaves out visitors who were erased, and whose rows may still be there."""
    codes = connection.scalars(sa.select(schema.remote_erasures.c.code).distinct()).all()
    return f" AND visitor NOT IN ({_listed(codes)})" if codes else ""


def _in(start: int, end: int | None) -> str:
    return f"slot >= {start:d}" if end is None else f"slot >= {start:d} AND slot < {end:d}"


def _listed(codes: Iterable[int]) -> str:
    return ", ".join(f"{code:d}" for code in codes)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
