"""One measured figure beside its budget, and the table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, in its unit, and what it may be: at most the budget, or at least."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """``"ok"`` or ``"missed"``; empty without a budget."""
        if self.budget is None:
            return ""
        within = self.value >= self.budget if self.at_least else self.value <= self.budget
        return "ok" if within else "missed"

    def row(self) -> tuple[str, str, str, str]:
        """The figure as the table's four cells."""
        sign = "≥" if self.at_least else "≤"
        budget = "" if self.budget is None else f"{sign} {_shown(self.budget, self.unit)}"
        return self.what, _shown(self.value, self.unit), budget, self.verdict


_HEAD = ("what", "measured", "budget", "")


def table(figures: Iterable[Figure]) -> str:
    """The figures under one another, columns aligned."""
    rows = [_HEAD, *(figure.row() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, str, str, str], widths: list[int]) -> str:
    what, measured, budget, verdict = row
    return f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {budget:>{widths[2]}}  {verdict}".rstrip()


def _shown(value: float, unit: str) -> str:
    digits = 3 if unit == "×" else 1 if unit == "ms" else 0
    return f"{value:,.{digits}f} {unit}"
