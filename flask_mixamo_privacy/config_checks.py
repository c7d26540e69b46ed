"""What single settings may be. Each raises :class:`SettingError` for what cannot work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import SettingError


def matching(config: dict[str, Any], name: str, pattern: str, allowed: str, hint: str) -> str | None:
    """A text of this pattern, or None."""
    value = config[name]
    if value is not None and not (isinstance(value, str) and re.fullmatch(pattern, value)):
        raise SettingError(name, value, allowed, hint)
    return value


def keys(config: dict[str, Any]) -> Mapping[str, str] | None:
    """Secrets by id."""
    value = config["PRIVACY_KEYS"]
    if value is None:
        return None
    good = isinstance(value, Mapping) and value and all(_is_key(k, v) for k, v in value.items())
    if not good:
        shown = sorted(value) if isinstance(value, Mapping) else type(value).__name__
        hint = 'For example {"2026": "' + "…" + '"}; add a new one at the end to rotate, and keep the old ones.'
        raise SettingError("PRIVACY_KEYS", shown, "a mapping of short ids to secrets of 16 characters or more", hint)
    return dict(value)


def _is_key(key_id: object, secret: object) -> bool:
    named = isinstance(key_id, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) is not None
    return named and isinstance(secret, str) and len(secret) >= 16


def cookie_domain(config: dict[str, Any]) -> str | None:
    """A domain name."""
    value = config["PRIVACY_COOKIE_DOMAIN"]
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)+", value):
        hint = 'For example "example.com", to share one decision among its subdomains.'
        raise SettingError("PRIVACY_COOKIE_DOMAIN", value, "a domain name in lower case, or None", hint)
    return value
