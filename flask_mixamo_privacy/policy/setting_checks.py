"""The value of one setting, and checks that settings have in common. Each setting has a check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import SettingError
from ..i18n.language import SHIPPED

#: What a URL with a password must have, for hints.
ESCAPED = "In a password, write @ as %40, / as %2F, : as %3A and % as %25."
LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """The value of one setting in the app's config, with the app's folders."""

    name: str
    value: Any
    default: Any
    instance_path: str
    root_path: str

    def error(self, allowed: str, hint: str) -> SettingError:
        """Return the error to raise, without the password of a URL."""
        return SettingError(self.name, without_password(self.value), allowed, hint)


_PASSWORD = re.compile(r"^((?!mailto:)(?:[\w+.-]*://)?[^:]*):.*@", re.DOTALL | re.IGNORECASE)
_QUERY_PASSWORD = re.compile(r"(passw(?:or)?d=)[^&#]*", re.IGNORECASE)


def without_password(value: Any) -> Any:
    """Return the value of a setting without the password of a URL, even if it is misspelt.

    Both the user and the password may have an @, the scheme may be missing, and the password may be in the query.
    """
    if not isinstance(value, str):
        return value
    return _QUERY_PASSWORD.sub(r"\1***", _PASSWORD.sub(r"\1:***@", value))


#: A check returns the validated value of a setting, or raises :class:`SettingError`.
Check = Callable[[ConfigValue], Any]


def valid(
    is_valid: Callable[[Any], object], allowed: str, hint: str = "", *, convert: Callable[[Any], Any] = lambda value: value
) -> Check:
    """Return a check of one condition. Without a hint, the error states the default."""

    def check(setting: ConfigValue) -> Any:
        if not is_valid(setting.value):
            raise setting.error(allowed, hint or f"The default is {setting.default}.")
        return convert(setting.value)

    return check


def one_of(*allowed: Any) -> Check:
    return valid(
        lambda value: any(value is item or (isinstance(item, str) and value == item) for item in allowed),
        ", ".join(map(str, allowed)),
    )


def whole_number(least: int) -> Check:
    return valid(lambda value: type(value) is int and value >= least, f"a whole number of at least {least}")


def matching(pattern: str, allowed: str, hint: str) -> Check:
    """Return a check for a text that matches the whole pattern, or None."""
    return valid(lambda value: value is None or (isinstance(value, str) and re.fullmatch(pattern, value)), allowed, hint)


def url(schemes: tuple[str, ...], example: str) -> Check:
    """Return a check for a URL with one of these schemes, or None."""
    is_url = re.compile(rf"({'|'.join(schemes)})://[^?#\s]+").fullmatch
    return valid(
        lambda value: value is None or (isinstance(value, str) and is_url(value)),
        f"a URL such as {example}, or None",
        "Change the URL, or leave the setting out.",
        convert=lambda value: value.rstrip("/") if value else None,
    )


def function(hint: str, parameters: str = "") -> Check:
    arguments = f"with {parameters} as its arguments" if parameters else "without arguments"
    return valid(lambda value: value is None or callable(value), f"a callable {arguments}, or None", hint)


def by_name(item: str, *, may_call: bool = True) -> Check:
    """Return a check for a mapping of names to texts, or also to callables if ``may_call`` is true."""

    def is_valid(values: Any) -> bool:
        return isinstance(values, Mapping) and all(
            isinstance(name, str) and (isinstance(value, str) or (may_call and callable(value)))
            for name, value in values.items()
        )

    return valid(is_valid, f"a mapping of names, each to {item}", "Change it, or leave the setting out.", convert=dict)


url_prefix = valid(
    lambda value: isinstance(value, str) and re.fullmatch(r"(/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+", value),
    "a path with a leading and no trailing slash",
    'The default is "/privacy".',
)
locale = valid(
    lambda value: value is None or callable(value) or value in SHIPPED,
    f"a callable, or one of: {', '.join(SHIPPED)}",
    "Leave it out to use the locale of Flask-Babel, if it is installed, or else the browser's languages.",
)


def is_address(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[^@\s<>,]+@[^@\s<>,]+", value) is not None


def keys(setting: ConfigValue) -> Mapping[str, str] | None:
    value = setting.value
    if value is None:
        return None
    is_id = re.compile(r"[A-Za-z0-9_-]{1,32}").fullmatch
    if not (isinstance(value, Mapping) and value) or not all(
        isinstance(key_id, str) and is_id(key_id) and isinstance(secret, str) and len(secret) >= 16
        for key_id, secret in value.items()
    ):
        shown = sorted(value) if isinstance(value, Mapping) else type(value).__name__  # never a secret
        hint = 'Set, for example, {"2026": "…"}. To rotate, add a new key at the end, and keep the old ones.'
        raise SettingError(setting.name, shown, "a mapping of short ids to secrets of 16 characters or more", hint)
    return dict(value)


def token(setting: ConfigValue) -> str | None:
    value = setting.value
    if value is None or (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._~+/-]{16,}=*", value)):
        return value
    shown = f"a text of {len(value)} characters" if isinstance(value, str) else type(value).__name__  # never the secret
    hint = "Generate one: python -c 'import secrets; print(secrets.token_urlsafe())'."
    raise SettingError(setting.name, shown, "at least 16 letters, digits and characters of ._~+/-, or None", hint)


def timezone(setting: ConfigValue) -> str:
    try:
        return ZoneInfo(setting.value).key
    except (TypeError, ValueError, LookupError, OSError):
        allowed = 'a name of the IANA time zone database, such as "UTC" or "Europe/Berlin"'
        raise setting.error(allowed, "If the system lacks that database, run pip install tzdata.") from None


def staff_pages(setting: ConfigValue) -> dict[str, tuple[str, Any]]:
    """Return the need and the title of each page, by its endpoint."""
    value = setting.value
    if not isinstance(value, Mapping) or not all(
        isinstance(page, tuple | list) and len(page) == 2 and isinstance(page[0], str) and isinstance(page[1], str | Mapping)
        for page in value.values()
    ):
        hint = 'Set, for example, {"orders.everything": ("support", "Orders")}, or leave it out.'
        raise setting.error("a mapping of endpoints, each to a need and a title", hint)
    return {str(endpoint): (need, title) for endpoint, (need, title) in value.items()}
