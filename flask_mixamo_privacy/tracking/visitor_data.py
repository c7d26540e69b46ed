"""The events of one visitor: shown to that visitor, and blanked in the log after an erasure."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from heapq import merge
from io import FileIO
from typing import IO, Any

import orjson
import sqlalchemy as sa

from ..storage.files import try_lock
from . import log, schema
from .events import FIRST, KINDS
from .store import EventStore

_MOST_PAGES = 10
_AT_ONCE = 500  # ids in one look-up
_BLOCK = 256 * 1024  # bytes of the log that are searched at once; a larger block does not stay in the processor's cache

# Lines of the log that the store does not have, in a private database in memory, which SQLite moves to a temporary file
# if they are many. ``counts`` holds the numbers of the store too.
_SCHEMA = """
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2048;
    CREATE TABLE waiting (id TEXT PRIMARY KEY, at TEXT, kind TEXT, page TEXT, line BLOB);
    CREATE TABLE counts (kind TEXT, page TEXT, number INTEGER, first TEXT, last TEXT);
"""
_COUNT = """INSERT INTO counts SELECT kind, CASE kind WHEN 'page_view' THEN page END, count(*), min(at), max(at)
    FROM waiting GROUP BY 1, 2"""
_PAGES = "SELECT page, sum(number) AS n FROM counts WHERE page <> '' GROUP BY page ORDER BY n DESC, min(first), page LIMIT ?"


_PLACES = " ".join(f"WHEN '{kind}' THEN {place}" for place, kind in enumerate(FIRST))
_RANK = f"CASE kind {_PLACES} ELSE {len(FIRST)} END"
_WAITING = f"SELECT at, {_RANK} AS rank, id, line FROM waiting ORDER BY at, rank, id"  # noqa: S608 — only names of our own columns
_WAITING_IDS = "SELECT id FROM waiting WHERE id > ? ORDER BY id LIMIT ?"


@dataclass(frozen=True)
class VisitorData:
    """The numbers of one visitor's events, without the visitor ID.

    ``only_counts`` means that the reader may not be the visitor. Pages and the names of the site's own events are left out.
    """

    total: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)  # the most frequent kind first
    pages: dict[str, int] = field(default_factory=dict)  # the views of each of the most viewed pages
    days: tuple[str, str] | None = None  # the first and the last day with an event
    only_counts: bool = False

    def as_dict(self) -> dict[str, Any]:
        first, last = self.days or (None, None)
        counts = {"total": self.total, "by_kind": self.by_kind, "pages": self.pages}
        withheld = {"only_counts": True} if self.only_counts else {}
        return {**counts, "first_day": first, "last_day": last, **withheld}


class VisitorEvents:
    """The stored events of one visitor's IDs, and those in the log that are not loaded yet. None of an erased ID.

    Databases count and sort, so any number of events takes the same memory.
    """

    def __init__(self, visitors: Sequence[str], store: EventStore, folder: str, *, only_counts: bool = False) -> None:
        self._visitors = visitors
        self._only_counts = only_counts
        self._store = store
        self._folder = folder

    def summary(self) -> VisitorData:
        """Return the numbers. Raises :class:`StoreUnavailable` and :class:`KeyMissing`."""
        with self._read() as (waiting, connection):
            return self._count(waiting, connection)

    def write_json(self, file: IO[bytes]) -> VisitorData:
        """Write a JSON object of the numbers and all events, in order of time, and return the numbers. Raises likewise."""
        with self._read() as (waiting, connection):
            data = self._count(waiting, connection)
            file.write(orjson.dumps(data.as_dict())[:-1] + b',"all":[')
            separator = b""
            for *_, line in () if self._only_counts else merge(self._stored(connection), waiting.execute(_WAITING)):
                file.write(separator + line)
                separator = b","
            file.write(b"]}")
        return data

    @contextmanager
    def _read(self) -> Iterator[tuple[sqlite3.Connection, sa.Connection | None]]:
        """Open a database of the events that only the log has, and a snapshot of the store, None without any event."""
        with closing(sqlite3.connect("", isolation_level=None)) as waiting:
            waiting.executescript(_SCHEMA)
            # Read the log before the store. A loader that runs meanwhile moves events to the store, where they are found.
            waiting.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?, ?, ?, ?)", self._in_log())
            with self._store.read() as connection:
                if connection is not None:
                    if self._store.database.is_sqlite:
                        connection.exec_driver_sql("PRAGMA cache_size=-4096")  # KiB; sorting uses as much
                    self._drop_stored(waiting, connection)
                yield waiting, connection

    def _in_log(self) -> Iterator[tuple[str, str, str, str | None, bytes]]:
        """Yield the columns of each event in the segments that is not loaded yet."""
        with self._store.read() as connection:
            erased: set[str] = set()
            loaded: dict[str, int] = {}
            if connection is not None:
                erased = self._store.erased(connection, self._visitors)
                loaded = {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}
        if not (visitors := frozenset(self._visitors) - erased):
            return
        for line in _lines_of(visitors, self._folder, loaded):
            with suppress(ValueError, LookupError):
                event = orjson.loads(line)
                if event.pop("visitor") in visitors:
                    yield event["id"], event["at"], event["kind"], event["page"], orjson.dumps(event)

    def _drop_stored(self, waiting: sqlite3.Connection, connection: sa.Connection) -> None:
        """Delete the waiting events that the store has, because they were sent twice or loaded meanwhile."""
        last = ""
        while part := [name for (name,) in waiting.execute(_WAITING_IDS, (last, _AT_ONCE))]:
            stored = self._store.events.known_ids(connection, self._visitors, part)
            waiting.executemany("DELETE FROM waiting WHERE id = ?", [(name,) for name in stored])
            last = part[-1]

    def _count(self, waiting: sqlite3.Connection, connection: sa.Connection | None) -> VisitorData:
        waiting.execute(_COUNT)
        if connection is not None:
            rows = self._store.events.count_kinds_and_pages(connection, self._visitors)
            waiting.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", rows)
        total, first, last = waiting.execute("SELECT sum(number), min(first), max(last) FROM counts").fetchone()
        if not total:
            return VisitorData()
        kinds = waiting.execute("SELECT kind, sum(number) AS n FROM counts GROUP BY kind ORDER BY n DESC, min(first), kind")
        days = (first[:10], last[:10])
        if self._only_counts:  # the name of an event of the site's own may reveal as much as a page
            return VisitorData(total, {kind: n for kind, n in kinds if kind in KINDS}, {}, days, only_counts=True)
        return VisitorData(total, dict(kinds), dict(waiting.execute(_PAGES, (_MOST_PAGES,))), days)

    def _stored(self, connection: sa.Connection | None) -> Iterator[tuple[str, int, str, bytes]]:
        """Yield the time, the rank, the id and the JSON of each event in the store, in order of time."""
        if connection is None:
            return
        for rank, event in self._store.events.logged(connection, self._visitors):
            del event["visitor"]
            yield event["at"], rank, event["id"], orjson.dumps(event)


def _lines_of(visitors: Set[str], folder: str, loaded: dict[str, int]) -> Iterator[bytes]:
    """Yield the lines that name these visitors in the segments that are not loaded yet."""
    names = [f'"visitor":"{visitor}"'.encode() for visitor in visitors]
    for path in log.segments(folder):
        with suppress(FileNotFoundError), open(path, "rb") as file:
            file.seek(loaded.get(os.path.basename(path), 0))
            while block := file.read(_BLOCK):
                yield from _lines_with(names, block + file.readline())


def _lines_with(names: list[bytes], block: bytes) -> Iterator[bytes]:
    """Yield the lines of a block that have any of these texts, without a look at each of the others."""
    starts = set()
    for name in names:
        place = block.find(name)
        while place >= 0:
            starts.add(block.rfind(b"\n", 0, place) + 1)
            place = block.find(name, place + len(name))
    for start in sorted(starts):
        end = block.find(b"\n", start)
        yield block[start:end] if end >= 0 else block[start:]


# Blanking of erased visitors' lines in the log.

_VISITOR = re.compile(rb'"visitor":"([A-Za-z0-9_-]{1,64})"')  # also matches torn and malformed lines
_CHUNK = 16 * 1024 * 1024  # bytes


def visitors_in(lines: Iterable[bytes]) -> set[str]:
    """Return the visitor IDs in lines of the log."""
    return {visitor.decode() for line in lines for visitor in _VISITOR.findall(line)}


def blank_erased_lines(folder: str, events: EventStore, due: list[str]) -> bool:
    """Overwrite the loaded lines of erased visitors in every segment, then rewrite the database without deleted data.

    ``due`` are the tombstones whose visitors may have such lines. Returns True. The caller must hold the loader's lock. Each
    line is overwritten with spaces in the same file, to which its writer may still append. The loader refuses lines that are
    not loaded yet, and marks their visitors for the next run. If the process is killed, the next run repeats the work:
    visitors are marked as scrubbed in the last step.
    """
    with events.read() as connection:
        assert connection is not None
        loaded = {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}
        for path in log.segments(folder):
            _scrub_segment(path, loaded.get(os.path.basename(path), 0), events, connection)
    events.scrub_events()
    if events.database.rewrite():
        events.mark_scrubbed(events.scrubbed(due))
    return True


def _scrub_segment(path: str, loaded: int, events: EventStore, connection: sa.Connection) -> None:
    with open(path, "r+b", buffering=0) as file, try_lock(file.fileno()) as abandoned:
        end = os.fstat(file.fileno()).st_size if abandoned else loaded
        offset, blanked = 0, False
        while offset < end:
            file.seek(offset)
            lines = _lines(file.read(min(_CHUNK, end - offset)))
            erased = events.erased(connection, visitors_in(lines))
            for line in lines:
                if erased and not erased.isdisjoint(visitors_in([line])):
                    _blank(file, offset, line)
                    blanked = True
                offset += len(line)
        if blanked:
            os.fsync(file.fileno())


def _lines(chunk: bytes) -> list[bytes]:
    """Return the complete lines of a chunk. If there is none, return the torn line."""
    end = chunk.rfind(b"\n") + 1
    return (chunk[:end] or chunk).splitlines(keepends=True)


def _blank(file: FileIO, offset: int, line: bytes) -> None:
    file.seek(offset)
    file.write(b" " * len(line.rstrip(b"\n")))
