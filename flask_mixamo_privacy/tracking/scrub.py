"""Web and network addresses, with everything taken out that could name a person."""

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
_EMAIL = re.compile(r"[^\s@/<>\"']+@[^\s@/<>\"']+")


@lru_cache(maxsize=4096)
def scrub_path(path: str) -> str:
    """The path without query, e-mail addresses, long numbers and tokens: ``/reset/:token``."""
    path = printable(unquote(path.partition("?")[0].partition("#")[0]))
    return "/".join(map(_scrub_segment, path.split("/")))[:_LONGEST] or "/"


def _scrub_segment(segment: str) -> str:
    if "@" in segment:
        return ":email"
    odd = [chunk for chunk in _SEPARATORS.split(segment) if _is_odd(chunk)]
    if sum(map(len, odd)) < 9:
        return segment
    return ":number" if all(map(str.isdigit, odd)) else ":token" if sum(map(len, odd)) >= 12 else segment


def _is_odd(chunk: str) -> bool:
    """Whether no person would write this in a heading: a long number, a random mixture, an endless word."""
    if chunk.isdigit():
        return len(chunk) > 8
    if chunk.isalpha():
        switches = sum(a.islower() != b.islower() for a, b in pairwise(chunk[1:]))
        return len(chunk) > 24 or switches > 2 + len(chunk) // 6
    return bool(chunk) and not _WORD_WITH_NUMBER.fullmatch(chunk)


def scrub_text(text: str) -> str:
    """A free text without e-mail addresses, and of at most 200 characters."""
    return _EMAIL.sub(":email", printable(text[: 2 * _LONGEST]))[:_LONGEST]


def printable(text: str, instead: str = "\ufffd", keep: str = "") -> str:
    """Replace control characters and lone surrogates, which not every database and terminal takes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else instead for char in text)


@lru_cache(maxsize=4096)
def split_referrer(referrer: str, host: str) -> tuple[str, str]:
    """``(previous, referrer)``: the path of the same site, or the page of another one; at most one is not empty."""
    try:
        parts = urlsplit(referrer)
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https"):
        return "", ""
    its_host = host_of(referrer)
    if its_host == host.lower():
        return parts.path or "/", ""
    return "", f"{parts.scheme}://{its_host}{scrub_path(parts.path)}"


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The /24 of an IPv4 address or the /48 of an IPv6 one: a neighbourhood, never a house. Empty for anything else."""
    try:
        if ":" not in address:
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, address)[:3] + b"\0") + "/24"
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return ""
    if packed[:12] == b"\0" * 10 + b"\xff\xff":  # an IPv4 address in IPv6 clothes
        return socket.inet_ntop(socket.AF_INET, packed[12:15] + b"\0") + "/24"
    return socket.inet_ntop(socket.AF_INET6, packed[:6] + b"\0" * 10) + "/48"


# What the visitor's program and line say of themselves: browser, platform, provider, and whether it is a robot.

#: Characters of a User-Agent that are looked at; callers cut it, so that what is remembered has a bound.
LONGEST = 512


@dataclass(frozen=True, slots=True)
class Client:
    """A browser's families, without the versions that would tell one person from another."""

    browser: str
    platform: str
    robot: bool


@lru_cache(maxsize=4096)
def client_of(user_agent: str) -> Client:
    """Families by ua-parser, robots by crawler-user-agents; ``"Other"`` for what neither knows."""
    import ua_parser
    from crawleruseragents import is_crawler

    parsed = ua_parser.parse(user_agent)
    browser = parsed.user_agent.family if parsed.user_agent else "Other"
    platform = parsed.os.family if parsed.os else "Other"
    # A browser without a screen, as in a site's own tests, is no crawler: it had to press "Accept all" like anybody.
    return Client(browser, platform, is_crawler(user_agent.replace("HeadlessChrome", "Chrome")))


class Providers:
    """Internet providers by address, from a MaxMind database; knows none without one."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._reader: Any = None

    def __call__(self, address: str) -> str:
        """The provider's name, or the empty text. The address is looked up in memory and kept nowhere."""
        if self._path is None or not address:
            return ""
        if self._reader is None:
            import maxminddb

            self._reader = maxminddb.open_database(self._path)
        try:
            found = self._reader.get(address)
        except ValueError:
            return ""
        return str(found.get("isp") or found.get("autonomous_system_organization") or "") if found else ""
