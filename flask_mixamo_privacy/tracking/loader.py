"""The loader: from the log's segments into the store, each event once."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import orjson
import sqlalchemy as sa

from ..errors import LoaderBusy
from ..storage.clock import DAY
from ..storage.files import lock_now, open_private, try_lock
from . import log, schema
from .store import COLUMNS, EventStore, Row, in_order
from .visitor_data import blank_erased_lines, visitors_in

# Lines of the log as rows of the store, by whole columns, so that the work is done in C.

_PART = 128 * 1024  # bytes read at once: more than fits into a processor's cache takes twice as long
_pick = itemgetter(*COLUMNS)

Bad = list[tuple[bytes, int]]  # lines that are no event, each with its place in bytes


def parse(chunk: bytes) -> tuple[list[Row], Bad]:
    """Lines as rows of the store; those that are no event come back with their place."""
    rows: list[Row] = []
    bad: Bad = []
    known: dict[str | None, str | None] = {}
    for place, part in _parts(chunk):
        time.sleep(0)  # a thread that serves a visitor meanwhile waits for a part at most
        good = _parse_at_once(part, known)
        if good is None:
            good, flawed = _parse_one_by_one(part)
            bad += [(line, place + at) for line, at in flawed]
        rows += good
    return rows, bad


def moment_of(lines: bytes) -> str:
    """When the first whole line that is an event was written; the empty text where that cannot be said."""
    for line in lines.splitlines(keepends=True):
        rows, bad = _parse_one_by_one(line)
        if rows or bad:
            return str(rows[0][_AT]) if rows else ""
    return ""


def _parts(chunk: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(chunk):
        end = chunk.find(b"\n", start + _PART) + 1 or len(chunk)
        yield start, chunk[start:end]
        start = end


def _parse_at_once(part: bytes, known: dict[str | None, str | None]) -> list[Row] | None:
    """Every line as a row, or None where one of them is none.

    Equal texts become one object, of those in ``known`` too: they are hashed and looked at many times yet.
    """
    if _NUL in part or not part.endswith(b"\n"):
        return None
    try:
        columns = _columns(list(map(orjson.loads, part[:-1].split(b"\n"))))
        once = (
            column if name in _OWN else map(known.setdefault, column, column)
            for name, column in zip(COLUMNS, columns, strict=True)
        )
        return list(zip(*once, strict=True))
    except _NOT_AN_EVENT:
        return None


def _parse_one_by_one(part: bytes) -> tuple[list[Row], Bad]:
    rows: list[Row] = []
    bad: Bad = []
    place = 0
    for line in part.splitlines(keepends=True):
        if line.startswith(b" ") and line.isspace():  # of an erased visitor, once
            place += len(line)
            continue
        try:
            if _NUL in line:
                raise ValueError("no text of an event")
            rows += zip(*_columns([orjson.loads(line)]), strict=True)
        except _NOT_AN_EVENT:
            bad.append((line, place))
        place += len(line)
    return rows, bad


_NUL = b"\\u0000"  # our log never writes one, and PostgreSQL takes none
_NOT_AN_EVENT = (ValueError, KeyError, TypeError)


def _columns(events: list[dict[str, Any]]) -> list[Sequence[Any]]:
    """The events by column, each value of the store's type; raises one of _NOT_AN_EVENT."""
    columns: list[Sequence[Any]] = list(zip(*map(_pick, events), strict=True))
    for types, column in zip(_TYPES, columns, strict=True):
        if not types.issuperset(map(type, column)):
            raise TypeError("a value of another type")
    if not _are_times(columns[_AT]):
        raise ValueError("no moment")
    columns[_DATA] = [orjson.dumps(data).decode() if data else "{}" for data in columns[_DATA]]
    return columns


_OWN = ("at", "id")  # what is different in nearly every line
_AT, _DATA = COLUMNS.index("at"), COLUMNS.index("data")
_TEXT = dict.fromkeys(("at", "visitor", "id", "kind", "visit"), frozenset({str})) | {"data": frozenset({dict})}
_TYPES = [_TEXT.get(name, frozenset({str, type(None)})) for name in COLUMNS]


def _are_times(texts: Sequence[str]) -> bool:
    """Whether all are as ``2026-05-08T12:00:00.000Z``; reports rely on it."""
    for day in {text[:10] for text in texts}:
        date.fromisoformat(day)  # no 30 February
    return set(map(len, texts)) == {24} and _TIMES.fullmatch("".join(texts)) is not None


