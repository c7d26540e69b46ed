"""The Content-Security-Policy header, protection against framing, and the stored reports of what the header blocked."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from werkzeug.datastructures import Headers

from ..policy.model import Policy
from ..storage.clock import now
from ..storage.files import append_private, replace_private
from ..storage.memory import NetworkAllowance, TokenBuckets

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
            hosts = [_source(host) for service in loaded if load in service.loads for host in service.hosts]
            if hosts:
                parts.append(f"{directive} {' '.join([_OWN, *dict.fromkeys(hosts)])}")
        return "; ".join([*parts, f"report-uri {root}{self._report_to}"])


def _source(host: str) -> str:
    """Return a declared host as a source. This computer's own names have any port, as the servers of developers do."""
    is_own = host in ("localhost", "127.0.0.1", "[::1]") or host.endswith(".localhost")
    return f"{host}:*" if is_own and "*" not in host else host


def allows_style(policies: str, source: str) -> bool:
    """Return whether every one of the policies allows a style element with this hash and, as ``'nonce'``, the page's nonce.

    ``policies`` is the value of a header, with the page's nonce replaced. CSP Level 3, 6.7.3.2: a nonce or a hash in a list
    switches ``'unsafe-inline'`` off.
    """
    return all(_allows_style(policy, source) for policy in policies.split(","))


def _allows_style(policy: str, source: str) -> bool:
    lists: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        name, *sources = directive.split() or [""]
        lists.setdefault(name.lower(), sources)  # browsers ignore a repeated directive
    for name in ("style-src-elem", "style-src", "default-src"):
        if name in lists:
            break
    else:
        return True
    if source in lists[name] or "'nonce'" in lists[name]:
        return True
    keywords = [keyword.lower() for keyword in lists[name]]
    return "'unsafe-inline'" in keywords and not any(one.startswith(("'nonce-", "'sha")) for one in keywords)


def append_policy(site_policies: Iterable[str], policy: str) -> str:
    """Append a policy to those of the site. A browser enforces all of them, so the appended one can only restrict."""
    return ", ".join([*filter(None, (other.strip() for other in site_policies)), policy])


# A page that frames one of ours could place it below the pointer, so that a visitor grants by a click meant for that page.

#: The key in the environ of a request that is answered with a page of the extension's own.
OWN_PAGE = "mixamo_privacy.own_page"

_FRAMING = "frame-ancestors 'self'"


def forbid_framing(headers: Headers) -> None:
    """Let only pages of this origin frame the page. A policy of the site stays, and so does a stricter header."""
    name = HEADERS["enforce"]
    headers[name] = append_policy(headers.getlist(name), _FRAMING)
    if headers.get("X-Frame-Options", "").strip().upper() not in ("DENY", "SAMEORIGIN"):  # for browsers without CSP 2
        headers["X-Frame-Options"] = "SAMEORIGIN"


# Reports of what the header blocked: host, directive, page and day. They contain nothing about the visitor.

# Any client can send reports, so their number is bounded: by network and day, by process, and by the size of the file. The
# first report of each kind is recorded beyond these limits. So a flood from one place silences no other. A flood from an
# address that all visitors share silences a process for minutes only.
_MOST = 1000  # distinct entries that a process records at once
_PER_SECOND = 1 / 60  # further ones
_MOST_OF_NETWORK = 40
_LARGEST = 256 * 1024  # bytes of the file

#: The directives that a browser may report; CSP Level 3, 6, and Trusted Types.
DIRECTIVES = frozenset({
    "base-uri", "child-src", "connect-src", "default-src", "fenced-frame-src", "font-src", "form-action", "frame-ancestors",
    "frame-src", "img-src", "manifest-src", "media-src", "object-src", "prefetch-src", "require-trusted-types-for",
    "sandbox", "script-src", "script-src-attr", "script-src-elem", "style-src", "style-src-attr", "style-src-elem",
    "trusted-types", "worker-src",
})  # fmt: skip


class BlockedLoad(NamedTuple):
    """A load that the Content-Security-Policy blocked, or would block if it were enforced."""

    day: str
    directive: str  # such as "script-src"
    host: str  # such as "stats.example", or a keyword of the CSP standard such as "inline"
    page: str  # its URL rule

    @property
    def kind(self) -> tuple[str, str]:
        """What no client can choose freely: the directive and the page."""
        return self.directive, self.page


class BlockedLoads:
    """A file of blocked loads. Each process records each of them once a day. Safe to use from many threads."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._day = ""
        self._recorded: set[BlockedLoad] = set()
        self._kinds: set[tuple[str, str]] = set()
        self._networks = NetworkAllowance(_MOST_OF_NETWORK)
        self._process = TokenBuckets(_MOST, _PER_SECOND, 1)
        self._lock = threading.Lock()

    def record(self, block: BlockedLoad, network: str = "") -> None:
        """Record a blocked load, unless it is recorded already or a limit is reached. Raises :class:`OSError`.

        ``network`` is the prefix of the client's address, which stays in memory for the day. It is empty for an address that
        many clients may share.
        """
        with self._lock:
            if block.day != self._day:
                self._day, self._recorded, self._kinds = block.day, set(), set()
            if block in self._recorded or not self._may_record(block, network):
                return
            self._recorded.add(block)
            self._kinds.add(block.kind)
            append_private(self._path, _line(block))
            if os.path.getsize(self._path) > _LARGEST:
                self._compact()

    def _may_record(self, block: BlockedLoad, network: str) -> bool:
        if block.kind not in self._kinds:
            return True
        moment = now().timestamp()
        if self._process.wait("", moment) or (network and not self._networks.take(network, block.day)):
            return False
        self._process.take("", 1, moment)
        return True

    def _compact(self) -> None:
        """Halve the file. Keep the first entry of each kind, and then the newest."""
        entries = list(self._read())
        first_of_kind = {block.kind: block for block in reversed(entries)}.values()
        kept, size = set(), 0
        for block in dict.fromkeys([*first_of_kind, *reversed(entries)]):
            size += len(_line(block))
            if size > _LARGEST // 2:
                break
            kept.add(block)
        replace_private(self._path, b"".join(_line(block) for block in dict.fromkeys(entries) if block in kept))

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
