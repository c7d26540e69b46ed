"""Feedback reports (RFC 5965): what a mail provider sends when somebody presses "spam" or "unsubscribe"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from ..storage.subjects import email_of
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
    recipient = email_of(said.get("original-rcpt-to", "").strip("<> ") or to)
    named = "" if recipient.startswith("redacted") else recipient  # RFC 6590: nobody's address
    return Report(said.get("feedback-type", "").lower(), named, _candidates(original, said))


def _fields(part: Message) -> dict[str, str]:
    """The fields of a report, which the parser takes for the headers of a message inside it."""
    inside = _inside(part)
    pairs = reversed(list(inside.raw_items())) if inside is not None else ()
    return {name.lower(): legible(str(value)).strip() for name, value in pairs}


def _original(parts: list[Message]) -> Message | None:
    return next(filter(None, map(_inside, parts)), None)


def _inside(part: Message) -> Message | None:
    """The message in a part. RFC 2046 lets it not be encoded, and some encode it all the same."""
    inside = part.get_payload()
    nested = inside[0] if isinstance(inside, list) and inside and isinstance(inside[0], Message) else None
    encoding = header(part, "Content-Transfer-Encoding").strip().lower()
    if nested is not None and encoding not in ("base64", "quoted-printable"):
        return nested
    text = _as_it_came(nested) if nested is not None else inside
    return read(_decoded(text, encoding).lstrip()).message if isinstance(text, str) else None


def _as_it_came(message: Message) -> str:
    """What the parser has taken for a message before it was decoded."""
    rest = message.get_payload()
    return "".join(f"{name}: {value}\n" for name, value in message.raw_items()) + (rest if isinstance(rest, str) else "")


def _decoded(text: str, encoding: str) -> bytes:
    part = Message()
    part["Content-Transfer-Encoding"] = legible(encoding)
    part.set_payload(text)
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def _candidates(original: Message | None, said: dict[str, str]) -> tuple[str, ...]:
    places = [said.get("original-envelope-id", "")]
    if original is not None:
        places += [*headers(original, "List-Unsubscribe"), header(original, "Message-ID")]
    return tuple(found for place in places for found in _token.findall(place))
