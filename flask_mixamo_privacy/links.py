"""Links to other sites, which have privacy policies of their own: told as such to eyes and to screen readers."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import request
from markupsafe import Markup

from .current import exchange

_LINK = Markup('<a class="privacy-external" href="{}" rel="external noopener noreferrer">{}<span{}> ({})</span></a>')
_PLAIN = Markup('<a href="{}">{}</a>')


def is_external(url: str) -> bool:
    """Whether an address leads to another host; a Jinja test: ``{% if url is external %}``."""
    host = urlsplit(url).netloc
    return bool(host) and host.rpartition("@")[2].lower() != request.host


def external_link(url: str, text: str | None = None) -> Markup:
    """A link with the notice of promise 30 where it leads away, else a plain one; a Jinja filter:
    ``{{ url|external_link("Their site") }}``.

    Raises :class:`ValueError` for an address that is no ``http`` address, such as ``javascript:``.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("", "http", "https"):
        raise ValueError(f"external_link is given {url!r}; allowed: a path, or an address with http:// or https://.")
    said = text if text is not None else parts.netloc + parts.path.rstrip("/")
    if not is_external(url):
        return _PLAIN.format(url, said)
    t = exchange().language
    note = t("another site, with a privacy policy of its own")
    lang = Markup(' lang="{}" dir="{}"').format(note.lang, t.dir)
    return _LINK.format(url, said, lang, note.text)
