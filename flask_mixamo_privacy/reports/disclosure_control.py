"""Statistical disclosure control: which rows of a table may be told apart; ``docs/reports.md`` has the method."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

#: The row of all that is not told apart.
OTHER = "other"

#: The share of a table's events that may be lost to "other" when a piece is told apart before its month has ended.
MOST_LOST = 0.1


@dataclass(slots=True)
class Tally:
    """What stands behind one cell: so many events, the sum of what they measure, and whose they are."""

    number: int = 0
    amount: int = 0
    visitors: set[str] = field(default_factory=set)

    def add(self, other: Tally) -> None:
        self.number += other.number
        self.amount += other.amount
        self.visitors |= other.visitors


Table = Mapping[str, Tally]  # by row


def merged(tables: Sequence[Table]) -> Table:
    """Several tables as one: each row's events and visitors together."""
    if len(tables) == 1:
        return tables[0]
    by_row: dict[str, list[Tally]] = {}
    for table in tables:
        for row, tally in table.items():
            by_row.setdefault(row, []).append(tally)
    return {row: tallies[0] if len(tallies) == 1 else merge_tallies(tallies) for row, tallies in by_row.items()}


def merge_tallies(tallies: Collection[Tally]) -> Tally:
    """Several tallies as one; a visitor in several of them is one."""
    visitors = set[str]().union(*(tally.visitors for tally in tallies))
    return Tally(sum(tally.number for tally in tallies), sum(tally.amount for tally in tallies), visitors)


def total(table: Table) -> Tally:
    """All rows together."""
    return merge_tallies(table.values())


def meets_threshold(tally: Tally, least: int) -> bool:
    """Whether nobody stands behind it, or enough do."""
    return not tally.visitors or len(tally.visitors) >= least


def suppress_small_cells(table: Table, least: int, *, whole: bool = True) -> tuple[dict[str, Tally], Tally]:
    """The rows that may be shown, the largest first, and "other": all that is left, which is safe too.

    Primary suppression takes the rows with fewer than ``least`` visitors; complementary suppression takes the smallest of
    the others along until as many stand behind what was taken, lest it be found by subtraction from the total. Where the
    total was published before somebody's events were erased, what they were is part of "other": then others must be, too.
    """
    large = [row for row in table.items() if len(row[1].visitors) >= least]
    shown = sorted(large, key=lambda row: (-row[1].number, row[0]))
    other = merge_tallies([tally for tally in table.values() if len(tally.visitors) < least])
    while shown and not (meets_threshold(other, least) and (whole or other.visitors)):
        other = merge_tallies([other, shown.pop()[1]])
    return dict(shown), other


def within_loss_limit(table: Table, other: Tally) -> bool:
    """Whether telling apart now, rather than with a longer stretch of time, hides no more than a tenth of the events."""
    return other.number <= MOST_LOST * sum(tally.number for tally in table.values())
