"""The Cookie header as the browser sent it, and the deletion of cookies that another subdomain may have planted.

A page of another subdomain can set a cookie for the common domain, under any path. Browsers refuse this only for names that
begin with ``__Host-``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from ..consent.recording import Deletion

_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")
_END_OF_PATH = re.compile(r"[?#]")
_MOST_PATHS = 40


class CookieHeader:
    """Reads the cookies of these names from a ``Cookie`` header.

    A name must be exact. Werkzeug before 3.1.9 strips odd bytes from names. So a name that only looks like ``__Host-…`` to
    it, and that another subdomain can therefore plant, would count. Only spaces and tabs may surround a name.
    """

    def __init__(self, names: Iterable[str]) -> None:
        own = "|".join(map(re.escape, names))
        # Each match begins with a semicolon, which the regular expression finds fast.
        self._pairs = re.compile(rf";[ \t]*({own})[ \t]*=[ \t]*([^;]*)").findall

    def read(self, header: str) -> dict[str, list[str]]:
        """Return the values by name, in the order of the header."""
        found: dict[str, list[str]] = {}
        for name, value in self._pairs(";" + header):
            value = value.rstrip(" \t")
            found.setdefault(name, []).append(_unquoted(value) if value[:1] == '"' else value)
        return found


def _unquoted(value: str) -> str:
    """Return the value of a cookie without the quotes and the escapes that Werkzeug writes."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)) if len(escape[1]) == 3 else escape[1], value[1:-1])


def deletions_on_paths(
    names: Collection[str], urls: Iterable[str], domains: Iterable[str | None], own: tuple[str, str | None]
) -> Iterator[Deletion]:
    """Yield what deletes the cookies of these names on every path and domain that they can have on these URLs.

    ``own`` is the path and the domain of the app's own cookie, which is not deleted. None is the host without a domain.
    """
    places = [(path, domain) for path in paths_above(urls) for domain in domains]
    own_place = own[0], (own[1] or "").lstrip(".")
    for path, domain in places:
        if (path, domain or "") != own_place:
            yield from (Deletion(name, path, domain) for name in names)


def paths_above(urls: Iterable[str]) -> list[str]:
    """Return each path whose cookies a browser sends to these URLs, the shortest first (RFC 6265, 5.1.4)."""
    found = {"/"}
    for url in urls:
        path = _END_OF_PATH.split(url, maxsplit=1)[0]
        found.add(path)
        for end in islice((slash.start() for slash in re.finditer("/", path)), _MOST_PATHS):
            found.update((path[:end], path[: end + 1]))
    return sorted((path for path in found if path.startswith("/")), key=lambda path: (len(path), path))[:_MOST_PATHS]
