"""Measured figures with their budgets, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured value, and its budget: a maximum, or a minimum if ``at_least``."""

    what: str
    value: float
    unit: str
    budget: float | None = None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """Return ``"ok"`` or ``"missed"``, or ``""`` without a budget."""
        if self.budget is None:
            return ""
        within = self.value >= self.budget if self.at_least else self.value <= self.budget
        return "ok" if within else "missed"

    def row(self) -> tuple[str, str, str, str]:
        """Return the four cells of the figure's row."""
        sign = "≥" if self.at_least else "≤"
        budget = "" if self.budget is None else f"{sign} {_formatted(self.budget, self.unit)}"
        return self.what, _formatted(self.value, self.unit), budget, self.verdict


_HEAD = ("what", "measured", "budget", "")


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as a table with aligned columns."""
    rows = [_HEAD, *(figure.row() for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: tuple[str, str, str, str], widths: list[int]) -> str:
    what, measured, budget, verdict = row
    return f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {budget:>{widths[2]}}  {verdict}".rstrip()


def _formatted(value: float, unit: str) -> str:
    digits = 3 if unit == "×" else 1 if unit == "ms" else 0
    return f"{value:,.{digits}f} {unit}"
