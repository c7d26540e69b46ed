"""One database file, opened by many processes at once."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.errors import PrivacyError
from flask_mixamo_privacy.storage.database import Database

TABLES = sa.MetaData()
NUMBERS = sa.Table("numbers", TABLES, sa.Column("number", sa.Integer))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "numbers.sqlite"


def opened(path):
    return Database(f"sqlite:///{path}", TABLES, "The numbers", PrivacyError)


def note(path, number):
    """Read, then write in one transaction, as a decision does."""
    with opened(path).read():
        pass
    with opened(path).write() as connection:
        connection.execute(NUMBERS.insert().values(number=number))


def test_the_first_request_waits_while_another_creates_the_file(path):
    """SQLite returns "locked" at once here, despite the busy timeout, so a visitor would see an error."""
    with sqlite3.connect(path, check_same_thread=False) as other:
        other.execute("CREATE TABLE others (a)")
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.2, other.rollback).start()
        note(path, 1)
    other.close()


def test_a_file_that_stays_locked_is_an_error_in_the_end(path, monkeypatch):
    monkeypatch.setattr("flask_mixamo_privacy.storage.database._WAIT_MS", 20)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PrivacyError, match=r"The numbers could not be read: .*database is locked"):
            note(path, 1)
    other.close()


@pytest.mark.server
def test_many_first_requests_at_once_all_succeed(tmp_path):
    """One of them may also have to drain a spool. The race is rare, so the test runs many rounds."""
    for number in range(40):
        path = tmp_path / str(number) / "numbers.sqlite"
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda one, path=path: [note(path, one * 4 + turn) for turn in range(4)], range(8)))
        with opened(path).read() as connection:
            assert sorted(connection.scalars(sa.select(NUMBERS.c.number))) == list(range(32))


def test_truncating_waits_while_another_connection_moves_the_log(tmp_path, monkeypatch):
    """SQLite itself answers at once that the log is busy, as it does for seconds after a large file was rewritten."""
    database, answers = opened(tmp_path / "numbers.sqlite"), [1, 1, 0]
    monkeypatch.setattr(Database, "_maintain", lambda *_: answers.pop(0))
    assert database.truncate_wal() and not answers
    monkeypatch.setattr(Database, "_maintain", lambda *_: 1)
    assert not database.truncate_wal(0)
