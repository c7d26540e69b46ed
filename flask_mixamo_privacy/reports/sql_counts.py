"""Counts by SQL: asks an engine for tables, and keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from typing import Any, TypeVar

import sqlalchemy as sa

from ..tracking.event_table import StoredRow
from .counts import Question
from .disclosure_control import CountedTable, Tally
from .own_tables import OwnTables
from .statements import Dialect, GroupStatements, Statements
from .windows import Interval

_Answer = TypeVar("_Answer")
Run = Callable[[str], Iterable[Sequence[Any]]]  # returns the rows of a statement


class SqlCounts:
    """Implements :class:`.EventCounts` for events that have the columns of ``statements``, given as there."""

    def __init__(self, run: Run, events: str, dialect: Dialect, condition: str = "", own: OwnTables | None = None) -> None:
        self._run = run
        self._dialect = dialect
        self._statements = Statements(events, dialect, condition, own)

    def totals(self, questions: Sequence[Question], least: int) -> list[Tally]:
        found = self._answers(questions, lambda groups: self._tallies(groups.totals()))
        return [found.get(question, Tally()) for question in questions]

    def tables(self, questions: Sequence[Question], least: int) -> list[CountedTable]:
        rows = self._answers(questions, lambda groups: self._rows(groups.rows(least)))
        rests: dict[Question, Tally] = {}
        if least > 1:
            rests = self._answers(questions, lambda groups: self._tallies(groups.rests(least)))
        return [CountedTable(rows.get(question, {}), rests.get(question, Tally())) for question in questions]

    def merged(self, question: Question, least: int, row: str) -> Tally:
        return self._answers([question], lambda groups: self._tallies(groups.merged(least, row))).get(question, Tally())

    def visitors(self, interval: Interval) -> list[int]:
        return [int(visitor) for (visitor,) in self._run(self._statements.visitors([interval]))]

    def distinct(self, parts: Sequence[Sequence[Interval]]) -> list[int]:
        return [int(number) for part in parts for (number,) in self._run(self._statements.distinct(part))]

    def add(self, connection: sa.Connection, events: Sequence[StoredRow]) -> None:
        """Do nothing: the engine has the events."""

    def begin(self, connection: sa.Connection, intervals: Sequence[Interval], lost: Collection[str]) -> None:
        """Do nothing: each answer is counted again."""

    def end(self) -> None:
        """Do nothing: nothing was prepared."""

    def release(self, published: Iterable[Question]) -> None:
        """Do nothing: nothing is kept."""

    def forget_before(self, day: date) -> None:
        """Do nothing: nothing is kept."""

    def _answers(
        self, questions: Sequence[Question], ask: Callable[[GroupStatements], dict[str, _Answer]]
    ) -> dict[Question, _Answer]:
        """Return the answers, those about the same intervals by one statement."""
        by_intervals: dict[tuple[Interval, ...], list[str]] = {}
        for name, intervals in questions:
            by_intervals.setdefault(intervals, []).append(name)
        found: dict[Question, _Answer] = {}
        for intervals, tables in by_intervals.items():
            if groups := self._groups(tables, intervals):
                answers = ask(GroupStatements(groups, tables, self._dialect))
                found |= {Question(name, intervals): answer for name, answer in answers.items()}
        return found

    def _groups(self, tables: Sequence[str], intervals: Sequence[Interval]) -> str:
        """Return the expression of the groups of tables, or nothing if there is no event."""
        return f"({self._statements.groups(tables, intervals)}) AS all_groups"

    def _tallies(self, statement: str) -> dict[str, Tally]:
        return {str(name): Tally(*map(int, tally)) for name, *tally in self._run(statement)}

    def _rows(self, statement: str) -> dict[str, dict[str, Tally]]:
        tables: dict[str, dict[str, Tally]] = {}
        for name, row, *tally in self._run(statement):
            tables.setdefault(str(name), {})[row] = Tally(*map(int, tally))
        return tables
