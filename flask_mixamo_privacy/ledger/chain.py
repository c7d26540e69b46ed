"""The chain: every entry of the ledger is sealed together with the one before it, under a named key of PRIVACY_KEYS."""

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
    """Where a chain ends: how many entries were ever written, and the hash of the last; written ``COUNT:HASH``."""

    count: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read ``COUNT:HASH``; raises :class:`ValueError` for anything else."""
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())
        if found is None:
            raise ValueError(text)
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"


#: Where every chain begins.
BEGINNING = Head(0, "0" * 64)


class Chain:
    """Seals rows and heads. Whoever has the database but not the keys can make neither."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def seal_rows(self, rows: Iterable[dict[str, Any]], head: Head) -> Head:
        """Give rows their place after a head, the newest key and their hash; gives the new head."""
        for row in rows:
            row |= {"position": head.count + 1, "chain_key": self._keys.newest}
            head = Head(head.count + 1, self.hash(row, head.hash))
            row["hash"] = head.hash
        return head

    def hash(self, row: Mapping[str, Any], before: object) -> str:
        """An HMAC over all that a row says and the hash before it; raises :class:`KeyMissing`."""
        # One database gives true where another gives 1.
        said = {name: int(value) if isinstance(value, bool) else value for name, value in row.items() if name != "hash"}
        return self._keys.mac(row["chain_key"], "chain", canonical([said, before]))

    def verifies(self, row: Mapping[str, Any], before: object) -> bool:
        """Whether a row is what was written after this hash; raises :class:`KeyMissing`."""
        if not (is_ascii_text(row["chain_key"]) and is_ascii_text(row["hash"])):
            return False
        return self._under(
            row["chain_key"], lambda key: hmac.compare_digest(self.hash({**row, "chain_key": key}, before), row["hash"])
        )

    def seal_head(self, head: Head) -> dict[str, Any]:
        """A head as it is stored, so that nobody can put another in its place."""
        key_id = self._keys.newest
        return {"count": head.count, "hash": head.hash, "key": key_id, "seal": self._seal(key_id, head.count, head.hash)}

    def is_sealed(self, stored: Mapping[str, Any]) -> bool:
        """Whether a stored head is one that was sealed; raises :class:`KeyMissing`."""
        if not (is_ascii_text(stored["key"]) and is_ascii_text(stored["seal"])):
            return False
        return self._under(
            stored["key"],
            lambda key: hmac.compare_digest(self._seal(key, stored["count"], stored["hash"]), stored["seal"]),
        )

    def _under(self, key_id: str, matches: Callable[[str], bool]) -> bool:
        """Whether it matches under the key it names; raises :class:`KeyMissing` where that key is gone."""
        if key_id in self._keys:
            return matches(key_id)
        # Or is the key there, and it is its name that was changed?
        if not any(map(matches, self._keys)):
            self._keys.require(key_id)
        return False

    def _seal(self, key_id: str, count: object, last: object) -> str:
        return self._keys.mac(key_id, "head", canonical([count, last]))


def canonical(value: object) -> bytes:
    """A value as bytes, the same wherever it is read again: of each text, number and byte sequence its very type."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_of_another_type).encode()


def _of_another_type(value: object) -> dict[str, str]:
    """What a database was made to hold in the place of a text: it only has to differ from every text."""
    return {type(value).__name__: value.hex() if isinstance(value, bytes) else str(value)}


def is_ascii_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii()
