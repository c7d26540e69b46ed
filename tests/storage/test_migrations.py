"""Schema versions: a later release opens what an earlier one wrote, and an earlier release never writes to a later schema."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import MetaData, inspect

from conftest import choose
from flask_mixamo_privacy.errors import PrivacyError
from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.storage.database import Database
from flask_mixamo_privacy.tracking.events import FIELDS
from flask_mixamo_privacy.tracking.schema import CODED, events, texts
from support.numbers_database import add, first, query, remove_version, second

#: The three databases as a release without versions wrote them: five visitors, an erased one, opt-ins and a request.
FIRST = (Path(__file__).parents[1] / "support" / "first_schema.sql").read_text(encoding="utf-8")
VERSION = "SELECT part, version FROM privacy_schema"


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/numbers.sqlite"


@pytest.mark.parametrize("prepare", [lambda database: None, remove_version], ids=["with a version", "before versions"])
def test_the_next_write_migrates_an_older_database(url, prepare):
    """The rows are kept, and the step runs once."""
    add(first(url), number=4)
    prepare(first(url))
    add(second(url), number=5, double=10)
    add(second(url), number=6, double=12)
    assert query(second(url)) == [(4, 8), (5, 10), (6, 12)]
    assert query(second(url), VERSION) == [("numbers", 2)]


def test_a_read_migrates_an_older_database_too(url):
    """A report after an upgrade may come before the first write."""
    add(first(url), number=4)
    assert query(second(url)) == [(4, 8)]


def test_a_new_database_runs_no_step(url):
    """Its tables are made as they are today."""
    add(second(url), number=5, double=10)
    assert (query(second(url)), query(second(url), VERSION)) == ([(5, 10)], [("numbers", 2)])


def test_a_newer_database_is_refused(url):
    """An earlier release would damage it, so it neither reads nor writes, and the error has the next step."""
    add(second(url), number=5, double=10)
    sentence = (
        "The schema of the table 'numbers' has version 2; allowed: versions up to 1. Install the release of "
        "Flask-Mixamo-Privacy that migrated this database, or a later one, on every host."
    )
    for use, verb in ((lambda: add(first(url), number=6), "written"), (lambda: query(first(url)), "read")):
        with pytest.raises(PrivacyError) as raised:
            use()
        assert str(raised.value) == f"The numbers could not be {verb}: {sentence}"
    assert query(second(url)) == [(5, 10)]


@pytest.mark.parametrize("version", ["'x'", "-1", "0", "2.5"])
def test_a_damaged_version_is_refused(url, version):
    """No step starts from it, and it is the error of the database, which every caller expects."""
    add(second(url), number=5, double=10)
    with second(url).write() as connection:
        connection.exec_driver_sql(f"UPDATE privacy_schema SET version = {version}")
    with pytest.raises(PrivacyError, match="The numbers could not be read: The schema of the table 'numbers' has version"):
        query(second(url))


def test_a_failed_step_changes_nothing(url):
    """The schema and its version change in one transaction."""

    def fails(connection):
        connection.exec_driver_sql("ALTER TABLE numbers ADD COLUMN double INTEGER")
        connection.exec_driver_sql("UPDATE missing SET number = 1")

    add(first(url), number=4)
    with pytest.raises(PrivacyError, match="no such table: missing"):
        add(second(url, step=fails), number=5, double=10)
    assert (query(first(url)), query(first(url), VERSION)) == ([(4,)], [("numbers", 1)])


def test_each_part_of_one_database_has_its_own_version(tiny, url):
    """Events, ledger and rights may share one file."""
    site = tiny(PRIVACY_EVENTS_URL=url, PRIVACY_LEDGER_URL=url, PRIVACY_DATABASE_URL=url)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    assert site.cli("load").exit_code == 0
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        parts = dict(connection.execute(VERSION).fetchall())
    assert {"events", "entries"} <= parts.keys() and parts.pop("events") == 2 and set(parts.values()) == {1}


@pytest.fixture
def upgraded(tiny, clock):
    """A site whose databases were written by a release without versions."""
    site = tiny(PRIVACY_KEYS={"test": "sixteen characters or more"}, PRIVACY_SEND=print)
    for name, script in re.findall(r"^-- (privacy-\w+)\n(.*?)(?=^-- |\Z)", FIRST, re.MULTILINE | re.DOTALL):
        with closing(sqlite3.connect(site.folder / f"{name}.sqlite")) as connection:
            connection.executescript(script)
    return site


def versions(site):
    found = {}
    for path in site.folder.glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            found |= dict(connection.execute(VERSION).fetchall())
    return found


def test_a_release_with_versions_reads_databases_without_them(upgraded):
    """Events, ledger, requests and preferences are there before anything is written."""
    runtime = upgraded.privacy.runtime(upgraded.app)
    assert upgraded.cli("ledger", "verify").output == "Intact: 10 entries.\n"
    assert len(runtime.store.visitors()) == 4
    assert [request.email for request in runtime.rights.request_store.all()] == ["ada@shop.example"]
    with upgraded.app.app_context():
        assert upgraded.privacy.may_mail("ada@shop.example", "marketing")
        assert not upgraded.privacy.may_mail("bob@shop.example", "marketing")


def test_a_release_with_versions_writes_to_databases_without_them(upgraded):
    """Each part gets its version at its first write, the old rows stay, and the chain stays intact."""
    visitor = upgraded.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    visitor.post("/privacy/requests", data={"kind": "access", "email": "cleo@shop.example", "message": ""})
    assert len(upgraded.events("page_view")) == 9
    assert upgraded.cli("ledger", "verify").exit_code == 0
    assert len(upgraded.privacy.runtime(upgraded.app).rights.request_store.all()) == 2
    found = versions(upgraded)
    assert {"events", "entries"} <= found.keys() and (found["requests"], found["events"]) == (2, 2)


@pytest.mark.parametrize(
    ("database", "module"),
    [
        ("events", "tracking.store"),
        ("ledger", "ledger.ledger"),
        ("rights", "rights.request_store"),
        ("rights", "rights.subject_flags"),
        ("rights", "mail.preference_store"),
    ],
)
def test_a_changed_table_has_a_step(upgraded, database, module):
    """A table of the first version has the columns and indexes of today's release, or a step is missing."""
    names = vars(import_module(f"flask_mixamo_privacy.{module}"))
    tables = next(each for each in names.values() if isinstance(each, MetaData))
    url = f"sqlite:///{upgraded.folder}/privacy-{database}.sqlite"
    with Database(url, tables, "It", PrivacyError, steps=names.get("STEPS", ())).write() as connection:
        for name, table in tables.tables.items():
            assert {column["name"] for column in inspect(connection).get_columns(name)} == set(table.columns.keys())
            assert {index["name"] for index in inspect(connection).get_indexes(name)} == {i.name for i in table.indexes}


