"""Mail: a message made, and handed over by whatever the site sends with."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from urllib.parse import unquote, urlsplit

from ..errors import MailError
from ..rights.letters import Letter
from ..storage.moments import now

_PATIENCE = 20  # seconds for a mail server to answer

Send = Callable[[EmailMessage], object]


class Mailer:
    """Hands mails to ``PRIVACY_SEND``, else to the server of ``PRIVACY_SMTP_URL``."""

    def __init__(self, send: Send | None, smtp_url: str | None, name: str, sender: str | None) -> None:
        self._send = send or (_by_smtp(smtp_url) if smtp_url else None)
        self._name = name
        self._sender = sender

    @property
    def way_out(self) -> Send:
        """The callable that sends mails. Raises :class:`MailError` if none is set."""
        if self._send is None:
            raise MailError("No mail goes out: set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL to a mail server.")
        return self._send

    def send(self, letter: Letter) -> None:
        """Send a letter as plain text. Raises :class:`MailError` for whatever goes wrong."""
        send = self.way_out
        if self._sender is None:
            raise MailError("No mail goes out: declare a [contact] with an email in privacy.toml, as its sender.")
        try:
            send(self._message(letter))
        except Exception as error:  # a callable of the site's, or the network
            raise MailError(f"The mail could not be sent: {_without_names(error, letter.to)}") from error

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = Address(self._name, addr_spec=self._sender)
        message["To"] = Address(addr_spec=letter.to)
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(now())
        message["Message-ID"] = make_msgid(domain=(self._sender or "").rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation reply to it
        message.set_content(letter.text)
        message["Content-Language"] = letter.lang
        return message


def _without_names(error: Exception, to: str) -> str:
    """What went wrong, to be kept: a mail server's answer may repeat the address, so its code alone counts."""
    kind = type(error).__name__
    if isinstance(error, smtplib.SMTPException):
        refused = getattr(error, "recipients", None)  # of each address the code and the answer
        codes = {code for code, _ in refused.values()} if isinstance(refused, dict) else {getattr(error, "smtp_code", "")}
        return " ".join([kind, *sorted(str(code) for code in codes if code)])
    says = str(error)
    names = "@" in says or to.partition("@")[0].lower() in says.lower()
    return f"{kind}: {says}" if says and not names else kind


def _by_smtp(url: str) -> Send:
    """``smtp://user:password@host:587`` (encrypted where the server offers it) or ``smtps://…``."""
    found = urlsplit(url)
    host, secure = found.hostname or "localhost", found.scheme == "smtps"
    user, password = unquote(found.username or ""), unquote(found.password or "")

    def send(message: EmailMessage) -> None:
        context = ssl.create_default_context()
        server = (
            smtplib.SMTP_SSL(host, found.port or 465, timeout=_PATIENCE, context=context)
            if secure
            else smtplib.SMTP(host, found.port or 25, timeout=_PATIENCE)
        )
        with server:
            server.ehlo()
            if not secure and server.has_extn("starttls"):
                server.starttls(context=context)
                server.ehlo()
            if user:
                server.login(user, password)
            server.send_message(message)

    return send
