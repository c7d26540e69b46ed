"""The backlog: how many bytes of the log wait for the loader, since when, and how far other hosts have loaded theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

import sqlalchemy as sa

from ..errors import StoreUnavailable
from . import log, schema
from .loader import timestamp_at
from .store import EventStore
from .watermarks import LoadingHost, hosts_in, own_id


class LoadProgress(NamedTuple):
    """How far the log was loaded: the offset in each segment, the number of lines that are not events, and all hosts."""

    cursors: Mapping[str, int]
    malformed: int
    hosts: Sequence[LoadingHost] = ()


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
        return LoadProgress(cursors, malformed or 0, hosts_in(connection))


def other_hosts(progress: LoadProgress, folder: str) -> list[LoadingHost]:
    """Return the hosts other than that of a log folder."""
    own = own_id(folder)
    return [host for host in progress.hosts if host.id != own]


def check_hosts(store: EventStore, folder: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield a warning for each other host that no longer reports: level, key, message and hint.

    Yields nothing if they cannot be read.
    """
    with suppress(StoreUnavailable, OSError):
        for host in other_hosts(read_progress(store), folder):
            if host.state != "reporting":
                yield "warning", f"hosts.{host.id}", *host.describe()


def check_servers(store: EventStore) -> Iterator[tuple[str, str, str, str]]:
    """Yield an error for each server of the events' own database that does not answer: level, key, message and hint."""
    for name, problem in store.events.servers().items():
        if problem:
            yield "error", f"events.{name}", problem, "Start the server, or correct PRIVACY_EVENTS_URL."


def check_copy(store: EventStore) -> Iterator[tuple[str, str, str, str]]:
    """Yield a warning if the copy of a move that has begun may have events of visitors who were erased since."""
    with suppress(StoreUnavailable, OSError):
        if not store.events.is_remote and (number := store.count_remote_erasures()):
            message = f"The unfinished move of the events may still have {number} erased visitors in ClickHouse."
            yield "warning", "events.move", message, "Run `flask privacy move` again, if need be with --finish or --undo."


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
