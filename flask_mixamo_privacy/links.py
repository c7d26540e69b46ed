"""Links to other sites, which have privacy policies of their own: told as such to eyes and to screen readers."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from flask import request
from markupsafe import Markup

from .current import exchange
from .errors import AddressError

_LINK = Markup('<a class="privacy-external" href="{}" rel="external noopener noreferrer">{}<span{}> ({})</span></a>')
_PLAIN = Markup('<a href="{}">{}</a>')
_DROPPED = re.compile(r"^[\x00-\x20]+|[\t\r\n]")  # by a browser, before it reads an address


@lru_cache(maxsize=1024)
def host_of(url: str, asked_by: str) -> str:
    """The host that a browser would go to, empty for a path of this site; raises :class:`AddressError`.

    Browsers take a backslash for a slash, and find a host where ``urlsplit`` sees none: ``https:host``, ``///host``.
    """
    address = _DROPPED.sub("", url)
    try:
        parts = urlsplit(address)
    except ValueError:
        raise AddressError(asked_by, url) from None
    hidden = not parts.netloc and (parts.scheme or address.startswith("//"))
    if parts.scheme not in ("", "http", "https") or hidden or "\\" in parts.netloc + parts.path:
        raise AddressError(asked_by, url)
    return parts.netloc


def is_external(url: str) -> bool:
    """Whether an address leads to another host, or to none; a Jinja test: ``{% if url is external %}``."""
    try:
        host = host_of(url, "external")
    except AddressError:
        return True
    return bool(host) and host.rpartition("@")[2].lower() != request.host


def is_web_address(text: str) -> bool:
    """Whether a text is the address of a web page and nothing else: a Jinja test for words that a site chooses."""
    if not text.startswith(("https://", "http://")) or any(map(str.isspace, text)):
        return False
    try:
        return bool(host_of(text, "web_address"))
    except AddressError:
        return False


def external_link(url: str, text: str | None = None) -> Markup:
    """A link with the notice of promise 30 where it leads away, else a plain one; a Jinja filter:
    ``{{ url|external_link("Their site") }}``.

    Raises :class:`AddressError` for an address that is no ``http`` address, such as ``javascript:``.
    """
    host = host_of(url, "external_link")
    said = text if text is not None else host + urlsplit(url).path.rstrip("/")
    if not is_external(url):
        return _PLAIN.format(url, said)
    t = exchange().language
    note = t("another site, with a privacy policy of its own")
    lang = Markup(' lang="{}" dir="{}"').format(note.lang, t.dir)
    return _LINK.format(url, said, lang, note.text)
