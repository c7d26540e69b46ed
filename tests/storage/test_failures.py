"""The app's own log: one line for a failure, without a value of a visitor or a row."""

import logging
import os
import traceback
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from conftest import choose
from flask_mixamo_privacy.errors import EventError, RightsUnavailable
from flask_mixamo_privacy.rights.requests import RequestService
from flask_mixamo_privacy.storage.database import Database
from flask_mixamo_privacy.storage.failures import describe, log_failure
from flask_mixamo_privacy.storage.files import Spool
from support.login_site import entered, with_logins

ADA = "ada@mail.example"
TABLES = sa.MetaData()
PEOPLE = sa.Table("people", TABLES, sa.Column("email", sa.Text, primary_key=True))


@pytest.fixture
def people(tmp_path):
    return Database(f"sqlite:///{tmp_path}/people.sqlite", TABLES, "The people", RightsUnavailable)


def add(people, *emails):
    with people.write() as connection:
        connection.execute(sa.insert(PEOPLE), [{"email": email} for email in emails])


class UniqueViolation(Exception):
    """Like psycopg's error, which quotes the row."""


def quoting(kind):
    text = f'duplicate key value violates "people_pkey"\nDETAIL:  Key (email)=({ADA}) already exists.'
    return sa.exc.DBAPIError.instance("INSERT", {"email": ADA}, kind(text), kind)


def test_a_failing_statement_shows_no_parameter_in_any_traceback(people):
    """Flask logs the whole chain of an error that leaves a view."""
    add(people, ADA)
    with pytest.raises(RightsUnavailable, match=r"could not be written: \(sqlite3.IntegrityError\) UNIQUE") as raised:
        add(people, ADA)
    assert ADA not in "".join(traceback.format_exception(raised.value))


def test_a_value_that_is_no_text_is_not_quoted(people):
    """A damaged byte in an address makes SQLite quote the whole address."""
    add(people, ADA)
    damaged = sa.text(f"SELECT CAST(x'{ADA.encode().hex()}ff' AS TEXT)")
    with pytest.raises(RightsUnavailable, match="Could not decode to UTF-8 column") as raised, people.read() as connection:
        connection.execute(damaged).all()
    assert ADA not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "error",
    [ValueError(ADA), quoting(UniqueViolation), EventError("The length", ADA, "5"), OSError(2, "No file", ADA)],
    ids=["site", "driver", "value", "file"],
)
def test_the_line_of_an_error_names_its_class_and_no_value(error):
    """The text of a driver's error, or of the site's, may quote a person's data."""
    assert type(error).__name__ in describe(error) and ADA not in describe(error)


def test_a_failure_is_one_line_and_at_debug_the_lines_of_code_follow(caplog):
    """The lines of code name the place, and not the value."""
    caplog.set_level(logging.DEBUG, "flask_mixamo_privacy")
    try:
        raise ValueError(f"{ADA}\n" * 9)
    except ValueError as error:
        log_failure("It failed", error)
    line, code = caplog.messages
    assert line.startswith("It failed: ValueError in ") and "raise ValueError" in code and ADA not in line


def test_two_clicks_without_a_ledger_log_two_lines(tiny, caplog):
    """A disk that is read-only for a night must not fill the log with tracebacks."""
    site = tiny(TESTING=False, PRIVACY_LOADER=False)
    (site.folder / "privacy-ledger.sqlite").mkdir()
    assert [choose(site.visitor(), "accept_all").status_code for _ in range(2)] == [503, 503]
    assert [message.count("\n") for message in caplog.messages] == [0, 0]
    assert not any(record.exc_info for record in caplog.records)


def test_a_failure_that_repeats_is_logged_once_a_minute_with_a_count(caplog, monkeypatch):
    """Each grant on a full disk would add a line, to a log that may be on the same disk."""
    seconds = [0.0]
    monkeypatch.setattr("flask_mixamo_privacy.storage.failures.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    for _ in range(1000):
        log_failure("A thousand", OSError(28, "No space left on device"))
    assert len(caplog.messages) == 3
    seconds[0] = 60.0
    log_failure("A thousand", OSError(28, "No space left on device"))
    assert caplog.messages[-1].endswith("on device (997 more times since the last such line)")


def test_a_failure_of_another_kind_is_logged_at_once(caplog):
    """A flood of one failure hides no other."""
    for _ in range(9):
        log_failure("A flood", OSError(28, "No space left on device"))
    log_failure("A flood", OSError(), level=logging.WARNING)
    log_failure("Another", OSError())
    log_failure("A flood", ValueError(ADA))
    log_failure("A flood", OSError(30, "Read-only file system"))
    assert [message[:11] for message in caplog.messages[3:]] == ["A flood: OS", "Another: OS", "A flood: Va", "A flood: OS"]


@pytest.mark.parametrize("path", ["/privacy/requests/staff", "/private"])
@pytest.mark.parametrize(("user", "status"), [("ann", 500), ("bob", 403)])
def test_an_access_that_cannot_be_recorded_is_denied_in_one_line(tiny, caplog, monkeypatch, path, user, status):
    """Any user could fill the log of a site whose disk is full with tracebacks."""
    site = with_logins(tiny(TESTING=False, PRIVACY_STAFF=lambda user, need: user.id == "ann"))
    site.view("/private", site.privacy.need("orders")(lambda: "secret"))
    visitor = entered(site, user)
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(Spool, "append", lambda *_: (_ for _ in ()).throw(full))
    (site.folder / "privacy-ledger.sqlite").mkdir()
    assert visitor.get(path).status_code == status
    [line] = caplog.messages
    assert line.endswith("could not be recorded: OSError: [Errno 28] No space left on device")


def test_a_page_whose_disk_is_full_is_answered_503(tiny, caplog, monkeypatch):
    """The log has one line, and the visitor can try again."""
    site = tiny(TESTING=False)
    monkeypatch.setattr(RequestService, "open", lambda *_, **__: os.write(os.open("/dev/full", os.O_WRONLY), b"x"))
    answer = site.visitor().post("/privacy/requests", data={"kind": "access", "email": ADA})
    assert (answer.status_code, len(caplog.messages), caplog.messages[0].count("\n")) == (503, 1, 0)


def test_a_new_app_logs_its_failures_from_the_beginning(tiny, caplog):
    """The failures of an earlier app may have had another cause."""
    for _ in range(9):
        log_failure("Again", ValueError())
    tiny()
    log_failure("Again", ValueError())
    assert len(caplog.messages) == 4


@pytest.mark.parametrize("path", ["requests/confirm/a", "requests/answer/a"])
def test_a_page_whose_database_is_away_is_answered_503(tiny, caplog, path):
    """The log has one line, and the visitor can try again."""
    site = tiny(TESTING=False, PRIVACY_LOADER=False)
    (site.folder / "privacy-rights.sqlite").mkdir()
    answer = site.visitor().get(f"/privacy/{path}")
    assert (answer.status_code, len(caplog.messages), caplog.messages[0].count("\n")) == (503, 1, 0)


def test_no_database_gets_a_nul_or_a_lone_surrogate(people):
    """PostgreSQL rejects them, so anyone could cause an error."""
    add(people, "a\0da", "b\ud800", "\u00e9")
    with people.read() as connection:
        assert set(connection.scalars(sa.select(PEOPLE.c.email))) == {"ada", "b?", "\u00e9"}
        assert connection.scalar(sa.select(PEOPLE.c.email).where(PEOPLE.c.email == "ad\0a")) == "ada"
