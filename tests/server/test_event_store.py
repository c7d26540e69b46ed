"""The promises of the event store, each on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.reports.visitor_sets import LoadedEvents
from flask_mixamo_privacy.reports.windows import Interval
from flask_mixamo_privacy.storage.clock import milliseconds_of
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking import event_table, schema, sql_events
from flask_mixamo_privacy.tracking.loader import Loaded, Loader
from flask_mixamo_privacy.tracking.store import EventStore
from support.event_stores import DAY, KEYS, add, as_logged, count_until, row, store_at, uses

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("postgres")]

LONG = "/" + "long" * 200  # longer than a text that is stored once


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    is_sqlite = request.param == "sqlite"
    return f"sqlite:///{tmp_path}/events.sqlite" if is_sqlite else request.getfixturevalue("server").database()


@pytest.fixture
def store(url: str, tmp_path: Path) -> EventStore:
    return store_at(url, tmp_path)


def at(moment: str) -> str:
    return f"{DAY}T{moment}:00.000Z"


def ids(store: EventStore) -> list[str]:
    return [event["id"] for event in store.rows()]


def query(store: EventStore, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        assert connection is not None
        return [tuple(each) for each in connection.execute(statement)]


def run_at_once(*functions: Callable[[], object]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


# An event counts once.


def test_the_earliest_of_equal_events_counts_within_a_batch(store):
    """An event is its visitor and id; two visitors may use one id."""
    batch = [row(at=at(moment), page=f"/{moment}") for moment in ("12:02", "12:00", "12:01")]
    assert add(store, *batch, row(visitor="other")) == 2
    assert {(event["visitor"], event["page"]) for event in store.rows()} == {("v", "/12:00"), ("other", "/")}
    assert uses(store) == {"page_view": 2, "/12:00": 1, "/": 1, "{}": 2}


def test_an_event_counts_once_across_batches(store):
    """The stored event stays as it is, whatever the time and the content of the other."""
    assert add(store, row(at=at("12:30"), page="/first"), row(id="2")) == 2
    assert [add(store, row(at=at(moment), page="/second"), row(id="3")) for moment in ("11:00", "13:00")] == [1, 0]
    assert {(event["id"], event["page"]) for event in store.rows()} == {("1", "/first"), ("2", "/"), ("3", "/")}
    assert uses(store) == {"page_view": 3, "/first": 1, "/": 2, "{}": 3}


def test_an_event_counts_once_in_two_stores_at_once(url, store, tmp_path):
    """Two loaders add the same batches, in opposite orders."""
    batches = [[row(id=f"{batch}-{number}", page=f"/{number}") for number in range(40)] for batch in range(8)]
    add(store, row(id="first"))
    added: list[int] = []
    run_at_once(
        lambda: added.extend(add(store_at(url, tmp_path), *batch) for batch in batches),
        lambda: added.extend(add(store_at(url, tmp_path), *batch) for batch in reversed(batches)),
    )
    assert len(added) == 16 and sum(added) == 320 and len(ids(store)) == 321
    assert uses(store)["/7"] == 8


def test_few_duplicates_among_many_events_are_left_out_and_the_earlier_one_counts(store):
    """A statement inserts a hundred events, and fails if it has a duplicate."""
    add(store, *(row(id=str(number), page="/first") for number in range(0, 350, 60)))
    later = row(id="349", page="/twice", at=f"{DAY}T23:00:00.000Z")
    assert add(store, *(row(id=str(number)) for number in range(350)), later) == 344
    assert sorted(ids(store), key=int) == [str(number) for number in range(350)]
    assert uses(store)["/first"] == 6 and uses(store)["/"] == 344 and "/twice" not in uses(store)


def test_a_batch_of_duplicates_changes_no_dictionary(store):
    """It releases no text that is still used, and leaves no text of its own, also no long one."""
    batch = [row(id="1", page=LONG), row(id="2", page="/kept", data='{"a":1}')]
    add(store, *batch)
    before = uses(store)
    again = [row(id="1", page=LONG + "er", data='{"b":2}'), row(id="2", page="/new", referrer="https://new.example/")]
    assert (add(store, *batch), add(store, *again)) == (0, 0)
    assert uses(store) == before


def test_a_batch_may_have_more_texts_than_a_statement_has_values(store):
    """Texts, visitors and events are looked up and inserted in parts."""
    rows = [row(id=str(number), visitor=f"v{number}", page=f"/{number}") for number in range(1300)]
    assert (add(store, *rows[:700]), add(store, *rows), len(store.visitors())) == (700, 600, 1300)
    assert uses(store)["page_view"] == 1300


def test_an_empty_batch_adds_nothing(store):
    """A segment may hold only malformed lines."""
    assert (add(store), ids(store)) == (0, [])


def test_a_failed_batch_leaves_no_trace(store, monkeypatch):
    """Its texts, visitors and events are rolled back together, and the next batch is complete."""
    add(store, row())
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable, match="disk"):
        patch.setattr(event_table, "count_uses", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        with store.write() as connection:
            store.add(connection, [row(id="2", visitor="new", page="/new")])
    assert (ids(store), store.visitors(), "/new" in uses(store)) == (["1"], ["v"], False)
    assert add(store, row(id="2", visitor="new", page="/new")) == 1 and uses(store)["/new"] == 1


# What is stored.


@pytest.mark.parametrize(
    "text",
    ["", " ", "/ä", "/𝒳🦊" * 100, "/\u202e\ufeff\uffff\x01\x7f", "a\tb\\N\\.\n\r'\"%s?:x", LONG, "🦊" * 500, "🦊" * 501, "é" * 20_000],
)  # fmt: skip
def test_every_text_comes_back_as_it_was(store, text):
    """In every field, with null elsewhere; a look-up of the second batch finds the text of the first."""
    full = row(id="full", **dict.fromkeys(schema.CODED[:-1], text), data=json.dumps({"text": text}))
    empty = row(id="null", page=None)
    add(store, full, empty), add(store, row(id="second", page=text))
    expected = as_logged(full, empty, row(id="second", page=text))
    assert list(store.rows()) == expected
    uses(store)


def test_large_properties_come_back_as_they_were(store):
    """A text of 20 kB is stored with its event, and is gone with it."""
    large = row(data=json.dumps({"text": "🦊 x" * 5000}, ensure_ascii=False))
    add(store, large)
    assert list(store.rows()) == as_logged(large)
    assert store.erase("v", DAY) == 1 and uses(store) == {}


def test_texts_that_differ_only_in_case_accents_or_spaces_are_different(store):
    """Neither database compares texts by the rules of a language."""
    pages = ["/a", "/A", "/a ", "/á", "/a\u0301", "/ａ"]
    rows = [row(id=str(number), page=page) for number, page in enumerate(pages)]
    add(store, *rows)
    assert list(store.rows()) == as_logged(*rows) and all(uses(store)[page] == 1 for page in pages)


def test_events_come_in_order_of_time_and_visits_begin_first(store):
    """Within a millisecond, the start of a visit precedes the view of a page, and a view precedes what happens on the page."""
    kinds = ["click", "page_view", "repeat_visit", "visit_start"]
    add(store, *(row(id=str(number), kind=kind) for number, kind in enumerate(kinds)), row(id="4", at=at("11:59")))
    assert ids(store) == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize("text", [r"C:\u0000", r"\u0000", r"\\u0000", "\\" * 7 + "u0000"])
def test_a_text_about_nul_is_loaded_like_any_other(store, tmp_path, text):
    """Only the character itself is malformed, after any number of backslashes."""
    event = row(page=text, data=orjson.dumps({"text": text}).decode())
    lines = [json.dumps(each) for each in (as_logged(event)[0], as_logged(row(id="2", page=text + "\0"))[0])]
    (tmp_path / "a.events").write_text("".join(line.replace(": ", ":").replace(", ", ",") + "\n" for line in lines))
    assert Loader(str(tmp_path), store).load() == Loaded(events=1, lines=2, malformed=1)
    assert list(store.rows()) == as_logged(event)


# Late events.


def test_a_late_event_belongs_to_the_next_interval_and_keeps_its_moment(store):
    """Its slot is the end of the last counted interval; an event at that end is not late."""
    count_until(store, at("12:00")), count_until(store, at("13:00"))
    add(store, *(row(id=moment, at=at(moment)) for moment in ("11:00", "12:59", "13:00", "13:01")))
    e, end = schema.events.c, milliseconds_of(at("13:00"))
    found = {name: (slot, moment) for name, slot, moment in query(store, sa.select(e.id, e.slot, e.at))}
    assert {name: slot - end for name, (slot, _) in found.items()} == {"11:00": 0, "12:59": 0, "13:00": 0, "13:01": 60_000}
    assert {name for name, (_, moment) in found.items() if moment is not None} == {"11:00", "12:59"}
    assert {event["at"] for event in store.rows()} == {at(moment) for moment in found}


def test_an_event_that_comes_again_late_counts_once(store):
    """It keeps the slot in which it was counted."""
    add(store, row(at=at("11:00")))
    count_until(store, at("13:00"))
    assert add(store, row(at=at("11:00")), row(at=at("11:00"), id="2")) == 1
    slots = dict(query(store, sa.select(schema.events.c.id, schema.events.c.slot)))
    assert slots == {"1": milliseconds_of(at("11:00")), "2": milliseconds_of(at("13:00"))}


def test_loaded_and_stored_events_of_one_millisecond_have_one_order(store):
    """The last page of a visit is the same when its day is published again."""
    interval, cache = Interval(at("00:00"), at("23:00"), date.fromisoformat(DAY)), LoadedEvents()
    with store.write() as connection:
        for name in ("2", "1", "3"):
            cache.add(connection, store.add(connection, [row(id=name), row(id=name, visitor="u")]))
        loaded, stored = ([list(column) for column in each.of(connection, interval)] for each in (cache, LoadedEvents()))
    assert len(loaded[0]) == 6 and loaded == stored


# Erasure.


def test_promise_18_an_erasure_takes_what_only_this_visitor_used(store):
    """The dictionary entry goes too, and a text that others use stays with their uses."""
    own = {"page": "/own", "referrer": "https://own.example/", "data": '{"own":1}'}
    add(store, row(id="1", **own), row(id="2", page="/shared"), row(visitor="other", page="/shared"))
    assert (store.erase("v", DAY), store.visitors()) == (2, ["other"])
    assert uses(store) == {"page_view": 1, "/shared": 1, "{}": 1}
    assert store.erase("other", DAY) == 1 and uses(store) == {} and store.visitors() == []


def test_promise_18_an_erasure_takes_long_texts_too(store):
    """Two visitors may use one row of a long text, if it came in one batch."""
    add(store, row(page=LONG), row(visitor="other", page=LONG)), add(store, row(id="2", page=LONG), row(id="3", page=LONG))
    assert store.erase("v", DAY) == 3 and uses(store) == {"page_view": 1, LONG: 1, "{}": 1}
    store.erase("other", DAY)
    assert uses(store) == {}


def test_promise_18_an_erasure_of_many_events_takes_every_text(store):
    """Their texts are released in parts."""
    add(store, *(row(id=str(number), page=f"/{number}") for number in range(1300)), row(visitor="other", page="/7"))
    assert store.erase("v", DAY) == 1300 and uses(store) == {"page_view": 1, "/7": 1, "{}": 1}


def test_promise_18_a_counted_visitor_without_events_is_erased(store):
    """Retention deleted the events, and the number of all visitors still knows the visitor."""
    add(store, row())
    with store.write() as connection:
        counted = {"visitor": 1, "last": "2026-06-01", "counted": True, "seen": False}
        connection.execute(sa.insert(schema.people), counted)
    assert store.prune("2026-05-09") == 1 and store.visitors() == ["v"]
    assert store.erase("v", "2026-06-02") == 0 and uses(store) == {} and store.visitors() == []


def test_promise_18_an_erased_visitor_is_refused_and_leaves_no_text(store):
    """Others in the batch are added, and the visitor is due for scrubbing again."""
    add(store, row())
    store.erase("v", DAY), store.mark_scrubbed(store.pending_scrub())
    assert add(store, row(id="2", page="/late"), row(visitor="other"), row(id="3", page=LONG)) == 1
    assert uses(store) == {"page_view": 1, "/": 1, "{}": 1} and store.visitors() == ["other"]
    assert store.pending_scrub() == [KeyRing(KEYS, "").pseudonymise("v")[1]]


def test_promise_18_restored_tombstones_refuse_their_visitors(store):
    """A restored database lost them; each is due for scrubbing, also one that it has."""
    add(store, row()), store.erase("has", DAY), store.mark_scrubbed(store.pending_scrub())
    hashes = {name: KeyRing(KEYS, "").pseudonymise(name) for name in ("has", "lost")}
    store.restore_tombstones((hashed, key_id, DAY) for key_id, hashed in hashes.values())
    assert set(store.pending_scrub()) == {hashed for _, hashed in hashes.values()}
    assert add(store, row(visitor="lost"), row(visitor="has"), row(visitor="new")) == 1
    assert sorted(store.visitors()) == ["new", "v"]


def test_a_code_is_never_used_again(store):
    """A process may remember what it meant."""
    codes = [sa.select(table.c.code) for table in (schema.texts, schema.visitors)]
    add(store, row())
    before = [set(query(store, each)) for each in codes]
    store.erase("v", DAY)
    add(store, row(visitor="other"))
    assert all(first.isdisjoint(query(store, each)) for first, each in zip(before, codes, strict=True))


# Retention.


def test_promise_34_retention_ends_by_the_moment_of_the_event(store):
    """Also for a late event, whose slot is after the end, and at midnight."""
    moments = {"old": "2026-05-07T23:59:59.999Z", "midnight": "2026-05-08T00:00:00.000Z", "new": at("12:00")}
    add(store, *(row(id=name, at=moment, page=f"/{name}") for name, moment in moments.items()))
    count_until(store, at("13:00"))
    add(store, *(row(id=f"late {name}", at=moment, page=f"/late/{name}") for name, moment in moments.items()))
    assert store.count(DAY) == store.prune(DAY) == 2 and store.count(DAY) == 0
    assert set(ids(store)) == {"midnight", "new", "late midnight", "late new"}
    assert {text for text in uses(store) if "old" in text} == set()


def test_promise_34_retention_takes_visitors_without_other_data(store):
    """A visitor with a later event stays, and a tombstone of that day too."""
    old = "2026-05-01T12:00:00.000Z"
    add(store, row(at=old, visitor="gone"), row(at=old, visitor="stays"), row(id="2", visitor="stays"))
    store.erase("early", "2026-05-07"), store.erase("recent", DAY)
    assert (store.prune(DAY), store.visitors(), len(store.pending_scrub())) == (2, ["stays"], 1)
    assert uses(store) == {"page_view": 1, "/": 1, "{}": 1}


def test_retention_deletes_late_events_in_parts_too(store, monkeypatch):
    """All late events may have one slot, and other writers must not wait for a deletion of all."""
    monkeypatch.setattr(sql_events, "AT_MOST", 10)
    count_until(store, at("00:00"))
    add(store, *(row(id=str(number), at=f"2026-05-07T12:00:00.{number:03d}Z") for number in range(55)))
    count_until(store, at("13:00"))
    parts: list[int] = []
    assert store.prune("2026-05-09", progress=parts.append) == 55
    assert parts == [10, 20, 30, 40, 50, 55] and uses(store) == {}


# Errors.


def test_an_error_while_rows_are_sent_is_the_stores_and_quotes_nothing(store):
    """The driver's own error may quote a visitor's data, and callers expect this one."""
    add(store, row())
    with pytest.raises(StoreUnavailable) as raised, store.write() as connection:
        event_table.insert_new(connection, [[value] for value in (1, "no code: secret", *range(12))])
        raise StoreUnavailable("SQLite stores it") if store.database.is_sqlite else AssertionError
    assert "secret" not in str(raised.value) and ids(store) == ["1"]


def test_promise_18_a_loader_that_waited_for_an_erasure_refuses_the_visitor(server, tmp_path):
    """It sees what was committed meanwhile, whatever the isolation is that the server's administrator has set."""
    url = server.database()
    store = store_at(url, tmp_path)
    add(store, row())
    with store.write() as connection:
        change = "SET default_transaction_isolation = 'serializable'"
        connection.exec_driver_sql(f"ALTER DATABASE {store.database.url.database} {change}")
    key_id, hashed = KeyRing(KEYS, "").pseudonymise("v")
    loader = threading.Thread(target=add, args=(store_at(url, tmp_path), row(id="2")))
    with store.write() as connection:
        loader.start()
        while loader.is_alive() and not connection.scalar(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            pass
        connection.execute(sa.insert(schema.tombstones), {"hash": hashed, "key": key_id, "day": DAY})
    loader.join(30)
    assert ids(store) == ["1"]
