"""The events of one visitor: shown to that visitor, and blanked in the log after an erasure."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import FileIO
from typing import Any

import orjson
import sqlalchemy as sa

from ..storage.files import try_lock
from . import log, schema
from .store import EventStore

_MOST_PAGES = 10


@dataclass(frozen=True)
class VisitorData:
    """All events of one visitor, in order of time and without the visitor ID."""

    events: tuple[dict[str, Any], ...] = ()

    @property
    def by_kind(self) -> dict[str, int]:
        """The number of events by kind, the most frequent kind first."""
        return dict(Counter(event["kind"] for event in self.events).most_common())

    @property
    def pages(self) -> dict[str, int]:
        """The number of views of each of the most viewed pages."""
        views = (event["page"] for event in self.events if event["kind"] == "page_view" and event["page"])
        return dict(Counter(views).most_common(_MOST_PAGES))

    @property
    def days(self) -> tuple[str, str] | None:
        """The first and the last day with an event, or None without events."""
        return (self.events[0]["at"][:10], self.events[-1]["at"][:10]) if self.events else None

    def as_dict(self) -> dict[str, Any]:
        first, last = self.days or (None, None)
        counts = {"total": len(self.events), "by_kind": self.by_kind, "pages": self.pages}
        return {**counts, "first_day": first, "last_day": last, "all": list(self.events)}


def visitor_data(visitor: str, events: EventStore, folder: str) -> VisitorData:
    """Return the stored events of a visitor and those in the log that are not loaded yet.

    The result is empty if the visitor was erased. Raises :class:`StoreUnavailable` and :class:`KeyMissing`.
    """
    loaded: dict[str, int] = {}
    with events.read() as connection:
        if connection is not None:
            if events.erased(connection, [visitor]):
                return VisitorData()
            loaded = {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}
    # Read the log before the store. A loader that runs meanwhile moves events to the store, where they are then found.
    waiting = list(_in_log(visitor, folder, loaded))
    by_id = {event["id"]: event for event in (*waiting, *events.events_of(visitor))}
    without_visitor = ({name: value for name, value in event.items() if name != "visitor"} for event in by_id.values())
    return VisitorData(tuple(sorted(without_visitor, key=lambda event: event["at"])))


def _in_log(visitor: str, folder: str, loaded: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Yield the events of a visitor in the segments that are not loaded yet."""
    member = f'"visitor":"{visitor}"'.encode()
    for path in log.segments(folder):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            file.seek(loaded.get(os.path.basename(path), 0))
            for line in file:
                if member in line:
                    with contextlib.suppress(ValueError):
                        yield orjson.loads(line)


# Blanking of erased visitors' lines in the log.

_VISITOR = re.compile(rb'"visitor":"([A-Za-z0-9_-]{1,64})"')  # also matches torn and malformed lines
_CHUNK = 16 * 1024 * 1024  # bytes


def visitors_in(lines: Iterable[bytes]) -> set[str]:
    """Return the visitor IDs in lines of the log."""
    return {visitor.decode() for line in lines for visitor in _VISITOR.findall(line)}


def blank_erased_lines(folder: str, events: EventStore) -> bool:
    """Overwrite the loaded lines of erased visitors in every segment, then rewrite the database without deleted data.

    Returns whether there was anything to do. Call it only with the loader's lock held. Lines are blanked in place, because
    their writer may have the file open. The loader refuses lines that are not loaded yet, and marks their visitors for the
    next run. If the process is killed, the next run repeats the work: visitors are marked as scrubbed in the last step.
    """
    due = events.pending_scrub()
    if not due:
        return False
    with events.read() as connection:
        assert connection is not None
        loaded = {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}
        for path in log.segments(folder):
            _scrub_segment(path, loaded.get(os.path.basename(path), 0), events, connection)
    if events.database.rewrite():
        events.mark_scrubbed(due)
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
