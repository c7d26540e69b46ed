"""Known cookies: a CSV file in the format of the Open Cookie Database, which a site's developer passes to the audit.

https://github.com/jkwakman/Open-Cookie-Database describes the columns. The package ships no such file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .target import AuditError

_COLUMNS = ("Category", "Cookie / Data Key name", "Description", "Retention period", "Data Controller", "Wildcard match")
_LENGTH = re.compile(r"(\d{1,4})\s*(second|minute|hour|day|week|month|year)")


@dataclass(frozen=True)
class KnownCookie:
    """One row: a cookie's name, or the beginning of its name if it is a pattern."""

    name: str
    category: str
    description: str
    retention: str
    controller: str
    is_pattern: bool

    def matches(self, name: str) -> bool:
        """Return whether the row is about a cookie of this name."""
        return name.startswith(self.name) if self.is_pattern else name == self.name

    @property
    def lifetime(self) -> str:
        """The retention as a lifetime of the declaration, rounded up to days. Empty if it states none."""
        match = _LENGTH.search(self.retention.lower())
        if match is None:
            return "session" if "session" in self.retention.lower() else ""
        count, unit = int(match[1]), match[2]
        if unit in ("second", "minute", "hour"):
            hours = {"second": 3600 * 24, "minute": 60 * 24, "hour": 24}[unit]
            count, unit = -(-count // hours), "day"
        elif unit == "week":
            count, unit = count * 7, "day"
        return f"{max(count, 1)} {unit}{'s' if count > 1 else ''}"


class KnownCookies:
    """The rows of a file. A whole name precedes the beginning of a name, and a longer beginning a shorter one."""

    def __init__(self, rows: Iterable[KnownCookie] = ()) -> None:
        self._rows = sorted(rows, key=lambda row: (row.is_pattern, -len(row.name)))

    def find(self, name: str) -> KnownCookie | None:
        """Return the row about a cookie, or None."""
        return next((row for row in self._rows if row.matches(name)), None)

    @classmethod
    def read(cls, path: Path) -> KnownCookies:
        """Return the rows of a CSV file. Raises :class:`AuditError` if it is not one, or lacks a column."""
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
                if missing:
                    raise AuditError(
                        f"{path} lacks the columns {', '.join(missing)}; allowed: a CSV file of the Open Cookie Database. "
                        "Pass such a file, or leave --known out."
                    )
                return cls(_row(values) for values in reader if values["Cookie / Data Key name"])
        except (UnicodeDecodeError, csv.Error) as error:
            raise AuditError(f"{path} cannot be read as CSV in UTF-8: {error}. Correct the file, or name another.") from None


def _row(values: dict[str, str | None]) -> KnownCookie:
    category, name, description, retention, controller, wildcard = ((values[key] or "").strip() for key in _COLUMNS)
    return KnownCookie(name, category, " ".join(description.split()), retention, controller, wildcard == "1")
