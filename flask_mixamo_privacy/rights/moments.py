"""The present moment, as text and as time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def stamp(moment: datetime | None = None) -> str:
    """UTC, ISO 8601 with milliseconds: ``2026-05-08T12:00:00.000Z``."""
    return (moment or now()).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(**length: float) -> str:
    """The timestamp of a moment so far ahead, or back."""
    return stamp(now() + timedelta(**length))


def just_after(at: str) -> datetime:
    """The first moment that a timestamp, which is cut to milliseconds, does not cover."""
    return datetime.fromisoformat(at) + timedelta(milliseconds=1)
