"""The ``Cookie`` header of a request: the values of our cookies by exact name, and what they state."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ..consent.decision import Consent
from ..tracking.events import Visitor

_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")


class CookieHeader:
    """Reads the cookies of these names from a ``Cookie`` header.

    A name must be exact. Werkzeug before 3.1.9 strips odd bytes from names. So a name that only looks like ``__Host-…`` to
    it, and that another subdomain can therefore plant, would count. Only spaces and tabs may surround a name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        own = "|".join(map(re.escape, names))
        # Each match begins with a semicolon, which the regular expression finds fast.
        self.pairs = re.compile(rf";[ \t]*({own})[ \t]*=[ \t]*([^;]*)").findall

    def read(self, header: str) -> dict[str, list[str]]:
        """Return the values by name, in the order of the header."""
        found: dict[str, list[str]] = {}
        for name, value in self.pairs(";" + header):
            value = value.rstrip(" \t")
            found.setdefault(name, []).append(unquoted(value) if value[:1] == '"' else value)
        return found


def unquoted(value: str) -> str:
    """Return the value of a cookie without the quotes and the escapes that Werkzeug writes."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)) if len(escape[1]) == 3 else escape[1], value[1:-1])


class Stated(NamedTuple):
    """What the consent and visitor cookies of one header state."""

    consent: Consent
    visitor: Visitor | None = None  # that the grant allows
    has_copies: bool = False  # whether two valid consent cookies differ, so that one may be planted
    is_minor: bool = False  # whether a birth date typed into this browser was a child's


class NotCached(Exception):
    """A header with an invalid cookie. Raised inside a cache, which stores no exceptions, so forgeries cannot fill it."""

    @property
    def stated(self) -> Stated:
        """What the header states."""
        return self.args[0]  # type: ignore[no-any-return]
