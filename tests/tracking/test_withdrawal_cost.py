"""What a withdrawal costs: work in proportion to the visitor's events, and no wait behind another writer."""

import threading
from itertools import pairwise

import pytest
import sqlalchemy as sa

from conftest import choose
from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking import schema, sql_events
from flask_mixamo_privacy.tracking.parsing import COLUMNS
from flask_mixamo_privacy.tracking.store import EventStore

KEYS = {"test": "sixteen characters or more"}


def day_of(number):
    return f"2026-{1 + number // 28:02d}-{1 + number % 28:02d}"


@pytest.fixture
def filled(tmp_path):
    """Returns a store in which one visitor has some events on each of some days, and each day was counted."""

    def build(name, days, a_day):
        store = EventStore(f"sqlite:///{tmp_path}/{name}.sqlite", KeyRing(KEYS, ""), Spool(str(tmp_path / name)))
        base = dict.fromkeys(COLUMNS) | {"visitor": "v", "kind": "page_view", "visit": "w", "data": "{}"}
        events = [
            base | {"at": f"{day_of(day)}T12:00:00.{number:03d}Z", "id": f"{day}-{number}"}
            for day in range(days)
            for number in range(a_day)
        ]
        with store.write() as connection:
            store.add(connection, [tuple(event[column] for column in COLUMNS) for event in events])
            starts = [f"{day_of(day)}T00:00:00.000Z" for day in range(days + 1)]
            rows = [{"start": a, "until": b, "day": a[:10], "whole": True} for a, b in pairwise(starts)]
            connection.execute(sa.insert(schema.pieces), rows)
        return store

    return build


def steps_of(store, work):
    """Return how many thousand instructions SQLite executes for this work."""
    steps = []

    def watch(connection, _record):
        connection.set_progress_handler(lambda: steps.append(1) and None, 1000)

    sa.event.listen(store.database._engine, "connect", watch)
    work()
    return len(steps)


def incomplete(store):
    with store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).where(~schema.pieces.c.whole))


def test_promise_18_a_withdrawal_works_in_proportion_to_the_events(filled):
    """Four times the days and events are less than eight times the work, and each day is marked as incomplete."""
    small, large = filled("small", 20, 40), filled("large", 80, 40)
    one, four = (steps_of(store, lambda store=store: store.erase("v", "2026-12-01")) for store in (small, large))
    assert four < 8 * one and (incomplete(small), incomplete(large)) == (20, 80)


def test_an_erasure_marks_only_the_days_that_lost_an_event(filled):
    """Events before the first counted day and after the last mark none."""
    store = filled("events", 10, 2)
    moments = ("2025-12-01T12:00:00.000Z", "2026-01-04T12:00:00.000Z", "2026-12-01T12:00:00.000Z")
    event = {"visitor": 2, "kind": 1, "visit": "w", "data": 1}
    events = [event | {"slot": milliseconds_of(moment), "id": moment} for moment in moments]
    with store.write() as connection:
        connection.execute(sa.insert(schema.visitors), {"code": 2, "visitor": "other"})
        connection.execute(sa.insert(schema.events), events)
    assert store.erase("other", "2026-12-02") == 3 and incomplete(store) == 1


def test_pruning_marks_only_the_days_before_its_day(filled):
    """A day that lost an event to retention cannot be counted again."""
    store = filled("events", 10, 2)
    assert store.prune("2026-01-04") == 6 and incomplete(store) == 3


def test_promise_18_a_withdrawal_does_not_wait_for_the_end_of_pruning(filled, monkeypatch):
    """Between two parts, another writer gets the lock at once. After the last part there is no pause."""
    built, pauses = filled("events", 10, 2), []

    def pause(seconds):
        with built.database.write(wait=0):
            pauses.append(seconds)

    monkeypatch.setattr(sql_events, "AT_MOST", 6)
    monkeypatch.setattr(sql_events, "sleep", pause)
    assert built.prune("2026-01-11") == 20 and pauses == [sql_events.PAUSE] * 3
    with built.write() as connection:
        rows = [{"visitor": code, "last": "2026-01-10", "counted": True, "seen": False} for code in range(10, 24)]
        connection.execute(sa.insert(schema.people), rows)
        tombstones = [{"hash": str(code), "key": "test", "day": "2026-01-10"} for code in range(14)]
        connection.execute(sa.insert(schema.tombstones), tombstones)
    assert built.prune("2026-01-11") == 0 and len(pauses) == 3 + 2 + 2
    with built.read() as connection:
        assert (
            not connection.execute(sa.select(schema.people)).all() + connection.execute(sa.select(schema.tombstones)).all()
        )


def test_promise_18_a_withdrawal_does_not_wait_behind_a_loader(tiny, monkeypatch):
    """It takes effect at once; the next load carries the erasure out."""
    monkeypatch.setattr("flask_mixamo_privacy.storage.database._WAIT_MS", 60_000)
    site = tiny(PRIVACY_KEYS=KEYS)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    site.cli("load")
    store, inside, done = site.privacy.runtime(site.app).store, threading.Event(), threading.Event()

    def batch():
        with store.write():
            inside.set()
            done.wait(5)

    threading.Thread(target=batch).start()
    assert inside.wait(30)
    assert choose(visitor, "reject_all").status_code == 303 and store.has_spooled
    done.set()
    assert site.events() == [] and not store.has_spooled
