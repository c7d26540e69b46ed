"""PRIVACY_KEYS, the named secrets for keyed hashes, and the one spelling of a data subject."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from functools import cached_property

from ..errors import KeyMissing, KeysUnreadable
from .files import create_private


class KeyRing:
    """The secrets of PRIVACY_KEYS, or those of a file that is created when a key is first needed.

    Never uses Flask's ``SECRET_KEY``: a site may change it at any time, and stored hashes would lose their key.
    """

    def __init__(self, configured: Mapping[str, str] | None, path: str) -> None:
        self._configured = configured
        self._path = path

    @cached_property
    def _secrets(self) -> dict[str, str]:
        return dict(self._configured or _read(self._path) or _create(self._path))

    @property
    def origin(self) -> str:
        """Where the keys come from, for errors: the setting, or the path of the file."""
        return "PRIVACY_KEYS" if self._configured else self._path

    def existing(self) -> list[str]:
        """Return the ids of all kept keys, the newest last, without creating one. Raises :class:`KeysUnreadable`."""
        return list(self._configured or _read(self._path) or ())

    def check_file(self) -> None:
        """Raise :class:`KeysUnreadable` if the file of generated keys is damaged. A missing file is not created."""
        if not self._configured:
            _read(self._path)

    @property
    def newest(self) -> str:
        """The id of the key for everything new."""
        return next(reversed(self._secrets))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids of all kept keys, the newest last."""
        return iter(self._secrets)

    def pseudonymise(self, subject: str) -> tuple[str, str]:
        """Return ``(key id, keyed hash)`` of a subject under the newest key."""
        return self.newest, self._digest(self.newest, subject)

    def pseudonyms(self, subject: str) -> list[str]:
        """Return the keyed hashes of a subject under every kept key."""
        return list(self.pseudonyms_by_key(subject).values())

    def pseudonyms_by_key(self, subject: str) -> dict[str, str]:
        """Return the keyed hash of a subject under each kept key, by key id, the newest last."""
        return {key_id: self._digest(key_id, subject) for key_id in self._secrets}

    def subject_hashes(self, subject: str) -> dict[str, str]:
        """Return the truncated keyed hash of a subject under each kept key, by key id, the newest last."""
        person = normalise_subject(subject)
        return {key_id: truncate(hashed) for key_id, hashed in self.pseudonyms_by_key(person).items()}

    def require(self, key_id: str) -> None:
        """Raise :class:`KeyMissing` unless the key is kept."""
        if key_id not in self._secrets:
            raise KeyMissing(key_id, self._secrets, self.origin)

    def mac(self, key_id: str, use: str, message: bytes) -> str:
        """Return an HMAC for one use, such as ``"chain"``; raises :class:`KeyMissing`. Never equals a subject's hash."""
        self.require(key_id)
        # The derived key uses SHA-512 and subjects use SHA-256, so a subject's hash can never serve as a MAC.
        derived = hmac.digest(self._secrets[key_id].encode(), use.encode(), "sha512")
        return hmac.digest(derived, message, "sha256").hex()

    def _digest(self, key_id: str, subject: str) -> str:
        return hmac.digest(self._secrets[key_id].encode(), subject.encode(errors="surrogatepass"), "sha256").hex()


def truncate(hashed: str) -> str:
    """Return the first 128 bits of a keyed hash, which fit into an unsubscribe token."""
    return hashed[:32]


def _read(path: str) -> dict[str, str] | None:
    """Return the keys of a file, or None if there is none. Raises :class:`KeysUnreadable` if the file is damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            keys = json.load(file)
    except FileNotFoundError:
        return None
    except ValueError:  # not UTF-8, or not JSON
        keys = None
    if not (isinstance(keys, dict) and keys and all(isinstance(secret, str) for secret in keys.values())):
        raise KeysUnreadable(path)
    return keys


def _create(path: str) -> dict[str, str]:
    """Create the key file and read it back. Two processes that do this at once read the same key."""
    secret = secrets.token_urlsafe(32)
    create_private(path, json.dumps({_id_of(secret): secret}).encode())
    return _read(path) or {}


def _id_of(secret: str) -> str:
    """Return the id of a generated key. Two hosts that each generate a key get two ids, so that a mix-up is noticed."""
    return f"key-{hashlib.sha256(secret.encode()).hexdigest()[:8]}"


# The one spelling of a data subject: an e-mail address, or one of the site's own ids.

_EMAIL = re.compile(r"[^@\s]+@(?:[^@\s.,:;()<>]+\.)+[^@\s.,:;()<>]+")
_LONGEST = 254  # characters in an address (RFC 5321 with erratum 1690)
_LONGEST_TYPED = 1000  # characters of an address with a name; parsing and NFC take quadratic time


def normalise_subject(text: str) -> str:
    """Return the one spelling under which a subject is looked up, hashed and sent mail. Raises no error.

    An address becomes lower case and NFC, without a display name, and its host becomes ASCII (IDNA 2008, UTS 46).
    ``Ada <ADA@Bücher.example>`` and ``ada@xn--bcher-kva.example`` are therefore one person. Dots and a suffix after a plus
    stay, because only the mail server knows whether ``ada+shop@...`` and ``ada@...`` are one person. An id keeps its case,
    and so does a text that is too long for an address.

    Mail goes to this spelling, never to the typed one, because a mail server may deliver the two to two people.
    """
    text = text.strip()
    if "@" not in text or len(text) > _LONGEST_TYPED:
        return text
    if "<" in text:
        text = parseaddr(text)[1].strip() or text
    return with_ascii_host(_lower(text))


def with_ascii_host(address: str) -> str:
    """Return a mail address or a host with its host in ASCII (IDNA 2008, UTS 46)."""
    name, at, host = address.rpartition("@")
    return f"{name}{at}{_ascii(host.rstrip('.'))}"


def spellings_of(subject: str) -> list[str]:
    """Return the spellings that the site's own stores may use: the one spelling, and that with its host in Unicode."""
    one = normalise_subject(subject)
    name, at, host = one.rpartition("@")
    if "xn--" not in host or len(host) > _LONGEST:
        return [one]
    import idna  # few hosts need it, and no start of a process

    try:
        return list(dict.fromkeys((one, f"{name}{at}{idna.decode(host)}")))
    except UnicodeError:
        return [one]


def email_of(text: object) -> str:
    """Return the one spelling of an e-mail address; an empty text if it is not an address."""
    subject = normalise_subject(str(text))
    return subject if is_email(subject) else ""


def is_email(text: str) -> bool:
    """Whether a text can be a mail address: one line, with a name and a host."""
    return len(text) <= _LONGEST and text.isprintable() and _EMAIL.fullmatch(text) is not None


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def _ascii(host: str) -> str:
    """Return the host in ASCII. A host that cannot be registered, such as one with an emoji, stays unchanged."""
    if host.isascii() or len(host) > _LONGEST:
        return host
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii").rstrip(".")
    except UnicodeError:
        return host
