"""What browsers say they blocked: which host, for what, on which page, on which day. Nothing of who it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from ..policy.model import Policy
from ..storage.files import append_private, replace_private

# The Content-Security-Policy that makes the browser itself refuse what was not granted.

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


def append_policy(others: Iterable[str], ours: str) -> str:
    """Our policy beside those the site sends: a browser holds a page to each of them, so ours can only take away."""
    return ", ".join([*filter(None, (other.strip() for other in others)), ours])


_MOST = 1000  # distinct entries a process notes in a day; anybody can send reports
_LARGEST = 256 * 1024  # bytes of the file


class BlockedLoad(NamedTuple):
    """Something that the Content-Security-Policy refused, or would refuse."""

    day: str
    directive: str  # such as "script-src"
    host: str  # such as "stats.example", or a word of the standard's such as "inline"
    page: str  # its URL rule


class BlockedLoads:
    """A small file of what was blocked, each thing once a day and process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._noted: set[BlockedLoad] = set()

    def record(self, block: BlockedLoad) -> None:
        """Keep it, unless it is known already or there is too much of it; raises :class:`OSError`."""
        if any(noted.day != block.day for noted in self._noted):
            self._noted.clear()
        if block in self._noted or len(self._noted) >= _MOST:
            return
        self._noted.add(block)
        append_private(self._path, _line(block), _LARGEST)

    def entries(self, since: str = "") -> list[BlockedLoad]:
        """What was noted from this day on, each once, in order."""
        return sorted({block for block in self._read() if block.day >= since})

    def prune(self, before: str) -> None:
        """Drop what was noted before this day."""
        kept = self.entries(before)
        if os.path.exists(self._path):
            replace_private(self._path, b"".join(map(_line, kept)))

    def _read(self) -> Iterator[BlockedLoad]:
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    try:
                        yield BlockedLoad(*json.loads(line))
                    except (ValueError, TypeError):  # torn by a full disk
                        continue
        except FileNotFoundError:
            return


def _line(block: BlockedLoad) -> bytes:
    return (json.dumps(block) + "\n").encode()
