"""One visitor's events: counted by the databases, and read in constant memory."""

import io
import json
import tracemalloc

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking import visitor_data
from flask_mixamo_privacy.tracking.parsing import COLUMNS
from flask_mixamo_privacy.tracking.store import EventStore
from flask_mixamo_privacy.tracking.visitor_data import VisitorData, VisitorEvents

KEYS = {"test": "sixteen characters or more"}


def event(number, visitor="v", **fields):
    at = f"2026-05-08T12:{number // 60 % 60:02d}:{number % 60:02d}.{number // 3600:03d}Z"
    base = {"id": f"e{number}", "at": at, "kind": "page_view", "visitor": visitor, "visit": "w", "page": f"/{number % 3}"}
    return dict.fromkeys(COLUMNS) | base | {"data": {}} | fields


@pytest.fixture
def stored(tmp_path):
    """Returns what is stored about a visitor, with these events in the store and these in the log."""
    store = EventStore(f"sqlite:///{tmp_path}/events.sqlite", KeyRing(KEYS, ""), Spool(str(tmp_path / "pending")))

    def build(loaded=(), waiting=()):
        rows = [tuple((each | {"data": json.dumps(each["data"])})[name] for name in COLUMNS) for each in loaded]
        with store.write() as connection:
            store.add(connection, rows)
        lines = "".join(json.dumps(each, separators=(",", ":")) + "\n" for each in waiting)
        (tmp_path / "one.events").write_text(lines)
        return VisitorEvents(["v"], store, str(tmp_path))

    return build


def as_json(events):
    file = io.BytesIO()
    events.write_json(file)
    return json.loads(file.getvalue())


def test_promise_18_store_and_log_are_counted_together(stored):
    """An event that is in both, or twice in the log, counts once; other visitors' events do not count."""
    waiting = [event(5), event(5), event(2), event(7, "other"), event(9, kind="click", at="2026-05-10T00:00:00.000Z")]
    events = stored([event(0), event(1), event(2), event(3, "other")], waiting)
    assert events.summary() == VisitorData(
        5, {"page_view": 4, "click": 1}, {"/2": 2, "/0": 1, "/1": 1}, ("2026-05-08", "2026-05-10")
    )
    assert [each["id"] for each in as_json(events)["all"]] == ["e0", "e1", "e2", "e5", "e9"]


def test_promise_18_the_order_is_that_of_time(stored):
    """A late line is in its place, whether it was loaded or not."""
    events = stored([event(4), event(1)], [event(3), event(0)])
    assert [each["id"] for each in as_json(events)["all"]] == ["e0", "e1", "e3", "e4"]
    assert all("visitor" not in each and each["data"] == {} for each in as_json(events)["all"])


def test_without_events_everything_is_empty(stored):
    """The object has the same members."""
    assert stored().summary() == VisitorData()
    empty = {"total": 0, "by_kind": {}, "pages": {}, "first_day": None, "last_day": None, "all": []}
    assert as_json(stored()) == empty


#: Bytes that threads of other tests may hold meanwhile: a loader reads blocks of 16 MiB.
OF_OTHERS = 20 * 1024 * 1024


@pytest.mark.parametrize("place", ["loaded", "waiting"])
def test_many_events_take_as_much_memory_as_few(stored, place):
    """Fifty times the events are read with less than twice the memory. In one list they would take over 30 MB."""
    sizes = []
    for number in (1_000, 50_000):
        events = stored(**{place: [event(each, data={"text": "x" * 200}) for each in range(number)]})
        tracemalloc.start()
        with open("/dev/null", "wb") as file:
            assert events.write_json(file).total == number
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[1] < 2 * sizes[0] + OF_OTHERS


def test_promise_18_the_page_never_reads_single_events(tiny, clock, monkeypatch):
    """It shows numbers, which the database counts."""
    site = tiny(PRIVACY_KEYS=KEYS)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    site.cli("load")
    monkeypatch.setattr(VisitorEvents, "_stored", lambda *_: 1 / 0)
    assert "Page views" in visitor.get("/privacy/me").text and cookie(visitor, "privacy_visitor")


def test_promise_18_large_json_is_streamed(tiny, clock, monkeypatch):
    """The response has its length, and its body is not in memory."""
    monkeypatch.setattr("flask_mixamo_privacy.web.views.me._MOST_IN_MEMORY", 10)
    site = tiny(PRIVACY_KEYS=KEYS)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/other")
    with visitor.get("/privacy/me.json", buffered=False) as answer:
        assert answer.is_streamed and answer.content_type == "application/json"
        body = answer.get_data()
        assert len(body) == int(answer.headers["Content-Length"])
    assert [each["kind"] for each in json.loads(body)["events"]["all"]] == ["visit_start", "page_view"]


# The lines of one visitor in the log.


@pytest.mark.parametrize("block", [1, 7, 300, 1_000_000])
def test_every_line_of_a_visitor_is_found(tmp_path, monkeypatch, block):
    """Wherever a block ends, in a torn last line, beyond the cursor, and once each, in the order of the log."""
    monkeypatch.setattr(visitor_data, "_BLOCK", block)
    lines = [json.dumps(event(each, "vwx"[each % 3]), separators=(",", ":")).encode() for each in range(30)]
    lines[4] = lines[4][:-30]  # torn: a later line follows
    lines[7] += lines[6]  # two events on one line
    content = b"\n".join([b"", *lines])
    (tmp_path / "a.events").write_bytes(content)
    (tmp_path / "b.events").write_bytes(content + b"\n")
    chosen = [line for line in lines if b'"visitor":"v"' in line or b'"visitor":"w"' in line]
    loaded = {"a.events": content.index(lines[3]) - 1}
    found = [line.strip() for line in visitor_data._lines_of({"v", "w"}, str(tmp_path), loaded)]
    assert sorted(found) == sorted([*chosen, *(line for line in chosen if line not in lines[:3])])


def test_an_id_in_the_data_of_another_event_is_no_event_of_that_visitor(stored):
    """Only the field of the event itself names its visitor."""
    events = stored((), [event(1, "other", data={"visitor": "v"}), event(2, data={"visitor": "other"})])
    assert [each["id"] for each in as_json(events)["all"]] == ["e2"]
