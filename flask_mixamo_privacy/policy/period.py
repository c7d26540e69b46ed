"""Lengths of time as a person writes them, ``13 months``, and days: ``2026-05-08``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, cast

_WRITTEN = re.compile(r"(\d{1,4}) (day|month|year)s?")
_DAYS = {"day": 1, "month": 30.44, "year": 365.25}


@dataclass(frozen=True, slots=True)
class Period:
    """So many days, months or years."""

    count: int
    unit: Literal["day", "month", "year"]

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read ``"13 months"``; raises :class:`ValueError` for anything else."""
        found = _WRITTEN.fullmatch(text)
        if found is None or found[1] == "0":
            raise ValueError(text)
        return cls(int(found[1]), cast(Literal["day", "month", "year"], found[2]))

    @property
    def days(self) -> int:
        """The whole days that it surely holds."""
        return int(self.count * _DAYS[self.unit])

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count != 1 else ''}"


def is_day(text: str) -> bool:
    """Whether a text is a day such as 2026-05-08."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
