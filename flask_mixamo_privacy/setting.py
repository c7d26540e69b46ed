"""What one setting may be: each check gives its value, or raises :class:`SettingError` with what to do next."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from .errors import SettingError


def url_prefix(config: dict[str, Any]) -> str:
    value = config["PRIVACY_URL_PREFIX"]
    if not isinstance(value, str) or not re.fullmatch(r"(/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+)+", value):
        raise SettingError(
            "PRIVACY_URL_PREFIX", value, "a path with a leading and no trailing slash", 'The default is "/privacy".'
        )
    return value


def database_url(config: dict[str, Any], name: str, instance_path: str, filename: str) -> str:
    value = config[name]
    if value is None:
        return "sqlite:///" + os.path.join(instance_path, filename)
    if not isinstance(value, str) or not value.startswith(("sqlite:////", "postgresql+psycopg://", "postgresql://")):
        raise SettingError(
            name,
            _without_password(value),
            "sqlite:////absolute/path, or postgresql+psycopg://user@host/database",
            "A relative or in-memory database would be another one in each process.",
        )
    # SQLAlchemy reads a bare postgresql:// as psycopg2; this package ships with psycopg 3.
    return re.sub(r"^postgresql://", "postgresql+psycopg://", value)


def url(config: dict[str, Any], name: str, schemes: tuple[str, ...], example: str) -> str | None:
    value = config[name]
    if value is not None and not (isinstance(value, str) and re.fullmatch(rf"({'|'.join(schemes)})://[^?#\s]+", value)):
        raise SettingError(name, _without_password(value), f"such as {example}", "Leave it out to do without.")
    return value.rstrip("/") if value else None


def _without_password(value: object) -> object:
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", value) if isinstance(value, str) else value


def folder_of(url: str) -> str | None:
    return os.path.dirname(url.removeprefix("sqlite:///")) if url.startswith("sqlite:////") else None


def folder(config: dict[str, Any], name: str) -> str | None:
    value = config[name]
    if value is None:
        return None
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str) or not os.path.isabs(path):
        raise SettingError(name, value, "an absolute path", "Where a process was started must not change where data goes.")
    return path


def whole_number(config: dict[str, Any], name: str, least: int, default: int) -> int:
    value = config[name]
    if type(value) is not int or value < least:
        hint = f"The default is {default}."
        raise SettingError(name, value, f"a whole number of at least {least}", hint)
    return value


def one_of(config: dict[str, Any], name: str, allowed: tuple[Any, ...], default: object) -> Any:
    value = config[name]
    if not any(value is one or (isinstance(one, str) and value == one) for one in allowed):
        hint = f"The default is {default}."
        raise SettingError(name, value, ", ".join(map(str, allowed)), hint)
    return value


def matching(config: dict[str, Any], name: str, pattern: str, allowed: str, hint: str) -> str | None:
    value = config[name]
    if value is not None and not (isinstance(value, str) and re.fullmatch(pattern, value)):
        raise SettingError(name, value, allowed, hint)
    return value


def keys(config: dict[str, Any]) -> Mapping[str, str] | None:
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
    value = config["PRIVACY_COOKIE_DOMAIN"]
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"\.?[a-z0-9-]+(\.[a-z0-9-]+)+", value):
        hint = 'For example "example.com", to share one decision among its subdomains.'
        raise SettingError("PRIVACY_COOKIE_DOMAIN", value, "a domain name in lower case, or None", hint)
    return value


def timezone(config: dict[str, Any]) -> str:
    value = config["PRIVACY_TIMEZONE"]
    try:
        return ZoneInfo(value).key
    except (TypeError, ValueError, LookupError, OSError):
        allowed = 'a name of the IANA time zone database, such as "UTC" or "Europe/Berlin"'
        hint = "Where the system has no such database, pip install tzdata."
        raise SettingError("PRIVACY_TIMEZONE", value, allowed, hint) from None


def isp_database(config: dict[str, Any]) -> str | None:
    path = folder(config, "PRIVACY_ISP_DATABASE")
    if path is None:
        return None
    try:
        import maxminddb  # noqa: F401
    except ImportError:
        hint = "Install the reader: pip install Flask-Mixamo-Privacy[isp]."
        raise SettingError("PRIVACY_ISP_DATABASE", path, "None while maxminddb is not installed", hint) from None
    return path


def function(config: dict[str, Any], name: str, hint: str, takes: str = "") -> Callable[..., Any] | None:
    value = config[name]
    if value is not None and not callable(value):
        arguments = f"with {takes} as its arguments" if takes else "without arguments"
        raise SettingError(name, value, f"a callable {arguments}, or None", hint)
    return value  # type: ignore[no-any-return]


def functions(config: dict[str, Any], name: str, hint: str) -> tuple[Callable[..., Any], ...]:
    value = config[name]
    if not isinstance(value, list | tuple) or not all(map(callable, value)):
        raise SettingError(name, value, "a list of callables", hint)
    return tuple(value)


def by_name(config: dict[str, Any], name: str, each: str, *, may_call: bool = True) -> Mapping[str, Any]:
    value = config[name]
    good = isinstance(value, Mapping) and all(
        isinstance(key, str) and (isinstance(one, str) or (may_call and callable(one))) for key, one in value.items()
    )
    if not good:
        raise SettingError(name, value, f"a mapping of names, each to {each}", "Leave it out to do without.")
    return dict(value)
