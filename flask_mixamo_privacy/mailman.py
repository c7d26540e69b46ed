"""A backend for Flask-Mailman that lets nothing leave which may not: ``MAIL_BACKEND = "flask_mixamo_privacy.mailman"``."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from .mail.outgoing import NAME, MailClass, read_mail_class
from .web.context import current_runtime
from .web.http import base_of_mails

try:
    from flask_mailman.backends.smtp import EmailBackend as SmtpBackend
except ImportError:

    class SmtpBackend:  # type: ignore[no-redef]
        """What stands in where Flask-Mailman is not installed: it says so at the first use."""

        def __init__(self, *args: Any, **values: Any) -> None:
            raise ImportError("This is a backend of Flask-Mailman, which is not installed: pip install Flask-Mailman")


def guarded(backend: type[Any]) -> type[Any]:
    """Any backend of Flask-Mailman's, made to decide on each mail as it leaves.

    A mail says what it is by ``headers=privacy.mail_class(…)``; one that does not raises :class:`MailClassError`, and
    then none of those given to it in one go has left.
    """

    class EmailBackend(backend):  # type: ignore[misc]
        def send_messages(self, email_messages: Iterable[Any]) -> int:
            leaving = [copied for message in email_messages for copied in _allowed(message)]
            return int(super().send_messages(leaving) or 0) if leaving else 0

    return EmailBackend


def _allowed(message: Any) -> Iterator[Any]:
    """What of a mail may leave: one for all who may get it, or of a marketing mail one each, with headers of its own."""
    label = read_mail_class(str(message.extra_headers.get(NAME, "")))
    room = current_runtime().mail
    may = [one for one in message.recipients() if room.may_mail(one, label.name, label.reference, label.list)]
    if label.name == "marketing":
        yield from (_copied(message, label, to=[one], cc=[], bcc=[]) for one in may)
    elif may:
        kept = {name: [one for one in getattr(message, name) if one in may] for name in ("to", "cc", "bcc")}
        yield _copied(message, label, **kept)


def _copied(message: Any, label: MailClass, **recipients: list[str]) -> Any:
    leaving = copy.copy(message)
    for name, addresses in recipients.items():
        setattr(leaving, name, addresses)
    leaving.extra_headers = {name: value for name, value in message.extra_headers.items() if name != NAME}
    if label.name == "marketing":
        leaving.extra_headers |= current_runtime().mail.marketing_headers(
            recipients["to"][0], label, str(message.subject), base_of_mails()
        )
    return leaving


EmailBackend = guarded(SmtpBackend)
