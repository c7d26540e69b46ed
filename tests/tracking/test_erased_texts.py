"""Erasure of what only one visitor's events named: no row, and later no byte of any file, has it."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from conftest import choose, cookie
from support.event_stores import add, row, store_at, uses

PAGE, PROPERTY, LONG = "/only/of/quixote", "la-mancha", "rocinante " * 60  # the last is stored with its event
FILES = Path("/proc/self/fd")


@pytest.fixture
def site(tiny):
    """A site that keeps its log, with a page for every path and an event with properties."""
    site = tiny(PRIVACY_KEYS={"test": "sixteen characters or more"}, PRIVACY_LOG_KEEP=30)
    site.app.add_url_rule("/<path:page>", "any", lambda page: page)

    def tells(word):
        site.privacy.track("horse", name=word)
        return word

    site.app.add_url_rule("/tell/<word>", "tell", tells)
    return site


def browse(site, page, *words):
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for path in (page, "/shared", *(f"/tell/{word}" for word in words)):
        visitor.get(path)
    return visitor


def names_of(visitor):
    return [cookie(visitor, "privacy_visitor").partition(".")[0], PAGE, PROPERTY, LONG[:50]]


def found(folder, names):
    """Return the names that a file has, and the files."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {(name, file) for name in names for file, content in files.items() if name.encode() in content}


def rows_with(folder, names):
    """Return the rows of all tables that have a name."""
    with closing(sqlite3.connect(folder / "privacy-events.sqlite")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = [str(each) for table in tables for each in connection.execute(f'SELECT * FROM "{table}"')]
    return [each for each in rows if any(name in each for name in names)]


def test_promise_18_no_row_names_an_erased_visitor_and_later_no_byte(site):
    """Database, WAL, shared memory and log; an open connection keeps the WAL."""
    erased, others = browse(site, PAGE, PROPERTY, LONG), [browse(site, f"/of/{number}", "shared") for number in range(6)]
    names, folder = names_of(erased), site.folder
    site.cli("load")
    assert {name for name, _ in found(folder, names)} >= {*names[:3]} and len(rows_with(folder, names)) >= 3
    with closing(sqlite3.connect(folder / "privacy-events.sqlite")) as connection:
        connection.execute("SELECT count(*) FROM events").fetchall()
        erased.post("/privacy/me/erase")
        assert rows_with(folder, names) == []
        site.cli("load")
        assert {path.name for path in folder.glob("privacy-events.sqlite*")} >= {"privacy-events.sqlite-wal"}
        assert found(folder, names) == set()
    assert found(folder, names) == set() and len(site.events("page_view")) == 6 * 3 and len(others) == 6


def test_promise_18_no_byte_of_a_withdrawn_visitors_texts_is_left(site):
    """A withdrawal erases as the command does, also texts that came in several batches."""
    visitor = browse(site, PAGE, PROPERTY)
    site.cli("load")
    visitor.get(PAGE), visitor.get(f"/tell/{LONG[:100]}")
    site.cli("load")
    names = names_of(visitor)
    choose(visitor, "reject_all")
    site.cli("load")
    assert found(site.folder, names) == set() and site.events() == []


def test_promise_34_no_byte_of_texts_that_retention_deleted_is_left(tmp_path):
    """Texts of other visitors' events stay, with their uses."""
    store = store_at(f"sqlite:///{tmp_path}/events.sqlite", tmp_path)
    moments = ("2026-01-08T12:00:00.000Z", "2026-05-08T12:00:00.000Z")
    for number in range(600):
        at = moments[number % 2]
        add(store, row(at=at, id=f"{at[:7]}.{number}", visitor=f"{at[:7]}~{number}", page=f"/{at[:7]}/{number}"))
    assert store.prune("2026-03-01") == 300 and uses(store)["page_view"] == 300
    assert {name for name, _ in found(tmp_path, ["2026-01", "2026-05~1", "/2026-05/599"])} == {"2026-05~1", "/2026-05/599"}


@pytest.mark.skipif(not FILES.exists(), reason="only Linux lists the open files of a process")
def test_inserted_and_erased_rows_are_never_written_to_temporary_files(tmp_path):
    """SQLite would write pages that it may restore, and rows that a deletion returns, to deleted files in the system's folder."""
    store, seen = store_at(f"sqlite:///{tmp_path}/events.sqlite", tmp_path), set()

    def watch(_connection, _cursor, statement, *_):
        open_files = [os.readlink(path) for path in FILES.iterdir() if path.is_symlink()]
        seen.add((re.sub(r"\W.*", "", statement, flags=re.DOTALL), any("etilqs" in name for name in open_files)))

    sa.event.listen(store.database._engine, "after_cursor_execute", watch)
    batch = [row(id=f"{number:040}", visit=f"{number:040}") for number in range(30_000)]
    assert (add(store, *batch), add(store, *batch), store.erase("v", "2026-06-01")) == (30_000, 0, 30_000)
    assert {word for word, _ in seen} >= {"INSERT", "UPDATE", "DELETE"} and not any(is_open for _, is_open in seen)
