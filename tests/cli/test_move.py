"""``flask privacy move``: a site changes its databases, and nothing that a visitor does meanwhile is lost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import flask_mixamo_privacy
from conftest import Tiny, choose, cookie
from flask_mixamo_privacy.cli import move
from support.moved_site import WATCHED, moved, new_urls, old_site, run_during

pytestmark = pytest.mark.usefixtures("clock")


def sqlite_urls(folder: Path) -> dict[str, str]:
    return {part: f"sqlite:///{folder}/new-{part}.sqlite" for part in move.FIELDS}


def test_a_site_continues_on_its_new_databases(tiny, tmp_path, clock):
    """Reports, decisions, opt-outs and the numbers of requests are those of before."""
    site = old_site(tiny, clock)
    before = [site.cli(*command).output for command in WATCHED]
    arguments = new_urls(sqlite_urls(tmp_path))
    assert site.cli("move", *arguments, "--finish").exit_code == 0
    after = moved(site, sqlite_urls(tmp_path))
    assert [after.cli(*command).output for command in WATCHED] == before
    assert after.cli("ledger", "verify").exit_code == 0
    assert after.cli("requests", "open", "--kind", "access", "--email", "eve@one.example").output == "Request 3 opened.\n"


def test_the_output_of_each_step_names_the_next_one(tiny, tmp_path):
    """Nothing has to be changed before the new databases take over, and a further run moves nothing."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    first, finish, again = (site.cli("move", *new_urls(urls), *more).output for more in ((), ("--finish",), ()))
    assert re.fullmatch(
        r"\d+ rows copied\.\nVerified: every row of every table is equal\.\n"
        r"Next: change no setting yet\. Run the same command with --finish when you can restart the site\.\n",
        first,
    )
    files = "\n".join(f"    {site.folder}/privacy-{name}.sqlite" for name in ("events", "ledger", "rights"))
    next_step = (
        "Verified: the chain of the ledger is intact.\n"
        "Next: change these settings, and restart every process of the site. Until then no visitor can grant anything.\n"
        f'    PRIVACY_EVENTS_URL = "{urls["events"]}"\n    PRIVACY_DATABASE_URL = "{urls["rights"]}"\n'
        f'    PRIVACY_LEDGER_URL = "{urls["ledger"]}"\n'
        f"    PRIVACY_KEYS = the JSON object in {site.folder}/privacy-keys.json\n"
        f"Delete the old files once the site works, because they contain personal data:\n{files}\n"
    )
    assert finish.endswith(f"every table is equal.\n{next_step}")
    assert again == f"Nothing to move: an earlier run has finished.\n{next_step}"


def test_decisions_and_requests_during_the_copy_are_moved(tiny, tmp_path, monkeypatch):
    """The site keeps serving: visitors grant, are counted and write while rows are copied."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)

    def act() -> None:
        visitor = site.visitor()
        assert choose(visitor, "accept_all").status_code == 303 and visitor.get("/other").status_code == 200
        assert site.cli("requests", "open", "--kind", "delete", "--email", "late@one.example").exit_code == 0

    run_during(monkeypatch, act, "Copying")
    assert site.cli("move", *new_urls(urls), "--finish").exit_code == 0
    after = moved(site, urls)
    assert "late@one.example" in after.cli("requests", "list", "--json").output
    assert [event["page"] for event in after.events("page_view")].count("/other") == 1
    assert len(entries(after, "grant")) == len(site.ledger("grant")) == 8


def test_promise_18_a_visitor_who_withdraws_during_the_move_is_not_in_the_new_database(tiny, tmp_path, monkeypatch):
    """The erasure is copied with its tombstone, or waits in the spool while the last rows are compared."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    leaving = [granted_visitor(site) for _ in "12"]
    site.cli("load")
    ids = [cookie(visitor, "privacy_visitor") for visitor in leaving]
    tombstones = []
    for label, visitor in zip(("Copying", "Comparing"), leaving, strict=True):
        with monkeypatch.context() as patch:
            run_during(patch, lambda visitor=visitor: choose(visitor, "reject_all"), label)
            assert site.cli("move", *new_urls(urls), *(["--finish"] if label == "Comparing" else [])).exit_code == 0
        tombstones.append(cookie(visitor, "privacy_visitor"))
    after = moved(site, urls)
    assert all(ids) and tombstones == [None, None]
    assert {event["page"] for event in after.events()}.isdisjoint({"/item/leaving"})
    assert len(entries(after, "withdrawal")) == 3


