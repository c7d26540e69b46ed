"""The origin of a received mail: automatic mail, sender authentication and feedback reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from ..storage.keys import email_of
from .message import addresses, header, headers, printable_header, read, sender, undecoded, unquoted
from .phrases import is_absence

# Automatic mail: bounces, absence notes, mailing lists and bulk mail. It is never answered.

_AUTOMATIC_SENDERS = (
    "mailer-daemon",
    "mailer_daemon",
    "postmaster",
    "no-reply",
    "noreply",
    "no_reply",
    "donotreply",
    "do-not-reply",
)
_AUTOMATIC_HEADERS = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Auto-Reply",
    "X-Mail-Autoreply",
    "X-Loop",
    "X-Failed-Recipients",
)
_BULK_HEADERS = ("List-Id", "List-Unsubscribe", "List-Post", "Feedback-ID")


def is_bounce(message: Message) -> bool:
    """Return whether a mail is a delivery status report, or has an empty return path (RFC 3464; RFC 5321, 4.5.5)."""
    paths = [value.strip() for value in headers(message, "Return-Path")]
    if paths and paths[0] in ("<>", ""):
        return True
    return (
        _report_type(message) in ("delivery-status", "disposition-notification")
        or header(message, "X-Failed-Recipients") != ""
    )


def automatic_cause(message: Message) -> str:
    """Return why a mail is considered automatic, or an empty text (RFC 3834 and older conventions)."""
    submitted = unquoted(header(message, "Auto-Submitted"))[0].partition(";")[0].strip().lower()
    if submitted and submitted != "no":
        return f"Auto-Submitted: {submitted[:40]}"
    precedence = header(message, "Precedence").strip().lower()
    if precedence in ("bulk", "junk", "list", "auto_reply"):
        return f"Precedence: {precedence}"
    for name in (*_AUTOMATIC_HEADERS, *_BULK_HEADERS):
        if headers(message, name):
            return f"{name} is set"
    if any(address.rpartition("@")[0] in _AUTOMATIC_SENDERS for address in addresses(message, "From", "Sender")):
        return "the sender is a program"
    return "the subject is that of an absence note" if is_absence(header(message, "Subject")) else ""


def wants_no_answer(message: Message) -> bool:
    """Return whether the sender asks for no automatic reply (MS-OXCMAIL: X-Auto-Response-Suppress)."""
    return header(message, "X-Auto-Response-Suppress") not in ("", "None")


def is_of_apple_mail(message: Message) -> bool:
    """Return whether a mail is an opt-out by Apple Mail's own button. It is marked as an automatic reply."""
    return header(message, "X-Apple-Unsubscribe").strip().lower() == "true"


def _report_type(message: Message) -> str:
    try:
        return (
            str(message.get_param("report-type") or "").lower() if message.get_content_type() == "multipart/report" else ""
        )
    except Exception:  # The Content-Type cannot be parsed.
        return ""


# Sender authentication by the receiving server (RFC 8601).

_result = re.compile(r"^\s*(dmarc|dkim|spf)\s*=\s*(\w+)", re.IGNORECASE)
_domain = re.compile(r"(?:header\.from|header\.d|header\.i|smtp\.mailfrom)\s*=\s*(?:[^\s;]*@)?([\w.-]+)", re.IGNORECASE)


def is_authenticated(message: Message, server: str | None) -> bool | None:
    """Return whether the receiving server authenticated the sender in the From header.

    None if there is no result and the server's name is not set. ``server`` is the name with which the receiving server
    begins its results; results under other names may be forged and are ignored. Without a name the topmost header counts,
    because the last server has added it.
    """
    results = [unquoted(value) for value in undecoded(message, "Authentication-Results")]
    if server is not None:
        results = [(value, is_balanced) for value, is_balanced in results if _server_of(value) == server.lower()]
    if not results:
        return None if server is None else False
    value, is_balanced = results[0]
    host = sender(message).rpartition("@")[2]
    return bool(host) and is_balanced and _has_passed(value, host)


def _server_of(value: str) -> str:
    return value.partition(";")[0].split(" ")[0].strip().lower() if value.strip() else ""


