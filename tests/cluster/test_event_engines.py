"""The promises of every engine for events: SQLite, PostgreSQL, ClickHouse in process, and a ClickHouse cluster."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing, suppress

import pytest

from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.schema import CODED
from flask_mixamo_privacy.tracking.visitor_data import VisitorEvents
from support.engines import ENGINES, engine_of
from support.event_factory import Kept, traffic
from support.event_stores import DAY, KEYS, add, as_logged, count_until, row

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

END = "2026-07-01T00:00:00.000Z"
PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors")


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    return engine_of(request.param, request, tmp_path)


@pytest.fixture
def store(engine, tmp_path):
    return engine.store(tmp_path)


def at(moment: str) -> str:
    return f"{DAY}T{moment}:00.000Z"


def ids(store) -> list[str]:
    return [event["id"] for event in store.rows()]


def slots(store, start="2000-01-01T00:00:00.000Z", end="2100-01-01T00:00:00.000Z"):
    """Return the slot of each id in a range."""
    events, within = store.events, (milliseconds_of(start), milliseconds_of(end))
    with store.write() as connection:
        rows = events.of_kind(connection, "page_view", ("id", "slot"), *within, events.names())
    return dict(rows)


# An event counts once.


def test_an_empty_store_answers(store):
    """Nothing was loaded yet."""
    assert (ids(store), store.visitors(), store.count(DAY), store.prune(DAY)) == ([], [], 0, 0)


def test_the_earliest_of_equal_events_counts_within_a_batch(store):
    """An event is its visitor and id; two visitors may use one id."""
    add(store, *(row(at=at(moment), page=f"/{moment}") for moment in ("12:02", "12:00", "12:01")), row(visitor="other"))
    assert {(event["visitor"], event["page"]) for event in store.rows()} == {("v", "/12:00"), ("other", "/")}


@pytest.mark.parametrize("times", [2, 5])
def test_a_batch_counts_once_however_often_it_is_added(store, times):
    """Also together with another event, which makes it another block."""
    batch = [row(id=str(number), visitor=f"v{number % 7}") for number in range(50)]
    for number in range(times):
        add(store, *batch, row(id=f"more {number}"))
    assert sorted(ids(store)) == sorted([*map(str, range(50)), *(f"more {number}" for number in range(times))])


def add_patiently(store, batch) -> None:
    """Add a batch as a loader does: again, if another loader holds the books for more than two seconds."""
    for _attempt in range(30):
        with suppress(StoreUnavailable):
            add(store, *batch)
            return


def test_a_batch_counts_once_in_two_stores_at_once(engine, store, tmp_path):
    """Two loaders add the same batches, in opposite orders."""
    batches = [[row(id=f"{batch}-{number}", visitor=f"v{number % 5}") for number in range(40)] for batch in range(6)]
    orders = [(store, batches), (engine.store(tmp_path), batches[::-1])]
    loaders = [
        threading.Thread(target=lambda some=some: [add_patiently(some[0], batch) for batch in some[1]]) for some in orders
    ]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join(60)
    assert len(ids(store)) == len(set(ids(store))) == 240


@pytest.mark.parametrize("first", ["2026-05-07T23:59:59.000Z", "2026-05-08T00:00:01.000Z"])
def test_an_id_on_both_sides_of_midnight_counts_once(engine, store, tmp_path, first):
    """Two hosts report it; each order of their loads leaves it in one day, the day in which it was counted."""
    second = {"2026-05-07T23:59:59.000Z": "2026-05-08T00:00:01.000Z"}.get(first, "2026-05-07T23:59:59.000Z")
    add(store, row(at=first, id="twice"), row(at=first, id="once"))
    count_until(store, "2026-05-08T00:00:00.000Z")
    before = slots(store, end="2026-05-08T00:00:00.000Z")
    add(engine.store(tmp_path), row(at=second, id="twice"))
    assert slots(store, end="2026-05-08T00:00:00.000Z") == before
    after = slots(store, start="2026-05-08T00:00:00.000Z")
    assert ("twice" in before) + ("twice" in after) == 1 and sorted(ids(store)) == ["once", "twice"]


@pytest.mark.parametrize("name", ["chdb", "cluster"])
def test_restored_books_count_the_events_of_known_visitors_once(request, tmp_path, name):
    """The lines that were loaded after the backup are loaded again."""
    engine, backup = engine_of(name, request, tmp_path), tmp_path / "backup.sqlite"
    store = engine.store(tmp_path)
    add(store, row())
    with closing(sqlite3.connect(store.database.url.database)) as books, closing(sqlite3.connect(backup)) as copy:
        books.backup(copy)
    add(store, row(id="2"))
    restored = engine._replace(books=f"sqlite:///{backup}").store(tmp_path)
    add(restored, row(id="2"), row(id="3"))
    assert ids(restored) == ["1", "2", "3"]


# What is stored.


@pytest.mark.parametrize(
    "text", ["", " ", "/ä", "/𝒳🦊" * 100, "/\u202e\ufeff\uffff\x01\x7f", "a\tb\\N\\.\n\r'\"%s?:x{}", "/" + "long" * 200, "é" * 20_000]
)  # fmt: skip
def test_every_text_comes_back_as_it_was(store, text):
    """In every field, with null elsewhere, and in an id."""
    full = row(id="full", **dict.fromkeys(CODED[:-1], text), data=json.dumps({"text": text}))
    rows = [full, row(id="null", page=None), row(id="second", page=text)]
    add(store, *rows)
    assert list(store.rows()) == as_logged(*rows)


def test_a_batch_may_have_more_texts_than_a_statement_has_values(store):
    """Texts, visitors and events are inserted and read in parts."""
    rows = [row(id=str(number), visitor=f"v{number}", page=f"/{number}") for number in range(2600)]
    add(store, *rows[:700]), add(store, *rows)
    assert len(ids(store)) == len(store.visitors()) == 2600


def test_a_late_event_belongs_to_the_next_interval_and_keeps_its_moment(store):
    """Its slot is the end of the last counted interval; an event at that end is not late."""
    count_until(store, at("12:00")), count_until(store, at("13:00"))
    add(store, *(row(id=moment, at=at(moment)) for moment in ("11:00", "12:59", "13:00", "13:01")))
    end = milliseconds_of(at("13:00"))
    assert {name: slot - end for name, slot in slots(store).items()} == {
        "11:00": 0, "12:59": 0, "13:00": 0, "13:01": 60_000
    }  # fmt: skip
    assert {event["at"] for event in store.rows()} == {at(name) for name in slots(store)}


def test_visits_begin_first_among_events_of_one_millisecond(store):
    """Then a page is viewed, whatever the ids are."""
    kinds = ["click", "page_view", "repeat_visit", "visit_start"]
    add(store, *(row(id=str(number), kind=kind) for number, kind in enumerate(kinds)))
    assert ids(store) == ["3", "2", "1", "0"]


# Erasure and retention.


def test_promise_18_no_read_finds_an_erased_visitor(store, tmp_path):
    """From the return of the erasure on; others stay."""
    add(store, row(), row(id="2"), row(visitor="other"))
    assert store.erase("v", DAY) == 2
    assert ([event["visitor"] for event in store.rows()], store.visitors()) == (["other"], ["other"])
    assert [VisitorEvents([name], store, str(tmp_path)).summary().total for name in ("v", "other")] == [0, 1]
    assert store.count("2026-05-09") == 1 and store.erase("v", DAY) == 0


def test_promise_18_a_replayed_batch_does_not_bring_an_erased_visitor_back(store):
    """Not with another token, and not while the erasure is under way."""
    batch = [row(), row(id="2"), row(visitor="other")]
    add(store, *batch)
    store.erase("v", DAY)
    for number in range(3):
        add(store, *batch, row(visitor="other", id=f"more {number}"))
        store.events.scrub(store.write)
    assert {event["visitor"] for event in store.rows()} == {"other"}


def test_promise_18_restored_tombstones_refuse_their_visitors(store):
    """A restored database lost them."""
    key_id, hashed = KeyRing(KEYS, "").pseudonymise("lost")
    store.restore_tombstones([(hashed, key_id, DAY)])
    assert add(store, row(visitor="lost"), row(visitor="new")) == 1 and store.visitors() == ["new"]


def test_promise_34_retention_ends_by_the_moment_of_the_event(store):
    """Also for a late event, whose slot is after the end, and at midnight."""
    moments = {"old": "2026-05-07T23:59:59.999Z", "midnight": "2026-05-08T00:00:00.000Z", "new": at("12:00")}
    add(store, *(row(id=name, at=moment) for name, moment in moments.items()))
    count_until(store, at("13:00"))
    add(store, *(row(id=f"late {name}", at=moment) for name, moment in moments.items()))
    assert store.count(DAY) == store.prune(DAY) == 2 and store.count(DAY) == 0
    assert set(ids(store)) == {"midnight", "new", "late midnight", "late new"}


def test_promise_34_retention_takes_visitors_without_other_data(store):
    """A visitor with a later event stays."""
    old = "2026-05-01T12:00:00.000Z"
    add(store, row(at=old, visitor="gone"), row(at=old, visitor="stays"), row(id="2", visitor="stays"))
    assert (store.prune(DAY), store.visitors(), ids(store)) == (2, ["stays"], ["2"])


# Reports.


def test_the_data_of_a_visitor_is_the_same(store, tmp_path):
    """Numbers by kind and page, days, and every event in order of time."""
    rows = [row(id=str(n), at=at(f"12:{n:02d}"), page=f"/{n % 3}", kind=("page_view", "click")[n % 2]) for n in range(20)]
    add(store, *rows, row(visitor="other"))
    with open(tmp_path / "out", "wb") as file:
        data = VisitorEvents(["v"], store, str(tmp_path)).write_json(file)
    assert (data.total, data.by_kind, data.pages) == (20, {"page_view": 10, "click": 10}, {"/0": 4, "/2": 3, "/1": 3})
    events = json.loads((tmp_path / "out").read_text())["all"]
    assert [event["id"] for event in events] == list(map(str, range(20)))


@pytest.mark.parametrize("least", [5, 1])
@pytest.mark.parametrize("name", ENGINES[1:])
def test_reports_are_the_same_on_every_engine(request, tmp_path, name, least):
    """With late and repeated events, an erasure, and when a month is published again."""
    engine, tables = engine_of(name, request, tmp_path), []
    events = traffic(5, 45, 60, 12)
    kept = [
        Kept(tmp_path / "sqlite", least=least),
        Kept(tmp_path / name, engine.books, least=least, events=engine.events()),
    ]
    for each in kept:
        each.load(events[: len(events) // 2], "2026-05-12T00:00:00.000Z")
        each.load(events[len(events) // 3 :], END)  # the middle comes again, and late
        each.store.erase("v3", "2026-07-01")
        each.load(traffic(8, 20, 60, 4), "2026-08-01T00:00:00.000Z")
        windows = [window for unit in ("month", "week", "day") for window in each.reports.windows(unit)]
        reports = [report.as_dict() for window in windows for report in each.reports.every(window)]
        tables.append([[each.table(table) for table in PUBLISHED], reports, each.rebuilder.rebuild(), each.totals()])
    assert tables[0] == tables[1]
