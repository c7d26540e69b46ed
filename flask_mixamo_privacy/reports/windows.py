"""Windows of time that reports cover: days, ISO weeks, months, or all time, in the time zone of the site."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from ..policy.parts import Declaration
from ..storage.clock import ONE_DAY, milliseconds_of
from .own_tables import OwnTables, own_tables

Unit = Literal["day", "week", "month", "all"]
UNITS: tuple[Unit, ...] = ("day", "week", "month", "all")

#: By a window's unit, the units of time whose published numbers add up to the window's number. A "piece" is an interval.
LEVELS: dict[Unit, tuple[str, ...]] = {
    "day": ("piece",),
    "week": ("piece", "week"),
    "month": ("piece", "week", "month"),
    "all": ("piece", "week", "month"),
}


#: By the name of a period: the unit of its window, and the number of units. Days that are published together with a week or
#: a month are in the same window, because a window begins and ends with a unit.
PERIODS: dict[str, tuple[Unit, int]] = {
    "day": ("day", 1), "week": ("week", 1), "month": ("month", 1), "all": ("all", 1),
    "7": ("week", 1), "28": ("week", 4), "90": ("month", 3), "year": ("month", 12),
}  # fmt: skip

_HOUR = 3_600_000  # milliseconds
MOST_UNITS = 60  # in one window
_UNIT_TEXTS: tuple[tuple[Unit, str, str], ...] = (
    ("week", r"\d{4}-W\d\d", "-1"), ("month", r"\d{4}-\d\d", "-01"), ("day", r"\d{4}-\d\d-\d\d", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """Some consecutive days, ISO weeks or months, or all time. :meth:`parse` reads the text that ``str()`` returns."""

    unit: Unit
    first: date = date.min  # the window's first day
    count: int = 1  # of units

    @classmethod
    def of(cls, unit: Unit, day: date, count: int = 1) -> Window:
        """Return the window of ``count`` units that ends with the unit of a day."""
        if unit == "week":
            day -= timedelta(days=day.weekday())
        window = cls(unit, date.min if unit == "all" else day.replace(day=1) if unit == "month" else day)
        return window if count == 1 else cls(unit, window.shifted(1 - count).first, count)

    @classmethod
    def parse(cls, text: str) -> Window:
        """Parse ``2026-05-08``, ``2026-W19``, ``2026-05`` or ``all``, or two days, weeks or months: ``2026-03..2026-05``.

        Raises :class:`ValueError` for any other text.
        """
        if text == "all":
            return ALL
        first, last = (_parse_unit(part) for part in (text.partition("..")[0], text.rpartition("..")[2]))
        if first is not None and last is not None and first.unit == last.unit and first.first <= last.first:
            count = first.units_to(last)
            if count <= MOST_UNITS and str(window := cls(first.unit, first.first, count)) == text:
                return window
        raise ValueError(
            f"The window is {text!r}; allowed: a day (2026-05-08), an ISO week (2026-W19), a month (2026-05) or all. "
            f"Up to {MOST_UNITS} of one kind are written as 2026-03..2026-05."
        )

    def __str__(self) -> str:
        if self.count > 1:
            return f"{self.parts[0]}..{self.parts[-1]}"
        if self.unit == "week":
            return week_of(self.first)
        return "all" if self.unit == "all" else self.first.isoformat()[: 7 if self.unit == "month" else 10]

    @property
    def end(self) -> date:
        """The first day after the window."""
        return date.max if self.unit == "all" else self.shifted(self.count).first

    @property
    def previous(self) -> Window:
        """The window of the same number of units before this one. For ``all``, the window itself."""
        return self.shifted(-self.count)

    @property
    def next(self) -> Window:
        """The window of the same number of units after this one. For ``all``, the window itself."""
        return self.shifted(self.count)

    @property
    def parts(self) -> list[Window]:
        """The window's units, in order of time."""
        first = Window(self.unit, self.first)
        return [first.shifted(number) for number in range(self.count)]

    def shifted(self, units: int) -> Window:
        """Return the window that begins this number of units later."""
        if self.unit == "all":
            return self
        if self.unit == "month":
            year, month = divmod(self.first.year * 12 + self.first.month - 1 + units, 12)
            return Window(self.unit, date(year, month + 1, 1), self.count)
        return Window(self.unit, self.first + units * (7 if self.unit == "week" else 1) * ONE_DAY, self.count)

    def units_to(self, last: Window) -> int:
        """Return the number of units from the first of this window to the first of a later one of the same unit."""
        if self.unit == "month":
            return (last.first.year - self.first.year) * 12 + last.first.month - self.first.month + 1
        return (last.first - self.first).days // (7 if self.unit == "week" else 1) + 1

    def contains(self, day: date) -> bool:
        """Return whether a day is in the window."""
        return self.unit == "all" or self.first <= day < self.end


def _parse_unit(text: str) -> Window | None:
    for unit, pattern, rest in _UNIT_TEXTS:
        if re.fullmatch(pattern, text, re.ASCII):
            with suppress(ValueError):  # such as 30 February
                return Window(unit, date.fromisoformat(text + rest))
    return None


ALL = Window("all")


def week_of(day: date) -> str:
    """Return the ISO week of a day: ``2026-W19``."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


class Calendar:
    """The start of days and hours in the time zone of the site, and the tables that the site declares."""

    def __init__(self, zone: str = "UTC", policy: Declaration | None = None) -> None:
        self.zone = ZoneInfo(zone)
        self.own: OwnTables = own_tables(policy) if policy is not None else {}

    def start_of(self, day: date) -> str:
        """Return the moment at which a day begins, in the format of events: UTC, ISO 8601 with milliseconds."""
        moment = datetime.combine(day, time.min, self.zone).astimezone(UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"

    def day_of(self, moment: str) -> date:
        """Return the day of a moment."""
        return _local(self.zone, moment[:16]).date()

    def offsets(self, first: int, end: int) -> list[tuple[int, int]]:
        """Return the differences of the site's time to UTC from the moment ``first`` to before ``end``, in milliseconds.

        Each follows the end of its range. The ranges are in order of time.
        """
        day, ranges = 24 * _HOUR, list[tuple[int, int]]()
        for start in range(first // day * day, end, day):
            has_change = self._offset(start) != self._offset(start + day)
            step = _HOUR // 4 if has_change else day  # since the year 2000, offsets change at a quarter of an hour
            for moment in range(start, start + day, step):
                if ranges and ranges[-1][1] == self._offset(moment):
                    ranges.pop()
                ranges.append((moment + step, self._offset(moment)))
        return ranges

    def _offset(self, moment: int) -> int:
        return int((datetime.fromtimestamp(moment // 1000, self.zone).utcoffset() or timedelta()).total_seconds() * 1000)

    def hour_of(self, moment: str) -> str:
        """Return the hour of the day of a moment, from ``00`` to ``23``."""
        return f"{_local(self.zone, moment[:16]).hour:02d}"


@lru_cache(maxsize=4096)
def _local(zone: ZoneInfo, minute: str) -> datetime:
    return datetime.fromisoformat(minute + "+00:00").astimezone(zone)


def as_period(text: str) -> tuple[Unit, int]:
    """Return the unit of a period, and the number of units. Raises :class:`ValueError` for an unknown period."""
    if text not in PERIODS:
        raise ValueError(f"The period is {text!r}; allowed: {', '.join(PERIODS)}.")
    return PERIODS[text]


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
