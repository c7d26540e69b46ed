"""Removal of personal data from paths, referrers, texts, network addresses and User-Agent headers."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from unicodedata import decimal, normalize
from urllib.parse import unquote, urlsplit

from ..policy.parts import host_of
from ..storage.memory import bounded_cache

if TYPE_CHECKING:
    from ua_parser import Parser

_LONGEST = 200  # characters of a path or a text that are kept
_LONGEST_HOST = 259  # characters of a host with its port; RFC 1035, 2.3.4
_EXAMINED = 2000  # characters that are examined; an encoded one takes several
_ROUNDS = 20  # of decoding; each makes the text shorter

#: What needs a closer look: other characters than those of plain words, a change of case or kind, much of one kind, and two
#: numbers. Most paths have none of it.
_NOT_PLAIN = re.compile(
    r"[^A-Za-z0-9/_. -]|[a-z][A-Z]|[A-Z]{2}[a-z]|[A-Z]{12}|[A-Za-z]{25}|[A-Za-z][0-9]+[A-Za-z]|[0-9]{9}|"
    r"[0-9][^/0-9]+[0-9]|/0[0-9]+/[0-9]{3}|[0-9]{4}/[0-9]{4}|[0-9]{3}/[0-9]{3}/[0-9]{4}"
)
_WITH_PORT = re.compile(r"""[\s"]*(?:\[(?P<v6>[^\]]*)\]|(?P<v4>[0-9.]+))(?::(?:\d{0,5}|_[\w.-]*))?[\s"]*""")
#: Each pattern takes linear time: it starts at the beginning of a word, or its length is bounded.
_EMAIL = re.compile(
    r"\"[^\"@/]{1,64}\"@[^\s@/<>\"']++|"
    r"(?<![^\s@/<>\"',;])[^\s@/<>\"',;]++(?:(?:@[^\s@/<>\"',;]*+)++| ?@ ?\w[\w-]{0,62}(?:\.[\w-]{1,63}){1,4})"
)
_WRITTEN_AT = re.compile(r"(?<=\w) ?[(\[{<] ?at ?[)\]}>] ?(?=\w)", re.IGNORECASE)  # "ada (at) mail.example"
_ENCODED_PERCENT = re.compile("%(?:25)+(?=[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")
_ENCODED_AMPERSAND = re.compile("&(?:amp;)+")
_ENTITY = re.compile(r"&(?:#\d{1,7};?|#[xX][0-9A-Fa-f]{1,6};?|\w{1,31};)")
_ESCAPE = re.compile(r"[%\\]u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})")  # of JavaScript and JSON
_WORD = re.compile(r"[^\s/]+")
#: Numbers whose parts are segments: of a telephone, of a card, and of an account.
_SPLIT_NUMBER = re.compile(
    r"(?<=/)(?:(?:\+[\d ().-]++|\(?0\d{2,4}\)?)(?:/(?=[ (.-]*+\d)[\d ().-]++(?![^/])){1,4}+|[2-9]\d\d/[2-9]\d\d/\d{4}|"
    r"\d{4}(?:/\d{4}){3}|[A-Za-z]{2}\d\d(?:/[A-Za-z0-9]{1,4}){3,8})(?![^/])"
)
_JOINERS = "\u200c\u200d"  # which texts in some languages, and pictures, need
_JOINER = re.compile(f"[{_JOINERS}]")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
#: What has no width, and may be within a number or a mail address: hyphens, spaces, marks and overrides of direction.
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")

#: An IPv6 address (RFC 4291, 2.2), an IPv4 address also as in the host names of clouds, and a MAC address.
_ADDRESS = re.compile(
    r"(?<![0-9A-Za-z])(?:(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|(?:[0-9A-F]{2}-){5}[0-9A-F]{2}|"
    r"(?=(?:..-){0,5}\d[a-f])(?:[0-9a-f]{2}-){5}[0-9a-f]{2}|(?=[0-9.]{0,13}[A-Fa-f])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})"
    r"(?![0-9A-Za-z:])|"
    r"(?<![0-9A-Za-z])(?P<v6>(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9A-Fa-f]{0,4}))(?![\w:])|"
    r"(?<![\dvV.])(?P<v4>\d{1,3}(?:\.\d{1,3}){3})(?!\d|\.\d)|(?<=ip-)(?P<host>\d{1,3}(?:-\d{1,3}){3})(?![\d-])"
)


@bounded_cache(4096)
def scrub_path(path: str) -> str:
    """Return the path without query and personal data: a segment with an identifier is its kind, ``/reset/:token``."""
    path = path[:_EXAMINED].partition("?")[0].partition("#")[0]
    if _NOT_PLAIN.search(path):
        path = _decode(path).partition("?")[0].partition("#")[0]
        path = "/".join(map(_scrub_segment, _SPLIT_NUMBER.sub(_scrub_split_number, path).split("/")))
    return path[:_LONGEST] or "/"


def _scrub_segment(segment: str) -> str:
    if "@" in (normal := _normalised(segment)):
        return ":email"
    scrubbed = _without_identifiers(normal)
    if scrubbed == normal:
        return segment
    return min((kind for kind in _KINDS if kind in scrubbed), key=scrubbed.index)


def _scrub_split_number(found: re.Match[str]) -> str:
    """Return the segments, or one in their place if they are parts of one number, as in ``/030/1234567``."""
    from .numbers import without_accounts, without_numbers

    return ":number" if ":number" in without_numbers(without_accounts(found[0].replace("/", "-"))) else found[0]


def scrub_text(text: str) -> str:
    """Return a text without personal data, cut to 200 characters. Only a text that contains some is decoded."""
    text = _visible(text[:_EXAMINED])
    if _NOT_PLAIN.search(text.replace("/", "-")):
        normal = _normalised(_decode(text))
        scrubbed = _without_identifiers(normal)
        text = text if scrubbed == normal else scrubbed
    return text[:_LONGEST]


_KINDS = (":email", ":address", ":number", ":token")


def _without_identifiers(text: str) -> str:
    """Replace each mail address, network address, account, token and number by its kind."""
    from .numbers import without_accounts, without_numbers  # few paths need them, and no start of a process
    from .tokens import is_token

    text = _EMAIL.sub(":email", text) if "@" in text else text
    text = without_accounts(_ADDRESS.sub(_scrub_address, text))
    text = _WORD.sub(lambda word: ":token" if is_token(word[0]) else word[0], text)
    return without_numbers(text)


def _scrub_address(found: re.Match[str]) -> str:
    if found["v6"] is None:
        dotted = (found["v4"] or found["host"] or "0").replace("-", ".")
        return ":address" if all(int(octet) < 256 for octet in dotted.split(".")) else found[0]
    # Names in programs, such as "a::b", have no digit.
    return ":address" if network_of(found["v6"]) and any(map(str.isdigit, found["v6"])) else found[0]


def _decode(text: str) -> str:
    """Return a text without percent-encodings and character references, however often it was encoded."""
    from html import unescape

    for _ in range(_ROUNDS):
        decoded = _ESCAPE.sub(lambda escape: chr(int(escape[1] or escape[2], 16)), _ENCODED_PERCENT.sub("%", text))
        decoded = unquote(decoded) if "%" in decoded else decoded
        if "&" in decoded:
            decoded = _ENTITY.sub(lambda entity: unescape(entity[0]), _ENCODED_AMPERSAND.sub("&", decoded))
        if decoded == text:
            break
        text = decoded
    return _visible(text)


def _normalised(text: str) -> str:
    """Return a text in which variants of a character, such as full-width ones, are that character (Unicode, NFKC).

    The digits of all scripts are those of ASCII, and an "at" in brackets is an @.
    """
    if not text.isascii():
        text = _JOINER.sub("", printable(normalize("NFKC", text)[:_EXAMINED]))
        text = _OTHER_DIGIT.sub(lambda digit: str(decimal(digit[0])), text)
    return _WRITTEN_AT.sub("@", text)


def _visible(text: str) -> str:
    """Return a text without invisible characters, and with a sign for each control character."""
    return text if text.isascii() and text.isprintable() else printable(_INVISIBLE.sub("", text))


def printable(text: str, instead: str = "\ufffd", keep: str = "") -> str:
    """Replace control characters and lone surrogates, which some databases and terminals reject."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in _JOINERS or char in keep else instead for char in text)


