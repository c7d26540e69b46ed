"""Statistical disclosure control: suppression of small cells. ``docs/reports-method.md`` explains the method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..tracking.row_names import OTHER as OTHER

#: The largest share of a table's events that "other" may hold if the table is published before its month has ended.
MOST_LOST = 0.1


@dataclass(frozen=True, slots=True)
class Tally:
    """The count behind one cell: the number of events, the sum of what they measure, their distinct visitors and persons.

    The visitors of one network are one person. Persons may be counted only until they are enough.
    """

    number: int = 0
    amount: int = 0
    visitors: int = 0
    persons: int = 0

    def is_publishable(self, min_cell: int) -> bool:
        """Return whether there is no visitor, or at least ``min_cell`` persons."""
        return not self.visitors or self.persons >= min_cell


@dataclass(frozen=True, slots=True)
class CountedTable:
    """The rows of a table with enough persons, and one tally of all other rows together."""

    rows: Mapping[str, Tally] = field(default_factory=dict)
    rest: Tally = field(default_factory=Tally)

    @property
    def number(self) -> int:
        """The number of events."""
        return self.rest.number + sum(tally.number for tally in self.rows.values())


def suppress_small_cells(
    table: CountedTable, min_cell: int, merge: Callable[[str], Tally], *, complete: bool = True
) -> tuple[dict[str, Tally], Tally]:
    """Return the rows that may be published, the largest first, and "other", into which the remaining rows are merged.

    Primary suppression has merged the rows with fewer than ``min_cell`` persons into "other". If "other" itself is still
    too small, subtracting the rows from the total would reveal it. Complementary suppression then adds the smallest
    remaining row. One row is enough, because every remaining row has at least ``min_cell`` persons. ``merge`` returns
    "other" with one more row.

    ``complete`` is False if events were erased after the total was published. The erased events are then a part of "other",
    so "other" must contain enough other visitors too, unless ``min_cell`` is 1.
    """
    shown = sorted(table.rows.items(), key=lambda row: (-row[1].number, row[0]))
    other = table.rest
    if shown and not (other.is_publishable(min_cell) and (complete or other.visitors or min_cell == 1)):
        other = merge(shown.pop()[0])
    return dict(shown), other


def within_loss_limit(table: CountedTable, other: Tally) -> bool:
    """Return whether "other" holds so few of a table's events that the table need not wait for a longer unit of time."""
    return other.number <= MOST_LOST * table.number
