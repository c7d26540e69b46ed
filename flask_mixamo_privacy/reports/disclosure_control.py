"""Statistical disclosure control: suppression of small cells. ``docs/reports-method.md`` explains the method."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ..tracking.row_names import OTHER as OTHER

#: The largest share of a table's events that "other" may hold if the table is published before its month has ended.
MOST_LOST = 0.1


@dataclass(slots=True)
class Tally:
    """The count behind one cell: the number of events, the sum of what they measure, and their distinct visitors."""

    number: int = 0
    amount: int = 0
    visitors: set[int] = field(default_factory=set)

    def add(self, other: Tally) -> None:
        self.number += other.number
        self.amount += other.amount
        self.visitors |= other.visitors


Table = Mapping[str, Tally]  # by row


def merge_tables(tables: Sequence[Table]) -> Table:
    """Merge tables row by row."""
    if len(tables) == 1:
        return tables[0]
    by_row: dict[str, list[Tally]] = {}
    for table in tables:
        for row, tally in table.items():
            by_row.setdefault(row, []).append(tally)
    return {row: tallies[0] if len(tallies) == 1 else merge_tallies(tallies) for row, tallies in by_row.items()}


def merge_tallies(tallies: Collection[Tally]) -> Tally:
    """Merge tallies. A visitor who is in several of them counts once."""
    number = amount = 0
    for tally in tallies:  # a generator for each sum would take twice as long, and a month merges thousands of rows
        number += tally.number
        amount += tally.amount
    return Tally(number, amount, set[int]().union(*[tally.visitors for tally in tallies]))


def total(table: Table) -> Tally:
    """Return all rows of a table, merged."""
    return merge_tallies(table.values())


Networks = Mapping[int, str]  # the network of each visitor for whom one was recorded
NO_NETWORKS: Networks = {}


def are_enough(visitors: Collection[int], min_cell: int, networks: Networks) -> bool:
    """Return whether visitors are at least ``min_cell``. The visitors of one network count once.

    One person can invent any number of visitors, but has few networks. A visitor without a network counts as one.
    """
    if len(visitors) < min_cell or not networks:
        return len(visitors) >= min_cell
    some = {networks.get(visitor, visitor) for visitor in islice(visitors, 2 * min_cell)}
    return len(some) >= min_cell or len({networks.get(visitor, visitor) for visitor in visitors}) >= min_cell


def meets_threshold(tally: Tally, min_cell: int, networks: Networks = NO_NETWORKS) -> bool:
    """Return whether a tally has no visitor, or enough of them."""
    return not tally.visitors or are_enough(tally.visitors, min_cell, networks)


def suppress_small_cells(
    table: Table, min_cell: int, *, complete: bool = True, networks: Networks = NO_NETWORKS
) -> tuple[dict[str, Tally], Tally]:
    """Return the rows that may be published, the largest first, and "other", into which the remaining rows are merged.

    Primary suppression merges the rows with fewer than ``min_cell`` visitors into "other". Complementary suppression then
    merges the smallest remaining rows until "other" meets the threshold. Otherwise "other" could be calculated by
    subtracting the rows from the total.

    ``complete`` is False if events were erased after the total was published. The erased events are then a part of "other",
    so "other" must contain enough other visitors too, unless ``min_cell`` is 1. Visitors of one network count once.
    """
    large: list[tuple[str, Tally]] = []
    small: list[tuple[str, Tally]] = []
    for row in table.items():  # most rows are small, so look at their number of visitors first
        is_large = len(row[1].visitors) >= min_cell and are_enough(row[1].visitors, min_cell, networks)
        (large if is_large else small).append(row)
    shown = sorted(large, key=lambda row: (-row[1].number, row[0]))
    other = merge_tallies([tally for _, tally in small])
    while shown and not (meets_threshold(other, min_cell, networks) and (complete or other.visitors or min_cell == 1)):
        other = merge_tallies([other, shown.pop()[1]])
    return dict(shown), other


def within_loss_limit(table: Table, other: Tally) -> bool:
    """Return whether "other" holds so few of a table's events that the table need not wait for a longer unit of time."""
    return other.number <= MOST_LOST * sum(tally.number for tally in table.values())
