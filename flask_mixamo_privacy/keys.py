"""PRIVACY_KEYS: named secrets for keyed hashes. Never Flask's ``SECRET_KEY``, which a site may change at any time."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from functools import cached_property

from .errors import KeyMissing


class Keys:
    """The secrets a site configured, or those in a file that is made when the first one is needed."""

    def __init__(self, given: Mapping[str, str] | None, path: str) -> None:
        self._given = given
        self._path = path

    @cached_property
    def _secrets(self) -> Mapping[str, str]:
        return self._given or _read(self._path) or _create(self._path)

    def hash(self, subject: str) -> tuple[str, str]:
        """``(key id, keyed hash)`` of a subject under the newest key."""
        newest = list(self._secrets)[-1]
        return newest, self._digest(newest, subject)

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

    def _digest(self, key_id: str, subject: str) -> str:
        return hmac.digest(self._secrets[key_id].encode(), subject.encode(), "sha256").hex()


def _read(path: str) -> dict[str, str] | None:
    try:
        with open(path, encoding="utf-8") as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return None


def _create(path: str) -> dict[str, str]:
    """Write a new file whole or not at all: of two processes that try at once, one wins and both read the same."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"first": secrets.token_urlsafe(32)}, file)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)
    return _read(path) or {}
