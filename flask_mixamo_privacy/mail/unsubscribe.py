"""Unsubscribe tokens, and the links and headers that contain them. A token is signed, and names its person by a hash."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from ..storage.keys import KeyRing, normalise_subject

_MARK, _LIST, _SEAL = 16, 4, 8  # bytes
LENGTH = 45  # characters: with "unsubscribe+" it fits the 64 that a mail address may have before its @ (RFC 5321)
_USE = "unsubscribe"
_LONGEST_NAME = 64  # characters before the @ of an address (RFC 5321 4.5.3.1.1)


@dataclass(frozen=True)
class UnsubscribeToken:
    """Whom a token is about: by a keyed hash, under one key, and of which list."""

    key: str
    mark: str
    list_mark: str

    @property
    def marks(self) -> dict[str, str]:
        return {self.key: self.mark}


class UnsubscribeTokens:
    """Makes tokens under the newest key and reads them under every key that is kept; they do not expire.

    In lower-case Base32, for a mail server may change the case of an address.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def subject_hashes(self, subject: str) -> dict[str, str]:
        """The beginning of a keyed hash under each kept key, the newest last: of an address, or an id of the site's own."""
        person = normalise_subject(subject)
        return {key: mark_of(hashed) for key, hashed in self._keys.pseudonyms_by_key(person).items()}

    def make(self, address: str, list_name: str) -> str:
        """The token of an address and a list."""
        key, mark = list(self.subject_hashes(address).items())[-1]
        said = bytes.fromhex(mark) + bytes.fromhex(list_mark(list_name))
        return base64.b32encode(said + self._seal(key, said)).decode().rstrip("=").lower()

    def read(self, token: str) -> UnsubscribeToken | None:
        """Whom a token is about, or None for one that we did not make."""
        said, seal = _unpacked(token)
        for key in self._keys if said else ():
            if hmac.compare_digest(self._seal(key, said), seal):
                return UnsubscribeToken(key, said[:_MARK].hex(), said[_MARK:].hex())
        return None

    def _seal(self, key: str, said: bytes) -> bytes:
        return bytes.fromhex(self._keys.mac(key, _USE, said))[:_SEAL]


class UnsubscribeLinks:
    """The ways to unsubscribe that a marketing mail contains: a page, and a mail to ``address`` if there is one."""

    def __init__(self, tokens: UnsubscribeTokens, pages: str, address: str) -> None:
        self._tokens = tokens
        self._pages = pages  # the path of our pages below the site's base URL
        self._address = address

    def url(self, address: str, list_name: str, base: str) -> str:
        """Return the URL of the page where this person unsubscribes from a list."""
        return f"{base}{self._pages}/unsubscribe/{self._tokens.make(address, list_name)}"

    def headers(self, address: str, list_name: str, base: str) -> dict[str, str]:
        """Return ``List-Unsubscribe`` (RFC 2369) and ``List-Unsubscribe-Post`` (RFC 8058).

        The page's URL always begins with https, because RFC 8058 requires it.
        """
        ways = [f"<{self.url(address, list_name, 'https://' + base.partition('://')[2])}>"]
        name, _, host = self._address.rpartition("@")
        plus = f"{name}+{self._tokens.make(address, list_name)}"
        if name and len(plus) <= _LONGEST_NAME:
            ways.append(f"<mailto:{quote(plus, safe='+')}@{host}?subject=unsubscribe>")
        return {"List-Unsubscribe": ", ".join(ways), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def mark_of(hashed: str) -> str:
    """What of a keyed hash goes into a token: 128 bits."""
    return hashed[: _MARK * 2]


def list_mark(list_name: str) -> str:
    """A list's name, short enough for a token."""
    return hashlib.sha256(list_name.encode()).hexdigest()[: _LIST * 2]


def named(bearer: UnsubscribeToken, lists: Mapping[str, str]) -> str:
    """The list that a token is about; nothing, which is all of them, where it is not known any longer."""
    return lists.get(bearer.list_mark, "")


def _unpacked(token: str) -> tuple[bytes, bytes]:
    if len(token) != LENGTH or not token.isascii():
        return b"", b""
    try:
        packed = base64.b32decode(token.upper() + "===")
    except binascii.Error:
        return b"", b""
    return packed[: _MARK + _LIST], packed[_MARK + _LIST :]
