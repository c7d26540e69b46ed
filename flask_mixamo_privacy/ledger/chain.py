"""The hash chain of the ledger. Each entry is sealed with the hash of the entry before it, under a key of PRIVACY_KEYS."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..storage.keys import KeyRing


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the number of entries ever written, and the hash of the last. As text, ``COUNT:HASH``."""

    count: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Parse ``COUNT:HASH``; raises :class:`ValueError` for any other text."""
        match = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())
        if match is None:
            raise ValueError(text)
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"


#: The head of an empty chain.
BEGINNING = Head(0, "0" * 64)


class Chain:
    """Seals rows and heads. An attacker with the database but without the keys can forge neither."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def seal_rows(self, rows: Iterable[dict[str, Any]], head: Head) -> Head:
        """Set the position, key id and hash of rows that follow a head; returns the new head."""
        for row in rows:
            row |= {"position": head.count + 1, "chain_key": self._keys.newest}
            head = Head(head.count + 1, self.hash(row, head.hash))
            row["hash"] = head.hash
        return head

    def hash(self, row: Mapping[str, Any], previous_hash: object) -> str:
        """Return an HMAC over a row and the hash of the row before it; raises :class:`KeyMissing`."""
        # PostgreSQL returns a boolean as True, and SQLite's raw rows return 1. Both must have the same hash.
        values = {name: int(value) if isinstance(value, bool) else value for name, value in row.items() if name != "hash"}
        return self._keys.mac(row["chain_key"], "chain", canonical([values, previous_hash]))

    def verifies(self, row: Mapping[str, Any], previous_hash: object) -> bool:
        """Whether a row is exactly what was written after the row with this hash; raises :class:`KeyMissing`."""
        if not (is_ascii_text(row["chain_key"]) and is_ascii_text(row["hash"])):
            return False
        return self._matches(
            row["chain_key"],
            lambda key: hmac.compare_digest(self.hash({**row, "chain_key": key}, previous_hash), row["hash"]),
        )

    def seal_head(self, head: Head) -> dict[str, Any]:
        """Return a head as it is stored, with a seal that cannot be forged without the key."""
        key_id = self._keys.newest
        return {"count": head.count, "hash": head.hash, "key": key_id, "seal": self._seal(key_id, head.count, head.hash)}

    def is_sealed(self, stored: Mapping[str, Any]) -> bool:
        """Whether the seal of a stored head is valid; raises :class:`KeyMissing`."""
        if not (is_ascii_text(stored["key"]) and is_ascii_text(stored["seal"])):
            return False
        return self._matches(
            stored["key"],
            lambda key: hmac.compare_digest(self._seal(key, stored["count"], stored["hash"]), stored["seal"]),
        )

    def _matches(self, key_id: str, is_match: Callable[[str], bool]) -> bool:
        """Whether a hash matches under the key that its row names; raises :class:`KeyMissing` if that key is missing."""
        if key_id in self._keys:
            return is_match(key_id)
        # If another key matches, the key is not missing: its id in the row was changed.
        if not any(map(is_match, self._keys)):
            self._keys.require(key_id)
        return False

    def _seal(self, key_id: str, count: object, last: object) -> str:
        return self._keys.mac(key_id, "head", canonical([count, last]))


def canonical(value: object) -> bytes:
    """Return a value as bytes that are the same on every database. Values of different types differ."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_tagged).encode()


def _tagged(value: object) -> dict[str, str]:
    """Return a value that is not JSON with its type, so that it differs from every text. Only tampering stores one."""
    return {type(value).__name__: value.hex() if isinstance(value, bytes) else str(value)}


def is_ascii_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii()
