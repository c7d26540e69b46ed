"""A ClickHouse cluster that fails: nothing is counted twice, nothing is lost, and nothing partial is published."""

from __future__ import annotations

import os
import threading
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from flask_mixamo_privacy.errors import PrivacyError, StoreUnavailable
from flask_mixamo_privacy.tracking import loader
from flask_mixamo_privacy.tracking.backlog import check_servers
from flask_mixamo_privacy.tracking.visitor_data import VisitorEvents
from support.clickhouse import Cluster
from support.engines import engine_of
from support.event_factory import Kept, traffic
from support.event_stores import DAY, add, row
from support.killed_loader import load_and_die

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]

TIMES = 20
PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors")
EVENTS = traffic(5, TIMES, 60, 12)
DAYS = [list(events) for _, events in groupby(EVENTS, key=lambda event: event["at"][:10])]
END = "2026-07-01T00:00:00.000Z"
BATCH = 20_000  # bytes, about a day


@pytest.fixture
def kept(request, tmp_path, server):
    """A store whose books are in PostgreSQL, and whose events are in the cluster."""
    engine = engine_of("cluster", request, tmp_path, server.database())
    return Kept(tmp_path / "kept", engine.books, events=engine.events())


def published(kept: Kept) -> list[Any]:
    return [kept.table(name) for name in PUBLISHED]


def expected(folder, *batches) -> list[Any]:
    """Return what SQLite publishes of the same batches."""
    kept = Kept(folder / "expected")
    for events, now in batches:
        kept.load(events, now)
    return published(kept)


