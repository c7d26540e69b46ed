"""The value of one setting, and checks that settings have in common. Each setting has a check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import SettingError


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


def without_password(value: Any) -> Any:
    """Return the value of a setting without the password of a URL, which may have an @, or be in the query."""
    if not isinstance(value, str):
        return value
    return re.sub(r"(password=)[^&#]*", r"\1***", re.sub(r"(://[^:/@]*):.*@", r"\1:***@", value, flags=re.DOTALL))


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
