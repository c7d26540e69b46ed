"""The one spelling of a person: an e-mail address, or an id of the site's own."""

from __future__ import annotations

import re
import unicodedata
from email.utils import parseaddr

import idna

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LONGEST = 254  # characters of an address (RFC 5321, with its erratum 1690)


def normalise_subject(text: str) -> str:
    """Return the one spelling under which a subject is looked up, hashed and written to. Raises nothing.

    An address is compared in lower case and in NFC, without a name before it, and with its host in ASCII (IDNA 2008,
    UTS 46): ``Ada <ADA@Bücher.example>`` and ``ada@xn--bcher-kva.example`` are one person. An address in ASCII is only
    put into lower case. What follows a plus, and dots, stay, because only the host knows whether ``ada+shop@...`` and
    ``ada@...`` are one person. An id keeps its case.

    Mail goes to this spelling and never to the one typed in, because a mail server may deliver the two to two people.
    """
    text = text.strip()
    if "@" not in text:
        return text
    if "<" in text:
        text = parseaddr(text)[1].strip() or text
    name, at, host = _lower(text).rpartition("@")
    return f"{name}{at}{_ascii(host.rstrip('.'))}"


def spellings_of(subject: str) -> list[str]:
    """Return the spellings that a store of the site's own may have: the one spelling, and the host in Unicode."""
    one = normalise_subject(subject)
    name, at, host = one.rpartition("@")
    if "xn--" not in host or len(host) > _LONGEST:
        return [one]
    try:
        return list(dict.fromkeys((one, f"{name}{at}{idna.decode(host)}")))
    except UnicodeError:
        return [one]


def email_of(text: object) -> str:
    """Return the one spelling of an e-mail address, or an empty text for what is none."""
    found = normalise_subject(str(text))
    return found if is_email(found) else ""


def is_email(text: str) -> bool:
    """Whether a mail can go there: one line, with a name and a host."""
    return len(text) <= _LONGEST and text.isprintable() and _EMAIL.fullmatch(text) is not None


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _ascii(host: str) -> str:
    """Return the host in ASCII, or as it is if it is no domain name that may be registered: an emoji, an underscore."""
    if host.isascii() or len(host) > _LONGEST:
        return host
    try:
        return idna.encode(host, uts46=True).decode("ascii").rstrip(".")
    except UnicodeError:
        return host
