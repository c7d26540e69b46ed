"""What the policy says of a thing that was seen."""

from __future__ import annotations

from fnmatch import fnmatchcase

from ..leftovers import bare
from ..model import Policy
from ..policy import Cookie, Service

_COOKIES = ("http", "js")


def cookie_of(policy: Policy, kind: str, name: str) -> Cookie | None:
    """The declaration of a cookie, or of an entry in a storage of this kind."""
    for cookie in policy.cookies:
        alike = cookie.kind in _COOKIES if kind in _COOKIES else cookie.kind == kind
        if alike and (fnmatchcase(name, cookie.name) or fnmatchcase(bare(name), cookie.name)):
            return cookie
    return None


def service_of(policy: Policy, host: str) -> Service | None:
    """The first service that declares the host, with or without its port."""
    return next((service for service in policy.services if service.has(host) or service.has(host.partition(":")[0])), None)


def needs(policy: Policy, purpose: str, granted: frozenset[str]) -> bool:
    """Whether this purpose is the visitor's to grant, and is not granted."""
    return policy.purpose(purpose).optional and purpose not in granted
