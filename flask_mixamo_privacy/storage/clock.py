"""The current time in UTC, as text and as a ``datetime``, and periods as the law counts them."""

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
    """Return a Unix time, by default now, as ISO 8601 with milliseconds: ``2026-05-08T12:00:00.000Z``."""
    if seconds is None:
        seconds = time.time()
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=64)
def _second(second: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))


def timestamp_of(moment: datetime) -> str:
    """Return a ``datetime`` in the format of :func:`timestamp`, exact to the millisecond, unlike a float."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds_of(moment: str) -> int:
    """Return a timestamp as milliseconds since 1970-01-01 UTC, the unit in which events are stored."""
    return hour_in_milliseconds(moment[:13]) + int(moment[14:16]) * 60_000 + int(moment[17:19] + moment[20:23])


def hour_in_milliseconds(hour: str) -> int:
    """Return the start of an hour, ``2026-05-08T12``, as milliseconds since 1970-01-01 UTC."""
    return (_days_since_1970(hour[:10]) * 24 + int(hour[11:13])) * 3_600_000


@lru_cache(maxsize=1024)
def _days_since_1970(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days


def timestamp_of_milliseconds(moment: int) -> str:
    """Return the timestamp of milliseconds since 1970-01-01 UTC."""
    return f"{_second(moment // 1000)}.{moment % 1000:03d}Z"


def today() -> str:
    """Return the current day: ``2026-05-08``."""
    return timestamp()[:10]


def days_ago(days: int) -> str:
    """Return the day that many days before today: ``2026-05-08``."""
    return timestamp(time.time() - days * DAY)[:10]


def later(**length: float) -> str:
    """Return the timestamp of now plus a :class:`~datetime.timedelta`. A negative length is in the past."""
    return timestamp_of(now() + timedelta(**length))


def just_after(moment: str) -> datetime:
    """Return the first moment after a timestamp, which is truncated to milliseconds."""
    return datetime.fromisoformat(moment) + timedelta(milliseconds=1)


# Periods as the law counts them.


def months_after(day: date, months: int) -> date:
    """Return the same day of a later month, or the last day of a shorter month (Regulation 1182/71, art. 3(2)(c))."""
    years, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(years, month + 1, min(day.day, monthrange(years, month + 1)[1]))


def days_after(day: date, period: Period) -> date:
    """Return the day on which a period that begins on ``day`` ends."""
    if period.unit == "day":
        return day + timedelta(days=period.count)
    return months_after(day, period.count * (12 if period.unit == "year" else 1))


def due(opened: date, days: int, extended: int = 0) -> date:
    """Return the last day for an answer: after ``days`` days or one calendar month, whichever is earlier.

    ``extended`` is the number of further months, at most two (GDPR art. 12(3)).
    """
    if extended:
        return months_after(opened, 1 + extended)
    return min(opened + timedelta(days=days), months_after(opened, 1))
