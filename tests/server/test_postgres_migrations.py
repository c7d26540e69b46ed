"""Schema versions on a real PostgreSQL: both ways, with data, and with several hosts at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.errors import PrivacyError
from flask_mixamo_privacy.rights.link_limit import LinkLimit
from flask_mixamo_privacy.rights.request_schema import requests
from flask_mixamo_privacy.rights.request_store import RequestStore
from flask_mixamo_privacy.storage.keys import KeyRing
from support.numbers_database import add, first, query, remove_version, second

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]


@pytest.mark.parametrize("prepare", [lambda database: None, remove_version], ids=["with a version", "before versions"])
def test_several_hosts_migrate_an_older_database_once(server, prepare):
    """All of them write at once after an upgrade, and none runs the step a second time."""
    url = server.database()
    add(first(url), number=0)
    prepare(first(url))
    with ThreadPoolExecutor(4) as hosts:
        list(hosts.map(lambda number: add(second(url), number=number, double=2 * number), range(1, 5)))
    assert query(second(url)) == [(number, 2 * number) for number in range(5)]
    assert query(second(url), "SELECT version FROM privacy_schema") == [(2,)]


def test_a_newer_database_is_refused_by_an_older_host(server):
    """A host that was not upgraded yet changes nothing."""
    url = server.database()
    add(second(url), number=5, double=10)
    with pytest.raises(PrivacyError, match=r"has version 2; allowed: versions up to 1\. Install the release"):
        add(first(url), number=6)
    with pytest.raises(PrivacyError, match=r"has version 2; allowed: versions up to 1\. Install the release"):
        query(first(url))
    assert query(second(url)) == [(5, 10)]


def test_a_failed_step_changes_nothing_on_a_server(server):
    """PostgreSQL rolls the new column back together with the version."""

    def fails(connection):
        connection.exec_driver_sql("ALTER TABLE numbers ADD COLUMN double INTEGER")
        connection.exec_driver_sql("UPDATE missing SET number = 1")

    url = server.database()
    add(first(url), number=4)
    with pytest.raises(PrivacyError, match="UndefinedTable"):
        query(second(url, step=fails))
    assert query(first(url)) == [(4,)]


def test_the_requests_of_the_first_release_are_migrated_on_a_server(server):
    """The waiting links keep their order, and a mailbox its limit."""
    url, columns = server.database(), "number SERIAL PRIMARY KEY, extended INTEGER NOT NULL DEFAULT 0"
    names = [column.name for column in requests.columns if column.name not in ("number", "extended", "origin")]
    columns = ", ".join([columns, *(f"{name} TEXT NOT NULL DEFAULT ''" for name in names)])
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE requests ({columns})")
        connection.exec_driver_sql("CREATE TABLE links (hash TEXT PRIMARY KEY, number INTEGER, opens TEXT, expires TEXT)")
        connection.exec_driver_sql(
            "INSERT INTO requests (kind, state, email, opened) VALUES ('access', 'open', 'a@b.c', '2026-05-08')"
        )
    store, limit = RequestStore(url, 30), LinkLimit(url, KeyRing({"key": "sixteen characters or more"}, ""))
    store.open("2026-05-08", kind="access", email="b@b.c", origin="7f")
    assert [request.email for request in store.awaiting_mail("2027")] == ["a@b.c", "b@b.c"]
    assert [bool(limit.reserve(email)) for email in ("a@b.c", "a+1@b.c", "A@b.c", "a+2@b.c")] == [False] * 3 + [True]
    limit.release("a@b.c"), limit.prune()
    assert limit.reserve("a@b.c") == "" and store.anonymise(requests.c.email == "a@b.c") == 1
