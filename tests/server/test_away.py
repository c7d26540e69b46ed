"""Locked or unavailable databases: pages are served, refusals take effect, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import Tiny, choose, cookie
from flask_mixamo_privacy.errors import LedgerUnavailable, StoreUnavailable
from flask_mixamo_privacy.storage.files import Spool

KEYS = {"test": "sixteen characters or more"}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on the database, as another program could."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def folder_gone(path: Path) -> Iterator[None]:
    """Replace the database's folder with a file."""
    with replaced(path.parent, Path.touch):
        yield


@contextmanager
def directory_there(path: Path) -> Iterator[None]:
    """Replace the database with a directory."""
    with replaced(path, Path.mkdir):
        yield


@contextmanager
def replaced(path: Path, by: Callable[[Path], object]) -> Iterator[None]:
    kept = path.with_name(f"{path.name}.kept")
    path.rename(kept)
    by(path)
    yield
    path.rmdir() if path.is_dir() else path.unlink()
    kept.rename(path)


# The extension waits two seconds for each lock.
AWAY = pytest.mark.parametrize("away", [pytest.param(locked, marks=pytest.mark.server), folder_gone, directory_there])


class Parted(Tiny):
    """A site in production whose two databases are in separate folders."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.events_file, self.ledger_file = folder / "events" / "events.sqlite", folder / "ledger" / "ledger.sqlite"
        urls = {"PRIVACY_EVENTS_URL": f"sqlite:///{self.events_file}", "PRIVACY_LEDGER_URL": f"sqlite:///{self.ledger_file}"}
        super().__init__(folder, **{"TESTING": False, "PRIVACY_LOADER": False, "PRIVACY_KEYS": KEYS, **urls, **config})
        self.site = self.privacy.runtime(self.app)

    def accepted(self) -> Any:
        """Return a visitor who accepted and viewed a page."""
        visitor = self.visitor()
        choose(visitor, "accept_all")
        visitor.get("/")
        return visitor

    def decisions(self) -> list[str]:
        return [entry["kind"] for entry in self.site.ledger.entries() if entry["kind"] != "access"]

    def visitors(self) -> set[str]:
        return {event["visitor"] for event in self.events()}


@pytest.fixture
def parted(tmp_path: Path) -> Callable[..., Parted]:
    folder = tmp_path / "instance"
    folder.mkdir()
    return lambda **config: Parted(folder, **config)


def id_of(visitor: Any) -> str:
    return (cookie(visitor, "privacy_visitor") or "").partition(".")[0]


@AWAY
def test_pages_are_served_without_the_database_of_events(parted, away):
    """Pages are served, a load raises an error, and a later load stores every event."""
    site = parted()
    visitor = site.accepted()
    site.site.load()
    with away(site.events_file):
        assert [visitor.get("/other").status_code for _ in range(5)] == [200] * 5
        with pytest.raises(StoreUnavailable):
            site.site.load()
        assert site.cli("report").exit_code == 2
    assert (len(site.events("page_view")), site.site.failures) == (6, 0)


@AWAY
def test_promise_18_withdrawing_works_without_the_database_of_events(parted, away):
    """The cookie is deleted at once. The erasure is spooled beside the log, and the next load performs it."""
    site = parted()
    visitor, other = site.accepted(), site.accepted()
    erased, site_of = id_of(visitor), site.site
    site_of.load()
    with away(site.events_file):
        assert choose(visitor, "reject_all").status_code == 303
        assert visitor.get("/").status_code == 200 and cookie(visitor, "privacy_visitor") is None
        with pytest.raises(StoreUnavailable):
            site_of.load()
    assert site.visitors() == {id_of(other)} and erased != id_of(other)
    assert not Spool(os.path.join(site_of.settings.log_dir, "erasures.pending"))


@AWAY
def test_without_the_ledger_only_a_grant_fails(parted, away):
    """Accepting is answered with 503 and a message, without a cookie.

    Refusals and withdrawals take effect. A refusal is counted, and a withdrawal is spooled.
    """
    site = parted()
    granted, newcomer, refuser = site.accepted(), site.visitor(), site.visitor()
    with away(site.ledger_file):
        response = choose(newcomer, "accept_all")
        assert (response.status_code, cookie(newcomer)) == (503, None)
        assert "Your consent could not be recorded just now, so nothing was granted." in response.text
        assert choose(refuser, "reject_all").status_code == 303 and cookie(refuser).startswith("r.")
        assert choose(granted, "reject_all").status_code == 303 and cookie(granted) == cookie(refuser)
        assert cookie(granted, "privacy_visitor") is None
        site.site.load()  # events do not depend on the ledger
    assert site.decisions() == ["grant"]
    site.site.load()
    assert site.decisions() == ["grant", "withdrawal"]
    site.site.load()
    assert site.decisions() == ["grant", "withdrawal"] and [number for _, _, number in site.refusals()] == [1]


def test_a_failed_grant_still_withdraws_the_other_purpose(parted):
    """A visitor who replaces one purpose by another while the ledger is unavailable keeps neither."""
    site = parted()
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    with folder_gone(site.ledger_file):
        assert choose(visitor, "save", "customisation").status_code == 503
    assert set(visitor.get("/privacy/state.json").json["purposes"].values()) == {"granted", "refused"}
    assert cookie(visitor).startswith("r.") and cookie(visitor, "privacy_visitor") is None


def test_the_next_decision_drains_the_spool(parted):
    """A site that never runs the loader gets its rows too, in the order of the decisions."""
    site = parted()
    visitor = site.accepted()
    with folder_gone(site.ledger_file):
        choose(visitor, "reject_all")
    site.accepted()
    assert site.decisions() == ["grant", "withdrawal", "grant"]


def test_a_crash_between_commit_and_truncation_writes_no_row_twice(parted, monkeypatch):
    """The spooled entries are written again after the crash, and the ledger recognises them."""
    site = parted()
    visitor = site.accepted()
    with folder_gone(site.ledger_file):
        choose(visitor, "reject_all")
    with monkeypatch.context() as crash, pytest.raises(LedgerUnavailable):
        crash.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError("crashed here")))
        site.site.ledger.drain_spool()
    assert site.decisions() == ["grant", "withdrawal"]
    assert site.site.ledger.drain_spool() == 1 and site.decisions() == ["grant", "withdrawal"]


def test_a_refusal_takes_effect_with_everything_unavailable(parted):
    """With both databases and both spools unavailable nothing can be recorded, and the refusal still takes effect."""
    site = parted()
    visitor, refuser = site.accepted(), site.visitor()
    site.site.load()
    log = Path(site.site.settings.log_dir)
    with folder_gone(site.ledger_file), folder_gone(site.events_file), replaced(log, Path.touch):
        assert choose(refuser, "reject_all").status_code == choose(visitor, "reject_all").status_code == 303
        assert cookie(visitor) == cookie(refuser) and cookie(visitor, "privacy_visitor") is None
        assert visitor.get("/").status_code == 200
        assert site.site.failures == 3  # a count, a row and an erasure, each counted and logged


def test_promise_18_an_erasure_is_not_lost_with_the_ledgers_folder(parted):
    """The key for the erasure's tombstone lies beside the ledger. While that folder is missing, the erasure is spooled."""
    site = parted(PRIVACY_KEYS=None)
    visitor = site.accepted()
    with folder_gone(site.ledger_file):
        assert choose(visitor, "reject_all").status_code == 303
    site.site.load()
    assert site.visitors() == set()


