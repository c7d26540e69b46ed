"""The answer to the question of age: yes or no. The date that was typed goes no further than this."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

#: The three fields of the question, as one is used to give a date of birth.
FIELDS = ("privacy_birth_day", "privacy_birth_month", "privacy_birth_year")

#: The declared field that holds the answer, "yes" or "no".
ANSWER = "old_enough"

_OLDEST = 130  # years


def was_answered(sent: Mapping[str, str]) -> bool:
    """Whether anything was typed."""
    return any(sent.get(name, "").strip() for name in FIELDS)


def old_enough(sent: Mapping[str, str], age: int, today: date) -> bool | None:
    """Whether somebody born on that day is of this age; None for what is no day of anybody's birth.

    What was left out counts as late as it can be: of a year alone the youngest is taken who may be meant.
    """
    day, month, year = (sent.get(name, "").strip() for name in FIELDS)
    try:
        born = date(int(year), int(month or 12), int(day or 28))
    except ValueError:
        return None
    if not today.year - _OLDEST <= born.year <= today.year:
        return None
    had_birthday = (born.month, int(day or 31)) <= (today.month, today.day)
    return today.year - born.year - (not had_birthday) >= age
