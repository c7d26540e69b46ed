"""Windows of time that reports look through: a day, an ISO week, a month, or all; in the site's time zone."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from ..storage.clock import ONE_DAY

Unit = Literal["day", "week", "month", "all"]
UNITS: tuple[Unit, ...] = ("day", "week", "month", "all")

#: With which units of time something may have been published, to be part of a window's.
LEVELS: dict[Unit, tuple[str, ...]] = {
    "day": ("piece",),
    "week": ("piece", "week"),
    "month": ("piece", "week", "month"),
    "all": ("piece", "week", "month"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """One day, ISO week or month, or everything; ``str()`` and :meth:`parse` are each other's inverse."""

    unit: Unit
    first: date = date.min  # the window's first day

    @classmethod
    def of(cls, unit: Unit, day: date) -> Window:
        """The window of this unit that holds a day."""
        if unit == "week":
            day -= timedelta(days=day.weekday())
        return cls(unit, date.min if unit == "all" else day.replace(day=1) if unit == "month" else day)

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``2026-05-08``, ``2026-W19``, ``2026-05`` or ``all``; raises :class:`ValueError` for anything else."""
        if text == "all":
            return ALL
        with suppress(ValueError):  # there is no 30 February
            if re.fullmatch(r"\d{4}-W\d\d", text):
                return cls("week", date.fromisoformat(text + "-1"))
            if re.fullmatch(r"\d{4}-\d\d", text):
                return cls("month", date.fromisoformat(text + "-01"))
            if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                return cls("day", date.fromisoformat(text))
        raise ValueError(f"{text!r} is no window of time; write 2026-05-08, 2026-W19, 2026-05 or all.")

    def __str__(self) -> str:
        if self.unit == "week":
            return week_of(self.first)
        return "all" if self.unit == "all" else self.first.isoformat()[: 7 if self.unit == "month" else 10]

    @property
    def end(self) -> date:
        """The first day after it."""
        if self.unit == "all":
            return date.max
        if self.unit == "month":
            return (self.first.replace(day=28) + 4 * ONE_DAY).replace(day=1)
        return self.first + (7 if self.unit == "week" else 1) * ONE_DAY

    @property
    def previous(self) -> Window:
        """The one before; of ``all`` itself."""
        return self if self.unit == "all" else Window.of(self.unit, self.first - ONE_DAY)

    @property
    def next(self) -> Window:
        """The one after; of ``all`` itself."""
        return self if self.unit == "all" else Window.of(self.unit, self.end)


ALL = Window("all")


def week_of(day: date) -> str:
    """The ISO week that a day is in: ``2026-W19``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


class Calendar:
    """Where the site's days begin and end."""

    def __init__(self, zone: str = "UTC") -> None:
        self.zone = ZoneInfo(zone)

    def starts(self, day: date) -> str:
        """The moment at which a day begins, as events write it: UTC, ISO 8601 with milliseconds."""
        moment = datetime.combine(day, time.min, self.zone).astimezone(UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"

    def day_of(self, at: str) -> date:
        """The day that a moment falls on."""
        return _local(self.zone, at[:16]).date()

    def hour_of(self, at: str) -> str:
        """The hour of the day, from ``00`` to ``23``."""
        return f"{_local(self.zone, at[:16]).hour:02d}"


@lru_cache(maxsize=4096)
def _local(zone: ZoneInfo, minute: str) -> datetime:
    return datetime.fromisoformat(minute + "+00:00").astimezone(zone)


def as_unit(text: str) -> Unit:
    """A unit by its name; raises :class:`ValueError`, naming the units there are."""
    if text not in UNITS:
        raise ValueError(f"{text!r} is no unit of time; choose day, week, month or all.")
    return text


# A piece of time: a stretch within one day that is counted at once.


class Interval(NamedTuple):
    """A day, or a part of one that somebody looked at."""

    start: str
    until: str
    day: date

    @property
    def unit(self) -> tuple[str, str, str, str]:
        return f"{self.day:%Y-%m}", week_of(self.day), self.day.isoformat(), self.start
