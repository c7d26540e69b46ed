"""The audit's rules for the interface: the banner, the way to decide, and URLs that identify a person."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from ...policy.model import Policy
from .evidence import UNASKED, BannerFacts, Button, Evidence, RequestMade, has_public_suffix
from .findings import Observation

# Rejecting must be as easy as accepting (EDPB cookie banner taskforce, 2023): as near, as large, as bright.

_ALIKE = 0.8  # of the other button's size or contrast; below it the difference is visible
_LEGIBLE = 7.0  # a contrast above which a difference does not matter (WCAG 2.1, 1.4.6)


def banner(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for page in evidence.pages:
        if page.banner is not None:
            for message in reject_obstacles(page.banner):
                selector = "form button[name=choice]"
                yield Observation("reject-harder-than-accept", "banner", page.place, message, "banner", selector)


def reject_obstacles(shown: BannerFacts) -> Iterator[str]:
    """Yield each way in which rejecting is harder than accepting."""
    accept, reject = shown.accept, shown.reject
    if accept is None:
        return
    if reject is None:
        yield "Accepting takes one click; there is no button to reject beside it."
        return
    if reject.area < _ALIKE * accept.area:
        yield f"The button to reject has {reject.area / accept.area:.0%} of the size of the button to accept."
    if reject.font < _ALIKE * accept.font:
        yield f"The text to reject is {reject.font:.0f} pixels high, the text to accept {accept.font:.0f}."
    if reject.contrast < min(_ALIKE * accept.contrast, _LEGIBLE):
        yield f"The text to reject has a contrast of {reject.contrast:.1f} : 1, the other {accept.contrast:.1f} : 1."
    if accept.fill > 1.5 * reject.fill and accept.fill > 1.5:
        yield f"The button to reject stands out by {reject.fill:.1f} : 1, the button to accept by {accept.fill:.1f} : 1."
    yield from _unequal_positions(accept, reject)


def _unequal_positions(accept: Button, reject: Button) -> Iterator[str]:
    if accept.in_view and not reject.in_view:
        yield "The button to reject is outside the window, the button to accept inside."
    if reject.order < 0 <= accept.order:
        yield "The Tab key does not reach the button to reject."
    elif reject.order - accept.order > 2:
        yield f"The Tab key reaches the button to reject {reject.order - accept.order} stops after the button to accept."


# A decision must be the visitor's own, possible for every visitor, and changeable.

_LEAST_TEXT = 0.2  # of the text with JavaScript


def answers(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for page in evidence.pages:
        displayed = page.html and page.status < 400
        if displayed and policy.optional and not page.settings_link:
            message = "It has no visible link to the settings page."
            yield Observation("no-way-back-to-settings", "", page.place, message)
        for name in page.ticked if page.place.state == UNASKED else ():
            message, selector = "Its box is ticked when the page loads.", f'input[value="{name}"]'
            yield Observation("pre-ticked", name, page.place, message, f"purposes.{name}", selector)
    yield from _without_javascript(evidence)


def _without_javascript(evidence: Evidence) -> Iterator[Observation]:
    texts = {(page.place.route, page.place.login): page.text for page in evidence.pages if page.place.state == UNASKED}
    for page in evidence.no_script_pages:
        full = texts.get((page.place.route, page.place.login), 0)
        if page.can_reject is False:
            message = "The form to reject was sent, and the purposes are not refused."
            yield Observation("blocked-without-javascript", "answer", page.place, message)
        elif page.text < _LEAST_TEXT * full:
            message = f"The page has {page.text} readable characters; with JavaScript it has {full}."
            yield Observation("blocked-without-javascript", "page", page.place, message)


# URLs that identify a person.

_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})")
MASK = "…@…"


def personal_data(evidence: Evidence, policy: Policy) -> Iterator[Observation]:
    for request in evidence.requests:
        own = f"{urlsplit(request.url).scheme}://{evidence.host}"
        mail = evidence.audit_logins.get(request.place.login, "")
        urls = [("The URL", request.url)]
        if request.third_party and request.referrer != request.url:
            urls.append((f"The Referer sent to {request.host}", request.referrer))
        for source, url in urls:
            if data := personal_data_in(url, mail if request.third_party else ""):
                place = replace(request.place, route=mask_addresses(request.place.route))
                message = f"{source} contains {data}: {mask_addresses(url.removeprefix(own))}"
                yield Observation("personal-data-in-url", _subject(request), place, message)


def personal_data_in(url: str, mail: str = "") -> str:
    """Return what identifies a person in path or query: "a mail address", a hash of ``mail``, or ""."""
    parts = urlsplit(url)
    text = unquote(f"{parts.path}?{parts.query}")
    if any(has_public_suffix(match[1]) for match in _MAIL.finditer(text)):
        return "a mail address"
    plain = mail.strip().lower().encode()
    hashes = [hashlib.new(name, plain, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256")]
    return "a hash of the mail address" if mail and any(one in text.lower() for one in hashes) else ""


def mask_addresses(url: str) -> str:
    """Return the URL or text with its mail addresses masked, so that a report does not spread them."""
    plain = unquote(url)
    masked = _MAIL.sub(lambda match: MASK if has_public_suffix(match[1]) else match[0], plain)
    return masked if masked != plain else url


def _subject(request: RequestMade) -> str:
    path = mask_addresses(urlsplit(request.url).path)
    return f"{request.host}{path}" if request.third_party else path
