"""Erasure: no file contains a byte of an erased visitor, whatever was running or was killed."""

import importlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from conftest import Tiny, choose, cookie
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.log import EventLog
from flask_mixamo_privacy.tracking.parsing import COLUMNS
from flask_mixamo_privacy.tracking.store import EventStore

KEYS = {"test": "sixteen characters or more"}


def id_of(visitor):
    return cookie(visitor, "privacy_visitor").partition(".")[0]


def browse(site, pages=3):
    """Return a visitor who accepted and viewed pages."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for number in range(pages):
        visitor.get(f"/item/{number}")
    return visitor


def copies(folder, *names):
    """Return the files that contain one of these names anywhere: tables, free pages, WAL, segments or spools."""
    return sorted(
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(name.encode() in path.read_bytes() for name in names)
    )


@pytest.fixture
def kept(tiny):
    """A site that keeps its log's segments."""
    return tiny(PRIVACY_KEYS=KEYS, PRIVACY_LOG_KEEP=30)


def row_of(chance, number):
    """Return an event of January or of May."""
    month, name = chance.choice([(1, "old"), (5, "new")])
    values = {"id": f"{name} event {number}", "at": f"2026-0{month}-0{chance.randint(1, 9)}T12:00:00.000Z", "visit": "w"}
    values |= {
        "visitor": f"v{chance.randrange(40)}",
        "kind": "page_view",
        "page": "/" * chance.randint(1, 120),
        "data": "{}",
    }
    return tuple((dict.fromkeys(COLUMNS) | values)[name] for name in COLUMNS)


def site_log(site):
    return site.privacy.runtime(site.app).log


def test_promise_18_no_byte_of_an_erased_visitor_is_left(kept):
    """Database, free pages, WAL and kept segments are scrubbed; other visitors' data stay complete."""
    erased, others = [browse(kept, 40) for _ in range(10)], [browse(kept, 40) for _ in range(10)]
    site_log(kept).close()
    kept.cli("load")
    names = [id_of(visitor) for visitor in erased]
    assert len(copies(kept.folder, *names)) == 2
    for visitor in erased:
        visitor.post("/privacy/me/erase")
    kept.cli("load")
    assert copies(kept.folder, *names) == []
    assert {event["visitor"] for event in kept.events()} == {id_of(visitor) for visitor in others}
    for visitor in others:
        assert len(copies(kept.folder, id_of(visitor))) == 2


def test_promise_18_an_open_segment_is_scrubbed_in_place(kept):
    """The writer continues in the same file, and every line of other visitors is loaded once."""
    erased, other = browse(kept), browse(kept)
    name = id_of(erased)
    kept.cli("load")
    choose(erased, "reject_all")
    other.get("/other")
    kept.cli("load")
    segment = next((kept.folder / "privacy-log").glob("*.events"))
    assert copies(kept.folder, name) == [] and segment.read_bytes().count(b"\n") == 9
    other.get("/other")
    assert len(kept.events("page_view")) == 5


def test_promise_18_late_lines_are_scrubbed_too(kept):
    """A line that another process writes after the erasure is refused by the loader, then blanked."""
    visitor, late = browse(kept), EventLog(str(kept.folder / "privacy-log"), background=False)
    kept.cli("load")
    name, line = id_of(visitor), next((kept.folder / "privacy-log").glob("*.events")).read_text().splitlines()[0]
    choose(visitor, "reject_all")
    kept.cli("load")
    late.append(line + "\n")
    late.append(f'{{"visitor":"{name}", this is no event}}\n')
    assert len(copies(kept.folder, name)) == 1
    kept.cli("load")
    assert copies(kept.folder, name) == [] and kept.events() == []


def test_promise_18_a_torn_line_is_scrubbed_too(kept):
    """A torn line was never an event, but it still contains the visitor's ID."""
    visitor = browse(kept)
    name = id_of(visitor)
    site_log(kept).close()
    segment = next((kept.folder / "privacy-log").glob("*.events"))
    with segment.open("a") as file:
        file.write(f'{{"id":"x","visitor":"{name}","at":')
    kept.cli("load")
    choose(visitor, "reject_all")
    kept.cli("load")
    assert copies(kept.folder, name) == []


def test_a_loader_that_starts_again_ignores_blanked_lines(kept):
    """After a restore, a blanked line is neither an event nor quarantined as malformed."""
    erased, other = browse(kept), browse(kept)
    kept.cli("load")
    choose(erased, "reject_all")
    kept.cli("load")
    (kept.folder / "privacy-events.sqlite").unlink()
    assert "4 events loaded from 4 lines, 0 malformed, 0 torn." in kept.cli("load").output
    assert {event["visitor"] for event in kept.events()} == {id_of(other)}


def test_promise_18_the_command_leaves_no_copy_either(kept):
    """The operator erases by the ID that `flask privacy events` prints."""
    name = id_of(browse(kept))
    kept.cli("load")
    assert kept.cli("erase", name).output == "4 events erased.\n"
    assert copies(kept.folder, name) == []
    assert kept.ledger("erasure")[0]["subject"] == KeyRing(KEYS, "").pseudonymise(name)[1]


