"""Removal of personal data from paths, referrers, texts, network addresses and User-Agent headers."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import unquote, urlsplit

from ..policy.parts import host_of

_LONGEST = 200  # characters of a path
_SEPARATORS = re.compile(r"[-_.~+=:,;!*'() ]")
_WORD_WITH_NUMBER = re.compile(r"[A-Za-z]+\d{1,4}|\d{1,4}[A-Za-z]+")
_WITH_PORT = re.compile(r"""[\s"]*(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[0-9.]+))(?::(?:\d{0,5}|_[\w.-]*))?[\s"]*""")
_EMAIL = re.compile(r"[^\s@/<>\"']+@[^\s@/<>\"']+")


@lru_cache(maxsize=4096)
def scrub_path(path: str) -> str:
    """Return the path without query, e-mail addresses, long numbers and tokens: ``/reset/:token``."""
    path = printable(unquote(path.partition("?")[0].partition("#")[0]))
    return "/".join(map(_scrub_segment, path.split("/")))[:_LONGEST] or "/"


def _scrub_segment(segment: str) -> str:
    if "@" in segment:
        return ":email"
    suspect = [chunk for chunk in _SEPARATORS.split(segment) if _looks_random(chunk)]
    if sum(map(len, suspect)) < 9:
        return segment
    return ":number" if all(map(str.isdigit, suspect)) else ":token" if sum(map(len, suspect)) >= 12 else segment


def _looks_random(chunk: str) -> bool:
    """Return whether a chunk is unlikely in a heading: a long number, mixed letters and digits, or a very long word."""
    if chunk.isdigit():
        return len(chunk) > 8
    if chunk.isalpha():
        switches = sum(a.islower() != b.islower() for a, b in pairwise(chunk[1:]))
        return len(chunk) > 24 or switches > 2 + len(chunk) // 6
    return bool(chunk) and not _WORD_WITH_NUMBER.fullmatch(chunk)


def scrub_text(text: str) -> str:
    """Return a text without e-mail addresses, cut to 200 characters."""
    return _EMAIL.sub(":email", printable(text[: 2 * _LONGEST]))[:_LONGEST]


def printable(text: str, instead: str = "\ufffd", keep: str = "") -> str:
    """Replace control characters and lone surrogates, which some databases and terminals reject."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else instead for char in text)


@lru_cache(maxsize=4096)
def split_referrer(referrer: str, host: str) -> tuple[str, str]:
    """Return ``(previous, referrer)``: a path of this site, or a page of another site. At least one of them is empty."""
    try:
        parts = urlsplit(referrer)
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https"):
        return "", ""
    referring_host = host_of(referrer)
    if referring_host == host.lower():
        return parts.path or "/", ""
    return "", f"{parts.scheme}://{referring_host}{scrub_path(parts.path)}"


def origin_of(referrer: str) -> str:
    """Return the origin of a page of another site, as a browser sends it: ``https://search.example/``."""
    return "/".join(referrer.split("/", 3)[:3]) + "/" if referrer else ""


def without_port(address: str) -> str:
    """Return a network address without the port and the brackets that some proxies add to ``X-Forwarded-For``.

    Without brackets, an IPv6 address has no port (RFC 3986, 3.2.2). A proxy may obfuscate the port (RFC 7239, 6.2).
    """
    found = _WITH_PORT.fullmatch(address)
    return found["v4"] or found["v6"] if found else address.strip()


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the /24 of an IPv4 address or the /48 of an IPv6 address. Returns the empty string for any other text."""
    address = without_port(address)
    try:
        if ":" not in address:
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, address)[:3] + b"\0") + "/24"
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return ""
    if packed[:12] == b"\0" * 10 + b"\xff\xff":  # an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2)
        return socket.inet_ntop(socket.AF_INET, packed[12:15] + b"\0") + "/24"
    return socket.inet_ntop(socket.AF_INET6, packed[:6] + b"\0" * 10) + "/48"


# Browser, platform and internet provider.

#: Characters of a User-Agent that are parsed. Callers cut the header, so that the cache of results has a bounded size.
LONGEST_USER_AGENT = 512


@dataclass(frozen=True, slots=True)
class Client:
    """Browser and platform families. Versions are left out, because they could single out a visitor."""

    browser: str
    platform: str
    robot: bool


@lru_cache(maxsize=4096)
def client_of(user_agent: str) -> Client:
    """Parse a User-Agent. ua-parser names the families, crawler-user-agents detects robots; unknown is ``"Other"``."""
    import ua_parser
    from crawleruseragents import is_crawler

    parsed = ua_parser.parse(user_agent)
    browser = parsed.user_agent.family if parsed.user_agent else "Other"
    platform = parsed.os.family if parsed.os else "Other"
    # crawler-user-agents lists HeadlessChrome. A site's own browser tests use it and consent first, so it is no robot here.
    return Client(browser, platform, is_crawler(user_agent.replace("HeadlessChrome", "Chrome")))


class Providers:
    """Internet providers by address, from a MaxMind database if there is one."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._reader: Any = None

    def __call__(self, address: str) -> str:
        """Return the name of the provider, or the empty string. The address is not stored."""
        if self._path is None or not address:
            return ""
        if self._reader is None:
            import maxminddb

            self._reader = maxminddb.open_database(self._path)
        try:
            entry = self._reader.get(without_port(address).partition("%")[0])
        except ValueError:
            return ""
        return str(entry.get("isp") or entry.get("autonomous_system_organization") or "") if entry else ""
