"""Copies of events that ClickHouse counts: the numbers are those of SQLite, and no copy outlives an erasure."""

from __future__ import annotations

from datetime import date

import pytest

from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url
from flask_mixamo_privacy.reports.remote_counts import RemoteCounts
from flask_mixamo_privacy.reports.windows import Calendar, Interval
from flask_mixamo_privacy.tracking.clickhouse_events import ClickHouseEvents
from support.clickhouse import Cluster
from support.engines import ENGINES, engine_of
from support.event_factory import Kept, traffic, with_own_events
from support.event_stores import DAY, add, row
from support.sql_engines import DECLARED

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

END = "2026-05-01T00:00:00.000Z"
PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors")
OF_DAY = (Interval(f"{DAY}T00:00:00.000Z", "2026-05-09T00:00:00.000Z", date.fromisoformat(DAY)),)


def copies(store) -> list[str]:
    """Return the tables of copies on all servers."""
    query = "SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'privacy_counted_%'"
    return [name for server in store.events.tables.servers.all for (name,) in server.query(query)]


def test_the_same_many_events_give_the_same_report_on_every_engine(request, tmp_path, server):
    """SQLite, PostgreSQL, ClickHouse in process and two shards: days with hundreds of visitors and thousands of events."""
    events, published = traffic(5, 3, 3000, 1200), []
    for name in ENGINES:
        engine = engine_of(name, request, tmp_path)
        kept = Kept(tmp_path / name, engine.books, events=engine.events())
        kept.load(events, END)
        published.append([kept.table(table) for table in PUBLISHED])
    assert len(published[0][0]) > 300
    assert all(each == published[0] for each in published[1:])


def test_a_cluster_with_one_shard_gives_the_same_report(cluster, tmp_path):
    """Its only shard computes whole statements, and answers constants as columns. A month has many tables that wait."""
    published = []
    with Cluster(tmp_path / "cluster", shards=1, replicas=1) as small:
        url = parse_clickhouse_url(small.url("one"))
        assert url is not None
        for name, events in (("sqlite", None), ("clickhouse", ClickHouseEvents.at(url))):
            kept = Kept(tmp_path / name, events=events)
            kept.load(traffic(5, 11, 60, 12), END)
            published.append([kept.table(table) for table in PUBLISHED])
    assert published[0] == published[1]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu"])
def test_hours_and_declared_tables_follow_the_policy_of_today(request, tmp_path, zone):
    """Events were stored before the site had this time zone, goals and funnels; some came late."""
    events = with_own_events(traffic(5, 4, 40, 12))
    engine, published = engine_of("chdb", request, tmp_path), []
    for name, books, remote in (("a", "", lambda: None), ("b", engine.books, engine.events)):
        before = Kept(tmp_path / name, books, events=remote())
        before.load(events[len(events) // 2 :], "2026-04-22T00:00:00.000Z")
        before.load(events, "")
        url = books or f"sqlite:///{tmp_path}/a/events.sqlite"
        now = Kept(tmp_path / name, url, zone=zone, policy=DECLARED, events=remote())
        now.load([], "2026-05-02T00:00:00.000Z")
        published.append([now.table(table) for table in PUBLISHED])
    assert "hours" in {name for name, *_ in published[0][0]} and any(":" in name for name, *_ in published[0][1])
    assert published[0] == published[1]


@pytest.mark.parametrize("name", ENGINES[2:])
def test_promise_18_a_copy_that_a_killed_loader_left_is_erased(request, tmp_path, name):
    """The erasure is not complete before; a copy of another name is left when its transaction failed."""
    store = engine_of(name, request, tmp_path).store(tmp_path)
    add(store, *(row(id=str(number), visitor=f"v{number % 9}") for number in range(90)))
    counts = RemoteCounts(Calendar(), store.events)
    with store.write() as connection:
        counts.begin(connection, OF_DAY, ())
        assert len(counts.visitors(OF_DAY[0])) == 9 and copies(store)
    store.erase("v3", DAY)
    assert store.is_erasing
    store.events.scrub(store.write)
    assert copies(store) == []


def test_a_copy_leaves_out_the_visitor_whose_erasure_is_under_way(request, tmp_path):
    """The rows are still there."""
    store = engine_of("chdb", request, tmp_path).store(tmp_path)
    add(store, *(row(id=str(number), visitor=f"v{number % 9}") for number in range(90)))
    store.erase("v3", DAY)
    counts = RemoteCounts(Calendar(), store.events)
    with store.write() as connection:
        counts.begin(connection, OF_DAY, ())
        assert store.events.tables.count_rows() == 90 and len(counts.visitors(OF_DAY[0])) == 8
        counts.end()
    assert copies(store) == []


def test_no_answer_is_partial_if_a_shard_dies_while_it_is_counted(cluster, request, tmp_path):
    """The copy is on one replica of each shard; the other replica does not answer for it."""
    store = engine_of("cluster", request, tmp_path).store(tmp_path)
    add(store, *(row(id=str(number), visitor=f"v{number}") for number in range(90)))
    counts = RemoteCounts(Calendar(), store.events)
    with store.write() as connection:
        counts.begin(connection, OF_DAY, ())
        cluster.shard(2)[0].stop()
        with pytest.raises(StoreUnavailable):
            counts.visitors(OF_DAY[0])
        cluster.restart(cluster.shard(2)[0])
        assert len(counts.visitors(OF_DAY[0])) == 90
        counts.end()


def test_loading_a_backlog_copies_once_for_all_its_days(request, tmp_path, monkeypatch):
    """A day is not closed while the next line is of an earlier day than yesterday."""
    monkeypatch.setattr("flask_mixamo_privacy.tracking.loader._CHUNK", 20_000)
    engine, made = engine_of("chdb", request, tmp_path), list[object]()
    kept = Kept(tmp_path / "kept", engine.books, events=engine.events())
    begin = RemoteCounts.begin
    monkeypatch.setattr(RemoteCounts, "begin", lambda *args: (made.append(args), begin(*args))[1])
    kept.load(traffic(5, 10, 40, 8), "2026-04-30T00:00:00.000Z")
    assert len(made) == 1 and len(kept.table("pieces")) == 10
