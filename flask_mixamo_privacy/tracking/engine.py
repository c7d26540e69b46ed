"""Where the events are: in the database of the books, or in one of their own.

The books are the tables of ``schema`` in SQLite or PostgreSQL: cursors, tombstones, the dictionary of visitors, and what
reports publish. An engine stores the events. It is given the books' connection, and shares its transaction if it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import sqlalchemy as sa

from .event_table import Names, StoredRow
from .parsing import Batch

Write = Callable[[], AbstractContextManager[sa.Connection]]  # opens a transaction of the books that keeps out other writers
Logged = tuple[int, dict[str, Any]]  # the rank among events of one moment, and an event in the form of the log
Offsets = Callable[[int, int], Sequence[tuple[int, int]]]
Counts = tuple[str, str | None, int, str, str]  # kind, page of a page view, number, first and last moment


class Events(Protocol):
    """The events of one site, each once: its visitor and its id. Raises :class:`StoreUnavailable`.

    A range of slots is from ``start`` to before ``end``, in milliseconds.
    """

    is_remote: bool  # whether the events are in another database than the books

    def servers(self) -> dict[str, str]:
        """Return the name of each server of a cluster, with what its failure causes, or the empty string if it answers."""

    def names(self) -> Names:
        """Return an empty dictionary of texts, for :meth:`of_kind`."""

    def settle(self, connection: sa.Connection) -> None:
        """Wait until every event of earlier transactions can be read. Raises :class:`StoreUnavailable`.

        Call this before events are counted, in a transaction that keeps out other writers.
        """

    def prepare(self, connection: sa.Connection, visitors: set[str]) -> None:
        """Allocate codes for new visitors. The transaction ends before :meth:`put`, so that no crash changes them."""

    def put(self, connection: sa.Connection, batch: Batch, counted: int) -> Sequence[StoredRow]:
        """Store the events that are new, and return them in order of time. Again with any events: as if once.

        ``counted`` is the end of the last counted interval.
        """

    def erase(self, connection: sa.Connection, visitor: str, tombstones: Sequence[str]) -> list[int]:
        """Delete a visitor's events and code. No read finds them once the transaction has ended. Returns their slots.

        ``tombstones`` are the hashes of the visitor. :meth:`unscrubbed` returns those of them whose bytes may be left.
        """

    def scrub(self, write: Write) -> None:
        """Delete what is left of erased visitors, and verify it where that takes time."""

    def unscrubbed(self, connection: sa.Connection) -> set[str]:
        """Return the tombstones of visitors of whom bytes may be left in the engine."""

    def prune(self, write: Write, end: int, lost: Callable[[sa.Connection, list[int]], None]) -> Iterator[int]:
        """Delete the events that happened before ``end``, part by part. Yields the number of each part.

        Calls ``lost`` with the slots of a part, in order, before it is gone.
        """

    def release_visitors(self, connection: sa.Connection, codes: Sequence[int]) -> None:
        """Delete the codes of visitors whom neither an event nor another table names."""

    def count(self, connection: sa.Connection, end: int) -> int:
        """Return the number of events that happened before ``end``."""

    def logged(self, connection: sa.Connection, visitors: Sequence[str] | None = None) -> Iterator[Logged]:
        """Yield events in the form of the log.

        All events are in the order of their slots, those of some visitors in order of time.
        """

    def known_ids(self, connection: sa.Connection, visitors: Sequence[str], ids: Sequence[str]) -> Iterable[str]:
        """Return which ids are those of stored events of these visitors."""

    def count_kinds_and_pages(self, connection: sa.Connection, visitors: Sequence[str]) -> Iterator[Counts]:
        """Yield kind, page (of page views), number, first and last moment of the events of some visitors."""

    def first_slot(self, connection: sa.Connection, start: int = 0) -> int | None:
        """Return the first slot of a range without end, or None if it has no event."""

    def last_slot(self, connection: sa.Connection, start: int = 0, end: int | None = None) -> int | None:
        """Return the last slot of a range, or None if it has no event."""

    def of_kind(
        self, connection: sa.Connection, kind: str | None, columns: Sequence[str], start: int, end: int, names: Names
    ) -> Sequence[tuple[Any, ...]]:
        """Return columns of the events of one kind in a range, in the order of slot, visitor and id.

        None is every kind of the site's own. ``names`` learns texts, or can look them up.
        """

    def count_visitors(self, connection: sa.Connection, start: int, end: int | None, known: sa.ColumnElement[bool]) -> int:
        """Return the number of visitors of a range, except the people whom a condition includes."""

    def visitors_between(self, connection: sa.Connection, start: int, end: int | None = None) -> set[int]:
        """Return the codes of the visitors of a range."""


class EventCopy(Protocol):
    """A copy of the events of a range, each once, with the columns by which reports count."""

    name: str  # of the table of all shards
    of_shard: str  # the table of one shard, which has all events of its visitors
    groups: str  # the table of all shards in which :meth:`store` puts its answer
    days: list[tuple[int, int]]  # the first and the last slot of each day that has events

    def store(self, statement: str) -> None:
        """Store the rows of a statement about :attr:`of_shard` in place of those of an earlier one: groups of visitors."""

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement about the copy. Raises :class:`StoreUnavailable` unless all shards answer."""

    def drop(self) -> None:
        """Drop the copy. Raises nothing if a server does not answer, because a later copy drops it then."""


class RemoteEvents(Events, Protocol):
    """Events in another database than the books, which counts them by itself."""

    def copy(self, connection: sa.Connection, start: int, end: int, offsets: Offsets) -> EventCopy:
        """Copy a range. ``connection`` is in a transaction that keeps out loaders and erasures until the copy is dropped.

        ``offsets`` returns the differences of the site's time to UTC between two moments, as :meth:`.Calendar.offsets` does.
        """
