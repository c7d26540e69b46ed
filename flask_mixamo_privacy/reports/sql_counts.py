"""Counts by SQL: asks an engine for one table after another, and keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from ..tracking.event_table import StoredRow
from .counts import Question
from .disclosure_control import CountedTable, Tally
from .own_tables import OwnTables
from .statements import Dialect, Statements
from .windows import Interval

Run = Callable[[str], Iterable[Sequence[Any]]]  # returns the rows of a statement


class SqlCounts:
    """Implements :class:`.EventCounts` for events that have the columns of ``statements``, given as there."""

    def __init__(self, run: Run, events: str, dialect: Dialect, condition: str = "", own: OwnTables | None = None) -> None:
        self._run = run
        self._statements = Statements(events, dialect, condition, own)

    def totals(self, questions: Sequence[Question], least: int) -> Iterator[Tally]:
        for question in questions:
            yield self._tally(self._statements.total(question))

    def tables(self, questions: Sequence[Question], least: int) -> Iterator[CountedTable]:
        for question in questions:
            rows = {row: Tally(*map(int, tally)) for row, *tally in self._run(self._statements.rows(question, least))}
            rest = self._tally(self._statements.rest(question, least)) if least > 1 else Tally()
            yield CountedTable(rows, rest)

    def merged(self, question: Question, least: int, row: str) -> Tally:
        return self._tally(self._statements.rest(question, least, row))

    def visitors(self, interval: Interval) -> list[int]:
        return [int(visitor) for (visitor,) in self._run(self._statements.visitors([interval]))]

    def distinct(self, parts: Sequence[Sequence[Interval]]) -> list[int]:
        return [int(number) for part in parts for (number,) in self._run(self._statements.distinct(part))]

    def add(self, connection: sa.Connection, events: Sequence[StoredRow]) -> None:
        """Do nothing: the engine has the events."""

    def begin(self, connection: sa.Connection, intervals: Sequence[Interval], lost: Collection[str]) -> None:
        """Do nothing: each answer is counted again."""

    def release(self, published: Iterable[Question]) -> None:
        """Do nothing: nothing is kept."""

    def forget_before(self, day: date) -> None:
        """Do nothing: nothing is kept."""

    def _tally(self, statement: str) -> Tally:
        """Return the one row of a statement. Its sums are null if there is no event."""
        ((number, *others),) = self._run(statement)
        return Tally(int(number or 0), *(int(other or 0) for other in others)) if number else Tally()
