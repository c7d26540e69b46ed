"""Making reports anew from the events: the same tables, where the events are all there still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from . import schema
from .piece import Piece
from .pieces import Pieces
from .published import Decided, Pass, no_decisions
from .recent import Recent
from .store import Store
from .windows import Calendar, Window


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The months that were made anew, and those left as they are: an erasure or retention took events of them."""

    made: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


class Rebuilder:
    """Publishes whole months once more, each in one transaction."""

    def __init__(self, events: Store, calendar: Calendar, least: int, decided: Decided = no_decisions) -> None:
        self._store = events
        self._calendar = calendar
        self._least = least
        self._decided = decided

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
            recent = Recent()
            counted = Pieces(connection, self._calendar, recent)
            if counted.broken(month.first, month.end):
                return False
            pieces = counted.between(month.first, month.end)
            _unpublish(connection, month, pieces)
            Pass(connection, self._calendar, self._least, self._decided, recent).again(pieces, month.end)
        return True


def _unpublish(connection: sa.Connection, month: Window, pieces: list[Piece]) -> None:
    connection.execute(sa.delete(schema.cells).where(schema.cells.c.month == str(month)))
    connection.execute(sa.delete(schema.placed).where(schema.placed.c.start.in_([piece.start for piece in pieces])))