@bounded_cache(4096)
def split_referrer(referrer: str, host: str | None) -> tuple[str, str]:
    """Return ``(previous, referrer)``: a path of this site, or a page of another site. At least one of them is empty.

    ``host`` is this site's host, or None if the browser states that the referrer is a page of this site.
    """
    try:
        parts = urlsplit(referrer)
    except ValueError:
        return "", ""
    if parts.scheme not in ("http", "https"):
        return "", ""
    referring_host = host_of(referrer)
    if host is None or referring_host == host.lower():
        return parts.path or "/", ""
    if len(referring_host) > _LONGEST_HOST:  # invented, and large in the log, in reports and in caches
        return "", ""
    return "", f"{parts.scheme}://{_scrub_host(referring_host)}{scrub_path(parts.path)}"


def _scrub_host(host: str) -> str:
    """Return a host without the network address of a device, as in ``http://192.0.2.7:8080``."""
    from .numbers import without_numbers

    return without_numbers(_ADDRESS.sub(_scrub_address, host)) if _NOT_PLAIN.search(host) else host


def origin_of(referrer: str) -> str:
    """Return the origin of a page of another site, as a browser sends it: ``https://search.example/``."""
    return "/".join(referrer.split("/", 3)[:3]) + "/" if referrer else ""


def without_port(address: str) -> str:
    """Return a network address without the port and the brackets that some proxies add to ``X-Forwarded-For``.

    Without brackets, an IPv6 address has no port (RFC 3986, 3.2.2). A proxy may obfuscate the port (RFC 7239, 6.2).
    """
    found = _WITH_PORT.fullmatch(address)
    return found["v4"] or found["v6"] if found else address.strip()


@bounded_cache(4096)
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
_LETTERS = re.compile("[A-Za-z ./-]{1,40}")


@dataclass(frozen=True, slots=True)
class Client:
    """Browser and platform families. Versions are left out, because they could single out a visitor."""

    browser: str
    platform: str
    robot: bool


@cache
def _parser() -> Parser:
    """Return a parser without the patterns of devices, which take half of the memory and are not needed."""
    from ua_parser import Parser
    from ua_parser.loaders import load_lazy_builtins

    browsers, systems, _ = load_lazy_builtins()
    return Parser.from_matchers((browsers, systems, []))


@bounded_cache(4096)
def client_of(user_agent: str) -> Client:
    """Parse a User-Agent. ua-parser names the families, crawler-user-agents detects robots; unknown is ``"Other"``.

    Some families are what the client calls itself, as an app of iOS does. So one that is not only letters is scrubbed.
    """
    from crawleruseragents import is_crawler

    parser = _parser()
    found, system = parser.parse_user_agent(user_agent), parser.parse_os(user_agent)
    browser, platform = found.family if found else "Other", system.family if system else "Other"
    # crawler-user-agents lists HeadlessChrome. A site's own browser tests use it and consent first, so it is no robot here.
    browser, platform = (name if _LETTERS.fullmatch(name) else scrub_text(name) for name in (browser, platform))
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
