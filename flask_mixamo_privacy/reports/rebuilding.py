"""Making reports anew from the events: the same tables, where the events are all there still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from ..tracking import schema
from ..tracking.store import Store
from .published import Publisher
from .windows import Window


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The months that were made anew, and those left as they are: an erasure or retention took events of them."""

    made: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Rebuilder:
    """Publishes whole months once more, each in one transaction."""

    def __init__(self, events: Store, publisher: Publisher) -> None:
        self._store = events
        self._publisher = publisher

    def months(self) -> list[Window]:
        """The months of which something was counted, in order of time; raises :class:`StoreUnavailable`."""
        with self._store.read() as connection:
            if connection is None:
                return []
            days = connection.scalars(sa.select(schema.pieces.c.day).distinct())
            return sorted({Window.of("month", date.fromisoformat(day)) for day in days}, key=str)

    def rebuild(self, progress: Callable[[Window], None] = lambda month: None) -> Rebuilt:
        """Make every month anew whose events are whole; raises :class:`StoreUnavailable`."""
        made: list[str] = []
        skipped: list[str] = []
        for month in self.months():
            (made if self._rebuild(month) else skipped).append(str(month))
            progress(month)
        return Rebuilt(tuple(made), tuple(skipped))

    def _rebuild(self, month: Window) -> bool:
        with self._store.write() as connection:
            return self._publisher.again(connection, month)
