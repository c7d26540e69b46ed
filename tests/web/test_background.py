"""Background work: one thread for each kind of work, so that no kind waits for another."""

import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
from flask import Flask

from conftest import choose
from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.web import background
from flask_mixamo_privacy.web.background import Background, RegularWork, _Daily


@pytest.fixture
def at_once(monkeypatch):
    """No thread rests between two passes, so that the test need not wait."""
    monkeypatch.setattr(background, "_PAUSE", 0.001)
    monkeypatch.setattr(background, "_DAILY_PAUSE", 0.001)
    monkeypatch.setattr(background, "_HOURLY_PAUSE", 0.001)
    monkeypatch.setattr(Background.__init__, "__defaults__", (0.001, "loader"))


KINDS = ("load", "process", "prune", "expire", "report")


def test_no_kind_of_work_waits_for_another(at_once, monkeypatch):
    """A mail server that does not answer delays no event, and neither do a backlog or the deletion of a large store."""
    begun = {name: threading.Event() for name in KINDS}

    def work(name):
        def run(*_, **__):
            begun[name].set()
            threading.Event().wait()  # never ends

        return run

    runtime = SimpleNamespace(load=work("load"), prune=work("prune"), settings=SimpleNamespace(weekly_report=True))
    runtime.store = SimpleNamespace(database=SimpleNamespace(exists=True))
    runtime.rights = SimpleNamespace(
        requests=SimpleNamespace(process=work("process")), replay=SimpleNamespace(expire=work("expire"))
    )
    monkeypatch.setattr("flask_mixamo_privacy.web.weekly_report.send_weekly_report", work("report"))
    regular = RegularWork(Flask("site"), runtime)
    regular.start()
    assert all(event.wait(30) for event in begun.values())
    before = [thread.name for thread in threading.enumerate()].count("privacy-requests")
    regular.start()  # starts no second set of threads
    assert [thread.name for thread in threading.enumerate()].count("privacy-requests") == before


def test_an_error_of_the_sites_own_code_ends_no_thread(caplog):
    """A mailer or a store of the site may raise anything. The error is logged, and the next pass works."""
    faults, done = iter([ZeroDivisionError("site")]), threading.Event()

    def work():
        for fault in faults:
            raise fault
        done.set()
        threading.Event().wait()

    Background(work, pause=0.001, name="requests").start()
    assert done.wait(30)
    [message] = caplog.messages
    assert message.startswith("The work of privacy-requests failed and will be tried again: ZeroDivisionError in ")


def test_daily_work_is_done_once_a_day(clock):
    """It begins at once, and then with each day in UTC."""
    calls = []
    daily = _Daily(lambda: calls.append(1))
    daily(), daily()
    assert len(calls) == 1
    clock.shift(12 * 3600)
    daily(), daily()
    assert len(calls) == 2


def test_a_site_without_events_deletes_its_old_entries_too(tiny, clock):
    """A ledger, counts of denied accesses and blocked loads grow on a site that records no event."""
    site = tiny()
    runtime = site.privacy.runtime(site.app)
    runtime.denied.add("2019-05-08")
    choose(site.visitor(), "accept_all")
    clock.shift(6 * 365 * 86400)
    RegularWork(site.app, runtime).prune()
    assert [row["kind"] for row in site.ledger()] == ["checkpoint"] and not runtime.denied.days()
    assert not (site.folder / "privacy-events.sqlite").exists()


@pytest.mark.parametrize("choice", ["save", "reject_all"])
def test_every_decision_starts_the_threads(tiny, monkeypatch, choice):
    """Nothing else does on a site without events, and its ledger would grow for ever."""
    site, started = tiny(), []
    monkeypatch.setattr(site.privacy.runtime(site.app), "wake", lambda: started.append(1))
    choose(site.visitor(), choice, "customisation")
    assert len(started) == 1


def test_daily_work_that_fails_is_tried_again_after_an_hour(clock, monkeypatch):
    """A locked database costs one try an hour, and not the whole day."""
    seconds, calls = [0.0], []
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: seconds[0]))

    def work():
        calls.append(1)
        raise StoreUnavailable("away")

    daily = _Daily(work)
    for seconds[0] in (0.0, 10.0, 3599.0, 3600.0, 3700.0):
        with suppress(StoreUnavailable):
            daily()
    assert len(calls) == 2