def test_promise_18_the_command_accepts_an_id_that_looks_like_an_option(kept):
    """One ID in sixty-four begins with a dash."""
    assert kept.cli("erase", "-v5u4CPkhPQhxvgduD9jXg").output == "0 events erased.\n"
    assert kept.ledger("erasure")[0]["subject"] == KeyRing(KEYS, "").pseudonymise("-v5u4CPkhPQhxvgduD9jXg")[1]


def test_promise_18_with_an_active_reader_the_next_load_finishes(kept):
    """SQLite cannot truncate the WAL under a reader; the visitor is marked as scrubbed only afterwards."""
    name = id_of(browse(kept))
    kept.cli("load")
    with closing(sqlite3.connect(kept.folder / "privacy-events.sqlite", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()
        kept.cli("erase", name)
    assert kept.events() == [] and kept.cli("load").exit_code == 0
    assert copies(kept.folder, name) == []


def test_promise_18_a_spooled_erasure_leaves_no_copy(kept, tmp_path):
    """The spool itself leaves no copy either."""
    visitor = browse(kept)
    name = id_of(visitor)
    kept.cli("load")
    (kept.folder / "privacy-events.sqlite").rename(tmp_path / "away")
    (kept.folder / "privacy-events.sqlite").mkdir()
    choose(visitor, "reject_all")
    assert "erasures.pending" in copies(kept.folder, name)
    (kept.folder / "privacy-events.sqlite").rmdir()
    (tmp_path / "away").rename(kept.folder / "privacy-events.sqlite")
    kept.cli("load")
    assert copies(kept.folder, name) == []


def test_promise_34_no_byte_of_pruned_events_is_left(tmp_path):
    """Deleted events between remaining ones leave no bytes either, although SQLite merges pages and keeps their gaps."""
    chance = random.Random(5)  # noqa: S311 — invented data needs no secret
    events = EventStore(f"sqlite:///{tmp_path}/events.sqlite", KeyRing(KEYS, ""), Spool(str(tmp_path / "pending")))
    for batch in range(20):
        with events.write() as connection:
            events.add(connection, [row_of(chance, f"{batch}.{number}") for number in range(100)])
    assert events.prune("2026-03-01") > 500
    assert copies(tmp_path, "old event") == [] and len(list(events.rows())) > 500


# Every step at which an erasure may be killed: the function called there, and which of its calls.
STEPS = {
    "before anything": ("flask_mixamo_privacy.tracking.store:EventStore.erase", 1, "before"),
    "tombstone, not the delete": ("sqlalchemy:Connection.execute", "DELETE FROM events", "before"),
    "delete, not the commit": ("sqlalchemy:Connection.execute", "DELETE FROM malformed", "after"),
    "commit, not the WAL": ("flask_mixamo_privacy.storage.database:Database.truncate_wal", 1, "before"),
    "WAL, not the ledger": ("flask_mixamo_privacy.ledger.ledger:Ledger.append", 1, "before"),
    "ledger, not the scrubbing": ("flask_mixamo_privacy.tracking.visitor_data:blank_erased_lines", 1, "before"),
    "one line scrubbed": ("flask_mixamo_privacy.tracking.visitor_data:_blank", 1, "after"),
    "all lines scrubbed, not the database": ("flask_mixamo_privacy.storage.database:Database.rewrite", 1, "before"),
    "database, not the note of it": ("flask_mixamo_privacy.tracking.store:EventStore.mark_scrubbed", 1, "before"),
    "everything": ("flask_mixamo_privacy.tracking.store:EventStore.mark_scrubbed", 1, "after"),
}


def killed_at(step, folder, *command):
    """Run a command in a separate process that is killed at a step."""
    where, which, moment = STEPS[step]
    module, _, path = where.partition(":")
    holder = importlib.import_module(module)
    *parts, name = path.split(".")
    for part in parts:
        holder = getattr(holder, part)
    original, calls = getattr(holder, name), []

    def until_then(*arguments, **values):
        calls.append(1)
        due = str(arguments[1]).startswith(which) if isinstance(which, str) else len(calls) == which
        if due and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **values)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(holder, name, until_then)
    if name == "blank_erased_lines":
        importlib.import_module("flask_mixamo_privacy.tracking.loader").blank_erased_lines = until_then
    site = Tiny(Path(folder), PRIVACY_KEYS=KEYS, PRIVACY_LOG_KEEP=30)
    sys.exit(site.cli(*command).exit_code)


@pytest.mark.server
@pytest.mark.parametrize("step", STEPS)
def test_promise_18_an_erasure_killed_at_any_step_is_finished_by_the_next_run(kept, step):
    """Before the commit nothing has happened, and the operator repeats the command.

    After it, a load finishes the erasure.
    """
    browse(kept)
    name = id_of(browse(kept))
    site_log(kept).close()
    kept.cli("load")
    code = f"from tracking.test_erasure import killed_at; killed_at({step!r}, {str(kept.folder)!r}, 'erase', {name!r})"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], timeout=60).returncode == -signal.SIGKILL
    )
    begun = list(STEPS).index(step) >= list(STEPS).index("commit, not the WAL")
    assert kept.cli(*(("load",) if begun else ("erase", name))).exit_code == 0
    assert copies(kept.folder, name) == [] and len(kept.events()) == 4
    assert kept.cli("erase", name).exit_code == 0 and kept.ledger("erasure")[-1]["subject"]
    assert kept.cli("ledger", "verify").exit_code == 0
