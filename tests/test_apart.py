"""Traffic stays apart from identity: nothing in the one database leads to the other."""

import sqlite3
from contextlib import closing

from flask import request
from people import Base

from conftest import choose
from flask_mixamo_privacy.rights.book import _tables as requests
from flask_mixamo_privacy.tracking.store import metadata as traffic

ADA = "ada@shop.example"


def values(path):
    """Every value in every table of a database that could tell one person from another."""
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in names for row in connection.execute(f"SELECT * FROM {name}")]
    return {str(value) for row in rows for value in row if len(str(value)) > 5}


def signed_up(people):
    """Somebody with an ID browses, opens an account, orders, and asks for what is stored."""
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


def test_promise_16_who_signs_up_with_an_id_is_in_no_event(people, tmp_path):
    """Dump both: no value in common; not with the requests either, nor by a keyed hash in the ledger."""
    signed_up(people)
    events = values(tmp_path / "instance" / "privacy-events.sqlite")
    others = values(tmp_path / "shop.sqlite") | values(tmp_path / "instance" / "privacy-rights.sqlite")
    assert events and others and events & others == set() and "@" not in "".join(events)
    hashes = {value for value in values(tmp_path / "instance" / "privacy-ledger.sqlite") if len(value) == 64}
    assert events & hashes == set()


def test_promise_16_no_file_of_traffic_holds_an_address(people, tmp_path):
    """Neither the database of events nor the log, in any byte."""
    signed_up(people)
    for path in (tmp_path / "instance").rglob("*"):
        if path.is_file() and ("events" in path.name or "privacy-log" in str(path)):
            assert b"ada@" not in path.read_bytes() and b"shop.example" not in path.read_bytes()


def test_promise_16_no_key_leads_from_traffic_to_people():
    """No table of events points anywhere, and none is pointed at; no column of it is called like one of a person."""
    assert all(not table.foreign_keys for table in traffic.tables.values())
    people = {
        column.name for table in (*Base.metadata.tables.values(), *requests.tables.values()) for column in table.columns
    }
    tracked = {column.name for table in traffic.tables.values() for column in table.columns}
    # Of a report's table a name and a number are the table's own name and a count.
    assert tracked & people <= {"id", "kind", "hash", "name", "number"}
    assert tracked.isdisjoint({"user", "user_id", "email", "account_id", "subject"})
