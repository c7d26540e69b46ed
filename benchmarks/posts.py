"""The posts of the measured page, for every framework."""

from __future__ import annotations


def post(number: int) -> tuple[int, int, str, str, str]:
    """Return a row of the table of posts."""
    body = f"What was written on day {number}: a < b, and some more words to make a paragraph of it.\n" * 3
    return number, 1 + number % 2, f"2026-05-{number:02d} 12:00:00", f"Post <{number}>", body
