"""Moving tables from one database into another: complete, continued after an interruption, and verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from flask_mixamo_privacy.errors import MoveError, PrivacyError
from flask_mixamo_privacy.storage import transfer
from flask_mixamo_privacy.storage.database import Database
from flask_mixamo_privacy.storage.table_copy import TableCopy, differences
from flask_mixamo_privacy.storage.transfer import Transfer, undo

TABLES = sa.MetaData()
NOTES = sa.Table(
    "notes",
    TABLES,
    sa.Column("text", sa.Text),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, unique=True),
    sa.Column("seen", sa.Boolean),
    sqlite_autoincrement=True,
)
PAIRS = sa.Table("pairs", TABLES, sa.Column("word", sa.Text, primary_key=True), sa.Column("at", sa.Text, primary_key=True))
END = sa.Table("end", TABLES, sa.Column("count", sa.BigInteger, nullable=False))  # a table without a key

URL = "sqlite:///{}/{}.sqlite"


def numbers_at(folder: Path, name: str, tables: sa.MetaData = TABLES) -> Database:
    return Database(URL.format(folder, name), tables, "The notes", PrivacyError)


@pytest.fixture(autouse=True)
def _small_transactions(monkeypatch):
    monkeypatch.setattr(transfer, "_AT_ONCE", 3)


@pytest.fixture
def old(tmp_path: Path) -> Database:
    """A database with ten notes, without the last one, and words in several scripts."""
    database = numbers_at(tmp_path, "old")
    with database.write() as connection:
        rows = [{"name": f"n{number}", "text": None, "seen": bool(number % 2)} for number in range(10)]
        connection.execute(sa.insert(NOTES), rows)
        connection.execute(sa.delete(NOTES).where(NOTES.c.number == 10))
        words = [{"word": word, "at": at} for word in ("z", "Z", "é", "e\u0301", "\uffff", "\U0001f600", "") for at in "ba"]
        connection.execute(sa.insert(PAIRS), words)
        connection.execute(sa.insert(END), {"count": 2**40})
    return database


def to_new(database: Database, tmp_path: Path, name: str = "new") -> Transfer:
    moving = Transfer(database, URL.format(tmp_path, name))
    moving.begin()
    return moving


def contents(database: Database) -> list[list[Any]]:
    with database.connect("BEGIN") as connection:
        return [sorted(connection.execute(sa.select(table)).all(), key=repr) for table in (NOTES, PAIRS, END)]


def run(database: Database, *statements: str) -> None:
    with database.connect("BEGIN IMMEDIATE") as connection, connection.begin():
        for statement in statements:
            connection.exec_driver_sql(statement)


def ignore(_number: int) -> None:
    pass


def interrupt() -> None:
    raise KeyboardInterrupt


def test_every_row_is_copied_and_the_new_database_takes_over(old, tmp_path):
    """A number is not used a second time, even if its row was deleted before the move."""
    before, new = contents(old), numbers_at(tmp_path, "new")
    moving = to_new(old, tmp_path)
    moving.copy(ignore)
    moving.finish(ignore)
    assert (contents(new), moving.changes) == (before, 0)
    with new.write() as connection:
        assert connection.execute(sa.insert(NOTES), {"name": "later"}).inserted_primary_key[0] == 11


def test_neither_database_is_used_before_or_after_its_time(old, tmp_path):
    """No row is written where it would be lost, and each error names the next step."""
    moving, new = to_new(old, tmp_path), numbers_at(tmp_path, "new")
    with pytest.raises(
        PrivacyError, match=r"'notes' into this database is not finished.+ run `flask privacy move` with --fi"
    ):
        new.delete(sa.delete(NOTES))
    moving.finish(ignore)
    for use in (old.read, old.write):
        with pytest.raises(PrivacyError, match=r"'notes' was moved to another database\. Set the URL that .+restart"), use():
            pass


def test_an_interrupted_copy_continues_where_it_ended(old, tmp_path):
    """The second run counts the rows that are there as progress, and copies the others."""
    moving, before = to_new(old, tmp_path), contents(old)

    with pytest.raises(KeyboardInterrupt):
        moving.copy(lambda number: interrupt() if number else None)
    assert len(contents(numbers_at(tmp_path, "new"))[0]) == 3
    progress: list[int] = []
    again = to_new(old, tmp_path)
    again.copy(progress.append)
    assert (progress[:3], sum(progress)) == ([3, 3, 3], again.count())
    assert contents(numbers_at(tmp_path, "new")) == before


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM notes WHERE number = 2",
        "DELETE FROM pairs",
        "INSERT INTO pairs VALUES ('a', 'a')",
        "UPDATE notes SET seen = NULL WHERE number IN (1, 4, 7)",
        "UPDATE notes SET number = -3 WHERE number = 9",  # its name, which is unique, moves to an earlier row
        "UPDATE notes SET number = 30 WHERE number = 1",
        "UPDATE notes SET name = name || number; UPDATE notes SET name = 'n' || (10 - number)",
        "UPDATE end SET count = 5",
    ],
)
def test_what_changes_after_it_was_copied_is_copied_again(old, tmp_path, change):
    """Rows are inserted, changed and deleted, and a value that must be unique moves to another row."""
    to_new(old, tmp_path).copy(ignore)
    run(old, *change.split("; "))
    before, moving = contents(old), to_new(old, tmp_path)
    moving.compare(ignore)
    assert contents(numbers_at(tmp_path, "new")) == before and moving.changes
    moving.finish(ignore)
    assert contents(numbers_at(tmp_path, "new")) == before


@pytest.mark.parametrize(
    "change",
    ["UPDATE notes SET text = 'x' WHERE number = 3", "DELETE FROM end", "INSERT INTO pairs VALUES ('extra', '')"],
)
def test_a_tampered_copy_is_repaired(old, tmp_path, change):
    """The comparison is with the old database, whatever the new one has."""
    moving = to_new(old, tmp_path)
    moving.copy(ignore)
    run(numbers_at(tmp_path, "new"), change)
    moving.finish(ignore)
    assert (contents(numbers_at(tmp_path, "new")), moving.changes) == (contents(old), 1)


def test_a_target_that_keeps_changing_never_takes_over(old, tmp_path):
    """The error names the table and the number of rows, and the old database stays in use."""
    moving, new = to_new(old, tmp_path), numbers_at(tmp_path, "new")
    run(new, "CREATE TRIGGER fault AFTER INSERT ON pairs BEGIN DELETE FROM pairs WHERE word = 'z'; END")
    moving.copy(ignore)
    with pytest.raises(MoveError, match=r"differ after the copy is '2 in pairs'; allowed: none\. Stop what else writes"):
        moving.finish(ignore)
    run(new, "DROP TRIGGER fault")
    old.delete(sa.delete(END))
    to_new(old, tmp_path).finish(ignore)
    assert contents(new) == contents(old)


def test_a_database_with_other_rows_is_refused(old, tmp_path):
    """The error names what was found, and nothing is changed."""
    other = numbers_at(tmp_path, "new")
    with other.write() as connection:
        connection.execute(sa.insert(PAIRS), [{"word": "a", "at": "b"}])
    with pytest.raises(MoveError) as raised:
        to_new(old, tmp_path)
    assert str(raised.value) == (
        "The target for the notes is 'a database with rows: 1 in pairs'; allowed: an empty database. "
        "Choose an empty database, or drop these tables if nothing needs them."
    )
    assert contents(other)[1] == [("a", "b")]


def test_the_target_of_another_move_is_refused(old, tmp_path):
    """Two sources would overwrite each other, before and after the first has finished."""
    other, moving = numbers_at(tmp_path, "other"), to_new(old, tmp_path)
    for change in (lambda: None, lambda: moving.finish(ignore)):
        change()
        with pytest.raises(MoveError, match="a database with rows of another move"):
            to_new(other, tmp_path)


def test_a_moved_database_cannot_be_moved_to_a_second_target(old, tmp_path):
    """The first target may have newer rows by now."""
    to_new(old, tmp_path).finish(ignore)
    with pytest.raises(MoveError, match="no rows of this move, although an earlier run has finished it with another target"):
        to_new(old, tmp_path, "second")


def test_a_move_begun_by_another_release_starts_again(old, tmp_path):
    """The tables of its target may be others."""
    to_new(old, tmp_path)
    later = Database(str(old.url), TABLES, "The notes", PrivacyError, steps=[lambda connection: None])
    with pytest.raises(MoveError, match="a move that another release began"):
        to_new(later, tmp_path)
    moving = to_new(later, tmp_path, "second")
    moving.copy(ignore)
    moving.finish(ignore)
    assert contents(numbers_at(tmp_path, "second")) == contents(old)


def test_a_process_killed_while_the_databases_change_over_leaves_no_row_behind(old, tmp_path, monkeypatch):
    """Both refuse the site then. The next run opens the new one and copies nothing from the old one."""
    moving = to_new(old, tmp_path)
    moving.copy(ignore)
    monkeypatch.setattr(moving, "open_target", interrupt)
    with pytest.raises(KeyboardInterrupt):
        moving.finish(ignore)
    again, new = to_new(old, tmp_path), numbers_at(tmp_path, "new")
    assert again.is_moved
    with new.write() as connection:
        connection.execute(sa.insert(NOTES), {"name": "later"})
    assert to_new(old, tmp_path).is_moved and len(contents(new)[0]) == 10


def test_a_server_sorts_as_sqlite_does():
    """A server may sort texts as people of a country do, so each query names the order of code points."""
    query = TableCopy(PAIRS, "notes").select("postgresql", ("a", "b"), 5)
    order = '"word" COLLATE "C", "at" COLLATE "C"'
    rest = f"FROM \"pairs\" WHERE part = 'notes' AND ({order}) > (%s, %s) ORDER BY {order} LIMIT 5"
    assert query == f'SELECT "word", "at" {rest}'
    assert TableCopy(NOTES).select("postgresql").endswith('FROM "notes" ORDER BY "number"')


def test_a_move_can_be_undone_until_the_target_is_used(old, tmp_path):
    """The source takes over again, and a later run finishes the move."""
    moving, new = to_new(old, tmp_path), numbers_at(tmp_path, "new")
    for _ in "12":
        moving.finish(ignore)
        undo([moving], ignore)
        old.delete(sa.delete(NOTES).where(NOTES.c.number < 3))
        with pytest.raises(PrivacyError, match="is not finished"):
            new.delete(sa.delete(NOTES))
    moving.finish(ignore)
    new.delete(sa.delete(NOTES).where(NOTES.c.number < 6))
    with pytest.raises(
        MoveError, match=r"notes that differ is '3 in notes'; allowed: none\. The site uses the target already"
    ):
        undo([moving], ignore)
    assert contents(new)[0] != contents(old)[0] and new.delete(sa.delete(NOTES)) == 4


rows = st.dictionaries(st.integers(0, 20), st.sampled_from("ab"), max_size=12).map(lambda found: sorted(found.items()))


@given(rows, rows)
def test_the_differences_make_the_target_equal(source, target):
    """Whatever the two have, the target is the source after its stale rows are deleted and the missing ones inserted."""
    found = list(differences(source, iter(target), lambda row: row[0]))
    stale, missing = ({row for is_missing, row in found if is_missing is kind} for kind in (False, True))
    assert (stale, missing) == (set(target) - set(source), set(source) - set(target))
