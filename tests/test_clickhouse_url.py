"""The URL of a ClickHouse cluster, and the setting of the books that it needs."""

from __future__ import annotations

import pytest

from flask_mixamo_privacy import config
from flask_mixamo_privacy.errors import MissingExtra, SettingError
from flask_mixamo_privacy.policy import clickhouse_url
from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url

ONE = "clickhouse://site@host/privacy"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """The extra is installed."""
    monkeypatch.setattr(clickhouse_url, "find_spec", lambda name: name)


def read(**settings):
    return config.read({"SECRET_KEY": "key", **settings}, "/site", "/site")


def test_a_url_names_every_server_of_the_cluster():
    """With a port each, and a password whose characters are escaped."""
    url = parse_clickhouse_url("clickhouse://me:a%20b%40@one:9000,two,[::1]:9/db?cluster=all")
    assert url == ((("one", 9000), ("two", 8123), ("::1", 9)), "me", "a b@", "db", "all", False)


def test_https_has_a_scheme_and_a_port_of_its_own():
    """One server needs no name of a cluster."""
    url = parse_clickhouse_url("clickhouse+https://host/db")
    assert url is not None and url.addresses == (("host", 8443),) and url.is_encrypted and url.user == "default"


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://host", "clickhouse://host/", "clickhouse:///db", "clickhouse://one,two/db", "clickhouse://one,/db?cluster=c",
        "clickhouse://host/d b", "clickhouse://host/db?cluster=a;b", "clickhouse://host/db?user=a", "clickhouse://host:x/db",
        "clickhouse://host/db?cluster=a&cluster=b", "clickhouse://host/db#x", "clickhouse://one,one/db?cluster=c", "clickhouses://h/db",
        "clickhouse://host:65536/db", "clickhouse://host:0/db", "clickhouse://one,two:99999/db?cluster=c",
    ],
)  # fmt: skip
def test_a_url_that_cannot_work_is_refused(url):
    """The error names the setting and what is allowed."""
    with pytest.raises(SettingError, match="PRIVACY_EVENTS_URL"):
        read(PRIVACY_EVENTS_URL=url, PRIVACY_BOOKS_URL="postgresql://host/db")


@pytest.mark.parametrize("url", ["clickhouse://host:65536/db", "clickhouse://me:my/secret@one,two:99999/db?cluster=c"])
def test_a_port_that_cannot_exist_is_refused(url):
    """The error states which ports exist, and how a password is written."""
    with pytest.raises(SettingError, match=r"from 1 to 65535\. In a password, write @ as %40, / as %2F"):
        read(PRIVACY_EVENTS_URL=url)


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://me:secret@host", "clickhouse://me:my@secret@one,two/db", "clickhouse://me:\u2100secret@host/db",
        "clickhouse://me:secret@[::1/db", "clickhouse://host/db?password=secret", "clickhouse://me:se@cret:secret@host",
    ],
)  # fmt: skip
def test_an_error_shows_no_password(url):
    """It may be in a log. The password may have an @ or a character that no URL has."""
    with pytest.raises(SettingError, match="PRIVACY_EVENTS_URL") as raised:
        read(PRIVACY_EVENTS_URL=url)
    assert "secret" not in str(raised.value) and "cret" not in str(raised.value)


def test_events_in_clickhouse_need_books(tmp_path):
    """They are in PostgreSQL or, for one host, in SQLite."""
    with pytest.raises(SettingError, match="PRIVACY_BOOKS_URL") as raised:
        read(PRIVACY_EVENTS_URL=ONE)
    assert "postgresql" in str(raised.value)
    for books in ("postgresql+psycopg://host/db", f"sqlite:///{tmp_path}/books.sqlite"):
        settings = read(PRIVACY_EVENTS_URL=ONE, PRIVACY_BOOKS_URL=books)
        assert (settings.events_url, settings.books_url) == (ONE, books)


def test_books_are_never_in_clickhouse():
    """Their transactions keep out other writers."""
    with pytest.raises(SettingError, match="PRIVACY_BOOKS_URL"):
        read(PRIVACY_EVENTS_URL=ONE, PRIVACY_BOOKS_URL=ONE)


def test_other_events_have_no_other_books():
    """A second database would be ignored."""
    assert read().books_url == read().events_url
    with pytest.raises(SettingError, match="PRIVACY_BOOKS_URL"):
        read(PRIVACY_BOOKS_URL="postgresql://host/db")


def test_clickhouse_needs_its_extra(monkeypatch):
    """The error states how to install it."""
    monkeypatch.setattr(clickhouse_url, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"\[clickhouse\]"):
        read(PRIVACY_EVENTS_URL=ONE, PRIVACY_BOOKS_URL="postgresql://host/db")
