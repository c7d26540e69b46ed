"""The words a visitor is shown before deciding, and the digest that proves which they were."""

from __future__ import annotations

import json
from collections.abc import Callable

from ..i18n.language import SHIPPED, Language, Said, language
from ..ledger.entry import ShownText
from ..policy.model import Policy
from ..policy.policy import Service

Wording = ShownText


def banner(policy: Policy, t: Language) -> Wording:
    """The words of the banner."""
    said = {
        "text": t.of(policy.banner.text, policy.language).text,
        "buttons": _buttons(t, "Accept all", "Reject all", "Settings"),
    }
    return Wording("banner", t.code, canonical_json(said), policy.fingerprint)


def settings(policy: Policy, t: Language) -> Wording:
    """The words of the settings page."""
    purposes = [
        {
            "title": t.of(purpose.title, policy.language).text,
            "description": t.of(purpose.description, policy.language).text,
            "optional": purpose.optional,
            "services": [t.of(service.title, policy.language).text for service in policy.services_of(purpose.id)],
            "recipients": [recipient.name for recipient in policy.recipients_of(purpose.id)],
        }
        for purpose in policy.on_settings
    ]
    said = {"purposes": purposes, "buttons": _buttons(t, "Save my choice", "Accept all", "Reject all")}
    return Wording("settings", t.code, canonical_json(said), policy.fingerprint)


def embed(policy: Policy, service: Service, t: Language) -> Wording:
    """The words that stand in the place of what a service has not been allowed to load yet."""
    said = {
        "service": t.of(service.title, policy.language).text,
        "purpose": t.of(policy.purpose(service.purpose).title, policy.language).text,
        "text": why_withheld(service, t).text,
        "buttons": _buttons(t, "Allow and load"),
    }
    return Wording(f"embed:{service.id}", t.code, canonical_json(said), policy.fingerprint)


def why_withheld(service: Service, t: Language) -> Said:
    """Who would learn of a visitor, in one sentence."""
    hosts = t.names([host.removeprefix("*.") for host in service.hosts])
    return t("It comes from %(host)s, which would learn that you are here. It is loaded only if you allow it.", host=hosts)


def current_text(policy: Policy, source: str, t: Language) -> Wording | None:
    """Return the text of the banner, the settings page or an embed, by its source; None for an unknown source."""
    if source in ("banner", "settings"):
        return (banner if source == "banner" else settings)(policy, t)
    for service in policy.services:
        if source == f"embed:{service.id}":
            return embed(policy, service, t)
    return None


def resolve_shown(
    token: str,
    current: Callable[[str, Language], Wording | None],
    fingerprint: str,
    ledger_lookup: Callable[[str, str], Wording | None],
    *,
    same_text_suffices: bool = False,
) -> Wording | None:
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


def _buttons(t: Language, *msgids: str) -> list[str]:
    return [t(msgid).text for msgid in msgids]


def canonical_json(said: object) -> str:
    """Return the one JSON text of these values, of which digests are made."""
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
