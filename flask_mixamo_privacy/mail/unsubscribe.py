"""Unsubscribe tokens, and the links and headers that contain them.

A token is signed, and identifies its person by a keyed hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from urllib.parse import quote, unquote

from ..storage.keys import KeyRing, with_ascii_host
from .headers import url_in_ascii, whole_header

_SUBJECT, _LIST, _SIGNATURE = 16, 4, 8  # bytes
LENGTH = 45  # characters; "unsubscribe+" and a token fit into _LONGEST_NAME
_USE = "unsubscribe"
_FEWEST, _MOST = 4, 200  # letters of a text that is answered as a damaged token
_LONGEST_TEXT = 4000  # characters that are searched for a token
_LONGEST_NAME = 64  # characters before the @ of an address; RFC 5321, 4.5.3.1.1


@dataclass(frozen=True)
class UnsubscribeToken:
    """The content of a token: the key's id, the keyed hash of the subject, and the hash of the list's name."""

    key: str
    subject_hash: str
    list_hash: str

    @property
    def subject_hashes(self) -> dict[str, str]:
        return {self.key: self.subject_hash}


class UnsubscribeTokens:
    """Creates tokens under the newest key, and reads tokens under every key that is kept.

    Tokens do not expire. They are in lower-case Base32, because a mail server may change the case of an address.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def make(self, address: str, list_name: str) -> str:
        """Return the token for an address and a list."""
        key, subject_hash = list(self._keys.subject_hashes(address).items())[-1]
        payload = bytes.fromhex(subject_hash) + bytes.fromhex(list_hash(list_name))
        return base64.b32encode(payload + self._sign(key, payload)).decode().rstrip("=").lower()

    def read(self, token: str) -> UnsubscribeToken | None:
        """Return the content of a token, or None if its signature is invalid under every key.

        Characters that no token contains are ignored. Mail programs add them to links, and divide links by them.
        """
        for payload, signature in map(_unpacked, _candidates(token)):
            for key in self._keys if payload else ():
                if hmac.compare_digest(self._sign(key, payload), signature):
                    return UnsubscribeToken(key, payload[:_SUBJECT].hex(), payload[_SUBJECT:].hex())
        return None

    def _sign(self, key: str, payload: bytes) -> bytes:
        return bytes.fromhex(self._keys.mac(key, _USE, payload))[:_SIGNATURE]


class UnsubscribeLinks:
    """The links and headers to unsubscribe in a marketing mail: a page, and a mail to ``address`` if it is set."""

    def __init__(self, tokens: UnsubscribeTokens, pages: str, address: str) -> None:
        self._tokens = tokens
        self._pages = pages  # the path of our pages below the site's base URL
        self._address = with_ascii_host(address)

    def url(self, address: str, list_name: str, base: str) -> str:
        """Return the URL of the page where this person unsubscribes from a list, in ASCII."""
        return url_in_ascii(f"{base}{self._pages}/unsubscribe/{self._tokens.make(address, list_name)}")

    def headers(self, address: str, list_name: str, base: str) -> dict[str, str]:
        """Return ``List-Unsubscribe`` (RFC 2369) and ``List-Unsubscribe-Post`` (RFC 8058).

        The page's URL always begins with https, because RFC 8058 requires it. An ``email.message.EmailMessage`` sends the
        values whole, and not as encoded words.
        """
        targets = [f"<{self.url(address, list_name, 'https://' + base.partition('://')[2])}>"]
        name, _, host = self._address.rpartition("@")
        plus = f"{name}+{self._tokens.make(address, list_name)}"
        if name and len(plus) <= _LONGEST_NAME:
            targets.append(f"<mailto:{quote(plus, safe='+')}@{host}?subject=unsubscribe>")
        values = {"List-Unsubscribe": ", ".join(targets), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        return {name: whole_header(name, value) for name, value in values.items()}


def is_damaged(token: str) -> bool:
    """Return whether a text has too few or too many letters for a token, as the start of a divided link has.

    Only the number of letters counts, so the answer reveals no valid token.
    """
    candidates = list(_candidates(token))
    return LENGTH not in map(len, candidates) and _FEWEST <= len(candidates[0]) <= _MOST


def list_hash(list_name: str) -> str:
    """Return the hash of a list's name, as a token contains it."""
    return hashlib.sha256(list_name.encode()).hexdigest()[: _LIST * 2]


def list_name_of(token: UnsubscribeToken, lists: Mapping[str, str]) -> str:
    """Return the name of a token's list, or the empty name of all lists if it is unknown."""
    return lists.get(token.list_hash, "")


_OTHER = re.compile("[^a-z2-7]+")  # the characters of no token
_ENCODED = re.compile("=[0-9a-f]{2}")  # quoted-printable; RFC 2045, 6.7
_RUN = re.compile(f"(?<![a-z2-7])[a-z2-7]{{{LENGTH}}}(?![a-z2-7])")


def _candidates(text: str) -> Iterator[str]:
    """Yield the texts that may be the token of a link.

    These are its letters, also without encoded characters, half of them if a program doubled them, or one run of them.
    """
    text = unicodedata.normalize("NFKC", unescape(unquote(text[:_LONGEST_TEXT]))).lower()
    yield (letters := _OTHER.sub("", text))
    if letters == letters[:LENGTH] * 2:
        yield letters[:LENGTH]
    yield _OTHER.sub("", _ENCODED.sub("", text))
    if run := _RUN.search(text):
        yield run[0]


def _unpacked(token: str) -> tuple[bytes, bytes]:
    if len(token) != LENGTH:
        return b"", b""
    try:
        packed = base64.b32decode(token.upper() + "===")
    except binascii.Error:
        return b"", b""
    return packed[: _SUBJECT + _LIST], packed[_SUBJECT + _LIST :]
