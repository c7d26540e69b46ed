"""Links to other sites, which have privacy policies of their own: told as such to eyes and to screen readers."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from flask import request
from markupsafe import Markup

from ..errors import AddressError
from ..policy.policy import IGNORED, host_of
from .current import exchange

_LINK = Markup('<a class="privacy-external" href="{}" rel="external noopener noreferrer">{}<span{}> ({})</span></a>')
_PLAIN = Markup('<a href="{}">{}</a>')


@lru_cache(maxsize=1024)
def checked_host(url: str, asked_by: str) -> str:
    """The host of an address, empty for a path of this site.

    Raises :class:`AddressError` for another scheme than ``http`` and ``https``, and for an address that only a browser
    reads like this: with a backslash, or with a host where ``urlsplit`` finds none (``https:host``, ``///host``).
    """
    address, host = IGNORED.sub("", url), host_of(url)
    try:
        parts = urlsplit(address)
    except ValueError:
        raise AddressError(asked_by, url) from None
    if parts.scheme not in ("", "http", "https") or "\\" in parts.netloc + parts.path:
        raise AddressError(asked_by, url)
    if bool(host) != bool(parts.netloc) or (not host and (parts.scheme or address.startswith("//"))):
        raise AddressError(asked_by, url)
    return host


def is_external(url: str) -> bool:
    """Whether an address leads to another host, or to none; a Jinja test: ``{% if url is external %}``."""
    try:
        host = checked_host(url, "external")
    except AddressError:
        return True
    return bool(host) and host != request.host.lower()


def is_web_address(text: str) -> bool:
    """Whether a text is the address of a web page and nothing else: a Jinja test for words that a site chooses."""
    if not text.startswith(("https://", "http://")) or any(map(str.isspace, text)):
        return False
    try:
        return bool(checked_host(text, "web_address"))
    except AddressError:
        return False


def external_link(url: str, text: str | None = None) -> Markup:
    """A link with the notice of promise 30 where it leads away, else a plain one; a Jinja filter:
    ``{{ url|external_link("Their site") }}``.

    Raises :class:`AddressError` for an address that is no ``http`` address, such as ``javascript:``.
    """
    host = checked_host(url, "external_link")
    said = text if text is not None else host + urlsplit(url).path.rstrip("/")
    if not is_external(url):
        return _PLAIN.format(url, said)
    t = exchange().language
    note = t("another site, with a privacy policy of its own")
    lang = Markup(' lang="{}" dir="{}"').format(note.lang, t.dir)
    return _LINK.format(url, said, lang, note.text)
