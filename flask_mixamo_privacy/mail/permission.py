"""Mail classes, and the permission to send a mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import MailClassError

PURPOSE = "marketing"  # also the name of the default list

CLASSES = ("marketing", "service", "request")

#: The explanation of each reason.
REASONS = {
    "opted-in": "The person opted in and has not opted out.",
    "service": "The mail is about the person's purchase or account.",
    "request": "The mail answers the person's request.",
    "no-address": "The address is not a valid mail address.",
    "no-opt-in": "The address has no opt-in.",
    "opted-out": "The person opted out.",
    "minor": "The person is known to be a child.",
    "key-missing": "PRIVACY_KEYS lacks a key of the stored opt-outs, so this person may have opted out. Add the key again.",
    "unavailable": "The database of rights cannot be reached, so an opt-out could not be looked up.",
}


@dataclass(frozen=True)
class MailPermission:
    """Whether a mail may be sent: true or false, with a ``reason`` for programs and a sentence (``says``) for people."""

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def says(self) -> str:
        return REASONS[self.reason]


def check_mail_class(mail_class: object, reference: object) -> str:
    """Return the class of a mail. Raises :class:`MailClassError` if the class or its reference is missing or invalid."""
    if mail_class not in CLASSES:
        hint = "Pass the class to privacy.may_mail(…) or privacy.mail_class(…)."
        raise MailClassError("The class of a mail", mail_class, ", ".join(CLASSES), hint)
    if mail_class == "service" and not _is_text(reference):
        allowed = 'a purchase or an account, such as "order 1017"'
        raise MailClassError("The reference of a service mail", reference, allowed, "Send a mail without one as marketing.")
    if mail_class == "request" and not _is_number(reference):
        hint = "Find it by `flask privacy requests list`."
        raise MailClassError("The reference of an answer", reference, "the number of the request", hint)
    return str(mail_class)


def _is_text(reference: object) -> bool:
    return reference is not None and not isinstance(reference, bool) and bool(str(reference).strip())


def _is_number(reference: object) -> bool:
    text = str(reference).strip().lstrip("#")
    return not isinstance(reference, bool) and text.isascii() and text.isdigit() and int(text) > 0


@dataclass(frozen=True)
class Browser:
    """The visitor who opts in by a form. Each value is looked up only if it is needed."""

    user: Callable[[], str]  # the logged-in user, an address or an id; empty without a login
    locale: Callable[[], str]
    base: Callable[[], str]  # the site's base URL, or empty if it is unknown
