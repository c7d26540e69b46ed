"""What publishing asks about events. Every answer is a number, but :meth:`EventCounts.visitors` returns their codes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol

import sqlalchemy as sa

from ..tracking.event_table import StoredRow
from .disclosure_control import CountedTable, Tally
from .windows import Interval

#: The tables of events, in the order in which they are asked for.
EVENT_TABLES = (
    "visitors", "returning", "visit_numbers", "days_between", "pages", "time", "entries", "exits", "movement", "referrers",
    "exit_links", "clicks", "events", "choices", "changes", "browsers", "platforms", "providers", "hours",
)  # fmt: skip

#: Tables that need the events of a whole day: the last page of a visit, the change of a choice.
WHOLE_DAY = ("exits", "changes")


def is_own(name: str) -> bool:
    """Return whether the site declares a table of this name, or did so earlier."""
    return ":" in name


#: Returns the tables of decisions of each day by name, from the first date to before the second.
DecisionTables = Callable[[date, date], dict[date, dict[str, dict[str, Tally]]]]


class Question(NamedTuple):
    """Asks for a table of some intervals. Each interval is counted by itself, and then rows of one name are merged."""

    table: str
    intervals: tuple[Interval, ...]


class Counts(Protocol):
    """Answers questions about tables. A visitor counts under the network recorded last in the intervals of a question."""

    def totals(self, questions: Sequence[Question], least: int) -> Iterable[Tally]:
        """Return the tally of all rows of each table together. Persons may be counted up to ``least``."""

    def tables(self, questions: Sequence[Question], least: int) -> Iterable[CountedTable]:
        """Return each table. Its rows have at least ``least`` persons."""

    def merged(self, question: Question, least: int, row: str) -> Tally:
        """Merge one row with every row that has fewer than ``least`` persons, and return the tally of the merged row."""


class EventCounts(Counts, Protocol):
    """Counts the tables and the distinct visitors of the events in one store. It may keep what it has counted."""

    def visitors(self, interval: Interval) -> Collection[int]:
        """Return the codes of the distinct visitors of an interval."""

    def distinct(self, parts: Sequence[Sequence[Interval]]) -> list[int]:
        """Return the number of distinct visitors of each part."""

    def add(self, connection: sa.Connection, events: Sequence[StoredRow]) -> None:
        """Receive events that this transaction inserted into the store."""

    def begin(self, connection: sa.Connection, intervals: Sequence[Interval], lost: Collection[str]) -> None:
        """Prepare to count intervals in one transaction. Those with the starts ``lost`` lost events after their count.

        Afterwards, questions may be about these intervals, and about earlier ones of their month and of its first week.
        """

    def end(self) -> None:
        """End what :meth:`begin` has begun, also if the transaction fails."""

    def release(self, published: Iterable[Question]) -> None:
        """Drop from memory the tables that are published and will not be asked for again."""

    def forget_before(self, day: date) -> None:
        """Forget what is kept of the intervals before a day."""


class AddedCounts:
    """Answers by adding tallies. This is right only for tallies that share no visitor, such as those of decisions."""

    def __init__(self, tables: Mapping[date, Mapping[str, Mapping[str, Tally]]]) -> None:
        """``tables`` has the tables of each day by name, which belong to the interval that ends the day."""
        self._tables = tables

    def names(self, day: date) -> Iterable[str]:
        """Return the names of the tables of a day."""
        return self._tables.get(day, {})

    def totals(self, questions: Sequence[Question], least: int) -> Iterable[Tally]:
        return [add_tallies(self._table(question).values()) for question in questions]

    def tables(self, questions: Sequence[Question], least: int) -> Iterable[CountedTable]:
        for table in map(self._table, questions):
            rows = {row: tally for row, tally in table.items() if tally.persons >= least}
            yield CountedTable(rows, add_tallies(tally for row, tally in table.items() if row not in rows))

    def merged(self, question: Question, least: int, row: str) -> Tally:
        table = self._table(question)
        return add_tallies(tally for name, tally in table.items() if name == row or tally.persons < least)

    def _table(self, question: Question) -> dict[str, Tally]:
        table: dict[str, Tally] = {}
        for interval in question.intervals:
            for row, tally in self._tables.get(interval.day, {}).get(question.table, {}).items():
                table[row] = add_tallies((table.get(row, Tally()), tally))
        return table


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of tallies that have no visitor in common."""
    parts = [(each.number, each.amount, each.visitors, each.persons) for each in tallies]
    return Tally(*map(sum, zip(*parts, strict=True))) if parts else Tally()
