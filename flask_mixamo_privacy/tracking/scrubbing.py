"""Scrubbing: no line of an erased visitor stays in a segment of the log, be it kept or written to just now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import sqlalchemy as sa

from ..storage.pending import try_lock
from . import log, store
from .store import Store

_VISITOR = re.compile(rb'"visitor":"([A-Za-z0-9_-]{1,64})"')  # also in a torn line, and in one that is no event
_CHUNK = 16 * 1024 * 1024  # bytes


def visitors_in(lines: Iterable[bytes]) -> set[str]:
    """The visitors that lines of the log name."""
    return {found.decode() for line in lines for found in _VISITOR.findall(line)}


def scrub(folder: str, events: Store) -> bool:
    """Overwrite the lines of erased visitors in every segment, as far as it was loaded, and rewrite the database without
    what was deleted of them; gives whether there was a need.

    Lines are blanked in place, since their writer may have the file open; what is not loaded yet is refused by the loader,
    and noted for the next scrubbing. Killed half-way, it is done again: a visitor counts as clean only after the last step.
    For the loader alone, which holds its lock.
    """
    due = events.unclean()
    if not due:
        return False
    with events.read() as connection:
        assert connection is not None
        loaded = {row.segment: row.offset for row in connection.execute(sa.select(store.cursors))}
        for path in log.segments(folder):
            _scrub_segment(path, loaded.get(os.path.basename(path), 0), events, connection)
    if events.database.rewrite():
        events.cleaned(due)
    return True


def _scrub_segment(path: str, loaded: int, events: Store, connection: sa.Connection) -> None:
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
