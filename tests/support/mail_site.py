"""A site that sends mail, and a real mail server on loopback."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller

from flask_mixamo_privacy.policy.parts import Contact, Marketing, Minors, Purpose, Requests
from flask_mixamo_privacy.policy.toml import built_in

ADA = "ada@shop.example"
BASE = "https://shop.example"


def policy(**values: Any) -> Any:
    """Return the built-in policy with the tables that mail needs."""
    own = built_in()
    return replace(
        own,
        site="Shop",
        purposes=(*own.purposes, Purpose("marketing", "Newsletter", "News.", ask="form")),
        contact=Contact("Shop", "privacy@shop.example"),
        requests=Requests(),
        marketing=Marketing("unsubscribe@shop.example"),
        minors=Minors(),
        **values,
    )


class PostOffice:
    """A mail server and the mails delivered to it."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, Any]] = []
        self.raw: list[bytes] = []  # each mail as it was sent
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.raw.append(envelope.content)
        message = message_from_bytes(envelope.content, policy=default)
        self.mails += [(to, message) for to in envelope.rcpt_tos]
        return "250 OK"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def header(self, name: str) -> str:
        """Take out the one mail that was received, and return a header, joined as by RFC 5322, 2.2.3."""
        head = self.raw.pop().partition(b"\r\n\r\n")[0].decode("ascii") + "\r\n"
        assert not self.raw and all(len(line) <= 998 for line in head.split("\r\n"))
        (value,) = re.findall(rf"^{name}:([^\r]*(?:\r\n[ \t][^\r]*)*)\r\n", head, re.MULTILINE)
        return str(value).replace("\r\n", "").strip()

    def subjects(self, to: str = ADA) -> list[str]:
        return [str(mail["Subject"]) for got, mail in self.mails if got == to]


class Shop:
    """A site with a policy for mail. ``mails`` are the messages that it handed over."""

    def __init__(self, tiny: Any, **config: Any) -> None:
        self.mails: list[Any] = []
        given = {"PRIVACY_POLICY": policy(), "PRIVACY_BASE_URL": BASE, "PRIVACY_SEND": self.mails.append}
        self.site = tiny(**given | config)
        self.privacy = self.site.privacy

    @property
    def runtime(self) -> Any:
        return self.site.privacy.runtime(self.site.app)

    def __enter__(self) -> Shop:
        self._context = self.site.app.app_context()
        self._context.push()
        return self

    def __exit__(self, *raised: object) -> None:
        self._context.pop()

    def may(self, address: str = ADA, **values: Any) -> str:
        """Return the reason why marketing mail is permitted or not."""
        decision = self.privacy.may_mail(address, "marketing", **values)
        return decision.reason if bool(decision) == (decision.reason == "opted-in") else "?"

    def mail(self, mail_class: str = "marketing", to: str = ADA, subject: str = "News", **label: Any) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "shop@shop.example", to, subject
        if mail_class == "marketing":
            label.setdefault("list", "marketing")
        for name, value in self.privacy.mail_class(mail_class, **label).items():
            message[name] = value
        message.set_content("Hello")
        return message

    def token(self, address: str = ADA, list_name: str = "marketing") -> str:
        return self.runtime.mail.marketing.tokens.make(address, list_name)