@pytest.mark.parametrize("torn", ["not json\n", '{"visitor":"half', "\0\0\0\0"])
@pytest.mark.parametrize("name", ["ledger.pending", "erasures.pending"])
def test_a_torn_spool_does_not_block_other_entries(parted, name, torn):
    """An incomplete line left by a power failure does not stop other entries from being spooled and drained."""
    site = parted()
    visitor, log = site.accepted(), Path(site.site.settings.log_dir)
    site.site.load()
    (log / name).write_text(torn)
    with folder_gone(site.ledger_file), folder_gone(site.events_file):
        assert choose(visitor, "reject_all").status_code == 303
    assert choose(site.visitor(), "accept_all").status_code == 303
    site.site.load()
    assert site.visitors() == set() and site.decisions() == ["grant", "withdrawal", "grant"]


@pytest.mark.server
def test_many_visitors_can_refuse_while_the_ledger_is_locked(parted):
    """Each request waits about two seconds for the ledger, however many came before."""
    site = parted()
    site.accepted()
    with folder_gone(site.ledger_file):
        choose(site.visitor(), "reject_all")  # so that the spool is not empty
    refusers = [site.visitor() for _ in range(5)]
    with locked(site.ledger_file):
        started = time.monotonic()
        threads = [threading.Thread(target=choose, args=(refuser, "reject_all")) for refuser in refusers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.monotonic() - started
    assert all(cookie(refuser) for refuser in refusers) and taken < 6