def _has_passed(value: str, host: str) -> bool:
    """Return whether the results authenticate a host: by DMARC, or without a DMARC result by DKIM or SPF."""
    results: dict[str, list[tuple[bool, str]]] = {}
    for part in value.split(";")[1:]:
        if result := _result.match(part):
            domain = _domain.search(part)
            passed = result[2].lower() == "pass"
            results.setdefault(result[1].lower(), []).append((passed, domain[1].lower() if domain else ""))
    if dmarc := results.get("dmarc"):
        matching = [passed for passed, name in dmarc if name in ("", host)]
        return bool(matching) and all(matching)
    return any(passed and _covers(name, host) for method in ("dkim", "spf") for passed, name in results.get(method, ()))


def _covers(domain: str, host: str) -> bool:
    """Return whether a host is an authenticated domain or a subdomain of it."""
    return "." in domain and (host == domain or host.endswith("." + domain))


# Feedback reports (RFC 5965): a mail provider sends one when a person presses "spam" or "unsubscribe".

#: The types that count as an opt-out. RFC 5965 defines "abuse"; the other two are registered with IANA.
OPT_OUT_TYPES = ("abuse", "opt-out", "opt-out-list")

_token = re.compile(r"[a-z2-7]{45}", re.IGNORECASE)


@dataclass(frozen=True)
class FeedbackReport:
    """A feedback report: its type, the address that it is about, and texts that may be unsubscribe tokens.

    The address is empty if the report does not contain it.
    """

    kind: str
    recipient: str
    candidates: tuple[str, ...]


def report_of(message: Message) -> FeedbackReport | None:
    """Return the feedback report in a message, or None if there is none."""
    try:
        parts = list(message.walk())
        report_part = next((part for part in parts if part.get_content_type() == "message/feedback-report"), None)
        originals = [part for part in parts if part.get_content_type() in ("message/rfc822", "text/rfc822-headers")]
    except Exception:
        return None
    if report_part is None:
        return None
    fields = _fields(report_part)
    original = next(filter(None, map(_message_in, originals)), None)
    to = next(iter(addresses(original, "To")), "") if original is not None else ""
    recipient = email_of(fields.get("original-rcpt-to", "").strip("<> ") or to)
    known = "" if recipient.startswith("redacted") else recipient  # a redacted address is a placeholder; RFC 6590
    return FeedbackReport(fields.get("feedback-type", "").lower(), known, _candidates(original, fields))


def _fields(part: Message) -> dict[str, str]:
    """Return a report's fields. The parser treats them as the headers of a nested message."""
    nested = _message_in(part)
    pairs = reversed(list(nested.raw_items())) if nested is not None else ()
    return {name.lower(): printable_header(str(value)).strip() for name, value in pairs}


def _message_in(part: Message) -> Message | None:
    """Return the message in a part. RFC 2046 forbids encoding it, but some mail programs do."""
    payload = part.get_payload()
    nested = payload[0] if isinstance(payload, list) and payload and isinstance(payload[0], Message) else None
    encoding = header(part, "Content-Transfer-Encoding").strip().lower()
    if nested is not None and encoding not in ("base64", "quoted-printable"):
        return nested
    text = _source_of(nested) if nested is not None else payload
    return read(_decoded(text, encoding).lstrip()).message if isinstance(text, str) else None


def _source_of(message: Message) -> str:
    """Return the encoded text that the parser took for a message."""
    rest = message.get_payload()
    return "".join(f"{name}: {value}\n" for name, value in message.raw_items()) + (rest if isinstance(rest, str) else "")


def _decoded(text: str, encoding: str) -> bytes:
    part = Message()
    part["Content-Transfer-Encoding"] = printable_header(encoding)
    part.set_payload(text)
    decoded = part.get_payload(decode=True)
    return decoded if isinstance(decoded, bytes) else b""


def _candidates(original: Message | None, fields: dict[str, str]) -> tuple[str, ...]:
    texts = [fields.get("original-envelope-id", "")]
    if original is not None:
        texts += [*headers(original, "List-Unsubscribe"), header(original, "Message-ID")]
    return tuple(candidate for text in texts for candidate in _token.findall(text))
