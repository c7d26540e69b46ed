"""The loader: moves events from the segments of the log into the store, each event once."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from ..errors import LoaderBusy
from ..storage.clock import DAY, timestamp
from ..storage.database import Database
from ..storage.files import lock_now, make_private_folder, try_lock
from ..storage.platform import delete_file
from . import log, schema
from .event_table import StoredRow
from .parsing import Batch, Words, first_timestamp, parse
from .store import EventStore
from .visitor_data import blank_erased_lines, visitors_in
from .watermarks import Watermarks, hosts_in, open_lock, own_id

_CHUNK = 16 * 1024 * 1024  # bytes of log in one transaction, about 50,000 events
_HEAD = 16 * 1024  # bytes in which the first complete line, and so its time, is looked for
_MOST_WORDS = 60_000  # remembered during one pass
_SCRUB_EVERY = 3600.0  # seconds between background runs of blank_erased_lines(), which may take long

#: Seconds for which a command waits until another loader has finished.
WAIT = 60.0


class Aggregation(Protocol):
    """The state of an aggregator during one pass over the log."""

    def add(self, connection: sa.Connection, rows: Sequence[StoredRow]) -> None:
        """Add the events that this transaction inserted."""

    def close(self, connection: sa.Connection, waiting: str | None) -> int:
        """Publish the days that have closed. Returns their number, or 0 if nothing is left to publish.

        ``waiting`` is the time of the first line that is not loaded yet. It is None if there is no such line, and empty if
        the time is unknown.
        """


class Aggregator(Protocol):
    """Aggregates events while they are loaded, in the transactions of the loader."""

    def begin(self) -> Aggregation:
        """Start one pass over the log."""


@dataclass
class Loaded:
    """The counts of one pass over the log."""

    events: int = 0  # inserted into the store
    lines: int = 0  # read
    torn: int = 0  # last lines cut off by a crash or a full disk; no request for them was answered with a 2xx
    malformed: int = 0  # lines that are not events


class _Part(NamedTuple):
    """A part of one segment that is loaded in one transaction."""

    path: str
    offset: int
    chunk: bytes
    waiting: str | None  # the time of the first later line, in this or another segment; None without one
    rest: int | None = None  # bytes of a torn last line, if the writer has exited and this part is the last one


class _Connection:
    """The connection of one pass, which stays open between its transactions.

    A new one would read the tables and their pages again, and the last one to close moves SQLite's whole log.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: sa.Connection | None = None
        self._file: os.stat_result | None = None

    def open(self, begin: str, wait: int | None) -> AbstractContextManager[sa.Connection]:
        """Return the connection in a context that does not close it. Opens another one if the file was exchanged."""
        file = os.stat(self._database.url.database or "") if self._database.is_sqlite else None
        if self._connection is None or (file and self._file and not os.path.samestat(file, self._file)):
            self.close()
            self._connection, self._file = self._database.connect(begin, wait), file
        return nullcontext(self._connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@dataclass
class _Pass:
    """The state of one pass over the log."""

    loaded: Loaded
    aggregation: Aggregation | None
    watermarks: Watermarks
    connection: _Connection
    words: Words = field(default_factory=Words)  # known to the parser

    def known_words(self) -> Words:
        """Return the texts that were parsed before. Forgets them if they are many."""
        if len(self.words) > _MOST_WORDS:
            self.words = Words()
        return self.words


class Loader:
    """Loads the segments of one folder into one store. Only one loader of a folder works at a time."""

    def __init__(
        self,
        folder: str,
        events: EventStore,
        keep_days: int = 0,
        aggregator: Aggregator | None = None,
        most: int = sys.maxsize,
    ) -> None:
        self._folder = folder
        self._store = events
        self._keep = keep_days * DAY
        self._most_kept = most // 2  # bytes; the other half of the largest size is for new lines
        self._aggregator = aggregator
        self._scrubbed = -_SCRUB_EVERY

    def load(
        self, wait: float = 0.0, progress: Callable[[int], None] = lambda size: None, most: int | None = None
    ) -> Loaded:
        """Load the lines beyond the cursors, and publish the days that have closed.

        ``most`` limits the pass to a number of batches, each of about 25,000 events. ``progress`` is called with the number
        of bytes loaded. Waits up to ``wait`` seconds for another loader, then raises :class:`LoaderBusy`. Raises
        :class:`StoreUnavailable` if the database is unavailable; the events then stay in the log.
        """
        self._store.drain_spool()
        loaded = Loaded()
        if not os.path.isdir(self._folder):
            if wait:
                self._scrub()
            return loaded
        aggregation = self._aggregator.begin() if self._aggregator else None
        with self._elected(wait) as lock, closing(_Connection(self._store.database)) as connection:
            self._store.scrub_events()
            work = _Pass(loaded, aggregation, Watermarks(lock), connection)
            cursors = self._cursors()
            for number, batch in enumerate(_batches(self._parts(cursors))):
                if number == most:
                    break
                self._load(batch, work, progress)
            else:
                self._drop_cursors(list(cursors))
                if aggregation is not None:
                    self._close(aggregation, work)
            if (wait or time.monotonic() - self._scrubbed >= _SCRUB_EVERY) and self._scrub():
                self._scrubbed = time.monotonic()
        return loaded

    def _scrub(self) -> bool:
        return bool(due := self._store.pending_scrub()) and blank_erased_lines(self._folder, self._store, due)

    def _close(self, aggregation: Aggregation, work: _Pass) -> None:
        """Publish days that closed without new lines, one month per transaction, so that erasures never wait long."""
        unfinished = self._store.database.exists
        while unfinished:
            with self._store.write(work.connection.open) as connection:
                waiting = work.watermarks.first_waiting(connection, None, register=False)
                unfinished = aggregation.close(connection, waiting) > 0

    def keep_out(self) -> AbstractContextManager[object]:
        """Return a context in which no loader of the folder works. Raises :class:`LoaderBusy` after :data:`WAIT`."""
        return self._elected(WAIT)

    @contextmanager
    def _elected(self, wait: float) -> Iterator[int]:
        make_private_folder(self._folder)
        descriptor = open_lock(self._folder)
        try:
            deadline = time.monotonic() + wait
            while not lock_now(descriptor):
                if time.monotonic() >= deadline:
                    raise LoaderBusy(f"Another process is loading {self._folder}. Try again in a moment.")
                time.sleep(0.05)
            yield descriptor
        finally:
            os.close(descriptor)

    def _cursors(self) -> dict[str, int]:
        with self._store.read() as connection:
            if connection is None:
                return {}
            return {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}

    def _drop_cursors(self, missing: list[str]) -> None:
        """Delete the cursors of segments that no longer exist. A segment that is not here may be another host's."""
        if missing and self._has_other_hosts():
            missing = [name for name in missing if log.is_of_this_host(name)]
        if missing:
            with self._store.write() as connection:
                connection.execute(sa.delete(schema.cursors).where(schema.cursors.c.segment.in_(missing)))

    def _has_other_hosts(self) -> bool:
        own = own_id(self._folder)
        with self._store.read() as connection:
            return connection is not None and any(host.id != own for host in hosts_in(connection))

    def _parts(self, cursors: dict[str, int]) -> Iterator[_Part]:
        """Yield the parts that are not loaded yet. Segments are sorted by their first new line, as in continuous loading.

        Removes the cursors of existing segments from ``cursors``.
        """
        paths = log.segments(self._folder)
        segments = [(path, _end_of_a_line(path, cursors.pop(os.path.basename(path), 0))) for path in paths]
        order = sorted(((timestamp_at(path, offset) or "", path, offset) for path, offset in segments), key=itemgetter(0))
        for number, (_, path, offset) in enumerate(order, start=1):
            yield from _parts_of(path, offset, order[number][0] if number < len(order) else None)

    def _load(self, batch: list[_Part], work: _Pass, progress: Callable[[int], None]) -> None:
        if any(part.chunk for part in batch):
            self._commit(batch, work)
        for part in batch:
            if part.rest is not None:
                self._finish(part.path, part.rest, work.loaded)
            progress(len(part.chunk))

    def _finish(self, path: str, rest: int, loaded: Loaded) -> None:
        """Delete a loaded segment whose writer has exited and whose retention has ended. Count its torn line.

        Retention ends early if loaded segments would leave no room for new ones.
        """
        expired = not self._keep or time.time() - os.stat(path).st_mtime >= self._keep
        if (expired or log.size_of(self._folder) > self._most_kept) and delete_file(path):
            loaded.torn += rest > 0

    def _commit(self, batch: list[_Part], work: _Pass) -> None:
        """Insert the events, move the cursors and publish the days that have closed, in one transaction."""
        events, malformed = Batch(work.known_words()), []
        for part in batch:
            for line, place in parse(part.chunk, events):
                malformed.append((os.path.basename(part.path), part.offset + place, line))
        self._store.prepare(events)
        with self._store.write(work.connection.open) as connection:
            stored = self._store.add_batch(connection, events)
            if malformed:
                self._store_malformed(connection, malformed)
            _move_cursors(connection, batch)
            waiting = work.watermarks.first_waiting(connection, batch[-1].waiting, register=True)
            if work.aggregation is not None:
                work.aggregation.add(connection, stored)
                if not (self._store.events.is_remote and _is_old(batch[-1].waiting)):
                    work.aggregation.close(connection, waiting)
        work.loaded.events += len(stored)
        work.loaded.lines += len(events) + len(malformed)
        work.loaded.malformed += len(malformed)

    def _store_malformed(self, connection: sa.Connection, malformed: list[tuple[str, int, bytes]]) -> None:
        erased = self._store.erased(connection, visitors_in(line for _, _, line in malformed))
        self._store.mark_unscrubbed(connection, erased)
        for segment, offset, line in malformed:
            if erased.isdisjoint(visitors_in([line])):
                self._store.store_malformed(connection, segment, offset, line)


def _parts_of(path: str, offset: int, later: str | None) -> Iterator[_Part]:
    with open(path, "rb") as file, try_lock(file.fileno()) as abandoned:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            whole_lines = chunk.rfind(b"\n") + 1
            if not whole_lines and len(chunk) < _CHUNK:
                break
            size = whole_lines or len(chunk)
            file.seek(offset + size)
            following = _timestamp_in(file.read(_HEAD))
            yield _Part(path, offset, chunk[:size], _earlier(following, later))
            offset += size
            file.seek(offset)
        if abandoned:
            yield _Part(path, offset, b"", later, file.seek(0, os.SEEK_END) - offset)


def _batches(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """Group parts by transaction, small segments together."""
    batch: list[_Part] = []
    for part in parts:
        batch.append(part)
        if sum(len(part.chunk) for part in batch) > _CHUNK // 2:
            yield batch
            batch = []
    if batch:
        yield batch


def _end_of_a_line(path: str, cursor: int) -> int:
    """Return the cursor of a segment, or 0 if no line ends there, because the file was cut or exchanged with another.

    Reading a segment again adds no event twice. Inside a line that is too long for one part, a cursor is right too.
    """
    if not cursor:
        return 0
    with open(path, "rb") as file:
        file.seek(cursor - 1)
        before = file.read(1)
        if before and before != b"\n":
            file.seek(max(cursor - _CHUNK, 0))
            before = b"" if b"\n" in file.read(min(cursor, _CHUNK)) else b"\n"
    return cursor if before else 0


def timestamp_at(path: str, offset: int) -> str | None:
    """Return the time of the first line at an offset, as :func:`_timestamp_in` does."""
    with open(path, "rb") as file:
        file.seek(offset)
        return _timestamp_in(file.read(_HEAD))


def _timestamp_in(head: bytes) -> str | None:
    """Return the time of the first line, None if there is no complete line, or the empty string if the time is unknown."""
    return first_timestamp(head) if b"\n" in head or len(head) == _HEAD else None


def _is_old(waiting: str | None) -> bool:
    """Return whether the next line is of another day, so that a later batch closes more days at once.

    An engine in another database reads all its events to close a day, and reads them once for all days of a month.
    """
    return "" < (waiting or "") < timestamp(time.time() - DAY)


def _earlier(first: str | None, second: str | None) -> str | None:
    return second if first is None else first if second is None else min(first, second)


def _move_cursors(connection: sa.Connection, batch: list[_Part]) -> None:
    ends = {os.path.basename(part.path): part.offset + len(part.chunk) for part in batch}
    connection.execute(
        sa.delete(schema.cursors).where(schema.cursors.c.segment == sa.bindparam("of")), [{"of": name} for name in ends]
    )
    connection.execute(sa.insert(schema.cursors), [{"segment": name, "offset": end} for name, end in ends.items()])
