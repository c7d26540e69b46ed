"""Holds every cookie that the app sets against the declaration and the visitor's grants."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from .consent import Consent
from .errors import UndeclaredCookie
from .model import Policy

_AGE = re.compile(r"-?[0-9]{1,20}")


class Guard:
    """Knows which cookies the site may set, and when. Flask's session and Flask-Login's cookie are necessary."""

    def __init__(self, policy: Policy, config: Mapping[str, Any]) -> None:
        self._config = config
        self.declared = lru_cache(maxsize=1024)(policy.cookie)

    def faults(self, response: Response, consent: Consent, now: float) -> Iterator[tuple[str, UndeclaredCookie]]:
        """The ``Set-Cookie`` headers that should not be there, each with its fault. Deleting a cookie is always right."""
        for header in response.headers.getlist("Set-Cookie"):
            name, _, rest = header.partition("=")
            error = self._fault(name.strip(), consent)
            if error is not None and not _deletes(rest, now):
                yield header, error

    def _fault(self, name: str, consent: Consent) -> UndeclaredCookie | None:
        if name in self._known():
            return None
        cookie = self.declared(name)
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


def _deletes(attributes: str, now: float) -> bool:
    said = dict(_attributes(attributes))
    age = _AGE.fullmatch(said.get("max-age", ""))
    if age is not None:  # it prevails over Expires (RFC 6265, 4.1.2.2)
        return int(age[0]) <= 0
    ends = parse_date(said.get("expires"))
    return ends is not None and ends.timestamp() <= now


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";")[1:]:
        name, _, value = part.partition("=")
        yield name.strip().lower(), value.strip()
