"""Traffic stays apart from identity: no value in the events database links to the personal database."""

import sqlite3
from contextlib import closing

from flask import request

from conftest import choose
from flask_mixamo_privacy.rights.request_schema import tables as requests
from flask_mixamo_privacy.tracking.store import metadata as traffic
from support.people_site import Base

ADA = "ada@shop.example"


def values(path):
    """Return every value, in every table of a database, that could distinguish one person from another."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in names for row in connection.execute(f"SELECT * FROM {name}")]
    return {str(value) for row in rows for value in row if len(str(value)) > 5}


def signed_up(people):
    """A visitor with an ID browses, opens an account, orders, and requests a copy of their data."""
    site = people()
    site.site.app.add_url_rule("/sign-up", "sign_up", lambda: site.add(request.form["email"]) or "done", methods=["POST"])
    visitor = site.site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/other?email=ada@shop.example")
    visitor.post("/sign-up", data={"email": ADA})
    visitor.get(f"/item/{ADA}")
    site.ask("access", ADA, visitor=visitor)
    site.process()
    visitor.post(site.link())
    visitor.get("/")
    assert len(site.site.events("page_view")) == 3
    return site


def test_promise_16_a_signed_up_visitor_is_in_no_event(people, tmp_path):
    """The databases have no value in common, neither with the requests nor by a keyed hash in the ledger."""
    signed_up(people)
    events = values(tmp_path / "instance" / "privacy-events.sqlite")
    others = values(tmp_path / "shop.sqlite") | values(tmp_path / "instance" / "privacy-rights.sqlite")
    assert events and others and events & others == set() and "@" not in "".join(events)
    hashes = {value for value in values(tmp_path / "instance" / "privacy-ledger.sqlite") if len(value) == 64}
    assert events & hashes == set()


def test_promise_16_no_traffic_file_contains_a_mail_address(people, tmp_path):
    """No byte of the events database or the log is part of a mail address."""
    signed_up(people)
    for path in (tmp_path / "instance").rglob("*"):
        if path.is_file() and ("events" in path.name or "privacy-log" in str(path)):
            assert b"ada@" not in path.read_bytes() and b"shop.example" not in path.read_bytes()


def test_promise_16_no_key_links_traffic_to_people():
    """No events table has or is the target of a foreign key, and no column shares a name with a column about a person."""
    assert all(not table.foreign_keys for table in traffic.tables.values())
    people = {
        column.name for table in (*Base.metadata.tables.values(), *requests.tables.values()) for column in table.columns
    }
    tracked = {column.name for table in traffic.tables.values() for column in table.columns}
    # In a report's table, `name`, `number` and `until` are the table's own name, a count and an end.
    assert tracked & people <= {"id", "kind", "hash", "name", "number", "until"}
    assert tracked.isdisjoint({"user", "user_id", "email", "account_id", "subject"})
