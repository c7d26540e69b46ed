"""What was sent by a program: bounces, absences, lists, bulk. None of it is ever answered."""

from __future__ import annotations

from email.message import Message

from .reading import addresses, header, headers, unquoted
from .words import is_absence

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
