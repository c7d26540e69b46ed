"""The guard over the cookies of the site: finds those that are set without a declaration or a grant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from ..consent.decision import Consent
from ..errors import UndeclaredCookie
from ..policy.model import Policy
from ..policy.parts import declared_name
from ..storage.memory import BoundedCache

_AGE = re.compile(r"-?[0-9]+")


class CookieGuard:
    """Finds cookies that the site sets without a declaration or a grant.

    Flask's session cookie and Flask-Login's cookie are always allowed, as necessary.
    """

    def __init__(self, policy: Policy, config: Mapping[str, Any], own_beginning: str = "privacy") -> None:
        self._config = config
        self._cookie = BoundedCache(lambda name: policy.cookie(declared_name(name, own_beginning)), 1024)

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
        parts = ((key.strip().lower(), value.strip()) for key, _, value in (part.partition("=") for part in rest))
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
    expires = parse_date(attributes.get("expires"))
    return expires.timestamp() - now if expires is not None else None
