"""The guard over the cookies of the site: finds those that are set without a declaration or a grant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from werkzeug.wrappers import Response

from ..consent.decision import Consent
from ..errors import UndeclaredCookie
from ..policy.model import Policy
from ..policy.parts import declared_name
from ..storage.memory import BoundedCache

_AGE = re.compile(r"-?[0-9]+")
_SPACE = " \t"

#: The parts of a date (RFC 6265, 5.1.1): what separates them, and how each begins.
_DATE_PART = re.compile(r"[^\t -/;-@\[-`{-~]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY, _YEAR = re.compile("([0-9]{1,2})(?![0-9])"), re.compile("([0-9]{2,4})(?![0-9])")
_PARTS = 6
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class CookieGuard:
    """Finds cookies that the site sets without a declaration or a grant.

    Flask's session cookie and Flask-Login's cookie are always allowed, as necessary.
    """

    def __init__(self, policy: Policy, config: Mapping[str, Any], own_beginning: str = "privacy") -> None:
        self._config = config
        self._cookie = BoundedCache(lambda name: policy.cookie(declared_name(name, own_beginning), party="first"), 1024)

    def violations(self, response: Response, consent: Consent, now: float) -> Iterator[tuple[str, UndeclaredCookie]]:
        """Yield each ``Set-Cookie`` header that is not allowed, with its error. Deleting a cookie is always allowed."""
        for header in response.headers.getlist("Set-Cookie"):
            error = self._violation(cookie_name(header), consent)
            if error is not None and not SetCookie.parse(header, now).deletes:
                yield header, error

    def _violation(self, name: str, consent: Consent) -> UndeclaredCookie | None:
        if name in self._known():
            return None
        cookie = self._cookie(name)
        if cookie is None:
            return UndeclaredCookie(name, None)
        if not consent.allows(cookie.purpose) or (cookie.service and cookie.service not in consent.services):
            return UndeclaredCookie(name, cookie.purpose)
        return None

    def _known(self) -> set[str]:
        session = self._config.get("SESSION_COOKIE_NAME", "session")
        return {session, self._config.get("REMEMBER_COOKIE_NAME", "remember_token")}


def strip(response: Response, header: str) -> None:
    """Remove one ``Set-Cookie`` header from a response."""
    other_headers = [other for other in response.headers.getlist("Set-Cookie") if other != header]
    response.headers.remove("Set-Cookie")
    for other in other_headers:
        response.headers.add("Set-Cookie", other)


@dataclass(frozen=True)
class SetCookie:
    """A ``Set-Cookie`` header, or a text assigned to ``document.cookie``, as a browser reads it (RFC 6265, 5.2).

    The value is omitted, because no caller needs it.
    """

    name: str
    seconds: float | None  # lifetime; None is until the browser closes, 0 or less deletes the cookie
    path: str
    domain: str
    secure: bool

    @classmethod
    def parse(cls, text: str, now: float, path: str = "/") -> SetCookie:
        """Parse a header. ``path`` is the default path. ``Max-Age`` takes precedence over ``Expires``, if it is a number."""
        pair, *rest = text.split(";")
        pairs = (part.partition("=") for part in rest)
        parts = ((key.strip(_SPACE).lower(), value.strip(_SPACE)) for key, _, value in pairs)
        attributes = {key: value for key, value in parts if key != "max-age" or _AGE.fullmatch(value)}
        own_path = attributes.get("path", "")
        domain = attributes.get("domain", "").lstrip(".").lower()
        return cls(
            cookie_name(pair),
            _seconds(attributes, now),
            own_path if own_path.startswith("/") else path,
            domain,
            "secure" in attributes,
        )

    @property
    def deletes(self) -> bool:
        """Whether the header deletes the cookie."""
        return self.seconds is not None and self.seconds <= 0


def cookie_name(text: str) -> str:
    """Return the name of the cookie that a ``Set-Cookie`` header sets."""
    return text.partition("=")[0].partition(";")[0].strip()


def _seconds(attributes: dict[str, str], now: float) -> float | None:
    if "max-age" in attributes:
        return float(attributes["max-age"])  # infinite, if it has hundreds of digits
    expires = _seconds_of(attributes.get("expires", ""))
    return expires - now if expires is not None else None


def _seconds_of(text: str) -> float | None:
    """Return a date in seconds since 1970, or None if a browser ignores it (RFC 6265, 5.1.1).

    Python's parser differs: it observes a time zone, counts the year 69 as 1969, and raises OverflowError.
    """
    found: dict[str, int] = {}
    for part in _DATE_PART.findall(text):
        if "hour" not in found and (match := _TIME.match(part)):
            found |= zip(("hour", "minute", "second"), map(int, match.groups()), strict=True)
        elif "day" not in found and (match := _DAY.match(part)):
            found["day"] = int(match[1])
        elif "month" not in found and part[:3].lower() in _MONTHS:
            found["month"] = _MONTHS.index(part[:3].lower()) + 1
        elif "year" not in found and (match := _YEAR.match(part)):
            found["year"] = _full_year(int(match[1]))
    try:
        return datetime(**found, tzinfo=UTC).timestamp() if len(found) == _PARTS else None
    except ValueError:
        return None


def _full_year(year: int) -> int:
    return year + (2000 if year < 70 else 1900 if year < 100 else 0)
