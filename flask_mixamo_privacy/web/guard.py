"""Holds every cookie that the app sets against the declaration and the visitor's grants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from ..consent.consent import Consent
from ..errors import UndeclaredCookie
from ..policy.model import Policy

_AGE = re.compile(r"[-+]?[0-9]{1,300}")


class Guard:
    """Knows which cookies the site may set, and when. Flask's session and Flask-Login's cookie are necessary."""

    def __init__(self, policy: Policy, config: Mapping[str, Any]) -> None:
        self._config = config
        self._cookie = lru_cache(maxsize=1024)(policy.cookie)

    def faults(self, response: Response, consent: Consent, now: float) -> Iterator[tuple[str, UndeclaredCookie]]:
        """The ``Set-Cookie`` headers that should not be there, each with its fault. Deleting a cookie is always right."""
        for header in response.headers.getlist("Set-Cookie"):
            error = self._fault(name_in(header), consent)
            if error is not None and not SetCookie.parse(header, now).deletes:
                yield header, error

    def _fault(self, name: str, consent: Consent) -> UndeclaredCookie | None:
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
    """Take one ``Set-Cookie`` header out of a response."""
    kept = [other for other in response.headers.getlist("Set-Cookie") if other != header]
    response.headers.remove("Set-Cookie")
    for other in kept:
        response.headers.add("Set-Cookie", other)


@dataclass(frozen=True)
class SetCookie:
    """What a ``Set-Cookie`` header, or a text given to ``document.cookie``, asks a browser to keep (RFC 6265, 5.2).

    The value is left out, as no report needs it.
    """

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
            name_in(pair),
            _seconds(said, now),
            own if own.startswith("/") else path,
            domain,
            "secure" in said,
        )

    @property
    def deletes(self) -> bool:
        """Whether the browser removes the cookie instead."""
        return self.seconds is not None and self.seconds <= 0


def name_in(text: str) -> str:
    """The name of the cookie that a ``Set-Cookie`` header sets."""
    return text.partition("=")[0].partition(";")[0].strip()


def _seconds(said: dict[str, str], now: float) -> float | None:
    age = _AGE.fullmatch(said.get("max-age", ""))
    if age is not None:
        return float(age[0])
    ends = parse_date(said.get("expires"))
    return ends.timestamp() - now if ends is not None else None
