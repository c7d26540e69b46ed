"""The words a visitor is shown before deciding, and the digest that proves which they were."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .language import SHIPPED, Language, language
from .policy import Policy


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
        """What the form's hidden field says: what is decided on, where, in which language, and the digest of the words."""
        return f"{self.fingerprint}.{self.source}.{self.locale}.{self.digest}"


def banner(policy: Policy, t: Language) -> Wording:
    """The words of the banner."""
    said = {
        "text": t.of(policy.banner.text, policy.language).text,
        "buttons": _buttons(t, "Accept all", "Reject all", "Settings"),
    }
    return Wording("banner", t.code, _canonical(said), policy.fingerprint)


def settings(policy: Policy, t: Language) -> Wording:
    """The words of the settings page."""
    purposes = [
        {
            "title": t.of(purpose.title, policy.language).text,
            "description": t.of(purpose.description, policy.language).text,
            "optional": purpose.optional,
            "services": [service.id for service in policy.services_of(purpose.id)],
            "recipients": [recipient.name for recipient in policy.recipients_of(purpose.id)],
        }
        for purpose in policy.on_settings
    ]
    said = {"purposes": purposes, "buttons": _buttons(t, "Save my choice", "Accept all", "Reject all")}
    return Wording("settings", t.code, _canonical(said), policy.fingerprint)


_SOURCES = {"banner": banner, "settings": settings}


def in_force(policy: Policy, shown: str) -> Wording | None:
    """The words that a form's hidden field names, if a form may show them now."""
    _, source, code, digest = [*shown.split("."), "", "", ""][:4]
    if source not in _SOURCES or code not in SHIPPED:
        return None
    found = _SOURCES[source](policy, language(code))
    return found if found.digest == digest else None


def _buttons(t: Language, *msgids: str) -> list[str]:
    return [t(msgid).text for msgid in msgids]


def _canonical(said: object) -> str:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
