"""Addresses that name a person."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from ...policy.model import Policy
from .evidence import UNASKED, BannerFacts, Button, Evidence, RequestMade, is_listed
from .findings import Observation

# Whether refusing is as easy as accepting (EDPB cookie banner taskforce, 2023): as near, as large, as bright.

_ENOUGH = 0.8  # of the other's size or contrast; below it a difference is seen
_LEGIBLE = 7.0  # a contrast above which more makes nothing clearer (WCAG 2.1, 1.4.6)


def banner(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for page in evidence.pages:
        if page.banner is not None:
            for says in harder(page.banner):
                selector = "form button[name=choice]"
                yield Observation("reject-harder-than-accept", "banner", page.place, says, "banner", selector)


def harder(shown: BannerFacts) -> Iterator[str]:
    """Every way in which refusing is harder."""
    accept, reject = shown.accept, shown.reject
    if accept is None:
        return
    if reject is None:
        yield "Accepting takes one press; there is no button beside it that refuses."
        return
    if reject.area < _ENOUGH * accept.area:
        yield f"The button that refuses has {reject.area / accept.area:.0%} of the other's size."
    if reject.font < _ENOUGH * accept.font:
        yield f"Its text is {reject.font:.0f} pixels high, the other's {accept.font:.0f}."
    if reject.contrast < min(_ENOUGH * accept.contrast, _LEGIBLE):
        yield f"Its text has a contrast of {reject.contrast:.1f} : 1, the other's {accept.contrast:.1f} : 1."
    if accept.fill > 1.5 * reject.fill and accept.fill > 1.5:
        yield f"Its surface stands out by {reject.fill:.1f} : 1, the other's by {accept.fill:.1f} : 1."
    yield from _places(accept, reject)


def _places(accept: Button, reject: Button) -> Iterator[str]:
    if accept.in_view and not reject.in_view:
        yield "It is outside the window in which the other is seen."
    if reject.order < 0 <= accept.order:
        yield "The Tab key never comes to it."
    elif reject.order - accept.order > 2:
        yield f"The Tab key comes to it {reject.order - accept.order} stops after the other."


# Whether an answer is the visitor's own, can be given by everybody, and can be changed.

_LEAST = 0.2  # of the text that there is with JavaScript


def answers(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for page in evidence.pages:
        shown = page.html and page.status < 400
        if shown and policy.optional and not page.settings_link:
            says = "No link to the settings page can be seen on it."
            yield Observation("no-way-back-to-settings", "", page.place, says)
        for name in page.ticked if page.place.state == UNASKED else ():
            yield Observation(
                "pre-ticked",
                name,
                page.place,
                "Its box is ticked when the page comes.",
                f"purposes.{name}",
                f'input[value="{name}"]',
            )
    yield from _plain(evidence)


def _plain(evidence: Evidence) -> Iterator[Observation]:
    texts = {page.place.route: page.text for page in evidence.pages if page.place.state == UNASKED}
    for plain in evidence.plain:
        full = texts.get(plain.place.route, 0)
        if plain.answered is False:
            yield Observation(
                "blocked-without-javascript",
                "answer",
                plain.place,
                "The form that refuses was sent, and nothing was refused.",
            )
        elif plain.text < _LEAST * full:
            says = f"{plain.text} characters to read, where with JavaScript there are {full}."
            yield Observation("blocked-without-javascript", "page", plain.place, says)


_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})")
HIDDEN = "…@…"


def persons(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for asked in evidence.asked:
        own = f"{urlsplit(asked.url).scheme}://{evidence.host}"
        mail = evidence.audit_logins.get(asked.place.login, "")
        for what, url in (("The address", asked.url), ("The Referer sent to " + asked.host, asked.referrer)):
            if what != "The address" and (not asked.third or asked.referrer == asked.url):
                continue
            if found := named_in(url, mail if asked.third else ""):
                place = replace(asked.place, route=hidden(asked.place.route))
                yield Observation(
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


def _subject(asked: RequestMade) -> str:
    path = hidden(urlsplit(asked.url).path)
    return f"{asked.host}{path}" if asked.third else path