def test_the_waiting_opt_ins_of_an_earlier_release_keep_their_links(upgraded):
    """The table came later than the first version, without its indexes."""
    with closing(sqlite3.connect(upgraded.folder / "privacy-rights.sqlite")) as connection:
        names = ["email", "list", "at", "locale", "base", "policy", "text", "source", "mailed", "mail_after", "link"]
        columns = ", ".join(f"{name} TEXT NOT NULL DEFAULT ''" for name in names)
        connection.execute(f"CREATE TABLE mail_unconfirmed (number INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
        connection.execute("INSERT INTO mail_unconfirmed (email) VALUES ('ada@shop.example')")
        connection.commit()
    unconfirmed = upgraded.privacy.runtime(upgraded.app).mail.marketing.unconfirmed
    assert [opt_in.email for opt_in in unconfirmed.of("ada@shop.example")] == ["ada@shop.example"]
    with closing(sqlite3.connect(upgraded.folder / "privacy-rights.sqlite")) as connection:
        assert ("mail_unconfirmed", 2) in connection.execute(VERSION).fetchall()


def test_events_are_the_same_after_the_step_to_codes(upgraded):
    """Each text comes back, and an event that came late is counted when it would have been."""
    with closing(sqlite3.connect(upgraded.folder / "privacy-events.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        before = [dict(row) | {"data": json.loads(row["data"])} for row in connection.execute("SELECT * FROM events")]
        until = f"{before[-1]['at'][:10]}T23:00:00.000Z"
        connection.execute("INSERT INTO pieces VALUES ('2000-01-01T00:00:00.000Z', ?, '2000-01-01', 1)", [until])
        connection.execute("INSERT INTO late SELECT visitor, id, '' FROM events LIMIT 1")
        connection.commit()
    store = upgraded.privacy.runtime(upgraded.app).store
    assert sorted(store.rows(), key=str) == sorted(({name: row[name] for name in FIELDS} for row in before), key=str)
    with store.read() as connection:
        assert connection.execute(sa.select(events.c.slot).where(events.c.at.is_not(None))).all() == [
            (milliseconds_of(until),)
        ]
        assert connection.scalar(sa.select(sa.func.sum(texts.c.uses))) == sum(
            row[name] is not None for row in before for name in CODED
        )


def test_the_check_before_an_upgrade_changes_nothing(upgraded):
    """An operator sees which databases will be migrated, and a script gets 1."""
    outcome = upgraded.cli("upgrade", "--check")
    assert (
        outcome.exit_code,
        "The database of events: has to be migrated from version 1 to version 2." in outcome.output,
    ) == (1, True)
    assert outcome.output.endswith("Next: back them up, then run `flask privacy upgrade`.\n")
    assert tables_of(upgraded, "privacy-events") == tables_in_script("privacy-events")


def tables_of(site, name):
    with closing(sqlite3.connect(site.folder / f"{name}.sqlite")) as connection:
        return {table for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def tables_in_script(name):
    script = FIRST.partition(f"-- {name}\n")[2].partition("\n-- privacy-")[0]
    return set(re.findall(r'CREATE TABLE "?(\w+)', script))


def test_the_upgrade_migrates_every_database(upgraded):
    """Afterwards nothing is left to do, and every row is there."""
    outcome = upgraded.cli("upgrade")
    assert (outcome.exit_code, "The database of events: migrated from version 1 to version 2." in outcome.output) == (
        0,
        True,
    )
    assert (upgraded.cli("upgrade", "--check").exit_code, versions(upgraded)["events"]) == (0, 2)
    assert upgraded.cli("ledger", "verify").output == "Intact: 10 entries.\n"


def test_a_lacking_table_is_pending_too(tiny):
    """A release may add a table without a step."""
    site = tiny()
    choose(site.visitor(), "accept_all")
    with closing(sqlite3.connect(site.folder / "privacy-ledger.sqlite")) as connection:
        connection.execute("DROP TABLE texts")
        connection.commit()
    assert "The ledger: version 1, lacks a table of this release." in site.cli("upgrade", "--check").output
    assert "The ledger: version 1, completed." in site.cli("upgrade").output
    assert site.cli("upgrade", "--check").exit_code == 0


def test_an_upgrade_of_a_new_site_creates_nothing(tiny):
    """A container may run it at every start, before there is any data."""
    site = tiny()
    outcome = site.cli("upgrade")
    assert (outcome.exit_code, {line.partition(": ")[2] for line in outcome.output.splitlines()}) == (0, {"no data yet."})
    assert not list(site.folder.glob("*.sqlite"))


def test_an_upgrade_refuses_a_newer_database(upgraded):
    """The error names the database and the next step, and no other database is migrated."""
    upgraded.cli("upgrade")
    with closing(sqlite3.connect(upgraded.folder / "privacy-ledger.sqlite")) as connection:
        connection.execute("UPDATE privacy_schema SET version = 99")
        connection.commit()
    outcome = upgraded.cli("upgrade", "--check")
    assert (outcome.exit_code, "The ledger could not be read: The schema of the table" in outcome.stderr) == (2, True)


def test_an_upgrade_names_a_file_that_is_no_database(upgraded):
    """A damaged file is an error of that database, and not a traceback."""
    (upgraded.folder / "privacy-ledger.sqlite").write_bytes(b"no database" * 100)
    outcome = upgraded.cli("upgrade", "--check")
    assert (outcome.exit_code, "The ledger could not be read: (sqlite3.DatabaseError)" in outcome.stderr) == (2, True)


def test_the_upgrade_prints_json_for_a_script(upgraded):
    """Each database has its version, the release's version, and whether it is behind."""
    before = {row["table"]: row for row in json.loads(upgraded.cli("upgrade", "--check", "--json").output)}
    after = {row["table"]: row for row in json.loads(upgraded.cli("upgrade", "--json").output)}
    assert before["events"] == {
        "database": "The database of events",
        "table": "events",
        "version": 1,
        "newest": 2,
        "pending": True,
    }
    assert {row["pending"] for row in after.values()} == {False} and after["events"]["version"] == 2
