"""Databases that are locked or away: pages are served, refusals take effect, and nothing is lost."""

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
from flask_mixamo_privacy.pending import Pending

KEYS = {"test": "sixteen characters or more"}


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database and does not let go."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def folder_gone(path: Path) -> Iterator[None]:
    """Where the database's folder was is a file."""
    with replaced(path.parent, Path.touch):
        yield


@contextmanager
def directory_there(path: Path) -> Iterator[None]:
    """Where the database was is a directory."""
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


# A lock is waited for, two seconds each time.
AWAY = pytest.mark.parametrize("away", [pytest.param(locked, marks=pytest.mark.server), folder_gone, directory_there])


class Parted(Tiny):
    """A site in production, whose two databases lie in folders of their own."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.events_file, self.ledger_file = folder / "events" / "events.sqlite", folder / "ledger" / "ledger.sqlite"
        urls = {"PRIVACY_EVENTS_URL": f"sqlite:///{self.events_file}", "PRIVACY_LEDGER_URL": f"sqlite:///{self.ledger_file}"}
        super().__init__(folder, **{"TESTING": False, "PRIVACY_LOADER": False, "PRIVACY_KEYS": KEYS, **urls, **config})
        self.site = self.privacy.site(self.app)

    def accepted(self) -> Any:
        """A visitor who accepted and saw a page."""
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
    """They are answered, a load says that it could not, and later every event is there."""
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
    """The cookie goes at once; the erasure waits beside the log, and the next load carries it out."""
    site = parted()
    visitor, other = site.accepted(), site.accepted()
    gone, site_of = id_of(visitor), site.site
    site_of.load()
    with away(site.events_file):
        assert choose(visitor, "reject_all").status_code == 303
        assert visitor.get("/").status_code == 200 and cookie(visitor, "privacy_visitor") is None
        with pytest.raises(StoreUnavailable):
            site_of.load()
    assert site.visitors() == {id_of(other)} and gone != id_of(other)
    assert not Pending(os.path.join(site_of.settings.log_dir, "erasures.pending"))


@AWAY
def test_without_the_ledger_only_a_grant_fails(parted, away):
    """Accepting: 503, a sentence, no cookie. Rejecting and withdrawing: done at once, and written down once it is back."""
    site = parted()
    granted, newcomer, refuser = site.accepted(), site.visitor(), site.visitor()
    with away(site.ledger_file):
        response = choose(newcomer, "accept_all")
        assert (response.status_code, cookie(newcomer)) == (503, None)
        assert "Your consent could not be recorded just now, so nothing was granted." in response.text
        assert choose(refuser, "reject_all").status_code == 303 and cookie(refuser).startswith("r.")
        assert choose(granted, "reject_all").status_code == 303 and cookie(granted) == cookie(refuser)
        assert cookie(granted, "privacy_visitor") is None
        site.site.load()  # events do not wait for the ledger
    assert site.decisions() == ["grant"]
    site.site.load()
    assert site.decisions() == ["grant", "refusal", "withdrawal"]
    site.site.load()
    assert site.decisions() == ["grant", "refusal", "withdrawal"]


def test_a_grant_that_fails_still_takes_back_what_was_taken_back(parted):
    """Who exchanges one purpose for another while the ledger is away keeps neither."""
    site = parted()
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    with folder_gone(site.ledger_file):
        assert choose(visitor, "save", "customisation").status_code == 503
    assert set(visitor.get("/privacy/state.json").json["purposes"].values()) == {"granted", "refused"}
    assert cookie(visitor).startswith("r.") and cookie(visitor, "privacy_visitor") is None


def test_the_next_decision_takes_up_what_waited(parted):
    """A site that nobody loads gets its rows in the order in which they were made, too."""
    site = parted()
    site.accepted()
    with folder_gone(site.ledger_file):
        choose(site.visitor(), "reject_all")
    site.accepted()
    assert site.decisions() == ["grant", "refusal", "grant"]


def test_a_crash_between_commit_and_truncation_writes_no_row_twice(parted, monkeypatch):
    """What waited is handed over again after the crash, and the ledger knows it."""
    site = parted()
    site.accepted()
    with folder_gone(site.ledger_file):
        choose(site.visitor(), "reject_all")
    with monkeypatch.context() as crash, pytest.raises(LedgerUnavailable):
        crash.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError("crashed here")))
        site.site.ledger.take_up()
    assert site.decisions() == ["grant", "refusal"]
    assert site.site.ledger.take_up() == 1 and site.decisions() == ["grant", "refusal"]


def test_a_refusal_takes_effect_with_everything_away(parted):
    """Both databases and the side files: nothing can be written down, and the visitor is obeyed all the same."""
    site = parted()
    visitor, refuser = site.accepted(), site.visitor()
    site.site.load()
    log = Path(site.site.settings.log_dir)
    with folder_gone(site.ledger_file), folder_gone(site.events_file), replaced(log, Path.touch):
        assert choose(refuser, "reject_all").status_code == choose(visitor, "reject_all").status_code == 303
        assert cookie(visitor) == cookie(refuser) and cookie(visitor, "privacy_visitor") is None
        assert visitor.get("/").status_code == 200
        assert site.site.failures == 3  # two rows and one erasure, each counted and logged


def test_promise_18_an_erasure_is_not_lost_with_the_ledgers_folder(parted):
    """The key of its tombstone lies beside the ledger; while that is away, the erasure waits."""
    site = parted(PRIVACY_KEYS=None)
    visitor = site.accepted()
    with folder_gone(site.ledger_file):
        assert choose(visitor, "reject_all").status_code == 303
    site.site.load()
    assert site.visitors() == set()


@pytest.mark.parametrize("torn", ["not json\n", '{"visitor":"half', "\0\0\0\0"])
@pytest.mark.parametrize("name", ["ledger.pending", "erasures.pending"])
def test_a_torn_side_file_stands_in_nobodys_way(parted, name, torn):
    """What a power cut left there does not keep others from deciding, waiting and being taken up."""
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
def test_many_may_refuse_while_the_ledger_is_locked(parted):
    """Each waits about two seconds for the ledger, not for everybody who came before."""
    site = parted()
    site.accepted()
    with folder_gone(site.ledger_file):
        choose(site.visitor(), "reject_all")  # so that something waits already
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
