"""The one spelling of a mail address, under which opt-ins and opt-outs are looked up."""

from __future__ import annotations

import unicodedata
from email.utils import parseaddr

from ..rights.subjects import is_address


def spelling(address: object) -> str:
    """An address as it is compared, or nothing for what is none.

    Space around it and a name before it go, letters are lower case in NFC, and the host is in ASCII (IDNA), so that
    ``Ada <ADA@Bücher.example>`` and ``ada@xn--bcher-kva.example`` are one. What follows a plus, and dots, stay: whether
    ``ada+shop@…`` and ``ada@…`` are one person is known to the host alone, and an opt-in of one is none of the other.
    """
    text = unicodedata.normalize("NFC", str(address).strip())
    if "<" in text:
        text = parseaddr(text)[1]
    name, at, host = text.rpartition("@")
    found = f"{name.lower()}{at}{_ascii(host.lower().rstrip('.'))}"
    return found if is_address(found) else ""


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:  # a label that is empty or too long
        return host
