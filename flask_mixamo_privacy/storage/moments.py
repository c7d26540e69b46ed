"""The current time as a number, as text and as a ``datetime``; always UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import gmtime, strftime

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
