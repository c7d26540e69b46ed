"""The loader: from the log's segments into the store, each event once."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from ..errors import LoaderBusy, PrivacyError
from . import log, store
from .scrubbing import scrub, visitors_in
from .store import COLUMNS, Row, Store

_CHUNK = 16 * 1024 * 1024  # bytes of log in one transaction, about 50,000 events
_PAUSE = 2.0  # seconds between two looks at the log
_SCRUB_EVERY = 3600.0  # seconds between two scrubbings in the background, each of which may take long
_DAY = 86400.0
_pick = itemgetter(*COLUMNS)

logger = logging.getLogger("flask_mixamo_privacy")


@dataclass
class Loaded:
    """What one pass over the log came to."""

    events: int = 0  # new in the store
    lines: int = 0  # read
    torn: int = 0  # last lines cut off by a crash or a full disk; never acknowledged
    malformed: int = 0  # lines set aside


class Loader:
    """Loads the segments of one folder into one store; of several loaders one works at a time."""

    def __init__(self, folder: str, events: Store, keep_days: int = 0) -> None:
        self._folder = folder
        self._store = events
        self._keep = keep_days * _DAY
        self._scrubbed = -_SCRUB_EVERY

    def load(self, wait: float = 0.0, progress: Callable[[int], None] = lambda size: None) -> Loaded:
        """Load what the log holds beyond the cursors.

        Waits up to ``wait`` seconds for another loader, then raises :class:`LoaderBusy`; raises
        :class:`StoreUnavailable`, and loses nothing, while the database is away.
        """
        self._store.take_up()
        loaded = Loaded()
        if not log.segments(self._folder):
            if wait:
                scrub(self._folder, self._store)
            return loaded
        with self._elected(wait):
            cursors = self._cursors()
            for path in log.segments(self._folder):
                self._load_segment(path, cursors.pop(os.path.basename(path), 0), loaded, progress)
            self._drop_cursors(list(cursors))
            if (wait or time.monotonic() - self._scrubbed >= _SCRUB_EVERY) and scrub(self._folder, self._store):
                self._scrubbed = time.monotonic()
        return loaded

    @contextmanager
    def _elected(self, wait: float) -> Iterator[None]:
        descriptor = os.open(os.path.join(self._folder, "loader.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + wait
            while not _lock(descriptor):
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
            return {row.segment: row.offset for row in connection.execute(sa.select(store.cursors))}

    def _drop_cursors(self, gone: list[str]) -> None:
        if gone:
            with self._store.write() as connection:
                connection.execute(sa.delete(store.cursors).where(store.cursors.c.segment.in_(gone)))

    def _load_segment(self, path: str, offset: int, loaded: Loaded, progress: Callable[[int], None]) -> None:
        with open(path, "rb") as file, log.try_lock(file.fileno()) as dead:
            file.seek(offset)
            while chunk := file.read(_CHUNK):
                whole = chunk.rfind(b"\n") + 1
                if not whole and len(chunk) < _CHUNK:
                    break
                size = whole or len(chunk)
                self._commit(os.path.basename(path), offset, chunk[:size], loaded)
                offset += size
                file.seek(offset)
                progress(size)
            if dead:
                self._finish(path, file.seek(0, os.SEEK_END) - offset, loaded)

    def _finish(self, path: str, rest: int, loaded: Loaded) -> None:
        """Count what a crash tore, and delete the segment, when its writer is gone and its time is over."""
        old = not self._keep or time.time() - os.stat(path).st_mtime >= self._keep
        if old:
            loaded.torn += rest > 0
            os.unlink(path)

    def _commit(self, segment: str, offset: int, chunk: bytes, loaded: Loaded) -> None:
        rows, bad = parse(chunk)
        with self._store.write() as connection:
            loaded.events += self._store.add(connection, rows)
            gone = self._store.erased(connection, visitors_in(line for line, _ in bad))
            self._store.note_lines_of(connection, gone)
            for line, at in bad:
                if gone.isdisjoint(visitors_in([line])):
                    self._store.set_aside(connection, segment, offset + at, line)
            _move_cursor(connection, segment, offset + len(chunk))
        loaded.lines += len(rows) + len(bad)
        loaded.malformed += len(bad)


def parse(chunk: bytes) -> tuple[list[Row], list[tuple[bytes, int]]]:
    """Whole lines as rows of the store; those that are no event come back with their place."""
    if _NUL not in chunk:
        try:
            rows = [_row(orjson.loads(line)) for line in chunk.splitlines()]
            if _all_good(rows):
                return rows, []
        except _NOT_AN_EVENT:
            pass
    return _parse_one_by_one(chunk)


def _parse_one_by_one(chunk: bytes) -> tuple[list[Row], list[tuple[bytes, int]]]:
    rows: list[Row] = []
    bad: list[tuple[bytes, int]] = []
    place = 0
    for line in chunk.splitlines(keepends=True):
        if line.startswith(b" ") and line.isspace():  # of an erased visitor, once
            place += len(line)
            continue
        try:
            row = _row(orjson.loads(line))
            if _NUL in line or not _all_good([row]):
                raise ValueError("not an event")
            rows.append(row)
        except _NOT_AN_EVENT:
            bad.append((line, place))
        place += len(line)
    return rows, bad


_NUL = b"\\u0000"  # our log never writes one, and PostgreSQL takes none
_NOT_AN_EVENT = (ValueError, KeyError, TypeError)


def _row(event: dict[str, Any]) -> Row:
    data = event["data"]
    if type(data) is not dict:
        raise TypeError("data is no object")
    event["data"] = orjson.dumps(data).decode() if data else "{}"
    row: Row = _pick(event)
    return row


def _all_good(rows: list[Row]) -> bool:
    """Whether every value has its type; by whole columns, so that the work is done in C."""
    if not rows:
        return True
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    typed = all(set(map(type, column)) <= _TYPES[name] for name, column in columns.items())
    return typed and all(map(_is_time, columns["at"]))


_TYPES = {name: {str} if name in ("visitor", "id", "at", "kind", "visit", "data") else {str, type(None)} for name in COLUMNS}


def _is_time(text: str) -> bool:
    return len(text) == 24 and text[10] == "T" and text[23] == "Z"


def _move_cursor(connection: sa.Connection, segment: str, offset: int) -> None:
    moved = sa.update(store.cursors).where(store.cursors.c.segment == segment).values(offset=offset)
    if not connection.execute(moved).rowcount:
        connection.execute(sa.insert(store.cursors), {"segment": segment, "offset": offset})


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Background:
    """A daemon thread that calls ``work`` again and again; started once a process, by the first event."""

    def __init__(self, work: Callable[[], object], pause: float = _PAUSE) -> None:
        self._work = work
        self._pause = pause
        self._process = 0

    def start(self) -> None:
        """Start the thread unless this process has it."""
        if self._process != os.getpid():
            self._process = os.getpid()
            threading.Thread(target=self._run, name="privacy-loader", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(self._pause)
            try:
                self._work()
            except LoaderBusy:
                pass  # another process of the site is at it
            except (PrivacyError, OSError) as error:
                logger.warning("Loading the log will be tried again: %s", error)
