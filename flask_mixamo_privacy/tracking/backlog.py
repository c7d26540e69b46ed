"""The backlog: how many bytes of the log wait for the loader, and since when."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import sqlalchemy as sa

from . import log, schema
from .loader import timestamp_at
from .store import EventStore


class LoadProgress(NamedTuple):
    """How far the log was loaded: the offset in each segment, and the number of lines that are not events."""

    cursors: Mapping[str, int]
    malformed: int


class Backlog(NamedTuple):
    """The lines that wait in the log: their size in bytes, and the time of the oldest; None if it is unknown."""

    size: int
    oldest: str | None


def read_progress(store: EventStore) -> LoadProgress:
    """Return how far the log was loaded; raises :class:`StoreUnavailable`."""
    with store.read() as connection:
        if connection is None:
            return LoadProgress({}, 0)
        cursors = {row.segment: row.offset for row in connection.execute(sa.select(schema.cursors))}
        malformed = connection.scalar(sa.select(sa.func.count()).select_from(schema.malformed))
        return LoadProgress(cursors, malformed or 0)


def measure(folder: str, cursors: Mapping[str, int]) -> Backlog:
    """Return the lines beyond the cursors. Without cursors, every line of the log counts as waiting."""
    size, times = 0, []
    for path in log.segments(folder):
        with suppress(FileNotFoundError):  # a loader has just deleted it
            offset = cursors.get(os.path.basename(path), 0)
            if (rest := os.path.getsize(path) - offset) > 0:
                size += rest
                times.append(timestamp_at(path, offset))
    return Backlog(size, min(filter(None, times), default=None))
