"""The Content-Security-Policy that makes the browser itself refuse what was not granted."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from ..policy.model import Policy

#: What a page may load of the site's own, and inline. This policy says from where, not how: whether inline scripts are
#: good is for a policy of the site's own to say, which stands beside this one.
_OWN = "'self' 'unsafe-inline' 'unsafe-eval' data: blob:"

#: By what a service loads, the directives that speak of it.
_DIRECTIVES = {
    "script": "script-src",
    "style": "style-src",
    "image": "img-src",
    "font": "font-src",
    "frame": "frame-src",
    "connect": "connect-src",
    "media": "media-src",
}

HEADERS = {"enforce": "Content-Security-Policy", "report-only": "Content-Security-Policy-Report-Only"}


class ContentSecurityPolicy:
    """Headers by grants, for one declaration; each made once."""

    def __init__(self, policy: Policy, report_to: str) -> None:
        self._policy = policy
        self._report_to = report_to
        self.header = lru_cache(maxsize=256)(self._header)

    def _header(self, services: frozenset[str], root: str = "") -> str:
        """One policy: the site itself, and the hosts of these services for what they are declared to load."""
        loaded = [service for service in self._policy.services if service.id in services]
        parts = [f"default-src {_OWN}"]
        for load, directive in _DIRECTIVES.items():
            hosts = [host for service in loaded if load in service.loads for host in service.hosts]
            if hosts:
                parts.append(f"{directive} {' '.join([_OWN, *dict.fromkeys(hosts)])}")
        mount = quote(root, encoding="latin-1")  # as WSGI has it
        return "; ".join([*parts, f"report-uri {mount}{self._report_to}"])


def beside(others: Iterable[str], ours: str) -> str:
    """Our policy beside those the site sends: a browser holds a page to each of them, so ours can only take away."""
    return ", ".join([*filter(None, (other.strip() for other in others)), ours])
