"""``flask privacy move`` to a real PostgreSQL: complete, killed and continued, beside visitors, and verified."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from conftest import Tiny, choose
from flask_mixamo_privacy.errors import PrivacyError
from flask_mixamo_privacy.reports.windows import ALL
from flask_mixamo_privacy.storage import transfer
from flask_mixamo_privacy.storage.database import Database
from flask_mixamo_privacy.storage.transfer import Transfer
from support.event_factory import Kept, traffic
from support.moved_site import WATCHED, moved, new_urls, old_site
from support.postgres import Server

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]

AFTER = "2026-06-20T00:00:00.000Z"


@pytest.fixture
def url(server: Server) -> str:
    return server.database()


def all_in(url: str) -> dict[str, str]:
    return dict.fromkeys(("events", "rights", "ledger"), url)


def execute(url: str, statement: str) -> list[Any]:
    with sa.create_engine(url, poolclass=NullPool).begin() as connection:
        result = connection.exec_driver_sql(statement)
        return list(result) if result.returns_rows else []


def tables(kept: Kept) -> dict[str, Any]:
    """Return every report, and the number of rows of every table."""
    names = list(kept.store.database.schema.tables.tables)
    published = [report.as_dict() for report in kept.reports.every(ALL)]
    return {"reports": published} | {name: Counter(kept.table(name)) for name in names}


def test_a_site_continues_on_postgresql(tiny, url, clock):
    """Reports, preferences and requests are those of before, the chain is intact, and numbers go on."""
    site = old_site(tiny, clock)
    before = [site.cli(*command).output for command in WATCHED]
    outcome = site.cli("move", *new_urls(all_in(url)), "--finish")
    assert outcome.exit_code == 0 and "Verified: the chain of the ledger is intact." in outcome.output
    after = moved(site, all_in(url))
    assert [after.cli(*command).output for command in WATCHED] == before
    assert after.cli("requests", "open", "--kind", "access", "--email", "eve@one.example").output == "Request 3 opened.\n"
    assert choose(after.visitor(), "accept_all").status_code == 303 and after.cli("ledger", "verify").exit_code == 0


def test_events_and_reports_are_equal_row_by_row(tmp_path, url):
    """A first copy needs no correction, whatever texts the keys have."""
    old, new = Kept(tmp_path), Kept(tmp_path, url)
    old.load(
        [event | {"id": f"{event['id']}é{'zZ'[number % 2]}"} for number, event in enumerate(traffic(5, 40, 30, 20))], AFTER
    )
    old.store.erase("v1", "2026-06-20")
    moving, before = Transfer(old.store.database, url), tables(old)
    moving.begin()
    moving.copy(lambda number: None)
    moving.finish(lambda number: None)
    assert tables(new) == before and moving.changes == 0 and len(before["events"]) > 1000


def move_until_killed(database: Database, url: str, most: int) -> None:
    """Move in small transactions, and kill this process after a number of them."""
    transfer._AT_ONCE = 300
    left = [most]

    def count(_number: int) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    moving = Transfer(database, url)
    moving.begin()
    moving.copy(count)
    moving.finish(count)


def test_a_killed_move_continues(tmp_path, url):
    """Killed again and again, it copies everything once, and an erasure in between is carried over."""
    old, new = Kept(tmp_path), Kept(tmp_path, url)
    old.load(traffic(6, 30, 40, 30), AFTER)
    exits: list[int | None] = []
    while 0 not in exits:
        process = multiprocessing.get_context("fork").Process(
            target=move_until_killed, args=(old.store.database, url, 4 + 9 * len(exits))
        )
        process.start()
        process.join(60)
        exits.append(process.exitcode)
        if len(exits) == 2:
            old.store.erase("v0", "2026-06-20")
            before = tables(old)
    assert len(exits) > 3 and set(exits) == {0, -signal.SIGKILL}
    assert tables(new) == before and new.store.visitors() and "v0" not in new.store.visitors()


def test_visitors_decide_while_the_site_is_moved(tiny, url, monkeypatch):
    """Every grant that was answered is in the new ledger, and every page of it is counted once."""
    monkeypatch.setattr(transfer, "_AT_ONCE", 40)
    site, granted, stop = old_site(tiny), list[int](), threading.Event()

    def visit() -> None:
        while not stop.is_set() and len(granted) < 60:
            visitor = site.visitor()
            granted.append(choose(visitor, "accept_all").status_code)
            visitor.get("/other")

    before = len(site.ledger("grant"))
    visitors = [threading.Thread(target=visit) for _ in "12"]
    for thread in visitors:
        thread.start()
    try:
        outputs = [site.cli("move", *new_urls(all_in(url)), *more) for more in ((), ("--finish",))]
    finally:
        stop.set()
        for thread in visitors:
            thread.join(60)
    assert [outcome.exit_code for outcome in outputs] == [0, 0], [outcome.output for outcome in outputs]
    after = moved(site, all_in(url))
    entries = list(after.privacy.runtime(after.app).ledger.entries("grant"))
    assert set(granted) <= {303, 503} and len(entries) - before == granted.count(303) > 0
    assert [event["page"] for event in after.events("page_view")].count("/other") == granted.count(303)


def test_a_server_that_loses_rows_never_takes_over(tiny, url, clock):
    """The verification names the table, and the site stays on its files."""
    site = old_site(tiny, clock)
    site.cli("move", *new_urls(all_in(url)))
    execute(url, "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    execute(url, "CREATE TRIGGER lose BEFORE INSERT ON cells FOR EACH ROW WHEN (NEW.day <> '') EXECUTE FUNCTION lose()")
    execute(url, "DELETE FROM cells")
    outcome = site.cli("move", *new_urls(all_in(url)), "--finish")
    assert outcome.exit_code == 2 and "rows of the database of events that differ after the copy is" in outcome.output
    assert "in cells'; allowed: none" in outcome.output and choose(site.visitor(), "accept_all").status_code == 303
    execute(url, "DROP TRIGGER lose ON cells")
    assert site.cli("move", *new_urls(all_in(url)), "--finish").exit_code == 0


def test_a_tampered_copy_on_postgresql_is_repaired(tiny, url, clock):
    """The comparison before the change-over is of every column of every row."""
    site = old_site(tiny, clock)
    before = [site.cli(*command).output for command in WATCHED]
    site.cli("move", *new_urls(all_in(url)))
    execute(url, "UPDATE cells SET number = number + 1; UPDATE entries SET gpc = NOT gpc WHERE position = 2")
    execute(
        url, "DELETE FROM requests; INSERT INTO mail_seen VALUES ('a', 'b', 'c', 'd'); UPDATE privacy_keys SET number = 7"
    )
    outcome = site.cli("move", *new_urls(all_in(url)), "--finish")
    assert outcome.exit_code == 0 and "Verified: the chain of the ledger is intact." in outcome.output
    after = moved(site, all_in(url))
    assert [after.cli(*command).output for command in WATCHED] == before
    assert execute(url, "SELECT count(*) FROM mail_seen") == [(0,)]


def test_a_server_with_data_of_another_site_is_refused(tiny, tmp_path, url):
    """The error names the tables and the number of their rows, and nothing there is changed."""
    (tmp_path / "other").mkdir()
    other = Tiny(tmp_path / "other", PRIVACY_LEDGER_URL=url)
    choose(other.visitor(), "accept_all")
    outcome = old_site(tiny).cli("move", "--ledger", url)
    found = "The target for the ledger is 'a database with rows: 1 in entries, 1 in head'; allowed: an empty"
    assert outcome.exit_code == 2 and found in outcome.output and other.cli("ledger", "verify").exit_code == 0


def test_a_server_that_cannot_be_reached_is_named_without_the_password(tiny):
    """The site stays on its files."""
    site = old_site(tiny)
    outcome = site.cli("move", "--ledger", "postgresql://me:secret@localhost:1/site", "--finish")
    assert (
        outcome.exit_code == 2 and "The target of the ledger could not be used: (psycopg.OperationalError)" in outcome.output
    )
    assert "secret" not in outcome.output and choose(site.visitor(), "accept_all").status_code == 303


def test_the_new_database_refuses_a_site_before_its_time(tmp_path, url):
    """A site that changed its settings too early would miss what the old database still gets."""
    old = Kept(tmp_path)
    old.load(traffic(7, 3, 10, 5), AFTER)
    moving = Transfer(old.store.database, url)
    moving.begin()
    with pytest.raises(PrivacyError, match="run `flask privacy move` with --finish"):
        Kept(tmp_path, url).store.erase("v1", "2026-06-20")
