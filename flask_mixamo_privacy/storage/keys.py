"""PRIVACY_KEYS: named secrets for keyed hashes. Never Flask's ``SECRET_KEY``, which a site may change at any time."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from functools import cached_property

from ..errors import KeyMissing
from .pending import create_private


class Keys:
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

    def hash(self, subject: str) -> tuple[str, str]:
        """``(key id, keyed hash)`` of a subject under the newest key."""
        return self.newest, self._digest(self.newest, subject)

    def hashes(self, subject: str) -> list[str]:
        """The keyed hashes of a subject under every key that is kept."""
        return list(self.hashes_by_key(subject).values())

    def hashes_by_key(self, subject: str) -> dict[str, str]:
        """The keyed hash of a subject under each key that is kept, by the key's id, the newest last."""
        return {key_id: self._digest(key_id, subject) for key_id in self._secrets}

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
