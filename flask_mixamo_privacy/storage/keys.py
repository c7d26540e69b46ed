"""PRIVACY_KEYS: named secrets for keyed hashes. Never Flask's ``SECRET_KEY``, which a site may change at any time."""

from __future__ import annotations

import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from functools import cached_property

import idna

from ..errors import KeyMissing
from .files import create_private


class KeyRing:
    """The secrets a site configured, or those in a file that is made when the first one is needed."""

    def __init__(self, given: Mapping[str, str] | None, path: str) -> None:
        self._given = given
        self._path = path

    @cached_property
    def _secrets(self) -> dict[str, str]:
        return dict(self._given or _read(self._path) or _create(self._path))

    @property
    def newest(self) -> str:
        """The id of the key under which everything new is made."""
        return next(reversed(self._secrets))

    def __iter__(self) -> Iterator[str]:
        """The ids of all keys that are kept, the newest last."""
        return iter(self._secrets)

    def pseudonymise(self, subject: str) -> tuple[str, str]:
        """``(key id, keyed hash)`` of a subject under the newest key."""
        return self.newest, self._digest(self.newest, subject)

    def pseudonyms(self, subject: str) -> list[str]:
        """The keyed hashes of a subject under every key that is kept."""
        return list(self.pseudonyms_by_key(subject).values())

    def pseudonyms_by_key(self, subject: str) -> dict[str, str]:
        """The keyed hash of a subject under each key that is kept, by the key's id, the newest last."""
        return {key_id: self._digest(key_id, subject) for key_id in self._secrets}

    def subject_hashes(self, subject: str) -> dict[str, str]:
        """Return the truncated keyed hash of a subject under each kept key, by key id, the newest last."""
        person = normalise_subject(subject)
        return {key_id: truncate(hashed) for key_id, hashed in self.pseudonyms_by_key(person).items()}

    def require(self, key_id: str) -> None:
        """Raise :class:`KeyMissing` unless the key is kept."""
        if key_id not in self._secrets:
            raise KeyMissing(key_id, self._secrets)

    def mac(self, key_id: str, use: str, message: bytes) -> str:
        """An HMAC for one use, such as ``"chain"``; no hash of a subject can pass for it. Raises :class:`KeyMissing`."""
        self.require(key_id)
        # Under a key derived by another hash function than that of subjects, so that neither can be made into the other.
        derived = hmac.digest(self._secrets[key_id].encode(), use.encode(), "sha512")
        return hmac.digest(derived, message, "sha256").hex()

    def _digest(self, key_id: str, subject: str) -> str:
        return hmac.digest(self._secrets[key_id].encode(), subject.encode(), "sha256").hex()


def truncate(hashed: str) -> str:
    """Return the first 128 bits of a keyed hash, which fit into an unsubscribe token."""
    return hashed[:32]


def _read(path: str) -> dict[str, str] | None:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None


def _create(path: str) -> dict[str, str]:
    """Write a new file; of two processes that try at once, both read the same."""
    create_private(path, json.dumps({"first": secrets.token_urlsafe(32)}).encode())
    return _read(path) or {}


# The one spelling of a person: an e-mail address, or an id of the site's own.

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
