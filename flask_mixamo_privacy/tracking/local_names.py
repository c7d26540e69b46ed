"""Texts and visitors of events in a database of their own, which has the texts themselves and the codes of visitors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import count
from typing import Any

import sqlalchemy as sa

from .event_table import Names, select_in
from .schema import CODED


class LocalNames(Names):
    """Codes of this process for texts that another database stores as they are. A code is never used for another text."""

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[str, int] = {}
        self._next = count(1)

    def coded(self, rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return these columns of events with codes in place of their texts."""
        texts = frozenset(place for place, name in enumerate(columns) if name in CODED)
        return [
            tuple(self._code(value) if place in texts and value is not None else value for place, value in enumerate(row))
            for row in rows
        ]

    def _code(self, text: str) -> int:
        if (code := self._codes.get(text)) is None:
            code = self._codes[text] = next(self._next)
            self[code] = text
        return code

    def learn(self, connection: sa.Connection, some: Iterable[int | None]) -> None:
        """Do nothing: every code of this process is known."""


def codes_of_visitors(connection: sa.Connection, some: Collection[str]) -> dict[str, int]:
    """Return the codes of those visitors who have one."""
    return dict(select_in(connection, "SELECT visitor, code FROM event_visitors WHERE visitor", list(some)))


def visitors_of_codes(connection: sa.Connection, codes: Collection[int]) -> dict[int, str]:
    """Return the visitors of those codes that have one."""
    return dict(select_in(connection, "SELECT code, visitor FROM event_visitors WHERE code", list(codes)))