def granted_visitor(site: Tiny) -> Any:
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/item/leaving")
    return visitor


def entries(site: Tiny, kind: str) -> list[Any]:
    return list(site.privacy.runtime(site.app).ledger.entries(kind))


def test_a_process_with_the_old_settings_loses_nothing(tiny, tmp_path):
    """After the move it grants nothing; events, refusals and withdrawals wait for the new settings."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    leaving, staying = granted_visitor(site), granted_visitor(site)
    assert site.cli("move", *new_urls(urls), "--finish").exit_code == 0
    staying.get("/item/later")
    answers = [choose(visitor, "reject_all").status_code for visitor in (leaving, site.visitor())]
    assert (answers, choose(site.visitor(), "accept_all").status_code) == ([303, 303], 503)
    assert "restart every process of the site" in site.cli("load").output
    after = moved(site, urls)
    assert [event["page"] for event in after.events() if "/item/l" in event["page"]] == ["/item/leaving"] * 2 + [
        "/item/later"
    ]
    assert (len(entries(after, "withdrawal")), [number for *_, number in after.refusals()]) == (2, [1])


def test_new_settings_before_the_end_of_the_move_grant_nothing(tiny, tmp_path):
    """What the old database still gets would be lost otherwise."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    site.cli("move", *new_urls(urls))
    early = moved(site, urls)
    assert choose(early.visitor(), "accept_all").status_code == 503
    assert "run `flask privacy move` with --finish" in early.cli("report").output
    assert choose(site.visitor(), "accept_all").status_code == 303


def test_a_move_is_undone_before_the_settings_change(tiny, tmp_path):
    """The site continues on its files, and the same move can be finished later."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    site.cli("move", *new_urls(urls), "--finish")
    assert site.cli("move", *new_urls(urls), "--undo").output.startswith("The old databases are in use again. Next: keep")
    assert choose(site.visitor(), "accept_all").status_code == 303
    assert site.cli("move", *new_urls(urls), "--finish").exit_code == 0
    after = moved(site, urls)
    assert choose(after.visitor(), "accept_all").status_code == 303 and len(entries(after, "grant")) == 9
    assert "The site uses the target already" in site.cli("move", *new_urls(urls), "--undo").output
    assert choose(after.visitor(), "accept_all").status_code == 303 and after.cli("report").exit_code == 0


def test_a_move_that_fails_half_way_names_both_ways_out(tiny, tmp_path):
    """The events have taken over, and the ledger cannot. The site works again after --undo, or after --finish."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    site.cli("move", *new_urls(urls))
    with sa.create_engine(urls["ledger"]).begin() as new:
        new.exec_driver_sql("DELETE FROM head")
        new.exec_driver_sql("CREATE TRIGGER lose BEFORE INSERT ON head BEGIN SELECT RAISE(IGNORE); END")
    outcome = site.cli("move", *new_urls(urls), "--finish")
    assert outcome.exit_code == 2 and "of the ledger that differ after the copy is '1 in head'" in outcome.stderr
    assert "Only a part of the databases has taken over." in outcome.stderr and site.cli("report").exit_code == 2
    assert site.cli("move", *new_urls(urls), "--undo").exit_code == 0 == site.cli("report").exit_code


def test_a_new_site_reserves_its_databases_too(tiny, tmp_path):
    """Its first visitor may decide between the end of the move and the restart."""
    site, urls = tiny(), sqlite_urls(tmp_path)
    assert site.cli("move", *new_urls(urls)).output.startswith("Nothing to move: there is no data yet.\n")
    assert site.files() == ["privacy-log/loader.lock"]
    assert site.cli("move", *new_urls(urls), "--finish").exit_code == 0
    assert choose(site.visitor(), "accept_all").status_code == 503
    assert choose(moved(site, urls).visitor(), "accept_all").status_code == 303


