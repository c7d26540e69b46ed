"""Reading what was published: cells of one table, added up over the pieces of a window."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from . import schema
from .published import OTHER
from .store import Store
from .windows import ALL, LEVELS, Calendar, Window

Cell = int | float | str | None  # a number, a text, "<5", "12+", or nothing that could be told


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it may be shown: its events, what they measure, its visitors if one table holds them all, and its share."""

    name: str
    number: int
    amount: int
    visitors: int | None
    share: float


class Reading:
    """One look at one state of the store, as a context; everything is empty where there is no store yet."""

    def __init__(self, events: Store, calendar: Calendar, least: int) -> None:
        self._store = events
        self._calendar = calendar
        self._least = least
        self._open = ExitStack()
        self._connection: sa.Connection | None = None
        self.until: str | None = None  # up to where events were counted

    def __enter__(self) -> Reading:
        self._connection = self._open.enter_context(self._store.read())
        self.until = self._scalar(sa.select(sa.func.max(schema.pieces.c.until)))
        return self

    def __exit__(self, *raised: object) -> None:
        self._open.__exit__(*raised)  # type: ignore[arg-type]

    def is_closed(self, window: Window) -> bool:
        """Whether every day of a window was counted."""
        return window != ALL and self.until is not None and self._calendar.starts(window.end) <= self.until

    def days(self) -> list[date]:
        """The days from the first that was counted, or has events, to the last."""
        counted = sa.select(sa.func.min(schema.pieces.c.day), sa.func.max(schema.pieces.c.day))
        newest = self._scalar(sa.select(sa.func.max(schema.events.c.at)))
        oldest = self._scalar(sa.select(sa.func.min(schema.events.c.at))) if self.until is None else None
        ends = [date.fromisoformat(day) for day in self._scalar_row(counted) or () if day]
        ends += [self._calendar.day_of(at) for at in (oldest, newest) if at]
        if not ends:
            return []
        begun, last = min(ends), max(ends)
        return [begun + timedelta(days=number) for number in range((last - begun).days + 1)]

    def unpublished(self) -> set[str]:
        """The visitors of events that no piece holds yet. Never shown: whether they are enough is all that is asked."""
        if self._connection is None:
            return set()
        since = sa.select(schema.events.c.visitor).distinct().where(schema.events.c.at >= (self.until or ""))
        came_late = sa.select(schema.late.c.visitor).distinct().where(schema.late.c.piece == "")
        return {*self._connection.scalars(since), *self._connection.scalars(came_late)}

    def total(self, name: str, window: Window) -> Cell:
        """A table's events; "12+" where a part had too few visitors to be counted in, "<5" where all of it has."""
        if not self._has_cells(name, window):
            return self._nothing(name, window)
        number = self._total(name, window)
        return number if self._scalar(self._waiting(name, window)) is None else f"{number}+"

    def _total(self, name: str, window: Window) -> int:
        chosen = sa.select(sa.func.sum(schema.cells.c.number)).where(schema.cells.c.name == name, self._in(window))
        return int(self._scalar(chosen.where(schema.cells.c.row == "")) or 0)

    def _waiting(self, name: str, window: Window) -> sa.Select[tuple[str]]:
        """The pieces of a window of which not even the total was published with it."""
        placed, pieces = schema.placed.c, schema.pieces.c
        waiting = sa.select(placed.start).where(placed.name == name, placed.total.not_in(LEVELS[window.unit])).limit(1)
        if window == ALL:
            return waiting
        waiting = waiting.join(schema.pieces, pieces.start == placed.start)
        return waiting.where(pieces.day >= str(window.first), pieces.day < str(window.end))

    def fixed(self, name: str, row: str, window: Window) -> Cell:
        """The events of a row that is known beforehand; None where it is hidden for the sake of another one."""
        if not self._has_cells(name, window):
            return self._nothing(name, window)
        found = self._one(name, row, window)
        if found and (found.number or found.few):
            return int(found.number) if found.number else f"<{self._least}"
        hidden = self._total(name, window) != sum(part.number for part in self.rows(name, window) if part.name != OTHER)
        return None if hidden else 0

    def distinct(self, window: Window) -> Cell:
        """The visitors of a window, each counted once."""
        stored = self._scalar_row(sa.select(schema.distinct).where(schema.distinct.c.window == str(window)))
        if stored is not None:
            return int(stored.visitors) if stored.exact else f"{stored.visitors}+"
        most = self._scalar(
            sa.select(sa.func.max(schema.cells.c.visitors)).where(self._in(window), schema.cells.c.name == "visitors")
        )
        return f"{most}+" if most else self._nothing("visitors", window)

    def rows(self, name: str, window: Window) -> list[Row]:
        """The rows told apart, the largest first, and "other": all that is not."""
        if self._connection is None:
            return []
        cells = schema.cells.c
        grouped = (
            sa.select(
                cells.row,
                sa.func.sum(cells.number).label("number"),
                sa.func.sum(cells.amount).label("amount"),
                sa.func.max(cells.visitors).label("visitors"),
                sa.func.count().label("parts"),
            )
            .where(cells.name == name, self._in(window), cells.number > 0)
            .group_by(cells.row)
        )
        found = {row.row: row for row in self._connection.execute(grouped)}
        total = found.pop("", None)
        if total is None:
            return []
        other = found.pop(OTHER, None)
        everything = int(total.number)
        rows = [self._row(row, everything) for row in found.values()]
        rows.sort(key=lambda row: (-row.number, row.name))
        rest = everything - sum(row.number for row in rows)
        if rest > 0:
            alone = other is not None and other.parts == 1 and int(other.number) == rest
            visitors = int(other.visitors) if alone and other is not None else None
            amount = int(other.amount) if other is not None else 0
            rows.append(Row(OTHER, rest, amount, visitors, round(rest / everything, 4)))
        return rows

    def consenting(self, window: Window) -> float | None:
        """The share of the window's decisions that granted statistics."""
        granted, refused = (self.fixed("decisions", row, window) for row in ("granted", "refused"))
        if isinstance(granted, int) and isinstance(refused, int) and granted + refused:
            return round(granted / (granted + refused), 4)
        return None

    def _row(self, row: sa.Row[tuple[str, int, int, int, int]], everything: int) -> Row:
        visitors = int(row.visitors) if row.parts == 1 else None
        return Row(row.row, int(row.number), int(row.amount), visitors, round(int(row.number) / everything, 4))

    def _nothing(self, name: str, window: Window) -> Cell:
        """What to say where nothing was published: that there is nothing, or that it is little."""
        if self._connection is None:
            return 0
        few = self._scalar(self._waiting(name, window)) is not None
        few = few or (not name.startswith("decisions") and self._is_begun(window))
        return f"<{self._least}" if few else 0

    def _is_begun(self, window: Window) -> bool:
        """Whether events wait in a window that has not been counted."""
        waiting = sa.select(schema.events.c.id).where(schema.events.c.at >= (self.until or "")).limit(1)
        if window != ALL:
            starts, ends = self._calendar.starts(window.first), self._calendar.starts(window.end)
            waiting = waiting.where(schema.events.c.at >= starts, schema.events.c.at < ends)
        return self._scalar(waiting) is not None

    def _one(self, name: str, row: str, window: Window) -> sa.Row[tuple[int, int]] | None:
        cells = schema.cells.c
        few = sa.func.sum(sa.case((cells.amount < 0, 1), else_=0)).label("few")
        chosen = sa.select(sa.func.coalesce(sa.func.sum(cells.number), 0).label("number"), few)
        return self._scalar_row(chosen.where(cells.name == name, cells.row == row, self._in(window)))

    def _has_cells(self, name: str, window: Window) -> bool:
        return (
            self._scalar(sa.select(schema.cells.c.name).where(schema.cells.c.name == name, self._in(window)).limit(1))
            is not None
        )

    def _in(self, window: Window) -> sa.ColumnElement[bool]:
        if window == ALL:
            return sa.true()
        return schema.cells.c[window.unit] == str(window)

    def _scalar(self, chosen: sa.Select[tuple[str]] | sa.Select[tuple[int]]) -> str | None:
        return None if self._connection is None else self._connection.scalar(chosen)  # type: ignore[return-value]

    def _scalar_row(self, chosen: sa.Select[tuple[int, int]]) -> sa.Row[tuple[int, int]] | None:
        return None if self._connection is None else self._connection.execute(chosen).first()
