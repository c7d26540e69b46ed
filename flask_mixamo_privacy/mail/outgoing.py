"""Outgoing mail: each mail is checked when it leaves, for each recipient."""

from __future__ import annotations

import copy
import logging
import re
import secrets
import smtplib
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, formataddr, make_msgid
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from ..config import Settings
from ..errors import MailError
from ..ledger.ledger import Ledger
from ..rights.emails import Email
from ..storage.clock import now
from ..storage.keys import KeyRing, email_of, with_ascii_host
from .headers import keep_structured_whole, set_headers, whole_header
from .message import addresses, header
from .permission import MailPermission, check_mail_class
from .phrases import starts_or_ends_with_unsubscribe
from .preference_store import EVERYTHING
from .preferences import IsMinor, MarketingPreferences
from .unsubscribe import UnsubscribeLinks

# The class of a mail, in a header that is removed when the mail leaves.

NAME = "Privacy-Class"


@dataclass(frozen=True)
class MailClass:
    """A mail's class, its reference and its list."""

    name: str | None
    reference: str | None = None
    list: str | None = None


def headers_of(mail_class: str, reference: object, list_name: str | None) -> dict[str, str]:
    """Return the header with the class of a mail. Raises :class:`MailClassError`."""
    fields = {"class": check_mail_class(mail_class, reference), "reference": reference, "list": list_name}
    return {NAME: whole_header(NAME, urlencode({name: value for name, value in fields.items() if value is not None}))}


def mail_class_of(message: Message) -> MailClass:
    """Return the class of a mail. Every field is None if the mail has no class."""
    return read_mail_class(header(message, NAME))


def read_mail_class(text: str) -> MailClass:
    fields = {name: values[0] for name, values in parse_qs("".join(text.split())).items()}
    return MailClass(fields.get("class"), fields.get("reference"), fields.get("list"))


class MailGate:
    """Decides which mails of a site may leave, and with which headers. Creating it does not access the disk."""

    def __init__(self, settings: Settings, ledger: Ledger, keys: KeyRing, is_minor: IsMinor) -> None:
        policy = settings.policy
        self.marketing = MarketingPreferences(settings.rights_url, ledger, keys, policy, is_minor)
        self.held_back: Counter[str] = Counter()  # mails of this process, by reason
        self.unsubscribe = policy.marketing.unsubscribe if policy.marketing else ""
        self.contact = policy.contact.email if policy.contact else ""
        self.sender = with_ascii_host(settings.mail_from or self.contact or self.unsubscribe)
        self._own_words = settings.languages.own_texts("Unsubscribe")
        self._name = " ".join(policy.site.split())  # a header is one line
        self.links = UnsubscribeLinks(self.marketing.tokens, settings.url_prefix, self.unsubscribe)

    def may_mail(
        self, address: str, mail_class: object, reference: object = None, list_name: str | None = None
    ) -> MailPermission:
        """Return the permission at this moment. Raises :class:`MailClassError` for a mail without a valid class."""
        if check_mail_class(mail_class, reference) == "marketing":
            permission = self.marketing.may_mail(address, list_name)
        else:
            is_valid = bool(email_of(address))
            permission = MailPermission(is_valid, str(mail_class) if is_valid else "no-address")
        if not permission:
            self.held_back[permission.reason] += 1
        return permission

    def message_id(self, address: str, list_name: str, subject: str) -> str:
        """Return a Message-ID that identifies the recipient, so that a reply can be matched.

        It contains ``.word`` if our own subject contains a word for "unsubscribe". The word in a reply's subject then has
        no meaning.
        """
        suffix = ".word" if starts_or_ends_with_unsubscribe(subject, self._own_words) else ""
        token = self.marketing.tokens.make(address, list_name)
        return f"<{token}.{secrets.token_hex(8)}{suffix}@{self.sender.rpartition('@')[2]}>"

    def marketing_headers(self, address: str, mail_class: MailClass, subject: str, base: str) -> dict[str, str]:
        """Return the unsubscribe headers and the Message-ID of a marketing mail. Other mails get none."""
        if mail_class.name != "marketing":
            return {}
        list_name = mail_class.list or EVERYTHING
        return self.links.headers(address, list_name, base) | {"Message-ID": self.message_id(address, list_name, subject)}

    def default_headers(self) -> dict[str, str]:
        """Return the headers of every mail: From, Date and Message-ID."""
        message_id = make_msgid(domain=self.sender.rpartition("@")[2] or None)
        return {"From": self._from(), "Date": format_datetime(now()), "Message-ID": message_id}

    def _from(self) -> str:
        sender = _mailbox(self.sender, self._name)
        if self.sender.isascii():
            return formataddr((self._name, sender.addr_spec)) if self.sender else ""
        return str(sender)  # formataddr() refuses it


