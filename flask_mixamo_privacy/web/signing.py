"""Signed texts: the values of the extension's cookies, and the tokens of its forms. An invalid text reads as none."""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Generic, TypeVar

from itsdangerous import Signer
from itsdangerous.encoding import want_bytes

#: How itsdangerous derives its keys.
SIGNING: dict[str, Any] = {"key_derivation": "hmac", "digest_method": sha256}

_LONGEST = 400  # characters of a signed text
_SIGNATURE = 43  # characters: 32 bytes in base64, without the "="
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))  # RFC 2104, 2

T = TypeVar("T")


def signing_keys(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the app's secret keys, the newest last. They may change while the app runs."""
    fallbacks = config.get("SECRET_KEY_FALLBACKS")
    return (*fallbacks, config["SECRET_KEY"]) if fallbacks else (config["SECRET_KEY"],)


class CookieSigner(Signer):
    """A signer that derives each key once. Its signatures are those of :class:`itsdangerous.Signer` with SHA-256.

    A signature is valid in one spelling only. Other signers decode it, and base64 has several spellings of the same bytes.
    """

    def __init__(self, keys: Iterable[Any], salt: str) -> None:
        super().__init__(keys, salt=salt, **SIGNING)
        self._newest, *self._older = [_Key(self.derive_key(key)).sign for key in reversed(self.secret_keys)]

    def get_signature(self, value: str | bytes) -> bytes:
        return self._newest(want_bytes(value))

    def verify_signature(self, value: str | bytes, sig: str | bytes) -> bool:
        return self.has_signed(want_bytes(value), want_bytes(sig))

    def has_signed(self, value: bytes, signature: bytes) -> bool:
        """Return whether one of the keys made the signature."""
        return compare_digest(self._newest(value), signature) or any(
            compare_digest(sign(value), signature) for sign in self._older
        )


class _Key:
    """A key of HMAC (RFC 2104). Both hashes have taken it in, so that a signature takes less than half of the time."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(sha256().block_size, b"\0")  # a derived key is shorter than a block
        self._inner, self._outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))

    def sign(self, value: bytes) -> bytes:
        """Return the signature of a value, as text."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        return b2a_base64(outer.digest(), newline=False).translate(_URL_SAFE)[:_SIGNATURE]


class SignedValue(Generic[T]):
    """Signed texts of one kind, with their own salt. ``decode`` raises :class:`ValueError` for a text that has expired."""

    def __init__(self, config: Mapping[str, Any], salt: str, decode: Callable[..., T], longest: int = _LONGEST) -> None:
        self._config = config
        self._longest = longest
        self._salt = salt
        self._decode = decode
        self._known: tuple[tuple[Any, ...], CookieSigner] | None = None

    def unsign(self, raw: str, *context: object) -> T | None:
        """Return the decoded value of a signed text; None if the text is forged, edited, too long or out of date."""
        if len(raw) > self._longest or raw[-_SIGNATURE - 1 : -_SIGNATURE] != ".":
            return None  # no signature has another length, so none is computed
        text = raw[: -_SIGNATURE - 1]
        try:
            if self._signer().has_signed(text.encode(), raw[-_SIGNATURE:].encode()):
                return self._decode(text, *context)
        except ValueError:
            pass
        return None

    def sign(self, text: str) -> str:
        """Return the text with its signature under the newest key."""
        return self._signer().sign(text).decode()

    def _signer(self) -> CookieSigner:
        """Return the signer with the app's current keys."""
        keys, known = signing_keys(self._config), self._known
        if known is None or known[0] != keys:
            known = self._known = keys, CookieSigner(keys, self._salt)
        return known[1]
