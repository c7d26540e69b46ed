"""Whether a mail may leave, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import MailClassError

PURPOSE = "marketing"  # and the name of the list, where a site has only one

CLASSES = ("marketing", "service", "request")

#: What each reason means, for people who read a log.
REASONS = {
    "opted-in": "The person signed up for it and has not taken that back.",
    "service": "It is about a purchase or an account of the person's.",
    "request": "It answers a request of the person's.",
    "no-address": "This is no mail address.",
    "no-opt-in": "Nobody signed this address up.",
    "opted-out": "The person does not want marketing mail.",
    "minor": "The person is known to be a child.",
    "key-missing": "PRIVACY_KEYS lacks a key under which somebody opted out, maybe this person. Put the key back.",
    "unavailable": "Whether the person opted out could not be looked up.",
}


@dataclass(frozen=True)
class MailPermission:
    """True where the mail may leave; ``reason`` is a word for programs, ``says`` a sentence for people."""

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def says(self) -> str:
        return REASONS[self.reason]


def checked(mail_class: object, reference: object) -> str:
    """The class of a mail; raises :class:`MailClassError` where it is missing, or lacks the reference that it needs."""
    if mail_class not in CLASSES:
        hint = "Every mail says what it is: marketing, a service for a purchase or an account, or the answer to a request."
        raise MailClassError("The class of a mail", mail_class, ", ".join(CLASSES), hint)
    if mail_class == "service" and not _says_something(reference):
        allowed = 'the purchase or the account it is about, such as "order 1017"'
        raise MailClassError("The reference of a service mail", reference, allowed, "A mail without one is marketing.")
    if mail_class == "request" and not _is_number(reference):
        hint = "`flask privacy requests list` shows it."
        raise MailClassError("The reference of an answer", reference, "the number of the request", hint)
    return str(mail_class)


def _says_something(reference: object) -> bool:
    return reference is not None and not isinstance(reference, bool) and bool(str(reference).strip())


def _is_number(reference: object) -> bool:
    text = str(reference).strip().lstrip("#")
    return not isinstance(reference, bool) and text.isascii() and text.isdigit() and int(text) > 0
