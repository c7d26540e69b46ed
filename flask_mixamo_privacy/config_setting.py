"""The checks of settings. Each returns the setting's value, or raises :class:`SettingError` with the next step."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from .errors import SettingError
from .i18n.language import SHIPPED


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """The value that a site gave to one setting, and the folders of its app."""

    name: str
    value: Any
    default: Any
    instance_path: str
    root_path: str

    def error(self, allowed: str, hint: str) -> SettingError:
        """The error to raise. A password in the value's address is not repeated."""
        value = self.value
        if isinstance(value, str):
            value = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", value)
        return SettingError(self.name, value, allowed, hint)


Check = Callable[[ConfigValue], Any]


def valid(
    is_valid: Callable[[Any], object], allowed: str, hint: str = "", *, convert: Callable[[Any], Any] = lambda value: value
) -> Check:
    """A check by one condition. Without a hint, the error states the default."""

    def check(given: ConfigValue) -> Any:
        if not is_valid(given.value):
            raise given.error(allowed, hint or f"The default is {given.default}.")
        return convert(given.value)

    return check


def one_of(*allowed: Any) -> Check:
    return valid(
        lambda value: any(value is one or (isinstance(one, str) and value == one) for one in allowed),
        ", ".join(map(str, allowed)),
    )


def whole_number(least: int) -> Check:
    return valid(lambda value: type(value) is int and value >= least, f"a whole number of at least {least}")


def matching(pattern: str, allowed: str, hint: str) -> Check:
    """A text that matches the whole pattern, or None."""
    return valid(lambda value: value is None or (isinstance(value, str) and re.fullmatch(pattern, value)), allowed, hint)


def url(schemes: tuple[str, ...], example: str) -> Check:
    """An address with one of these schemes, or None."""
    fits = re.compile(rf"({'|'.join(schemes)})://[^?#\s]+").fullmatch
    return valid(
        lambda value: value is None or (isinstance(value, str) and fits(value)),
        f"such as {example}",
        "Leave it out to do without.",
        convert=lambda value: value.rstrip("/") if value else None,
    )


def function(hint: str, takes: str = "") -> Check:
    arguments = f"with {takes} as its arguments" if takes else "without arguments"
    return valid(lambda value: value is None or callable(value), f"a callable {arguments}, or None", hint)


def functions(hint: str) -> Check:
    return valid(
        lambda value: isinstance(value, list | tuple) and all(map(callable, value)),
        "a list of callables",
        hint,
        convert=tuple,
    )


def by_name(each: str, *, may_call: bool = True) -> Check:
    """A mapping of names to texts or, unless ``may_call`` is False, to callables."""

    def is_valid(value: Any) -> bool:
        return isinstance(value, Mapping) and all(
            isinstance(key, str) and (isinstance(one, str) or (may_call and callable(one))) for key, one in value.items()
        )

    return valid(is_valid, f"a mapping of names, each to {each}", "Leave it out to do without.", convert=dict)


url_prefix = valid(
    lambda value: isinstance(value, str) and re.fullmatch(r"(/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+", value),
    "a path with a leading and no trailing slash",
    'The default is "/privacy".',
)
cookie_domain = matching(
    r"\.?[a-z0-9-]+(\.[a-z0-9-]+)+",
    "a domain name in lower case, or None",
    'For example "example.com", to share one decision among its subdomains.',
)
locale = valid(
    lambda value: value is None or callable(value) or value in SHIPPED,
    f"a callable, or one of: {', '.join(SHIPPED)}",
    "Left out, Flask-Babel is asked where it is installed, else the browser.",
)


def database_url(filename: str) -> Check:
    """The address of a database; None is this file in the instance folder."""

    def check(given: ConfigValue) -> str:
        value = given.value
        if value is None:
            return "sqlite:///" + os.path.join(given.instance_path, filename)
        if not isinstance(value, str) or not value.startswith(("sqlite:////", "postgresql+psycopg://", "postgresql://")):
            raise given.error(
                "sqlite:////absolute/path, or postgresql+psycopg://user@host/database",
                "A relative or in-memory database would be another one in each process.",
            )
        # SQLAlchemy reads a bare postgresql:// as psycopg2; this package ships with psycopg 3.
        return re.sub(r"^postgresql://", "postgresql+psycopg://", value)

    return check


def folder_of(url: str) -> str | None:
    return os.path.dirname(url.removeprefix("sqlite:///")) if url.startswith("sqlite:////") else None


def folder(name: str | None = None) -> Check:
    """The path of a folder; None is the folder of this name in the instance folder, if there is one by default."""

    def check(given: ConfigValue) -> str | None:
        value = given.value
        if value is None:
            return os.path.join(given.instance_path, name) if name else None
        path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
        if not isinstance(path, str) or not os.path.isabs(path):
            raise given.error("an absolute path", "Where a process was started must not change where data goes.")
        return path

    return check


def keys(given: ConfigValue) -> Mapping[str, str] | None:
    value = given.value
    if value is None:
        return None
    good = isinstance(value, Mapping) and value and all(_is_key(k, v) for k, v in value.items())
    if not good:
        shown = sorted(value) if isinstance(value, Mapping) else type(value).__name__
        hint = 'For example {"2026": "…"}; add a new one at the end to rotate, and keep the old ones.'
        raise SettingError(given.name, shown, "a mapping of short ids to secrets of 16 characters or more", hint)
    return dict(value)


def _is_key(key_id: object, secret: object) -> bool:
    named = isinstance(key_id, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) is not None
    return named and isinstance(secret, str) and len(secret) >= 16


def timezone(given: ConfigValue) -> str:
    try:
        return ZoneInfo(given.value).key
    except (TypeError, ValueError, LookupError, OSError):
        allowed = 'a name of the IANA time zone database, such as "UTC" or "Europe/Berlin"'
        raise given.error(allowed, "Where the system has no such database, pip install tzdata.") from None


def isp_database(given: ConfigValue) -> str | None:
    path: str | None = folder()(given)
    if path is None:
        return None
    try:
        import maxminddb  # noqa: F401
    except ImportError:
        hint = "Install the reader: pip install Flask-Mixamo-Privacy[isp]."
        raise given.error("None while maxminddb is not installed", hint) from None
    return path
