"""Addresses that name a person."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from ...policy.model import Policy
from .audit_hosts import is_listed
from .evidence import Asked, Evidence
from .finding import Told

_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})")
HIDDEN = "…@…"


def persons(evidence: Evidence, policy: Policy) -> Iterator[Told]:
    for asked in evidence.asked:
        own = f"{urlsplit(asked.url).scheme}://{evidence.host}"
        mail = evidence.people.get(asked.place.login, "")
        for what, url in (("The address", asked.url), ("The Referer sent to " + asked.host, asked.referrer)):
            if what != "The address" and (not asked.third or asked.referrer == asked.url):
                continue
            if found := named_in(url, mail if asked.third else ""):
                place = replace(asked.place, route=hidden(asked.place.route))
                yield Told(
                    "personal-data-in-url", _subject(asked), place, f"{what} holds {found}: {hidden(url.removeprefix(own))}"
                )


def named_in(url: str, mail: str = "") -> str:
    """What names a person in path or query, or "": a mail address, or a hash of this one."""
    parts = urlsplit(url)
    text = unquote(f"{parts.path}?{parts.query}")
    if any(is_listed(found[1]) for found in _MAIL.finditer(text)):
        return "a mail address"
    plain = mail.strip().lower().encode()
    hashes = [hashlib.new(name, plain, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256")]
    return "a hash of the mail address" if mail and any(one in text.lower() for one in hashes) else ""


def hidden(url: str) -> str:
    """The same without the mail addresses: a report shall not spread them."""
    plain = unquote(url)
    found = _MAIL.sub(lambda mail: HIDDEN if is_listed(mail[1]) else mail[0], plain)
    return found if found != plain else url


def _subject(asked: Asked) -> str:
    path = hidden(urlsplit(asked.url).path)
    return f"{asked.host}{path}" if asked.third else path
