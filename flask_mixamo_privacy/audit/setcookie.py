"""What a ``Set-Cookie`` header, or a text given to ``document.cookie``, asks a browser to keep (RFC 6265, 5.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.http import parse_date

_AGE = re.compile(r"[-+]?[0-9]{1,300}")


@dataclass(frozen=True)
class SetCookie:
    """A cookie without its value, which nobody has to see in a report."""

    name: str
    seconds: float | None  # to live; None ends with the browser, and 0 or less deletes it
    path: str
    domain: str
    secure: bool

    @classmethod
    def parse(cls, text: str, now: float, path: str = "/") -> SetCookie:
        """Read one; ``path`` is what a cookie without one of its own gets. ``Max-Age`` prevails over ``Expires``."""
        pair, *rest = text.split(";")
        said = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in rest)}
        own = said.get("path", "")
        domain = said.get("domain", "").lstrip(".").lower()
        return cls(
            pair.partition("=")[0].strip(),
            _seconds(said, now),
            own if own.startswith("/") else path,
            domain,
            "secure" in said,
        )

    @property
    def deletes(self) -> bool:
        return self.seconds is not None and self.seconds <= 0


def _seconds(said: dict[str, str], now: float) -> float | None:
    age = _AGE.fullmatch(said.get("max-age", ""))
    if age is not None:
        return float(age[0])
    ends = parse_date(said.get("expires"))
    return ends.timestamp() - now if ends is not None else None