logger = logging.getLogger("flask_mixamo_privacy")

HeldBack = dict[str, tuple[int, bytes]]

_AS_SENT = SMTP.clone(refold_source="none")  # a header of a text keeps its lines


class Server(Protocol):
    """The part of ``smtplib.SMTP`` that is used."""

    def send_message(self, message: Any, from_addr: Any = None, to_addrs: Any = None, *rest: Any) -> dict[str, Any]: ...


class CallableServer:
    """A connection that sends each message by a callable."""

    def __init__(self, send: Callable[[Any], object]) -> None:
        self._send = send

    def send_message(self, message: Any, from_addr: str | None = None, to_addrs: Any = None, *rest: Any) -> dict[str, Any]:
        if set(addresses(message, "To", "Cc", "Bcc")) != set(to_addrs):  # some recipients were held back
            for name in ("To", "Cc", "Bcc"):
                del message[name]
            message["To"] = ", ".join(to_addrs)
        self._send(message)
        return {}


class FilteringSMTP:
    """A connection to a mail server that sends a mail only to permitted recipients.

    Every other attribute is that of the connection. Sending a mail without a class (``privacy.mail_class(…)``) raises
    :class:`MailClassError`, and then it is sent to no recipient.
    """

    def __init__(self, server: Server, gate: MailGate, base: str) -> None:
        self._server = server
        self._gate = gate
        self._base = base

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def __enter__(self) -> FilteringSMTP:
        self._server.__enter__()  # type: ignore[attr-defined]
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.__exit__(*raised)  # type: ignore[attr-defined]

    def send_message(
        self, message: Message, from_addr: str | None = None, to_addrs: Any = None, *rest: Any, **options: Any
    ) -> HeldBack:
        """Send a message as ``smtplib.SMTP`` does, and return the recipients to whom it was not sent.

        A recipient without permission has the code 550 and the reason.
        """

        def deliver(copied: Message, batch: list[str]) -> HeldBack:
            return self._server.send_message(copied, from_addr, batch, *rest, **options)

        return self._deliver(message, _as_list(to_addrs) or addresses(message, "To", "Cc", "Bcc"), deliver)

    def sendmail(self, from_addr: str, to_addrs: Any, msg: str | bytes, *rest: Any, **options: Any) -> HeldBack:
        """Send the text of a message as :meth:`send_message` does. Its other lines leave as they are."""
        message = (
            message_from_bytes(msg, policy=_AS_SENT) if isinstance(msg, bytes) else message_from_string(msg, policy=_AS_SENT)
        )

        def deliver(copied: Message, batch: list[str]) -> HeldBack:
            return self._server.sendmail(from_addr, batch, copied.as_bytes(), *rest, **options)  # type: ignore[attr-defined, no-any-return]

        return self._deliver(message, _as_list(to_addrs), deliver)

    def _deliver(
        self, message: Message, recipients: Iterable[str], deliver: Callable[[Message, list[str]], HeldBack]
    ) -> HeldBack:
        mail_class = mail_class_of(message)
        permitted, held_back = self._partition(recipients, mail_class)
        for batch in [[one] for one in permitted] if mail_class.name == "marketing" else filter(None, [permitted]):
            held_back |= deliver(self._prepared(message, batch[0], mail_class), batch)
        return held_back

    def _partition(self, recipients: Iterable[str], mail_class: MailClass) -> tuple[list[str], HeldBack]:
        permitted, held_back = [], {}
        for address in recipients:
            permission = self._gate.may_mail(address, mail_class.name, mail_class.reference, mail_class.list)
            if permission:
                permitted.append(address)
            else:
                held_back[address] = (550, permission.reason.encode())
                logger.info("A mail was held back: %s", permission.says)
        return permitted, held_back

    def _prepared(self, message: Message, address: str, mail_class: MailClass) -> Message:
        """Return a copy without the class. A marketing mail gets the headers of its recipient."""
        copied = copy.deepcopy(message)
        del copied[NAME]
        keep_structured_whole(copied)
        set_headers(copied, self._gate.marketing_headers(address, mail_class, header(message, "Subject"), self._base))
        return copied


