"""Days, months and years after a day, as the law counts them."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..policy.period import Period


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
