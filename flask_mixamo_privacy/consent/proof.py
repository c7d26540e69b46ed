"""The receipt: the signed copy of a grant that a visitor can keep.

Its fields are named as in ISO/IEC TS 27560 where they say the same; it does not claim to conform to it. It is signed under a
key of ``PRIVACY_KEYS``, since those are named and kept, while ``SECRET_KEY`` may be another one by the time it is shown.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..i18n.language import Language, LocalizedText
from ..ledger.chain import canonical
from ..ledger.entry import ShownText, canonical_json
from ..policy.model import Policy
from ..policy.parts import Service
from ..storage.keys import KeyRing

# The words a visitor is shown before deciding, and the digest that proves which they were.


def banner(policy: Policy, t: Language) -> ShownText:
    """The words of the banner."""
    said = {
        "text": t.of(policy.banner.text, policy.language).text,
        "buttons": _buttons(t, "Accept all", "Reject all", "Settings"),
    }
    return ShownText("banner", t.code, canonical_json(said), policy.policy_fingerprint)


def settings(policy: Policy, t: Language) -> ShownText:
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
    return ShownText("settings", t.code, canonical_json(said), policy.policy_fingerprint)


def embed(policy: Policy, service: Service, t: Language) -> ShownText:
    """The words that stand in the place of what a service has not been allowed to load yet."""
    said = {
        "service": t.of(service.title, policy.language).text,
        "purpose": t.of(policy.purpose(service.purpose).title, policy.language).text,
        "text": why_withheld(service, t).text,
        "buttons": _buttons(t, "Allow and load"),
    }
    return ShownText(f"embed:{service.id}", t.code, canonical_json(said), policy.policy_fingerprint)


def why_withheld(service: Service, t: Language) -> LocalizedText:
    """Who would learn of a visitor, in one sentence."""
    hosts = t.names([host.removeprefix("*.") for host in service.hosts])
    return t("It comes from %(host)s, which would learn that you are here. It is loaded only if you allow it.", host=hosts)


def current_text(policy: Policy, source: str, t: Language) -> ShownText | None:
    """Return the text of the banner, the settings page or an embed, by its source; None for an unknown source."""
    if source in ("banner", "settings"):
        return (banner if source == "banner" else settings)(policy, t)
    for service in policy.services:
        if source == f"embed:{service.id}":
            return embed(policy, service, t)
    return None


def _buttons(t: Language, *msgids: str) -> list[str]:
    return [t(msgid).text for msgid in msgids]


SCHEMA = "flask-mixamo-privacy receipt 1"
_LARGEST = 1_000_000  # bytes


class NoReceipt(ValueError):
    """What was given is no receipt at all."""


def make_receipt(
    policy: Policy, entries: Sequence[Mapping[str, Any]], marks: frozenset[str], words: ShownText | None
) -> dict[str, Any]:
    """What a grant's entries come to; ``marks`` are the fingerprints of the purposes that are granted still."""
    grant, last = entries[0], entries[-1]
    contact = policy.contact
    return {
        "schema_version": SCHEMA,
        "record_id": grant["receipt"],
        "pii_controllers": [{"party_name": contact.name, "party_email": contact.email}] if contact else [],
        "privacy_notice": {"version": grant["policy"], "fingerprint": grant["fingerprint"]},
        "language": grant["locale"],
        "purposes": [_purpose(policy, purpose, marks) for purpose in json.loads(last["purposes"])],
        "services": json.loads(last["services"]),
        "collection_method": grant["source"],
        "global_privacy_control": bool(grant["gpc"]),
        "notice_shown": {"digest": grant["text"], "text": json.loads(words.body) if words else None},
        "events": [_event(entry) for entry in entries],
    }


def _purpose(policy: Policy, purpose: str, marks: frozenset[str]) -> dict[str, str]:
    mark = policy.purpose_fingerprints.get(purpose, "")
    return {"purpose": purpose, "lawful_basis": "consent"} | ({"fingerprint": mark} if mark in marks else {})


def _event(entry: Mapping[str, Any]) -> dict[str, Any]:
    state = "given" if entry["kind"] == "grant" else "withdrawn in part"
    withdrawn = json.loads(entry["withdrawn"])
    return {"event_time": entry["at"], "event_state": state, "ledger_hash": entry["hash"]} | (
        {"withdrawn": withdrawn} if withdrawn else {}
    )


def sign_receipt(said: Mapping[str, Any], keys: KeyRing) -> dict[str, Any]:
    """The same with a signature, which holds a digest of each field: so it can be told later what was altered."""
    signature = {"algorithm": "HMAC-SHA256", "key": keys.newest, "fields": _digests(said)}
    return {**said, "signature": {**signature, "value": _value(keys, signature)}}


def altered_fields(signed: Mapping[str, Any], keys: KeyRing) -> list[str]:
    """The fields that are not what was signed, none if it is whole; raises :class:`NoReceipt` and :class:`KeyMissing`."""
    signature = signed.get("signature")
    if not isinstance(signature, dict) or not isinstance(signature.get("key"), str):
        raise NoReceipt("it has no signature that names a key")
    made = {name: value for name, value in signature.items() if name != "value"}
    if not hmac.compare_digest(_value(keys, made).encode(), str(signature.get("value")).encode(errors="replace")):
        return ["signature"]
    then, now = signature["fields"], _digests({name: value for name, value in signed.items() if name != "signature"})
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def read_receipt(data: bytes) -> dict[str, Any]:
    """A file as a receipt; raises :class:`NoReceipt`."""
    if len(data) > _LARGEST:
        raise NoReceipt(f"it is larger than {_LARGEST} bytes")
    try:
        found = json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise NoReceipt(f"it is no JSON: {error}") from None
    if not isinstance(found, dict) or found.get("schema_version") != SCHEMA:
        raise NoReceipt(f"its schema_version is not {SCHEMA!r}")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One reader would take the first of two fields of one name, another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field is there twice")
    return found


def _digests(said: Mapping[str, Any]) -> dict[str, str]:
    return {name: hashlib.sha256(canonical(value)).hexdigest() for name, value in said.items()}


def _value(keys: KeyRing, signature: Mapping[str, Any]) -> str:
    return keys.mac(signature["key"], "receipt", canonical(signature))
