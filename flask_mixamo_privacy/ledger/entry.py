"""A ledger entry, the text shown that the entry names, and the hash chain of entries.

Imports no SQLAlchemy, because every page with a banner imports this module.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..i18n.language import SHIPPED, Language, language
from ..storage.keys import KeyRing


@dataclasses.dataclass(frozen=True)
class ShownText:
    """A text shown to a visitor before a decision, as canonical JSON, with its source and language."""

    source: str  # "banner", "settings", "notice:<collection point>", "opt-in:<collection point>", "embed:<service>", ...
    locale: str
    body: str
    fingerprint: str  # of the purposes, or of the notice, that the visitor decides on

    @property
    def digest(self) -> str:
        """SHA-256 over the source, the language and the text, in hexadecimal."""
        return hashlib.sha256("\0".join((self.source, self.locale, self.body)).encode()).hexdigest()

    @property
    def form_token(self) -> str:
        """The value of the form's hidden field: fingerprint, source, language and digest."""
        return f"{self.fingerprint}.{self.source}.{self.locale}.{self.digest}"


def resolve_shown(
    token: str,
    current: Callable[[str, Language], ShownText | None],
    fingerprint: str,
    ledger_lookup: Callable[[str, str], ShownText | None],
    languages: Callable[[str], Language] = language,
) -> ShownText | None:
    """Return the text that a form's hidden field names; None if the form must be shown again.

    ``languages`` returns the site's translator of a language, and ``current`` the current text for a source and one of
    these. ``fingerprint`` identifies what the form asks now. A text that has changed since is valid if its form asked the
    same and ``ledger_lookup(digest, fingerprint)`` returns it. An unchanged text of a form that asked something else is
    invalid.
    """
    form_fingerprint, source, code, digest = [*token.split("."), "", "", ""][:4]
    if form_fingerprint != fingerprint:
        return None
    text = current(source, languages(code)) if code in SHIPPED else None
    if text is not None and text.digest == digest:
        return text
    return ledger_lookup(token.rpartition(".")[2], fingerprint)


def canonical_json(values: object) -> str:
    """Return the JSON text from which digests are computed: keys sorted, no spaces."""
    return json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclasses.dataclass(frozen=True)
class LedgerEntry:
    """One row of the ledger. The refusals of a day are one row for each policy and language, with their number."""

    kind: str  # "grant", "refusals", "withdrawal", "erasure", "access", ... or "checkpoint"
    at: str  # a UTC timestamp, ISO 8601; the day if the entry counts refusals
    receipt: str = ""
    replaces: str = ""  # the receipt of the grant that this entry ends
    policy: str = ""  # the version of the policy
    fingerprint: str = ""  # of the purposes, or of the notice, that was decided on
    purposes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()  # purposes and services
    source: str = ""  # "banner", "settings", "embed" or "api"
    locale: str = ""
    text: str = ""  # the digest of the text shown
    gpc: bool = False
    detail: str = ""
    subject: str = ""  # a keyed hash of the data subject; empty if there is none
    subject_key: str = ""  # the id of the key in PRIVACY_KEYS for that hash
    entry: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(12))

    def row(self) -> dict[str, Any]:
        """Return the entry as a row of the database, without its place in the chain."""
        row = dataclasses.asdict(self)
        return row | {name: json.dumps(row[name]) for name in ("purposes", "services", "withdrawn")}

    @classmethod
    def is_row(cls, row: object) -> bool:
        """Whether a value is a row from :meth:`row`, as the spool holds it: with or without a text shown."""
        names = {field.name for field in dataclasses.fields(cls)}
        return isinstance(row, dict) and row.keys() - {"wording"} == names


def encode_detail(detail: Mapping[str, Any], escape: bool) -> str:
    """Return the detail as JSON, in ASCII if ``escape`` is true or UTF-8 cannot encode it."""
    # A user name that is not UTF-8 has a lone surrogate, which UTF-8 cannot encode. Unescaped, such an entry would stay in
    # the spool and block all later entries.
    encoded = json.dumps(detail, ensure_ascii=escape)
    return encoded if encoded.isascii() or encoded.encode(errors="ignore").decode() == encoded else json.dumps(detail)


def detail_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of a stored row; raises :class:`ValueError` if it is not a JSON object."""
    return dict(json.loads(row["detail"] or "{}"))


def is_person_erasure(row: Mapping[str, Any]) -> bool:
    """Whether an entry records the erasure of a data subject, not of a visitor."""
    return row["kind"] == "erasure" and detail_of(row).get("what") == "person"


def hashes_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the keyed hashes of an entry's subject by key id, under all keys kept at that time, the newest last."""
    older = detail_of(row).get("older", {})
    return {**older, row["subject_key"]: row["subject"]}


def is_readable(row: Mapping[str, Any]) -> bool:
    """Whether the detail of a stored row is empty or a JSON object."""
    try:
        return not row["detail"] or isinstance(json.loads(row["detail"]), dict)
    except (TypeError, ValueError, RecursionError):
        return False


# The hash chain. Each entry is sealed with the hash of the entry before it, under a key of PRIVACY_KEYS.


@dataclasses.dataclass(frozen=True, slots=True)
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
