"""How many visitors came, each counted once: never the sum over days, and never a number that tells of a few of them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date

import sqlalchemy as sa

from ..tracking import schema
from .intervals import CountedIntervals, LoadCache
from .tables import visitor_of
from .windows import ALL, LEVELS, Interval, Window, week_of


class DistinctVisitors:
    """The number of distinct visitors of each window that has closed, and of all so far."""

    def __init__(self, connection: sa.Connection, pieces: CountedIntervals, least: int, recent: LoadCache) -> None:
        self._connection = connection
        self._pieces = pieces
        self._least = least
        self._recent = recent

    def remember_visitors(self, piece: Interval, visitors: Collection[str]) -> None:
        """Remember who came in a piece, for the windows it is in."""
        self._recent.visitors[piece] = frozenset(visitors)

    def forget(self, before: date) -> None:
        """Let go of the pieces before a day."""
        self._recent.visitors = {piece: seen for piece, seen in self._recent.visitors.items() if piece.day >= before}

    def close(self, window: Window) -> None:
        """Publish how many came in a window of several parts.

        Exactly, unless subtracting the parts told how few came in one of them alone, or in two; then only that it is no
        fewer than in the greatest of them. So too where a part's own number was published before somebody was erased.
        """
        if self._pieces.broken(window.first, window.end):
            self._close_broken(window)
            return
        placed = {row.start: row.total for row in self._connection.execute(_totals_of(window))}
        sets = list(self._parts(window, placed).values())
        if not sets:
            return
        everybody = frozenset().union(*sets)
        twice = sum(map(len, sets)) - len(everybody)
        safe = all(self._is_safe(number) for number in (twice, *(len(everybody - seen) for seen in sets)))
        complete = all(level in LEVELS[window.unit] for level in placed.values())
        self._publish(window, len(everybody) if safe else max(map(len, sets)), exact=safe and complete)

    def _close_broken(self, window: Window) -> None:
        cells, known = schema.cells.c, sa.select(schema.distinct.c.window).where(schema.distinct.c.window == str(window))
        of_window = sa.and_(cells.name == "visitors", cells.row == "", cells[window.unit] == str(window))
        most = self._connection.scalar(sa.select(sa.func.max(cells.visitors)).where(of_window))
        if most and self._connection.scalar(known) is None:
            self._publish(window, most, exact=False)

    def add(self, visitors: Collection[str], day: date) -> None:
        """Move on the number of all visitors so far, once enough are new and enough of the others came, too."""
        if not visitors:
            return
        people, run = schema.people, self._connection.execute
        self._upsert_visitors(visitors, day)
        chosen = sa.select(people.c.counted, sa.func.count()).where(people.c.seen).group_by(people.c.counted)
        number: dict[bool, int] = {bool(counted): found for counted, found in run(chosen)}
        new = number.get(False, 0)
        before = (
            self._connection.scalar(sa.select(schema.distinct.c.visitors).where(schema.distinct.c.window == str(ALL))) or 0
        )
        if new and all(map(self._is_safe, number.values())):
            run(sa.update(people).where(people.c.seen).values(counted=True, seen=False))
            self._publish(ALL, before + new, exact=True)
        elif before:
            self._publish(ALL, before, exact=not new)

    def _upsert_visitors(self, visitors: Collection[str], day: date) -> None:
        met = [(visitor, day.isoformat(), False, True) for visitor in sorted(visitors)]
        mark = "?" if self._connection.dialect.name == "sqlite" else "%s"
        self._connection.exec_driver_sql(_MEET.replace("?", mark), met)

    def _parts(self, window: Window, placed: dict[str, str]) -> dict[str, set[str]]:
        """The visitors of a window whose number was published, by the part with which it was."""
        levels = LEVELS[window.unit]
        found: dict[str, set[str]] = {}
        for piece in self._pieces.between(window.first, window.end):
            level = placed.get(piece.start)
            if level in levels:
                found.setdefault(_PART[window.unit, level](piece), set()).update(self._visitors(piece))
        return found

    def _visitors(self, piece: Interval) -> frozenset[str]:
        seen = self._recent.visitors
        if piece not in seen:
            seen[piece] = frozenset(map(visitor_of, self._pieces.events(piece)))
        return seen[piece]

    def _is_safe(self, number: int) -> bool:
        return not number or number >= self._least

    def _publish(self, window: Window, visitors: int, *, exact: bool) -> None:
        self._connection.execute(sa.delete(schema.distinct).where(schema.distinct.c.window == str(window)))
        self._connection.execute(
            sa.insert(schema.distinct),
            {"window": str(window), "visitors": visitors, "exact": exact, "day": str(window.first)},
        )


# A newcomer, or one more time; in SQL that both databases read, since it is said thousands of times a day.
_MEET = """INSERT INTO people (visitor, last, counted, seen) VALUES (?, ?, ?, ?)
    ON CONFLICT (visitor) DO UPDATE SET last = excluded.last, seen = excluded.seen"""


def _totals_of(window: Window) -> sa.Select[tuple[str, str]]:
    placed, pieces = schema.placed.c, schema.pieces.c
    chosen = sa.select(placed.start, placed.total).join(schema.pieces, pieces.start == placed.start)
    return chosen.where(placed.name == "visitors", pieces.day >= str(window.first), pieces.day < str(window.end))


def _whole_week(piece: Interval) -> str:
    return f"in {week_of(piece.day)}, {piece.day:%Y-%m}"


# A window's part is what had a number of its own: a piece, the small days of a week or a month together, a week of a month.
_PART: dict[tuple[str, str], Callable[[Interval], str]] = {
    ("day", "piece"): lambda piece: piece.start,
    ("week", "piece"): lambda piece: str(piece.day),
    ("week", "week"): _whole_week,
    ("month", "piece"): lambda piece: week_of(piece.day),
    ("month", "week"): lambda piece: week_of(piece.day),
    ("month", "month"): lambda piece: "the rest",
}
