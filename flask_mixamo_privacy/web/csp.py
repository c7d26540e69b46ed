"""The Content-Security-Policy header, and the stored reports of what it blocked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ..policy.model import Policy
from ..storage.files import append_private, replace_private

# The header: the browser itself blocks the hosts of services that were not granted.

#: Sources allowed on every page: the site itself, and inline code. This policy limits only hosts. A site that forbids
#: inline scripts sends its own policy besides; the browser enforces both.
_OWN = "'self' 'unsafe-inline' 'unsafe-eval' data: blob:"

#: The directive for each kind of load that a service declares.
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
    """The headers for one policy, cached by the granted services."""

    def __init__(self, policy: Policy, report_to: str) -> None:
        self._policy = policy
        self._report_to = report_to
        self.header = lru_cache(maxsize=256)(self._header)

    def _header(self, services: frozenset[str], root: str = "") -> str:
        """Return a header that allows the site itself, and the hosts of these services for the loads they declare.

        ``root`` is the app's mount, percent-encoded.
        """
        loaded = [service for service in self._policy.services if service.id in services]
        parts = [f"default-src {_OWN}"]
        for load, directive in _DIRECTIVES.items():
            hosts = [host for service in loaded if load in service.loads for host in service.hosts]
            if hosts:
                parts.append(f"{directive} {' '.join([_OWN, *dict.fromkeys(hosts)])}")
        return "; ".join([*parts, f"report-uri {root}{self._report_to}"])


def append_policy(site_policies: Iterable[str], policy: str) -> str:
    """Append a policy to those of the site. A browser enforces all of them, so the appended one can only restrict."""
    return ", ".join([*filter(None, (other.strip() for other in site_policies)), policy])


# Reports of what the header blocked: host, directive, page and day. They contain nothing about the visitor.

_MOST = 1000  # distinct entries a process records in a day; the limit exists because any client can send reports
_LARGEST = 256 * 1024  # bytes of the file


class BlockedLoad(NamedTuple):
    """A load that the Content-Security-Policy blocked, or would block if it were enforced."""

    day: str
    directive: str  # such as "script-src"
    host: str  # such as "stats.example", or a keyword of the CSP standard such as "inline"
    page: str  # its URL rule


class BlockedLoads:
    """A file of blocked loads. Each process records each of them once a day."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._recorded: set[BlockedLoad] = set()

    def record(self, block: BlockedLoad) -> None:
        """Record a blocked load, unless it is recorded already or a limit is reached. Raises :class:`OSError`."""
        if any(earlier.day != block.day for earlier in self._recorded):
            self._recorded.clear()
        if block in self._recorded or len(self._recorded) >= _MOST:
            return
        self._recorded.add(block)
        append_private(self._path, _line(block), _LARGEST)

    def entries(self, since: str = "") -> list[BlockedLoad]:
        """Return the blocked loads since this day, sorted and without duplicates."""
        return sorted({block for block in self._read() if block.day >= since})

    def prune(self, before: str) -> None:
        """Delete the blocked loads before this day."""
        remaining = self.entries(before)
        if os.path.exists(self._path):
            replace_private(self._path, b"".join(map(_line, remaining)))

    def _read(self) -> Iterator[BlockedLoad]:
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    try:
                        yield BlockedLoad(*json.loads(line))
                    except (ValueError, TypeError):  # a full disk cut the line off
                        continue
        except FileNotFoundError:
            return


def _line(block: BlockedLoad) -> bytes:
    return (json.dumps(block) + "\n").encode()
