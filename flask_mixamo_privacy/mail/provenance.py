"""Feedback reports (RFC 5965): what a mail provider sends when somebody presses "spam" or "unsubscribe"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from ..storage.keys import email_of
from .message import addresses, header, headers, printable_header, read, sender, undecoded, unquoted
from .phrases import is_absence

# What was sent by a program: bounces, absences, lists, bulk. None of it is ever answered.

_PROGRAMS = ("mailer-daemon", "mailer_daemon", "postmaster", "no-reply", "noreply", "no_reply", "donotreply", "do-not-reply")
_MARKS = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Auto-Reply",
    "X-Mail-Autoreply",
    "X-Loop",
    "X-Failed-Recipients",
)
_BULK = ("List-Id", "List-Unsubscribe", "List-Post", "Feedback-ID")


def is_bounce(message: Message) -> bool:
    """A mail that says another did not arrive, or one with the empty return path (RFC 3464, RFC 5321 4.5.5)."""
    paths = [value.strip() for value in headers(message, "Return-Path")]
    if paths and paths[0] in ("<>", ""):
        return True
    return (
        _report(message) in ("delivery-status", "disposition-notification") or header(message, "X-Failed-Recipients") != ""
    )


def is_automatic(message: Message) -> str:
    """Why a mail is taken to be a program's, or nothing (RFC 3834, and what is older than it)."""
    submitted = unquoted(header(message, "Auto-Submitted"))[0].partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return f"Auto-Submitted: {submitted[:40]}"
    precedence = header(message, "Precedence").strip().lower()
    if precedence in ("bulk", "junk", "list", "auto_reply"):
        return f"Precedence: {precedence}"
    for name in (*_MARKS, *_BULK):
        if headers(message, name):
            return f"{name} is set"
    if any(address.rpartition("@")[0] in _PROGRAMS for address in addresses(message, "From", "Sender")):
        return "its sender is a program"
    return "its subject is an absence's" if is_absence(header(message, "Subject")) else ""


def wants_no_answer(message: Message) -> bool:
    """Whether its sender asks that programs keep quiet (MS-OXCMAIL: X-Auto-Response-Suppress)."""
    return header(message, "X-Auto-Response-Suppress") not in ("", "None")


def is_of_apple_mail(message: Message) -> bool:
    """Apple Mail's own opt-out, which it marks as an automatic reply."""
    return header(message, "X-Apple-Unsubscribe").strip().lower() == "true"


def _report(message: Message) -> str:
    try:
        return (
            str(message.get_param("report-type") or "").lower() if message.get_content_type() == "multipart/report" else ""
        )
    except Exception:  # a Content-Type that cannot be taken apart
        return ""


# Whether the receiving server says that a mail comes from where its From says (RFC 8601).

_result = re.compile(r"^\s*(dmarc|dkim|spf)\s*=\s*(\w+)", re.IGNORECASE)
_domain = re.compile(r"(?:header\.from|header\.d|header\.i|smtp\.mailfrom)\s*=\s*(?:[^\s;]*@)?([\w.-]+)", re.IGNORECASE)


def verdict(message: Message, server: str | None) -> bool | None:
    """True where the From is authenticated, False where it is not, None where the server says nothing.

    ``server`` is the name under which it writes its results; what a sender wrote under another name is not looked at.
    Without it the topmost header is believed, which is the one that was put on last.
    """
    found = [unquoted(value) for value in undecoded(message, "Authentication-Results")]
    if server is not None:
        found = [(value, is_whole) for value, is_whole in found if _server_of(value) == server.lower()]
    if not found:
        return None if server is None else False
    value, is_whole = found[0]
    host = sender(message).rpartition("@")[2]
    return bool(host) and is_whole and _says(value, host)


def _server_of(value: str) -> str:
    return value.partition(";")[0].split(" ")[0].strip().lower() if value.strip() else ""


def _says(value: str, host: str) -> bool:
    """DMARC decides where there is one; else a signature or an envelope of just this host."""
    results: dict[str, list[tuple[bool, str]]] = {}
    for part in value.split(";")[1:]:
        if found := _result.match(part):
            named = _domain.search(part)
            results.setdefault(found[1].lower(), []).append((found[2].lower() == "pass", named[1].lower() if named else ""))
    if dmarc := results.get("dmarc"):
        mine = [passed for passed, domain in dmarc if domain in ("", host)]
        return bool(mine) and all(mine)
    return any(passed and _is_of(domain, host) for way in ("dkim", "spf") for passed, domain in results.get(way, ()))


def _is_of(domain: str, host: str) -> bool:
    """Whether who speaks for a domain may speak for a host: for itself and what is below it."""
    return "." in domain and (host == domain or host.endswith("." + domain))


#: Types that say a person wants no more of it; "opt-out" and "opt-out-list" are registered beside those of RFC 5965.
COUNTS = ("abuse", "opt-out", "opt-out-list")

_token = re.compile(r"[a-z2-7]{45}", re.IGNORECASE)


@dataclass(frozen=True)
class FeedbackReport:
    """A report: its type, the address it is about where it says so, and all in it that may be a token of ours."""

    kind: str
    recipient: str
    candidates: tuple[str, ...]


def report_of(message: Message) -> FeedbackReport | None:
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
    return FeedbackReport(said.get("feedback-type", "").lower(), named, _candidates(original, said))


def _fields(part: Message) -> dict[str, str]:
    """The fields of a report, which the parser takes for the headers of a message inside it."""
    inside = _inside(part)
    pairs = reversed(list(inside.raw_items())) if inside is not None else ()
    return {name.lower(): printable_header(str(value)).strip() for name, value in pairs}


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
    part["Content-Transfer-Encoding"] = printable_header(encoding)
    part.set_payload(text)
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def _candidates(original: Message | None, said: dict[str, str]) -> tuple[str, ...]:
    places = [said.get("original-envelope-id", "")]
    if original is not None:
        places += [*headers(original, "List-Unsubscribe"), header(original, "Message-ID")]
    return tuple(found for place in places for found in _token.findall(place))
