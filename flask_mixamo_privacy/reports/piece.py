"""A piece of time: a stretch within one day that is counted at once."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from .windows import week_of


class Piece(NamedTuple):
    """A day, or a part of one that somebody looked at."""

    start: str
    until: str
    day: date

    @property
    def unit(self) -> tuple[str, str, str, str]:
        return f"{self.day:%Y-%m}", week_of(self.day), self.day.isoformat(), self.start