def _as_list(addresses: str | Sequence[str] | None) -> list[str]:
    return [addresses] if isinstance(addresses, str) else list(addresses or ())


# The transport of the extension's own mails.

_TIMEOUT = 20  # seconds
_NO_TRANSPORT = "No mail can be sent: set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL to a mail server."
_NO_SENDER = "No mail can be sent: declare a [contact] with an email in privacy.toml, as the sender."
_NO_UTF8 = (
    "the name in the address has letters beyond ASCII, and the mail server does not accept them. "
    "Set PRIVACY_SMTP_URL to a server with SMTPUTF8 (RFC 6531)."
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')

Send = Callable[[EmailMessage], object]


class MailTransport:
    """Sends mails by ``PRIVACY_SEND``, or if that is not set by the server of ``PRIVACY_SMTP_URL``."""

    def __init__(self, send: Send | None, smtp_url: str | None, name: str, sender: str | None) -> None:
        self._send = send or (_by_smtp(smtp_url) if smtp_url else None)
        self._name = " ".join(name.split())  # a header is one line
        self._sender = with_ascii_host(sender or "")

    @property
    def transport(self) -> Send:
        """The callable that sends mails. Raises :class:`MailError` if none is set."""
        if self._send is None:
            raise MailError(_NO_TRANSPORT)
        return self._send

    @property
    def problem(self) -> str:
        """The setting that is missing, as a sentence with the next step. Empty if mails can be sent."""
        return _NO_TRANSPORT if self._send is None else "" if self._sender else _NO_SENDER

    def send(self, email: Email) -> None:
        """Send an email as plain text. Raises :class:`MailError` for any error."""
        send = self.transport
        if not self._sender:
            raise MailError(_NO_SENDER)
        try:
            send(self._message(email))
        except Exception as error:  # PRIVACY_SEND is the site's own code, and may raise anything
            raise MailError(f"The mail could not be sent: {_without_address(error, email.to)}") from error

    def _message(self, email: Email) -> EmailMessage:
        message = EmailMessage(policy=SMTP if (self._sender + email.to).isascii() else SMTPUTF8)
        message["From"] = _mailbox(self._sender, self._name)
        message["To"] = _mailbox(email.to)
        message["Subject"] = " ".join(email.subject.split())
        message["Date"] = format_datetime(now())
        message["Message-ID"] = whole_header("Message-ID", make_msgid(domain=self._sender.rpartition("@")[2]))
        message["Auto-Submitted"] = "auto-generated"  # prevents absence notes in reply; RFC 3834
        message.set_content(email.text)
        message["Content-Language"] = email.lang
        return message


def _mailbox(address: str, display_name: str = "") -> Address:
    """Return an address with quotes where RFC 5322 requires them. ``Address(addr_spec=…)`` refuses the names of RFC 6531."""
    name, _, host = address.rpartition("@")
    quoted = _QUOTED.fullmatch(name)
    return Address(display_name, re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else name, host)


def _without_address(error: Exception, to: str) -> str:
    """Return an error's text without the recipient's address, because it is stored.

    A mail server's answer may repeat the address, so only its code is used.
    """
    kind = type(error).__name__
    if isinstance(error, smtplib.SMTPNotSupportedError) and not to.isascii():
        return _NO_UTF8
    if isinstance(error, smtplib.SMTPException):
        refused = getattr(error, "recipients", None)  # the code and the answer by address
        codes = {code for code, _ in refused.values()} if isinstance(refused, dict) else {getattr(error, "smtp_code", "")}
        return " ".join([kind, *sorted(str(code) for code in codes if code)])
    message = str(error)
    has_address = "@" in message or to.partition("@")[0].lower() in message.lower()
    return f"{kind}: {message}" if message and not has_address else kind


def _by_smtp(url: str) -> Send:
    """Return a callable that sends by an SMTP server.

    The URL is ``smtp://user:password@host:587``, encrypted if the server offers it, or ``smtps://…``, always encrypted.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "localhost", parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")

    def send(message: EmailMessage) -> None:
        context = ssl.create_default_context()
        server = (
            smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT, context=context)
            if secure
            else smtplib.SMTP(host, parts.port or 25, timeout=_TIMEOUT)
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
