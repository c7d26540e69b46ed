"""The URL of a ClickHouse cluster: ``clickhouse://user:password@host:8123,other:8123/database?cluster=name``."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import MissingExtra, SettingError
from .setting_checks import ESCAPED, LAST_PORT, Check, ConfigValue, without_password

_SCHEMES = {"clickhouse": 8123, "clickhouse+https": 8443}  # with the port of each

_is_name = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_split_address = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?").fullmatch


class ClickHouseURL(NamedTuple):
    """Every server of the cluster, the database on each, and the name of the cluster."""

    addresses: tuple[tuple[str, int], ...]
    user: str
    password: str
    database: str
    cluster: str  # empty for one server
    is_encrypted: bool


def is_clickhouse(url: str) -> bool:
    return url.partition("://")[0] in _SCHEMES


def parse_clickhouse_url(url: str) -> ClickHouseURL | None:
    """Return the parts of a URL, or None if it is not valid. Several servers need the name of their cluster."""
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        return None
    try:
        parts = urlsplit("//" + rest)
    except ValueError:  # its text may quote the password
        return None
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = parse_qs(parts.query, keep_blank_values=True)
    (cluster, *more), database = query.pop("cluster", [""]), unquote(parts.path.removeprefix("/"))
    addresses = [_address(host, _SCHEMES[scheme]) for host in hosts.split(",")]
    known = tuple(each for each in addresses if each is not None)
    is_valid = len(known) == len(set(addresses)) and _is_name(database) and not (query or more or parts.fragment)
    if not is_valid or (not _is_name(cluster) if cluster or len(known) > 1 else False):
        return None
    return ClickHouseURL(known, unquote(user) or "default", unquote(password), database, cluster, scheme.endswith("https"))


def _address(text: str, default: int) -> tuple[str, int] | None:
    found = _split_address(text)
    port = int(found[2] or default) if found else 0
    return (found[1].strip("[]"), port) if found and 0 < port <= LAST_PORT else None


def clickhouse_or(other: Check) -> Check:
    """Return a check for the URL of a ClickHouse, which leaves every other value to another check."""

    def check(setting: ConfigValue) -> str:
        value = setting.value
        if not isinstance(value, str) or not is_clickhouse(value):
            return str(other(setting))
        if parse_clickhouse_url(value) is None:
            allowed = "clickhouse://user:password@host:8123,other:8123/database?cluster=name, or clickhouse+https"
            hint = (
                "Name every server of the cluster, an existing database, and the cluster unless it is one server. "
                f"A port is from 1 to {LAST_PORT}. {ESCAPED}"
            )
            raise setting.error(allowed, hint)
        if find_spec("clickhouse_connect") is None:
            raise MissingExtra("ClickHouse", "clickhouse")
        return value

    return check


def or_none(check: Check) -> Check:
    """Return a check that also allows None."""
    return lambda setting: None if setting.value is None else check(setting)


def books_of(events: str, books: str | None) -> str:
    """Return the URL of the books. Raises :class:`SettingError` unless it fits the URL of the events."""
    if is_clickhouse(events) and books is None:
        allowed = "postgresql+psycopg://user@host/database, or sqlite:////absolute/path for a site with one host"
        hint = "Set the database of cursors, erasures and published reports, because PRIVACY_EVENTS_URL is a ClickHouse."
        raise SettingError("PRIVACY_BOOKS_URL", books, allowed, hint)
    if not is_clickhouse(events) and books not in (None, events):
        hint = "Leave it out: PRIVACY_EVENTS_URL has the events, the cursors and the published reports."
        allowed = "None, unless PRIVACY_EVENTS_URL is a ClickHouse"
        raise SettingError("PRIVACY_BOOKS_URL", without_password(books), allowed, hint)
    return str(books or events)