_TIMES = re.compile(r"(?:2\d\d\d-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d\d\dZ)+", re.ASCII)


_CHUNK = 16 * 1024 * 1024  # bytes of log in one transaction, about 50,000 events
_HEAD = 16 * 1024  # bytes in which a line that says when it was written is looked for
_SCRUB_EVERY = 3600.0  # seconds between two scrubbings in the background, each of which may take long

#: Seconds for which a command waits until another loader has finished.
WAIT = 60.0


class Aggregation(Protocol):
    """What an aggregator keeps during one pass over the log."""

    def add(self, connection: sa.Connection, rows: Sequence[Row]) -> None:
        """Take the events of one batch, in order of time; called only if this transaction inserted every one of them."""

    def close(self, connection: sa.Connection, waiting: str | None) -> int:
        """Publish what has closed; returns the number of days, and 0 if nothing is left to publish.

        ``waiting`` is the time of the first line that is not loaded yet: None if there is no such line, empty if its time is
        unknown.
        """


class Aggregator(Protocol):
    """Makes aggregates of events while they are loaded, in the loader's own transactions."""

    def begin(self) -> Aggregation:
        """Called once at the start of each pass."""


@dataclass
class Loaded:
    """What one pass over the log came to."""

    events: int = 0  # new in the store
    lines: int = 0  # read
    torn: int = 0  # last lines cut off by a crash or a full disk; never acknowledged
    malformed: int = 0  # lines set aside


class _Part(NamedTuple):
    """What is loaded at once of one segment."""

    path: str
    offset: int
    chunk: bytes
    waiting: str | None  # the moment of the first line after it, in this segment or another; None where there is none
    rest: int | None = None  # bytes that a crash tore, once the segment's writer is gone and all else is loaded


