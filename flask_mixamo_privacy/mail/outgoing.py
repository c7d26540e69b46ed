"""The last gate: whether a mail may go is asked when it leaves, for each who would get it."""

from __future__ import annotations

import copy
import logging
import secrets
import smtplib
import ssl
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email import message_from_bytes, message_from_string
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from ..config import Settings
from ..errors import MailError
from ..ledger.ledger import Ledger
from ..rights.emails import Email
from ..storage.clock import now
from ..storage.keys import KeyRing, email_of
from .message import addresses
from .permission import MailPermission, checked
from .phrases import starts_or_ends_with_unsubscribe
from .preference_store import EVERYTHING
from .preferences import IsMinor, MarketingPreferences
from .unsubscribe import UnsubscribeLinks

# What a mail is, written on it from when it is made until it leaves.

NAME = "Privacy-Class"


@dataclass(frozen=True)
class MailClass:
    """A mail's class, what it refers to, and the list it is of."""

    mail_class: str | None
    reference: str | None = None
    list: str | None = None


def headers_of(mail_class: str, reference: object, list_name: str | None) -> dict[str, str]:
    """The header that says it; raises :class:`MailClassError`."""
    said = {"class": checked(mail_class, reference), "reference": reference, "list": list_name}
    return {NAME: urlencode({name: value for name, value in said.items() if value is not None})}


def mail_class_of(message: Message) -> MailClass:
    """What a mail says that it is, which may be nothing."""
    return read_mail_class(str(message[NAME] or ""))


def read_mail_class(text: str) -> MailClass:
    said = {name: values[0] for name, values in parse_qs("".join(text.split())).items()}
    return MailClass(said.get("class"), said.get("reference"), said.get("list"))


# The mail room of one site: what may leave, with which headers, and how often something was held back.


class MailGate:
    """Building it touches no disk."""

    def __init__(self, settings: Settings, ledger: Ledger, keys: KeyRing, is_minor: IsMinor) -> None:
        policy = settings.policy
        self.marketing = MarketingPreferences(settings.rights_url, ledger, keys, policy, is_minor)
        self.held_back: Counter[str] = Counter()  # in this process, by reason
        self.unsubscribe = policy.marketing.unsubscribe if policy.marketing else ""
        self.contact = policy.contact.email if policy.contact else ""
        self.sender = settings.mail_from or self.contact or self.unsubscribe
        self._name = policy.site
        self.links = UnsubscribeLinks(self.marketing.tokens, settings.url_prefix, self.unsubscribe)

    def may_mail(
        self, address: str, mail_class: object, reference: object = None, list_name: str | None = None
    ) -> MailPermission:
        """Decide at this moment; raises :class:`MailClassError` for a mail that does not say what it is."""
        if checked(mail_class, reference) == "marketing":
            return self._counted(self.marketing.may_mail(address, list_name))
        return self._counted(MailPermission(bool(email_of(address)), str(mail_class) if email_of(address) else "no-address"))

    def message_id(self, address: str, list_name: str, subject: str) -> str:
        """A Message-ID by which the reply to a mail tells whose it is.

        Its last part is kept from replies that add nothing: a subject of ours that has the word itself.
        """
        own = ".word" if starts_or_ends_with_unsubscribe(subject) else ""
        token = self.marketing.tokens.make(address, list_name)
        return f"<{token}.{secrets.token_hex(8)}{own}@{self.sender.rpartition('@')[2]}>"

    def marketing_headers(self, address: str, label: MailClass, subject: str, base: str) -> dict[str, str]:
        """The headers by which a mail that is about to leave can be stopped; none for what is no marketing."""
        if label.mail_class != "marketing":
            return {}
        list_name = label.list or EVERYTHING
        return self.links.headers(address, list_name, base) | {"Message-ID": self.message_id(address, list_name, subject)}

    def default_headers(self) -> dict[str, str]:
        """The headers that every mail of ours has."""
        sender = str(Address(self._name, addr_spec=self.sender)) if self.sender else ""
        made = make_msgid(domain=self.sender.rpartition("@")[2] or None)
        return {"From": sender, "Date": format_datetime(now()), "Message-ID": made}

    def _counted(self, decision: MailPermission) -> MailPermission:
        if not decision:
            self.held_back[decision.reason] += 1
        return decision


logger = logging.getLogger("flask_mixamo_privacy")

