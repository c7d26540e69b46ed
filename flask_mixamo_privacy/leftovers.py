"""What a withdrawn consent left in the browser: which names, and how each is removed."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import NamedTuple

from .model import Policy
from .policy import OWN_COOKIES, Cookie

#: Where a script has to remove it, as no header can.
STORAGES = ("local", "session", "idb", "cache", "worker")

#: Headers that delete cookies in one response: servers and proxies take only so much.
MOST_DELETIONS = 40

_PREFIXES = ("__Host-", "__Secure-")


def by_kind(cookies: Iterable[Cookie]) -> dict[str, list[str]]:
    """Names, or patterns with ``*``, by where they are stored: cookies (``http`` and ``js``) and what a script removes."""
    found: dict[str, list[str]] = {"cookies": [], **{storage: [] for storage in STORAGES}}
    for cookie in cookies:
        found[cookie.kind if cookie.kind in STORAGES else "cookies"].append(cookie.name)
    return found


def of_the_site(cookies: Iterable[Cookie]) -> list[Cookie]:
    """Those that the extension does not set itself: its own are seen to at the end of each request."""
    return [cookie for cookie in cookies if cookie.name not in OWN_COOKIES]


class Deletion(NamedTuple):
    """One ``Set-Cookie`` that deletes."""

    name: str
    path: str
    domain: str | None


def left_behind(policy: Policy, purposes: Collection[str], services: Collection[str]) -> list[Cookie]:
    """All that is declared to be stored for these purposes, and by these services."""
    return [
        cookie for cookie in policy.cookies if cookie.purpose in purposes or (cookie.service and cookie.service in services)
    ]


def deletions(cookies: Collection[Cookie], sent: Collection[str], host: str) -> list[Deletion]:
    """How to delete cookies of which a request shows but the name: on every path and domain that they may have.

    ``sent`` are the names that the browser sent here. One with a path of its own is not sent here, so it is deleted on
    sight of its declaration. At most :data:`MOST_DELETIONS`: what is left is sent again with the next request.
    """
    return list(islice(_deletions(cookies, sent, host), MOST_DELETIONS))


def _deletions(cookies: Collection[Cookie], sent: Collection[str], host: str) -> Iterator[Deletion]:
    domains = [None, *parents(host)]
    for cookie in cookies:
        if cookie.kind not in ("http", "js"):
            continue
        names = [name for name in sent if fnmatchcase(name, cookie.name) or fnmatchcase(bare(name), cookie.name)]
        elsewhere = cookie.path != "/" and "*" not in cookie.name
        for name in dict.fromkeys([*names, *([cookie.name] if elsewhere else [])]):
            for path in dict.fromkeys(("/", cookie.path)):
                yield from (Deletion(name, path, domain) for domain in domains if _fits(name, path, domain))


def bare(name: str) -> str:
    """A cookie's name as it may be declared: without ``__Host-`` or ``__Secure-``."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _fits(name: str, path: str, domain: str | None) -> bool:
    return not name.startswith("__Host-") or (path == "/" and domain is None)


def parents(host: str) -> list[str]:
    """The domains that a cookie of this host may have: itself and those above, but no address and no lone word."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        labels = name.split(".")
        return [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return []
