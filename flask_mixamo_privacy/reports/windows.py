"""Windows of time that reports cover: a day, an ISO week, a month, or all time, in the time zone of the site."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from ..storage.clock import ONE_DAY, milliseconds_of

Unit = Literal["day", "week", "month", "all"]
UNITS: tuple[Unit, ...] = ("day", "week", "month", "all")

#: By a window's unit, the units of time whose published numbers add up to the window's number. A "piece" is an interval.
LEVELS: dict[Unit, tuple[str, ...]] = {
    "day": ("piece",),
    "week": ("piece", "week"),
    "month": ("piece", "week", "month"),
    "all": ("piece", "week", "month"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """One day, ISO week or month, or all time. :meth:`parse` reads the text that ``str()`` returns."""

    unit: Unit
    first: date = date.min  # the window's first day

    @classmethod
    def of(cls, unit: Unit, day: date) -> Window:
        """Return the window of this unit that contains a day."""
        if unit == "week":
            day -= timedelta(days=day.weekday())
        return cls(unit, date.min if unit == "all" else day.replace(day=1) if unit == "month" else day)

    @classmethod
    def parse(cls, text: str) -> Window:
        """Parse ``2026-05-08``, ``2026-W19``, ``2026-05`` or ``all``. Raises :class:`ValueError` for any other text."""
        if text == "all":
            return ALL
        with suppress(ValueError):  # such as 30 February
            if re.fullmatch(r"\d{4}-W\d\d", text):
                return cls("week", date.fromisoformat(text + "-1"))
            if re.fullmatch(r"\d{4}-\d\d", text):
                return cls("month", date.fromisoformat(text + "-01"))
            if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                return cls("day", date.fromisoformat(text))
        raise ValueError(
            f"The window is {text!r}; allowed: a day (2026-05-08), an ISO week (2026-W19), a month (2026-05) or all."
        )

    def __str__(self) -> str:
        if self.unit == "week":
            return week_of(self.first)
        return "all" if self.unit == "all" else self.first.isoformat()[: 7 if self.unit == "month" else 10]

    @property
    def end(self) -> date:
        """The first day after the window."""
        if self.unit == "all":
            return date.max
        if self.unit == "month":
            return (self.first.replace(day=28) + 4 * ONE_DAY).replace(day=1)
        return self.first + (7 if self.unit == "week" else 1) * ONE_DAY

    @property
    def previous(self) -> Window:
        """The window before this one. For ``all``, the window itself."""
        return self if self.unit == "all" else Window.of(self.unit, self.first - ONE_DAY)

    @property
    def next(self) -> Window:
        """The window after this one. For ``all``, the window itself."""
        return self if self.unit == "all" else Window.of(self.unit, self.end)


ALL = Window("all")


def week_of(day: date) -> str:
    """Return the ISO week of a day: ``2026-W19``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


class Calendar:
    """The start of days and hours in the time zone of the site."""

    def __init__(self, zone: str = "UTC") -> None:
        self.zone = ZoneInfo(zone)

    def start_of(self, day: date) -> str:
        """Return the moment at which a day begins, in the format of events: UTC, ISO 8601 with milliseconds."""
        moment = datetime.combine(day, time.min, self.zone).astimezone(UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"

    def day_of(self, moment: str) -> date:
        """Return the day of a moment."""
        return _local(self.zone, moment[:16]).date()

    def hour_of(self, moment: str) -> str:
        """Return the hour of the day of a moment, from ``00`` to ``23``."""
        return f"{_local(self.zone, moment[:16]).hour:02d}"


@lru_cache(maxsize=4096)
def _local(zone: ZoneInfo, minute: str) -> datetime:
    return datetime.fromisoformat(minute + "+00:00").astimezone(zone)


def as_unit(text: str) -> Unit:
    """Return the text as a unit. Raises :class:`ValueError` for any other text."""
    if text not in UNITS:
        raise ValueError(f"The period is {text!r}; allowed: day, week, month or all.")
    return text


class Interval(NamedTuple):
    """A day, or a part of a day, whose events are counted together. A request for a report of today can end a part."""

    start: str
    until: str
    day: date

    @property
    def slots(self) -> tuple[int, int]:
        """The first slot of the interval, and the first one after it."""
        return milliseconds_of(self.start), milliseconds_of(self.until)

    @property
    def cell_key(self) -> tuple[str, str, str, str]:
        """The month, week, day and start under which the cells of the interval are stored."""
        return f"{self.day:%Y-%m}", week_of(self.day), self.day.isoformat(), self.start