def test_one_database_can_move_alone(tiny, tmp_path):
    """The others stay in use, and only its own file and setting are named."""
    site, urls = old_site(tiny), {"ledger": sqlite_urls(tmp_path)["ledger"]}
    output = site.cli("move", *new_urls(urls), "--finish").output
    assert "privacy-ledger.sqlite" in output and not re.search("EVENTS|DATABASE|privacy-events|privacy-rights", output)
    assert site.cli("report").exit_code == 0 and choose(moved(site, urls).visitor(), "accept_all").status_code == 303


def test_a_ledger_that_was_tampered_with_is_moved_as_it_is(tiny, tmp_path):
    """The exit code is 1, because a move must not hide what verification finds."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    with site.privacy.runtime(site.app).ledger.database.write() as connection:
        connection.exec_driver_sql("UPDATE entries SET at = '2020' WHERE position = 2")
    outcome = site.cli("move", *new_urls(urls), "--finish")
    assert outcome.exit_code == 1
    assert "The ledger has 1 discrepancy, as before the move: The entry at position 2 was changed." in outcome.output
    assert "position 2 was changed" in moved(site, urls).cli("ledger", "verify").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--finish", "--undo"), "--finish and --undo exclude each other: choose one."),
        ((), "No database is named. Pass at least one of --events, --rights and --ledger, with a URL."),
        (
            ("--events", "mysql://me:secret@host/site"),
            "--events is 'mysql://me:***@host/site'; allowed: sqlite:////absolute",
        ),
        (("--events", "sqlite:///relative"), "--events is 'sqlite:///relative'; allowed: sqlite:////absolute/path, or post"),
    ],
)
def test_wrong_arguments_exit_with_2(tiny, arguments, message):
    """The error names what is allowed, and no password."""
    outcome = tiny().cli("move", *arguments)
    assert outcome.exit_code == 2 and message in outcome.output and "secret" not in outcome.output


def test_a_database_on_a_server_is_not_moved(tiny, tmp_path):
    """The lock that the move needs exists for SQLite only."""
    site = tiny(PRIVACY_EVENTS_URL="postgresql://me:secret@host/site?sslpassword=secret")
    outcome = site.cli("move", "--events", f"sqlite:///{tmp_path}/new.sqlite")
    assert outcome.exit_code == 2 and outcome.output == (
        "Error: PRIVACY_EVENTS_URL is 'postgresql+psycopg://me:***@host/site?sslpassword=***'; allowed: the URL of a SQLite "
        "file. Leave --events out: this database needs no move, or was moved before.\n"
    )


def test_a_repeated_command_after_the_change_of_settings_moves_nothing(tiny, tmp_path):
    """It is no error: an operator makes sure."""
    site, urls = old_site(tiny), sqlite_urls(tmp_path)
    site.cli("move", *new_urls(urls), "--finish")
    outcome = moved(site, urls).cli("move", *new_urls(urls), "--finish")
    assert (outcome.exit_code, outcome.output) == (0, "Nothing to move: the settings name these databases already.\n")


def test_a_password_is_never_printed():
    """It may be a part of the query too."""
    url = sa.make_url("postgresql+psycopg://me:secret@host/site?sslpassword=secret&sslmode=require")
    assert move.hide_passwords(url) == "postgresql+psycopg://me:***@host/site?sslmode=require&sslpassword=***"


def test_every_database_of_the_package_is_moved(tiny):
    """A new database must be added to the list of the command."""
    site = tiny()
    found = move.databases_of(site.privacy.runtime(site.app))
    parts = [each.schema.part for databases in found.values() for each in databases]
    source = "".join(path.read_text() for path in Path(flask_mixamo_privacy.__file__).parent.rglob("*.py"))
    assert len(set(parts)) == len(parts) == len(re.findall(r"= Database\(", source))
    assert set(found) == set(move.FIELDS) == {"events", "rights", "ledger"}