def load_until_done(kept: Kept, now: str) -> None:
    """Load again until the cluster is complete, as a background thread does."""
    deadline = time.monotonic() + 300
    kept.now = now
    while True:
        try:
            kept.loader.load()
            return
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_a_shard_killed_during_a_load_changes_no_report(cluster, kept, tmp_path, monkeypatch):
    """Twenty times, one shard after the other: a load fails or waits, and the next one is complete."""
    monkeypatch.setattr(loader, "_CHUNK", BATCH // 4)
    failures: list[bool] = []
    for number, day in enumerate(DAYS):
        kept.write([day])
        killed = cluster.shard(1 + number % 2)
        kept.now = f"{day[0]['at'][:10]}T00:00:00.000Z"
        loading = threading.Thread(target=lambda: failures.append(try_to_load(kept)))
        loading.start()
        time.sleep(0.02 * (number % 10))
        for each in killed:
            each.stop()
        loading.join(60)
        cluster.restart(*killed)
    load_until_done(kept, END)
    assert sum(failures) >= TIMES // 4, "the shards were killed too late"
    assert published(kept) == expected(tmp_path, (EVENTS, END))
    assert len(list(kept.store.rows())) == len(EVENTS)


def try_to_load(kept: Kept) -> bool:
    """Load, and return whether that failed."""
    try:
        kept.loader.load()
    except PrivacyError:
        return True
    return False


def test_a_loader_killed_before_its_commit_changes_no_report(cluster, kept, tmp_path, monkeypatch, request):
    """Twenty times: the same events are inserted again, in blocks of other sizes, and count once."""
    url = cluster.url(database_of(kept))
    books = kept.store.database.url.render_as_string(hide_password=False)
    for number, day in enumerate(DAYS):
        kept.write([day])
        load_and_die(
            kept.folder, books, url, f"{day[0]['at'][:10]}T00:00:00.000Z", BATCH // (1 + number % 3), 1 + number % 2
        )
    load_until_done(kept, END)
    assert published(kept) == expected(tmp_path, (EVENTS, END))
    assert len(list(kept.store.rows())) == len(EVENTS)


def test_no_part_is_published_while_a_shard_is_down(cluster, kept, tmp_path):
    """The day stays open, and the reason is in the check; one replica is enough to go on."""
    kept.load(EVENTS, "")
    both = cluster.shard(2)
    for each in both:
        each.stop()
    with pytest.raises(StoreUnavailable, match="shard"):
        kept.load([], END)
    assert published(kept) == [[], [], [], []]
    assert ["no day closes" in message for _, _, message, _ in check_servers(kept.store)] == [True, True]
    cluster.restart(both[1])
    load_until_done(kept, END)
    assert ["erasure" in message for _, _, message, _ in check_servers(kept.store)] == [True]
    cluster.restart(both[0])
    assert published(kept) == expected(tmp_path, (EVENTS, END)) and list(check_servers(kept.store)) == []


def test_a_server_that_hangs_does_not_keep_a_monitor(cluster, kept):
    """It accepts connections and answers none; the others are asked meanwhile."""
    add(kept.store, row())
    hanging = cluster.servers[3]
    hanging.pause()
    start = time.monotonic()
    states = kept.store.events.servers()
    waited = time.monotonic() - start
    hanging.pause(end=True)
    assert [bool(problem) for problem in states.values()] == [False, False, False, True]
    assert waited < 30, "a loader would wait for ten minutes"


def test_promise_18_an_erasure_waits_for_a_replica_that_is_down(cluster, kept):
    """It takes effect at once, and is complete once the replica has deleted its rows too."""
    add(kept.store, *(row(id=str(number), visitor=f"v{number % 9}") for number in range(90)))
    down = cluster.servers[3]
    down.stop()
    assert kept.store.erase("v3", DAY) == 10
    assert "v3" not in {event["visitor"] for event in kept.store.rows()} and len(list(kept.store.rows())) == 80
    kept.store.scrub_events()
    assert kept.store.is_erasing
    cluster.restart(down)
    wait_until_erased(kept)
    query = f"SELECT count() FROM {database_of(kept)}.privacy_events_local"
    assert sum(int(server.run(query)) for server in cluster.servers) == 2 * 80


def database_of(kept: Kept) -> str:
    return str(kept.store.events.tables.servers.all[0].value("SELECT currentDatabase()"))


def wait_until_erased(kept: Kept) -> None:
    deadline = time.monotonic() + 300
    while kept.store.is_erasing:
        assert time.monotonic() < deadline
        kept.store.scrub_events()
        time.sleep(0.2)


def files_with(cluster: Cluster, *texts: bytes) -> list[str]:
    """Return the files below the folders of the servers that have one of these texts."""
    found = []
    for path in (Path(folder, name) for folder, _, names in os.walk(cluster.folder) for name in names):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # a part that was replaced meanwhile
            continue
        if any(text in content for text in texts):
            found.append(str(path))
    return found


def test_promise_18_no_byte_of_an_erased_visitor_is_left(cluster, kept, tmp_path):
    """Under load: no read finds the visitor once the erasure has returned, and no file has the ID or what the visitor saw."""
    secret, page = "Zq7secretVisitorXy9abc", "/kX8onlyThisVisitorSaw3Rw"
    done = threading.Event()

    def load() -> None:
        for number in range(40):
            rows = [row(id=f"{number}-{n}", visitor=f"w{n % 50}", page=f"/{n % 20}") for n in range(1000)]
            add(kept.store, *rows, row(id=f"secret {number}", visitor=secret, page=page))
            if done.is_set():
                return

    loading = threading.Thread(target=load)
    loading.start()
    while not any(event["visitor"] == secret for event in kept.store.rows()):
        time.sleep(0.05)
    assert files_with(cluster, page.encode())
    kept.store.erase(secret, DAY)
    for _ in range(10):
        assert not any(event["visitor"] == secret or event["page"] == page for event in kept.store.rows())
        assert VisitorEvents([secret], kept.store, str(kept.folder)).summary().total == 0
    done.set()
    loading.join(60)
    wait_until_erased(kept)
    assert files_with(cluster, secret.encode(), page.encode()) == []
    assert not any(event["visitor"] == secret for event in kept.store.rows())
