"""An entry of the ledger, and the text it names. Imports no SQLAlchemy, because every page with a banner needs this."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from ..i18n.language import SHIPPED, Language, language


@dataclasses.dataclass(frozen=True)
class ShownText:
    """A text shown to a visitor before a decision: its form, its language, and its words as canonical JSON."""

    source: str  # "banner", "settings", "notice:" and a collection point's id, "embed:" and a service's id, ...
    locale: str
    body: str
    fingerprint: str  # of what is decided on

    @property
    def digest(self) -> str:
        """SHA-256 over the source, the language and the words, in hexadecimal."""
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
    *,
    same_text_suffices: bool = False,
) -> ShownText | None:
    """Return the text that a form's hidden field names, or None if the form has to be shown again.

    ``current`` returns the text in use for a source and a language. ``fingerprint`` identifies what the form asks now.
    A text that was corrected since then is valid if its form asked the same and ``ledger_lookup(digest, fingerprint)``
    can still prove it. With ``same_text_suffices``, an unchanged text is valid whatever the form asked.
    """
    asked, source, code, digest = [*token.split("."), "", "", ""][:4]
    asks_the_same = asked == fingerprint
    text = current(source, language(code)) if code in SHIPPED else None
    if text is not None and text.digest == digest and (asks_the_same or same_text_suffices):
        return text
    return ledger_lookup(token.rpartition(".")[2], fingerprint) if asks_the_same else None


def canonical_json(said: object) -> str:
    """Return the one JSON text of these values, of which digests are made."""
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclasses.dataclass(frozen=True)
class LedgerEntry:
    """One row of the ledger. A refusal carries the day alone, and neither receipt nor anything else of its own."""

    kind: str  # "grant", "refusal", "withdrawal", "erasure", "access", ... or "checkpoint"
    at: str  # UTC, ISO 8601; of a refusal the day
    receipt: str = ""
    replaces: str = ""  # the receipt of the grant that this ends
    policy: str = ""  # its version
    fingerprint: str = ""  # of what was decided on
    purposes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()  # purposes and services
    source: str = ""  # "banner", "settings", "embed" or "api"
    locale: str = ""
    text: str = ""  # the digest of the words shown
    gpc: bool = False
    detail: str = ""
    subject: str = ""  # a keyed hash of whom this is about; empty where nobody is named
    subject_key: str = ""  # the id of the key in PRIVACY_KEYS that made it
    entry: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(12))

    def row(self) -> dict[str, Any]:
        row = dataclasses.asdict(self)
        return row | {name: json.dumps(row[name]) for name in ("purposes", "services", "withdrawn")}

    @classmethod
    def is_row(cls, row: object) -> bool:
        """Whether this is what :meth:`row` gave once, words perhaps beside it."""
        names = {field.name for field in dataclasses.fields(cls)}
        return isinstance(row, dict) and row.keys() - {"wording"} == names


def encode_detail(detail: Mapping[str, Any], escape: bool) -> str:
    # A lone surrogate, as in a user name that is no UTF-8, has no bytes of its own: such an entry would never leave the
    # side file, and no later entry would be written either.
    encoded = json.dumps(detail, ensure_ascii=escape)
    return encoded if encoded.isascii() or encoded.encode(errors="ignore").decode() == encoded else json.dumps(detail)


def detail_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the detail of a stored row; raises :class:`ValueError` if it is not what an entry stores."""
    return dict(json.loads(row["detail"] or "{}"))


def is_person_erasure(row: Mapping[str, Any]) -> bool:
    """Whether an entry records the erasure of a person, not of a visitor."""
    return row["kind"] == "erasure" and detail_of(row).get("what") == "person"


def hashes_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the keyed hashes of an entry's subject by key id, the newest last; older keys are those kept at that time."""
    older = detail_of(row).get("older", {})
    return {**older, row["subject_key"]: row["subject"]}


def is_readable(row: Mapping[str, Any]) -> bool:
    """Whether the detail of a stored row is a JSON object, or nothing, as we write it."""
    try:
        return not row["detail"] or isinstance(json.loads(row["detail"]), dict)
    except (TypeError, ValueError, RecursionError):
        return False
