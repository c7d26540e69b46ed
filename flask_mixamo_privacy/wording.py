"""The words a visitor is shown before deciding, and the digest that proves which they were."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .policy import Policy

#: The language of the built-in words.
LOCALE = "en"

ACCEPT, REJECT, SETTINGS, SAVE = "Accept all", "Reject all", "Settings", "Save my choice"


@dataclass(frozen=True)
class Wording:
    """All that one form says: where it stood, in which language, and its text as canonical JSON."""

    source: str  # "banner" or "settings"
    locale: str
    body: str
    fingerprint: str  # of what is decided on

    @property
    def digest(self) -> str:
        """SHA-256 over the words and where they stood, in hexadecimal."""
        return hashlib.sha256("\0".join((self.source, self.locale, self.body)).encode()).hexdigest()

    @property
    def shown(self) -> str:
        """What the form's hidden field says: what is decided on, and the digest of the words."""
        return f"{self.fingerprint}.{self.digest}"


def banner(policy: Policy) -> Wording:
    """The words of the banner."""
    said = {"text": policy.banner, "buttons": [ACCEPT, REJECT, SETTINGS]}
    return Wording("banner", LOCALE, _canonical(said), policy.fingerprint)


def settings(policy: Policy) -> Wording:
    """The words of the settings page."""
    purposes = [{"title": p.title, "description": p.description, "optional": p.optional} for p in policy.purposes]
    said = {"purposes": purposes, "buttons": [SAVE, ACCEPT, REJECT]}
    return Wording("settings", LOCALE, _canonical(said), policy.fingerprint)


def in_force(policy: Policy) -> dict[str, Wording]:
    """Every wording that a form may show now, by its digest."""
    return {wording.digest: wording for wording in (banner(policy), settings(policy))}


def _canonical(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
