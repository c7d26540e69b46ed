"""The footprint: what one visitor's events come to, for nobody but that visitor."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from ..storage.files import try_lock
from . import log, schema
from .store import EventStore

_MOST_PAGES = 10


@dataclass(frozen=True)
class VisitorData:
    """All events of one visitor, in order of time; the visitor's own ID is not in them."""

    events: tuple[dict[str, Any], ...] = ()

    @property
    def by_kind(self) -> dict[str, int]:
        """How many of each kind, the most frequent first."""
        return dict(Counter(event["kind"] for event in self.events).most_common())

    @property
    def pages(self) -> dict[str, int]:
        """How often each of the pages seen most was seen."""
        seen = (event["page"] for event in self.events if event["kind"] == "page_view" and event["page"])
        return dict(Counter(seen).most_common(_MOST_PAGES))

    @property
    def days(self) -> tuple[str, str] | None:
        """The first and the last day of them all."""
        return (self.events[0]["at"][:10], self.events[-1]["at"][:10]) if self.events else None

    def as_dict(self) -> dict[str, Any]:
        first, last = self.days or (None, None)
        counts = {"total": len(self.events), "by_kind": self.by_kind, "pages": self.pages}
        return {**counts, "first_day": first, "last_day": last, "all": list(self.events)}


def visitor_data(visitor: str, events: EventStore, folder: str) -> VisitorData:
    """What is stored of a visitor, and what the log holds that is not loaded yet; nothing of one who was erased.

    Raises :class:`StoreUnavailable` and :class:`KeyMissing`.
    """
    loaded: dict[str, int] = {}
    with events.read() as connection:
        if connection is not None:
            if events.erased(connection, [visitor]):
                return VisitorData()
            loaded = {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}
    # The log first: what is loaded and deleted meanwhile is then found in the store.
    waiting = list(_in_log(visitor, folder, loaded))
    found = {event["id"]: event for event in (*waiting, *events.of(visitor))}
    mine = ({name: value for name, value in event.items() if name != "visitor"} for event in found.values())
    return VisitorData(tuple(sorted(mine, key=lambda event: event["at"])))


def _in_log(visitor: str, folder: str, loaded: dict[str, int]) -> Iterator[dict[str, Any]]:
    """A visitor's lines in the segments, beyond what was loaded."""
    name = f'"visitor":"{visitor}"'.encode()
    for path in log.segments(folder):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            file.seek(loaded.get(os.path.basename(path), 0))
            for line in file:
                if name in line:
                    with contextlib.suppress(ValueError):
                        yield orjson.loads(line)


# Scrubbing: no line of an erased visitor stays in a segment of the log, be it kept or written to just now.

_VISITOR = re.compile(rb'"visitor":"([A-Za-z0-9_-]{1,64})"')  # also in a torn line, and in one that is no event
_CHUNK = 16 * 1024 * 1024  # bytes


def visitors_in(lines: Iterable[bytes]) -> set[str]:
    """The visitors that lines of the log name."""
    return {found.decode() for line in lines for found in _VISITOR.findall(line)}


def blank_erased_lines(folder: str, events: EventStore) -> bool:
    """Overwrite the lines of erased visitors in every segment, as far as it was loaded, and rewrite the database without
    what was deleted of them; gives whether there was a need.

    Lines are blanked in place, since their writer may have the file open; what is not loaded yet is refused by the loader,
    and noted for the next scrubbing. Killed half-way, it is done again: a visitor counts as clean only after the last step.
    For the loader alone, which holds its lock.
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
    with open(path, "r+b", buffering=0) as file, try_lock(file.fileno()) as dead:
        end = os.fstat(file.fileno()).st_size if dead else loaded
        place, blanked = 0, False
        while place < end:
            lines = _lines(os.pread(file.fileno(), min(_CHUNK, end - place), place))
            gone = events.erased(connection, visitors_in(lines))
            for line in lines:
                if gone and not gone.isdisjoint(visitors_in([line])):
                    _blank(file.fileno(), place, line)
                    blanked = True
                place += len(line)
        if blanked:
            os.fsync(file.fileno())


def _lines(chunk: bytes) -> list[bytes]:
    """Whole lines, unless there is none: then what there is, the rest of a line that a crash tore."""
    whole = chunk.rfind(b"\n") + 1
    return (chunk[:whole] or chunk).splitlines(keepends=True)


def _blank(descriptor: int, place: int, line: bytes) -> None:
    os.pwrite(descriptor, b" " * len(line.rstrip(b"\n")), place)
