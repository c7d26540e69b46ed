"""What a site says in code about the mail that it sends."""

from __future__ import annotations

import smtplib
from email.message import Message
from typing import Any

from flask import current_app, has_request_context

from .errors import MailError
from .mail.decision import Decision
from .mail.label import headers_of
from .mail.marketing import PURPOSE
from .mail.reading import addresses
from .mail.sending import Guarded
from .rights.mail import Send
from .site import site
from .whereabouts import base_of_request, base_of_site
from .wording import Wording


class Mailing:
    """The part of :class:`Privacy` that lets mail leave, or not. All of it needs an app context."""

    def may_mail(
        self, address: str, mail_class: str | None = None, reference: object = None, *, list: str | None = None
    ) -> Decision:
        """Whether a mail may leave now: true or false, with a ``reason``. Ask when it leaves, not when the list is made.

        ``"marketing"`` needs an opt-in and no opt-out, of this list where one is named, and no known child;
        ``"service"`` passes an opt-out and needs the purchase or the account that it is about as its reference;
        ``"request"`` answers a request, whose number is its reference. Raises :class:`MailClassError` for a mail that
        does not say what it is, or lacks its reference.
        """
        return site().mail.may_mail(address, mail_class, reference, list)

    def opt_in(
        self,
        address: str,
        list: str = PURPOSE,
        *,
        wording: Wording | None = None,
        text: str = "",
        source: str = "form",
        locale: str = "",
    ) -> Decision:
        """Sign an address up; false for a known child. Call it once the person ticked the box, and at no other time.

        The ledger keeps when, under which version of the policy, and the digest of the words that stood there: of
        ``wording``, which is kept whole, or ``text``, a digest of the caller's. Raises :class:`LedgerUnavailable` or
        :class:`RightsUnavailable` where that cannot be written: then nobody was signed up.
        """
        return site().mail.marketing.opt_in(address, list, wording=wording, text=text, source=source, locale=locale)

    def opt_out(self, address: str, list: str | None = None, *, source: str = "site") -> None:
        """Take an address off a list, or off all of them."""
        site().mail.marketing.opt_out(address, list or "", source)

    def unsubscribe_headers(self, address: str, list: str = PURPOSE) -> dict[str, str]:
        """``List-Unsubscribe`` and ``List-Unsubscribe-Post`` for one mail to one address (RFC 2369, RFC 8058)."""
        return site().mail.headers(address, list, base_of_mails())

    def unsubscribe_url(self, address: str, list: str = PURPOSE) -> str:
        """The page where this person unsubscribes, for a link in the mail's text."""
        return site().mail.link(address, list, base_of_mails())

    def mail_class(self, mail_class: str, reference: object = None, *, list: str | None = None) -> dict[str, str]:
        """The header by which a mail says what it is until it leaves, for :meth:`smtp` and the Flask-Mailman backend."""
        return headers_of(mail_class, reference, list)

    def smtp(self, server: smtplib.SMTP) -> Guarded:
        """Wrap a connection: what is sent by it is decided on as it leaves, and what may not leave does not."""
        return Guarded(server, site().mail, base_of_mails())

    def send(self, message: Message) -> dict[str, tuple[int, bytes]]:
        """Send a mail that says what it is by ``PRIVACY_SEND`` or ``PRIVACY_SMTP_URL``; gives whom it was held back from.

        Sender, date and Message-ID are added where they are missing.
        """
        here = site()
        way = here.rights.way_out
        if way is None:
            raise MailError("No mail goes out: set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL to a mail server.")
        for name, value in here.mail.stationery().items():
            if name not in message:
                message[name] = value
        return Guarded(_Way(way), here.mail, base_of_mails()).send_message(message)


class _Way:
    """A callable that sends, in the place of a connection."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def send_message(self, message: Any, from_addr: str | None = None, to_addrs: Any = None, *rest: Any) -> dict[str, Any]:
        if set(addresses(message, "To", "Cc", "Bcc")) != set(to_addrs):  # it goes to nobody who was held back
            for name in ("To", "Cc", "Bcc"):
                del message[name]
            message["To"] = ", ".join(to_addrs)
        self._send(message)
        return {}


def base_of_mails() -> str:
    """Where the site is; raises :class:`MailError` where that is not known."""
    base = base_of_request() if has_request_context() else base_of_site()
    if not base and current_app.testing:
        return "https://localhost"
    if not base:
        raise MailError(
            'The links in a mail need a host: set PRIVACY_BASE_URL to where the site is, such as "https://shop.example".'
        )
    return base
