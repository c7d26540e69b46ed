"""Who something is about: an e-mail address or an id of the site's own, and its keyed hashes."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LONGEST = 254  # characters of an address (RFC 5321, with its erratum 1690)


def canonical(subject: str) -> str:
    """The one spelling under which a subject is looked up, hashed and written to.

    Addresses are compared without regard to case. Mail goes to this spelling and never to the one typed in: what merely
    looks the same to a comparison may be somebody else's to a mail server.
    """
    subject = subject.strip()
    return subject.lower() if "@" in subject else subject


def is_address(text: str) -> bool:
    """Whether a mail can go there: one line, with a name and a host."""
    return len(text) <= _LONGEST and text.isprintable() and _ADDRESS.fullmatch(text) is not None
