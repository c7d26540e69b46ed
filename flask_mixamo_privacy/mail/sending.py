"""The last gate: whether a mail may go is asked when it leaves, for each who would get it."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Sequence
from email import message_from_bytes, message_from_string
from email.message import Message
from email.policy import SMTP
from typing import Any, Protocol

from .label import NAME, Label, label_of
from .reading import addresses
from .room import Room

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


class Guarded:
    """A connection to a mail server that lets nothing leave which may not; else it is the connection itself.

    Both ways to send raise :class:`MailClassError` for a mail that does not say what it is, by
    ``privacy.mail_class(…)``; then it went to nobody.
    """

    def __init__(self, server: Server, room: Room, base: str) -> None:
        self._server = server
        self._room = room
        self._base = base

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def __enter__(self) -> Guarded:
        self._server.__enter__()  # type: ignore[attr-defined]
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.__exit__(*raised)  # type: ignore[attr-defined]

    def send_message(
        self, message: Message, from_addr: str | None = None, to_addrs: Any = None, *rest: Any, **options: Any
    ) -> HeldBack:
        """As of ``smtplib.SMTP``: gives those who did not get it, with 550 and the reason where it was held back."""
        label = label_of(message)
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

    def _sorted(self, recipients: Iterable[str], label: Label) -> tuple[list[str], HeldBack]:
        good, held_back = [], {}
        for address in recipients:
            decision = self._room.may_mail(address, label.mail_class, label.reference, label.list)
            if decision:
                good.append(address)
            else:
                held_back[address] = (550, decision.reason.encode())
                logger.info("A mail was held back: %s", decision.says)
        return good, held_back

    def _ready(self, message: Message, address: str, label: Label) -> Message:
        """A copy without the label; a marketing mail's is made for one person."""
        leaving = copy.deepcopy(message)
        del leaving[NAME]
        for name, value in self._room.dressing(address, label, str(message["Subject"] or ""), self._base).items():
            del leaving[name]
            leaving[name] = value
        return leaving


def _listed(addresses: str | Sequence[str] | None) -> list[str]:
    return [addresses] if isinstance(addresses, str) else list(addresses or ())
