"""What one pass over the log has at hand, so that what closes in it need not be read from the store again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import itemgetter

import sqlalchemy as sa

from ..tracking import schema
from ..tracking.store import in_order
from .disclosure import Table
from .piece import Piece
from .tally import Event

_MOST = 500_000  # events kept; what waits longer than for so many is read from the store
_AT = itemgetter(0)


class Recent:
    """The events that were loaded and not counted yet; the tables and visitors of pieces that wait for a longer window.

    It holds what names visitors, and so lives no longer than the pass. An erasure meanwhile, or another machine's loader,
    is noticed: of that, nothing that is at hand is used.
    """

    def __init__(self) -> None:
        self.tables: dict[Piece, dict[str, Table]] = {}
        self.visitors: dict[Piece, frozenset[str]] = {}
        self._events: list[Event] = []  # in order of time
        self._erasures: int | None = None

    def add(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Keep events, in order of time, that were all new to the store in this transaction."""
        if self._erasures is None:
            self._erasures = _erasures(connection)
        self._events += events
        in_order(self._events)
        del self._events[:-_MOST]

    def events(self, connection: sa.Connection, piece: Piece) -> list[Event] | None:
        """A piece's events in order of time, those that came late left out; None unless all of them are at hand."""
        start, end = (bisect_left(self._events, at, key=_AT) for at in (piece.start, piece.until))
        if start == end or self._erasures != _erasures(connection):
            return None
        at = schema.events.c.at
        number = sa.select(sa.func.count()).select_from(schema.events).where(at >= piece.start, at < piece.until)
        return self._events[start:end] if connection.scalar(number) == end - start else None

    def counted(self, until: str) -> None:
        """Let go of the events before a moment."""
        del self._events[: bisect_left(self._events, until, key=_AT)]

    def drop(self, starts: set[str]) -> None:
        """Let go of the pieces that lost events meanwhile."""
        for piece in [piece for piece in {*self.tables, *self.visitors} if piece.start in starts]:
            self.tables.pop(piece, None)
            self.visitors.pop(piece, None)


def _erasures(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(schema.tombstones)) or 0
