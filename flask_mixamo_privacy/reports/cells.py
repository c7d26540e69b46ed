"""Cells and rows of published tables, and bounds of what is suppressed in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .tables import Group, Table

Cell = int | float | str | None  # a number, a text, "<5", "12+", or None if suppressed or unknown


_CLOSE = 0.1  # bounds of a share


@dataclass(frozen=True, slots=True)
class Row:
    """A publishable row. ``visitors`` is None if several tables were added up, since visitors cannot be added."""

    name: str
    number: int
    amount: int
    visitors: int | None
    share: float


class Share(NamedTuple):
    """The bounds of a share from 0 to 1, which are equal if it is exact."""

    least: float
    most: float

    @property
    def exact(self) -> float | None:
        return self.least if self.least == self.most else None

    @property
    def middle(self) -> float | None:
        """The middle of bounds that are so close that it can be drawn as a value, or None."""
        return (self.least + self.most) / 2 if self.most - self.least <= _CLOSE else None


class RowSum(NamedTuple):
    """The sum of one row's cells in a window."""

    number: int
    amount: int
    visitors: int  # of the cell with the most visitors
    cells: int
    suppressed: int  # cells


def with_group(row_sum: RowSum | None, group: Group) -> RowSum:
    """Return the sum of a row with one more cell."""
    if row_sum is None:
        return RowSum(group.number, group.amount, len(group.visitors), 1, 0)
    number, amount, visitors, cells, suppressed = row_sum
    most = max(visitors, len(group.visitors))
    return RowSum(number + group.number, amount + group.amount, most, cells + 1, suppressed)


def sum_of_rows(table: Table) -> Group:
    """Return the sum of a table's rows, without visitors."""
    return Group(sum(group.number for group in table.values()), sum(group.amount for group in table.values()))


def bound_of(cell: Cell) -> int:
    """Return the largest number that a cell certainly reaches: 12 for ``12+``, 0 for ``<5``."""
    if isinstance(cell, str):
        return int(cell[:-1]) if cell.endswith("+") else 0
    return int(cell or 0)
