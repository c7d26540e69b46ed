"""Reports: aggregates over the events of consenting visitors, with small cells hidden."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from .store import Store, events

OTHER = "other"

Cell = int | float | str  # a number, or "<5"


@dataclass(frozen=True)
class Interest:
    """A page, or ``"other"``: how often it was viewed, by how many visitors, and its share of all page views."""

    page: str
    views: int
    visitors: int
    share: float


@dataclass(frozen=True)
class Choice:
    """What was customised, or ``"other"``: by how many visitors, how often, and its share of all choices."""

    name: str
    value: str
    choices: int
    visitors: int
    share: float


@dataclass(frozen=True)
class Report:
    """What a period came to. Counts only visitors who consented."""

    visitors: Cell
    visits: Cell
    repeat_visits: Cell
    repeat_visit_rate: Cell  # of all visits, from 0 to 1
    page_views: Cell
    pages: tuple[Interest, ...]
    customisation: tuple[Choice, ...]
    min_cell: int
    counted: str = "visitors who consented to statistics"

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


Group = tuple[str, int, int]  # its name, events, distinct visitors

_NOTHING = (0, 0)  # (events, distinct visitors)


def report(store: Store, min_cell: int) -> Report:
    """Count what the store holds; raises :class:`StoreUnavailable`.

    A fixed cell that fewer than ``min_cell`` visitors stand behind shows ``"<5"``; a page or a choice is pooled as
    "other" with the next smallest ones, until as many stand behind the pool.
    """
    with store.read() as connection:
        if connection is None:
            return Report(0, 0, 0, 0.0, 0, (), (), min_cell)
        return _Counter(connection, min_cell).report()


class _Counter:
    def __init__(self, connection: sa.Connection, min_cell: int) -> None:
        self._connection = connection
        self._least = min_cell

    def report(self) -> Report:
        visitors = self._connection.scalar(sa.select(sa.func.count(sa.distinct(events.c.visitor)))) or 0
        by_kind = self._by_kind()
        visits, repeats = by_kind.get("visit_start", _NOTHING), by_kind.get("repeat_visit", _NOTHING)
        rate = repeats[0] / visits[0] if visits[0] else 0.0
        return Report(
            visitors=self._cell(visitors, visitors),
            visits=self._cell(*visits),
            repeat_visits=self._cell(*repeats),
            repeat_visit_rate=self._cell(round(rate, 4), repeats[1]),
            page_views=self._cell(*by_kind.get("page_view", _NOTHING)),
            pages=self._pages(),
            customisation=self._customisation(),
            min_cell=self._least,
        )

    def _cell(self, value: int | float, visitors: int) -> Cell:
        return value if visitors >= self._least or not visitors else f"<{self._least}"

    def _by_kind(self) -> dict[str, tuple[int, int]]:
        counted = sa.select(events.c.kind, sa.func.count(), sa.func.count(sa.distinct(events.c.visitor)))
        rows = self._connection.execute(counted.group_by(events.c.kind))
        return {kind: (number, visitors) for kind, number, visitors in rows}

    def _pages(self) -> tuple[Interest, ...]:
        rows = self._pooled("page_view", sa.func.coalesce(events.c.page, ""))
        return tuple(Interest(*row) for row in rows)

    def _customisation(self) -> tuple[Choice, ...]:
        rows = self._pooled("customisation", events.c.data)
        return tuple(Choice(*_choice(data), choices, visitors, share) for data, choices, visitors, share in rows)

    def _pooled(self, kind: str, group: sa.ColumnElement[str]) -> list[tuple[str, int, int, float]]:
        """``(group, events, visitors, share)``, the largest first and "other" last; empty when even that is too small."""
        counts = (sa.func.count(), sa.func.count(sa.distinct(events.c.visitor)))
        of_kind = sa.select(group, *counts).where(events.c.kind == kind).group_by(group)
        found: list[Group] = [(name, number, visitors) for name, number, visitors in self._connection.execute(of_kind)]
        rows = sorted(found, key=lambda row: (-row[1], row[0]))
        shown = [row for row in rows if row[2] >= self._least]
        pooled = [row for row in rows if row[2] < self._least]
        other = self._union(kind, group, pooled)
        while pooled and other < self._least and shown:
            # Complementary suppression: what is hidden alone could be found by subtracting the rest from the total.
            pooled.append(shown.pop())
            other = self._union(kind, group, pooled)
        if pooled and other >= self._least:
            shown.append((OTHER, sum(row[1] for row in pooled), other))
        total = sum(row[1] for row in rows)
        return [(name, number, visitors, round(number / total, 4)) for name, number, visitors in shown]

    def _union(self, kind: str, group: sa.ColumnElement[str], pooled: list[Group]) -> int:
        """How many distinct visitors stand behind these groups together."""
        found: set[str] = set()
        names = [row[0] for row in pooled]
        for start in range(0, len(names), 500):
            chosen = sa.select(events.c.visitor).distinct()
            chosen = chosen.where(events.c.kind == kind, group.in_(names[start : start + 500]))
            found.update(self._connection.scalars(chosen))
        return len(found)


def _choice(data: str) -> tuple[str, str]:
    if data == OTHER:
        return OTHER, OTHER
    values = json.loads(data)
    return str(values.get("name", "")), str(values.get("value", ""))
