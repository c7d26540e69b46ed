"""The texts shown before a decision, and the receipt: the signed copy of a grant that a visitor can keep.

A receipt uses the field names of ISO/IEC TS 27560 for the same facts; it does not claim conformance. It is signed under a
key of ``PRIVACY_KEYS``, because those keys are kept. ``SECRET_KEY`` may have changed when a visitor shows the receipt.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..i18n.language import Language, LocalizedText
from ..ledger.entry import ShownText, canonical, canonical_json
from ..policy.model import Policy
from ..policy.parts import Service
from ..policy.ready_made import banner_text
from ..storage.keys import KeyRing


def banner(policy: Policy, t: Language) -> ShownText:
    """Return the text of the banner."""
    text = {
        "text": banner_text(policy, t).text,
        "buttons": _buttons(t, "Accept all", "Reject all", "Settings"),
    }
    return ShownText("banner", t.code, canonical_json(text), policy.policy_fingerprint)


def settings(policy: Policy, t: Language) -> ShownText:
    """Return the text of the settings page."""
    purposes = [
        {
            "title": t.of(purpose.title, policy.language).text,
            "description": t.of(purpose.description, policy.language).text,
            "optional": purpose.optional,
            "services": [_service(policy, service, t) for service in policy.services_of(purpose.id)],
            "recipients": [recipient.name for recipient in policy.recipients_of(purpose.id)],
        }
        for purpose in policy.on_settings
    ]
    text = {"purposes": purposes, "buttons": _buttons(t, "Save my choice", "Accept all", "Reject all")}
    return ShownText("settings", t.code, canonical_json(text), policy.policy_fingerprint)


def _service(policy: Policy, service: Service, t: Language) -> str:
    """Return a service's title, with its company and country if they are declared."""
    recipient = ", ".join(filter(None, (service.company, service.country)))
    return t.of(service.title, policy.language).text + (f" ({recipient})" if recipient else "")


def embed(policy: Policy, service: Service, t: Language) -> ShownText:
    """Return the text shown in place of a service's content until the visitor allows it."""
    text = {
        "service": t.of(service.title, policy.language).text,
        "purpose": t.of(policy.purpose(service.purpose).title, policy.language).text,
        "text": why_withheld(service, t).text,
        "buttons": _buttons(t, "Allow and load"),
    }
    return ShownText(f"embed:{service.id}", t.code, canonical_json(text), policy.policy_fingerprint)


def why_withheld(service: Service, t: Language) -> LocalizedText:
    """Return the sentence that names the hosts that a service would contact."""
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


# The receipt.

SCHEMA = "flask-mixamo-privacy receipt 1"
_MAX_SIZE = 1_000_000  # bytes


class NoReceipt(ValueError):
    """A file that is not a receipt."""


def make_receipt(
    policy: Policy, entries: Sequence[Mapping[str, Any]], granted: frozenset[str], text: ShownText | None
) -> dict[str, Any]:
    """Return the unsigned receipt for the ledger entries of a grant.

    ``granted`` holds the fingerprints of the purposes that are still granted, and ``text`` is the text shown.
    """
    grant, last = entries[0], entries[-1]
    contact = policy.contact
    return {
        "schema_version": SCHEMA,
        "record_id": grant["receipt"],
        "pii_controllers": [{"party_name": contact.name, "party_email": contact.email}] if contact else [],
        "privacy_notice": {"version": grant["policy"], "fingerprint": grant["fingerprint"]},
        "language": grant["locale"],
        "purposes": [_purpose(policy, purpose, granted) for purpose in json.loads(last["purposes"])],
        "services": json.loads(last["services"]),
        "collection_method": grant["source"],
        "global_privacy_control": bool(grant["gpc"]),
        "notice_shown": {"digest": grant["text"], "text": json.loads(text.body) if text else None},
        "events": [_event(entry) for entry in entries],
    }


def _purpose(policy: Policy, purpose: str, granted: frozenset[str]) -> dict[str, str]:
    fingerprint = policy.purpose_fingerprints.get(purpose, "")
    proof = {"fingerprint": fingerprint} if fingerprint in granted else {}
    return {"purpose": purpose, "lawful_basis": "consent"} | proof


def _event(entry: Mapping[str, Any]) -> dict[str, Any]:
    state = "given" if entry["kind"] == "grant" else "withdrawn in part"
    withdrawn = json.loads(entry["withdrawn"])
    return {"event_time": entry["at"], "event_state": state, "ledger_hash": entry["hash"]} | (
        {"withdrawn": withdrawn} if withdrawn else {}
    )


def sign_receipt(receipt: Mapping[str, Any], keys: KeyRing) -> dict[str, Any]:
    """Return the receipt with a signature. The signature has a digest of each field, to show later which was altered."""
    signature = {"algorithm": "HMAC-SHA256", "key": keys.newest, "fields": _digests(receipt)}
    return {**receipt, "signature": {**signature, "value": _value(keys, signature)}}


def altered_fields(signed: Mapping[str, Any], keys: KeyRing) -> list[str]:
    """Return the names of the altered fields; empty if the receipt is intact.

    Raises :class:`NoReceipt` and :class:`KeyMissing`.
    """
    signature = signed.get("signature")
    if not isinstance(signature, dict) or not isinstance(signature.get("key"), str):
        raise NoReceipt("it has no signature that names a key")
    unsealed = {name: value for name, value in signature.items() if name != "value"}
    if not hmac.compare_digest(_value(keys, unsealed).encode(), str(signature.get("value")).encode(errors="replace")):
        return ["signature"]
    expected = signature["fields"]
    actual = _digests({name: value for name, value in signed.items() if name != "signature"})
    return sorted(name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name))


def read_receipt(data: bytes) -> dict[str, Any]:
    """Parse a file as a receipt; raises :class:`NoReceipt`."""
    if len(data) > _MAX_SIZE:
        raise NoReceipt(f"it is larger than {_MAX_SIZE} bytes")
    try:
        receipt = json.loads(data, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise NoReceipt(f"it is not JSON: {error}") from None
    if not isinstance(receipt, dict) or receipt.get("schema_version") != SCHEMA:
        raise NoReceipt(f"its schema_version is not {SCHEMA!r}")
    return receipt


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated name: of two fields, one JSON parser keeps the first, another the last (RFC 8259, 4)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field occurs twice")
    return fields


def _digests(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: hashlib.sha256(canonical(value)).hexdigest() for name, value in fields.items()}


def _value(keys: KeyRing, signature: Mapping[str, Any]) -> str:
    return keys.mac(signature["key"], "receipt", canonical(signature))