class Loader:
    """Loads the segments of one folder into one store; of several loaders one works at a time."""

    def __init__(self, folder: str, events: EventStore, keep_days: int = 0, aggregator: Aggregator | None = None) -> None:
        self._folder = folder
        self._store = events
        self._keep = keep_days * DAY
        self._aggregator = aggregator
        self._scrubbed = -_SCRUB_EVERY

    def load(
        self, wait: float = 0.0, progress: Callable[[int], None] = lambda size: None, most: int | None = None
    ) -> Loaded:
        """Load what the log holds beyond the cursors, and publish what has closed.

        ``most`` is a number of batches, each of some 25,000 events, after which the rest is left to the next pass.
        Waits up to ``wait`` seconds for another loader, then raises :class:`LoaderBusy`; raises
        :class:`StoreUnavailable`, and loses nothing, while the database is away.
        """
        self._store.drain_spool()
        loaded = Loaded()
        if not os.path.isdir(self._folder):
            if wait:
                blank_erased_lines(self._folder, self._store)
            return loaded
        aggregation = self._aggregator.begin() if self._aggregator else None
        with self._elected(wait):
            cursors = self._cursors()
            for number, batch in enumerate(_batches(self._parts(cursors))):
                if number == most:
                    break
                self._load(batch, loaded, aggregation, progress)
            else:
                self._drop_cursors(list(cursors))
                if aggregation is not None:
                    self._close(aggregation)
            if (wait or time.monotonic() - self._scrubbed >= _SCRUB_EVERY) and blank_erased_lines(self._folder, self._store):
                self._scrubbed = time.monotonic()
        return loaded

    def _close(self, aggregation: Aggregation) -> None:
        """Publish what closed without a line that was loaded: a month at a time, so that an erasure never waits long."""
        going = self._store.database.exists
        while going:
            with self._store.write() as connection:
                going = aggregation.close(connection, None) > 0

    @contextmanager
    def _elected(self, wait: float) -> Iterator[None]:
        descriptor = open_private(os.path.join(self._folder, "loader.lock"), os.O_RDWR | os.O_CREAT)
        try:
            deadline = time.monotonic() + wait
            while not lock_now(descriptor):
                if time.monotonic() >= deadline:
                    raise LoaderBusy(f"Another process is loading {self._folder}. Try again in a moment.")
                time.sleep(0.05)
            yield
        finally:
            os.close(descriptor)

    def _cursors(self) -> dict[str, int]:
        with self._store.read() as connection:
            if connection is None:
                return {}
            return {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}

    def _drop_cursors(self, gone: list[str]) -> None:
        if gone:
            with self._store.write() as connection:
                connection.execute(sa.delete(schema.cursors).where(schema.cursors.c.segment.in_(gone)))

    def _parts(self, cursors: dict[str, int]) -> Iterator[_Part]:
        """What is not loaded yet, in order of time, as a loader would have met it that was always at work.

        Takes out of ``cursors`` those of the segments there are.
        """
        found = [(path, cursors.pop(os.path.basename(path), 0)) for path in log.segments(self._folder)]
        order = sorted(((_moment_at(path, offset) or "", path, offset) for path, offset in found), key=itemgetter(0))
        for number, (_, path, offset) in enumerate(order, start=1):
            yield from _parts_of(path, offset, order[number][0] if number < len(order) else None)

    def _load(
        self, batch: list[_Part], loaded: Loaded, aggregation: Aggregation | None, progress: Callable[[int], None]
    ) -> None:
        if any(part.chunk for part in batch):
            self._commit(batch, loaded, aggregation)
        for part in batch:
            if part.rest is not None:
                self._finish(part.path, part.rest, loaded)
            progress(len(part.chunk))

    def _finish(self, path: str, rest: int, loaded: Loaded) -> None:
        """Count what a crash tore, and delete the segment, when its writer is gone and its time is over."""
        old = not self._keep or time.time() - os.stat(path).st_mtime >= self._keep
        if old:
            loaded.torn += rest > 0
            os.unlink(path)

    def _commit(self, batch: list[_Part], loaded: Loaded, aggregation: Aggregation | None) -> None:
        """One transaction: the events, their segments' cursors, and what has closed with them."""
        rows, bad = [], []
        for part in batch:
            good, flawed = parse(part.chunk)
            rows += good
            bad += [(os.path.basename(part.path), part.offset + at, line) for line, at in flawed]
        in_order(rows)
        with self._store.write() as connection:
            new = self._store.add(connection, rows)
            gone = self._store.erased(connection, visitors_in(line for _, _, line in bad))
            self._store.mark_unscrubbed(connection, gone)
            for segment, at, line in bad:
                if gone.isdisjoint(visitors_in([line])):
                    self._store.store_malformed(connection, segment, at, line)
            _move_cursors(connection, batch)
            if aggregation is not None:
                if new == len(rows):
                    aggregation.add(connection, rows)
                aggregation.close(connection, batch[-1].waiting)
        loaded.events += new
        loaded.lines += len(rows) + len(bad)
        loaded.malformed += len(bad)


def _parts_of(path: str, offset: int, later: str | None) -> Iterator[_Part]:
    with open(path, "rb") as file, try_lock(file.fileno()) as dead:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            whole = chunk.rfind(b"\n") + 1
            if not whole and len(chunk) < _CHUNK:
                break
            size = whole or len(chunk)
            file.seek(offset + size)
            first = _moment_in(file.read(_HEAD))
            yield _Part(path, offset, chunk[:size], _earlier(first, later))
            offset += size
            file.seek(offset)
        if dead:
            yield _Part(path, offset, b"", later, file.seek(0, os.SEEK_END) - offset)


def _batches(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Parts that are loaded in one transaction: small segments together."""
    batch: list[_Part] = []
    for part in parts:
        batch.append(part)
        if sum(len(part.chunk) for part in batch) > _CHUNK // 2:
            yield batch
            batch = []
    if batch:
        yield batch


def _moment_at(path: str, offset: int) -> str | None:
    with open(path, "rb") as file:
        file.seek(offset)
        return _moment_in(file.read(_HEAD))


def _moment_in(head: bytes) -> str | None:
    """When a segment goes on; None where it does not, and the empty text where that cannot be told."""
    return moment_of(head) if b"\n" in head or len(head) == _HEAD else None


def _earlier(one: str | None, other: str | None) -> str | None:
    return other if one is None else one if other is None else min(one, other)


def _move_cursors(connection: sa.Connection, batch: list[_Part]) -> None:
    ends = {os.path.basename(part.path): part.offset + len(part.chunk) for part in batch}
    connection.execute(
        sa.delete(schema.cursors).where(schema.cursors.c.segment == sa.bindparam("of")), [{"of": name} for name in ends]
    )
    connection.execute(sa.insert(schema.cursors), [{"segment": name, "offset": end} for name, end in ends.items()])
