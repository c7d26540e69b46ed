"""The current time as a number, as text and as a ``datetime``; always UTC."""

from __future__ import annotations

import time
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from time import gmtime, strftime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..policy.parts import Period


DAY = 86400  # seconds
ONE_DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def timestamp(seconds: float | None = None) -> str:
    """A Unix time, by default now, as ISO 8601 with milliseconds: ``2026-05-08T12:00:00.000Z``."""
    if seconds is None:
        seconds = time.time()
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))


def timestamp_of(moment: datetime) -> str:
    """The same text for a ``datetime``, exact to its millisecond, which a Unix time as a float is not."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def today() -> str:
    """The current day: ``2026-05-08``."""
    return timestamp()[:10]


def days_ago(days: int) -> str:
    """The day that many days before today: ``2026-05-08``."""
    return timestamp(time.time() - days * DAY)[:10]


def later(**length: float) -> str:
    """The timestamp of now plus a :class:`~datetime.timedelta`; a negative length lies in the past."""
    return timestamp_of(now() + timedelta(**length))


def just_after(at: str) -> datetime:
    """The first moment that a timestamp, which is cut to milliseconds, does not cover."""
    return datetime.fromisoformat(at) + timedelta(milliseconds=1)


# Days, months and years after a day, as the law counts them.


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day where it has none (Regulation 1182/71, art. 3(2)(c))."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, monthrange(years, month + 1)[1]))


def days_after(day: date, period: Period) -> date:
    """The day on which a period ends that began on a day."""
    if period.unit == "day":
        return day + timedelta(days=period.count)
    return months_after(day, period.count * (12 if period.unit == "year" else 1))


def due(opened: date, days: int, extended: int = 0) -> date:
    """The last day for an answer: so many days, or one calendar month, whichever ends first.

    An extension gives up to two further months (GDPR art. 12(3)).
    """
    if extended:
        return months_after(opened, 1 + extended)
    return min(opened + timedelta(days=days), months_after(opened, 1))
