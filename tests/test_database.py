"""One database file, opened by many at once."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.database import Database
from flask_mixamo_privacy.errors import PrivacyError

TABLES = sa.MetaData()
NUMBERS = sa.Table("numbers", TABLES, sa.Column("number", sa.Integer))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "numbers.sqlite"


def opened(path):
    return Database(f"sqlite:///{path}", TABLES, "The numbers", PrivacyError)


def write(path, number):
    with opened(path).write() as connection:
        connection.execute(NUMBERS.insert().values(number=number))


def test_who_comes_first_while_another_makes_the_file_waits_for_it(path):
    """SQLite answers "locked" at once there, and no busy timeout helps: a visitor would read "try again"."""
    with sqlite3.connect(path, check_same_thread=False) as other:
        other.execute("CREATE TABLE others (a)")
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.2, other.rollback).start()
        write(path, 1)
    other.close()


def test_a_file_that_stays_locked_is_an_error_in_the_end(path, monkeypatch):
    monkeypatch.setattr("flask_mixamo_privacy.database._WAIT_MS", 20)
    with sqlite3.connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PrivacyError, match=r"The numbers could not be written: .*database is locked"):
            write(path, 1)
    other.close()


def test_many_that_write_first_at_once_are_all_kept(path):
    threads = [threading.Thread(target=write, args=(path, number)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    with opened(path).read() as connection:
        assert sorted(connection.scalars(sa.select(NUMBERS.c.number))) == list(range(12))
