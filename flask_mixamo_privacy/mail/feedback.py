"""Feedback reports (RFC 5965): what a mail provider sends when somebody presses "spam" or "unsubscribe"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from .addresses import spelling
from .reading import addresses, header, headers, legible, read

#: Types that say a person wants no more of it; "opt-out" and "opt-out-list" are registered beside those of RFC 5965.
COUNTS = ("abuse", "opt-out", "opt-out-list")

_token = re.compile(r"[a-z2-7]{45}", re.IGNORECASE)


@dataclass(frozen=True)
class Report:
    """A report: its type, the address it is about where it says so, and all in it that may be a token of ours."""

    kind: str
    recipient: str
    candidates: tuple[str, ...]


def report_of(message: Message) -> Report | None:
    """The report that a message is, or None."""
    try:
        parts = list(message.walk())
        fields = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
        originals = [part for part in parts if part.get_content_type() in ("message/rfc822", "text/rfc822-headers")]
    except Exception:
        return None
    if fields is None:
        return None
    said = _fields(fields)
    original = _original(originals)
    to = next(iter(addresses(original, "To")), "") if original is not None else ""
    recipient = spelling(said.get("original-rcpt-to", "").strip("<> ") or to)
    named = "" if recipient.startswith("redacted") else recipient  # RFC 6590: nobody's address
    return Report(said.get("feedback-type", "").lower(), named, _candidates(original, said))


def _fields(part: Message) -> dict[str, str]:
    """The fields of a report, which the parser takes for the headers of a message inside it."""
    inside = part.get_payload()
    if isinstance(inside, list) and inside and isinstance(inside[0], Message):
        return {name.lower(): legible(str(value)).strip() for name, value in reversed(list(inside[0].raw_items()))}
    lines = str(inside)[:20_000].splitlines() if isinstance(inside, str) else []
    pairs = (line.partition(":") for line in reversed(lines))
    return {legible(name).strip().lower(): legible(value).strip() for name, colon, value in pairs if colon}


def _original(parts: list[Message]) -> Message | None:
    for part in parts:
        inside = part.get_payload()
        if isinstance(inside, list) and inside and isinstance(inside[0], Message):
            return inside[0]
        if isinstance(inside, str):
            return read(inside.encode("utf-8", "replace")).message
    return None


def _candidates(original: Message | None, said: dict[str, str]) -> tuple[str, ...]:
    places = [said.get("original-envelope-id", "")]
    if original is not None:
        places += [*headers(original, "List-Unsubscribe"), header(original, "Message-ID")]
    return tuple(found for place in places for found in _token.findall(place))