HeldBack = dict[str, tuple[int, bytes]]


class Server(Protocol):
    """What of an ``smtplib.SMTP`` is used."""

    def send_message(self, message: Any, from_addr: Any = None, to_addrs: Any = None, *rest: Any) -> dict[str, Any]: ...


class CallableServer:
    """A callable that sends one message, with the interface of a connection."""

    def __init__(self, send: Callable[[Any], object]) -> None:
        self._send = send

    def send_message(self, message: Any, from_addr: str | None = None, to_addrs: Any = None, *rest: Any) -> dict[str, Any]:
        if set(addresses(message, "To", "Cc", "Bcc")) != set(to_addrs):  # it goes to nobody who was held back
            for name in ("To", "Cc", "Bcc"):
                del message[name]
            message["To"] = ", ".join(to_addrs)
        self._send(message)
        return {}


class FilteringSMTP:
    """A connection to a mail server that lets nothing leave which may not; else it is the connection itself.

    Both ways to send raise :class:`MailClassError` for a mail that does not say what it is, by
    ``privacy.mail_class(…)``; then it went to nobody.
    """

    def __init__(self, server: Server, room: MailGate, base: str) -> None:
        self._server = server
        self._room = room
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
        """As of ``smtplib.SMTP``: gives those who did not get it, with 550 and the reason where it was held back."""
        label = mail_class_of(message)
        recipients = _listed(to_addrs) or addresses(message, "To", "Cc", "Bcc")
        good, held_back = self._sorted(recipients, label)
        for batch in [[one] for one in good] if label.mail_class == "marketing" else filter(None, [good]):
            leaving = self._ready(message, batch[0], label)
            held_back |= self._server.send_message(leaving, from_addr, batch, *rest, **options)
        return held_back

    def sendmail(self, from_addr: str, to_addrs: Any, msg: str | bytes, *rest: Any, **options: Any) -> HeldBack:
        """The same for a message that is text already."""
        read = message_from_bytes(msg, policy=SMTP) if isinstance(msg, bytes) else message_from_string(msg, policy=SMTP)
        return self.send_message(read, from_addr, to_addrs, *rest, **options)

    def _sorted(self, recipients: Iterable[str], label: MailClass) -> tuple[list[str], HeldBack]:
        good, held_back = [], {}
        for address in recipients:
            decision = self._room.may_mail(address, label.mail_class, label.reference, label.list)
            if decision:
                good.append(address)
            else:
                held_back[address] = (550, decision.reason.encode())
                logger.info("A mail was held back: %s", decision.says)
        return good, held_back

    def _ready(self, message: Message, address: str, label: MailClass) -> Message:
        """A copy without the label; a marketing mail's is made for one person."""
        leaving = copy.deepcopy(message)
        del leaving[NAME]
        for name, value in self._room.marketing_headers(address, label, str(message["Subject"] or ""), self._base).items():
            del leaving[name]
            leaving[name] = value
        return leaving


def _listed(addresses: str | Sequence[str] | None) -> list[str]:
    return [addresses] if isinstance(addresses, str) else list(addresses or ())


# Mail: a message made, and handed over by whatever the site sends with.

_PATIENCE = 20  # seconds for a mail server to answer

Send = Callable[[EmailMessage], object]


class MailTransport:
    """Hands mails to ``PRIVACY_SEND``, else to the server of ``PRIVACY_SMTP_URL``."""

    def __init__(self, send: Send | None, smtp_url: str | None, name: str, sender: str | None) -> None:
        self._send = send or (_by_smtp(smtp_url) if smtp_url else None)
        self._name = name
        self._sender = sender

    @property
    def transport(self) -> Send:
        """The callable that sends mails. Raises :class:`MailError` if none is set."""
        if self._send is None:
            raise MailError("No mail goes out: set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL to a mail server.")
        return self._send

    def send(self, letter: Email) -> None:
        """Send a letter as plain text. Raises :class:`MailError` for whatever goes wrong."""
        send = self.transport
        if self._sender is None:
            raise MailError("No mail goes out: declare a [contact] with an email in privacy.toml, as its sender.")
        try:
            send(self._message(letter))
        except Exception as error:  # a callable of the site's, or the network
            raise MailError(f"The mail could not be sent: {_without_names(error, letter.to)}") from error

    def _message(self, letter: Email) -> EmailMessage:
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
