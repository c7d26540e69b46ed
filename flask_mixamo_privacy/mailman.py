"""A Flask-Mailman backend that sends only permitted mail: ``MAIL_BACKEND = "flask_mixamo_privacy.mailman"``."""

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
        """A substitute without Flask-Mailman. It raises on first use."""

        def __init__(self, *args: Any, **values: Any) -> None:
            raise ImportError("This backend needs Flask-Mailman. Install it: pip install Flask-Mailman.")


def guarded(backend: type[Any]) -> type[Any]:
    """Return a Flask-Mailman backend that checks the permission of each mail when it is sent.

    A mail has its mail class from ``headers=privacy.mail_class(…)``. A mail without one raises :class:`MailClassError`,
    and no mail of the same call is sent.
    """

    class EmailBackend(backend):  # type: ignore[misc]
        def send_messages(self, email_messages: Iterable[Any]) -> int:
            permitted = [copied for message in email_messages for copied in _permitted_copies(message)]
            return int(super().send_messages(permitted) or 0) if permitted else 0

    return EmailBackend


def _permitted_copies(message: Any) -> Iterator[Any]:
    """Yield one copy for all permitted recipients, or one each, with its own headers, if the mail is marketing."""
    mail_class = read_mail_class(str(message.extra_headers.get(NAME, "")))
    gate = current_runtime().mail
    permitted = [
        recipient
        for recipient in message.recipients()
        if gate.may_mail(recipient, mail_class.name, mail_class.reference, mail_class.list)
    ]
    if mail_class.name == "marketing":
        yield from (_copy(message, mail_class, to=[recipient], cc=[], bcc=[]) for recipient in permitted)
    elif permitted:
        fields = {name: [one for one in getattr(message, name) if one in permitted] for name in ("to", "cc", "bcc")}
        yield _copy(message, mail_class, **fields)


def _copy(message: Any, mail_class: MailClass, **recipients: list[str]) -> Any:
    copied = copy.copy(message)
    for name, addresses in recipients.items():
        setattr(copied, name, addresses)
    copied.extra_headers = {name: value for name, value in message.extra_headers.items() if name != NAME}
    if mail_class.name == "marketing":
        copied.extra_headers |= current_runtime().mail.marketing_headers(
            recipients["to"][0], mail_class, str(message.subject), base_of_mails()
        )
    return copied


EmailBackend = guarded(SmtpBackend)
