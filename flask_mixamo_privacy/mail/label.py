"""What a mail is, written on it from when it is made until it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from urllib.parse import parse_qs, urlencode

from .decision import checked

NAME = "Privacy-Class"


@dataclass(frozen=True)
class Label:
    """A mail's class, what it refers to, and the list it is of."""

    mail_class: str | None
    reference: str | None = None
    list: str | None = None


def headers_of(mail_class: str, reference: object, list_name: str | None) -> dict[str, str]:
    """The header that says it; raises :class:`MailClassError`."""
    said = {"class": checked(mail_class, reference), "reference": reference, "list": list_name}
    return {NAME: urlencode({name: value for name, value in said.items() if value is not None})}


def label_of(message: Message) -> Label:
    """What a mail says that it is, which may be nothing."""
    return read_label(str(message[NAME] or ""))


def read_label(text: str) -> Label:
    said = {name: values[0] for name, values in parse_qs("".join(text.split())).items()}
    return Label(said.get("class"), said.get("reference"), said.get("list"))
