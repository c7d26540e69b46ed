"""``flask privacy move`` into ClickHouse: a site changes where its events are, and nothing is lost meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from conftest import choose
from flask_mixamo_privacy.errors import MoveError, StoreUnavailable
from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url
from flask_mixamo_privacy.tracking import event_transfer
from flask_mixamo_privacy.tracking.backlog import check_copy
from flask_mixamo_privacy.tracking.clickhouse_events import ClickHouseEvents
from flask_mixamo_privacy.tracking.event_transfer import EventTransfer
from flask_mixamo_privacy.tracking.schema import events, texts
from support.clickhouse import speak_old_dialect
from support.engines import engine_of
from support.event_factory import Kept, traffic
from support.event_stores import DAY, add, row, store_at

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
EVENTS = traffic(5, 20, 60, 12)
END = "2026-07-01T00:00:00.000Z"
PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors", "people", "event_visitors")


@pytest.fixture
def books(server):
    return server.database()


def ignore(_number: int) -> None:
    pass


def move(source, target) -> EventTransfer:
    """Take every step but the last one."""
    transfer = EventTransfer(source, target)
    transfer.begin(), transfer.copy(ignore), transfer.compare(ignore)
    return transfer


@pytest.mark.parametrize("name", ["chdb", "cluster"])
def test_events_move_with_everything_that_is_counted(request, tmp_path, books, name):
    """Events, reports and visitors are the same, the old place refuses the site, and the next days are counted there."""
    engine = engine_of(name, request, tmp_path, books)
    old, untouched = Kept(tmp_path / "old", books), Kept(tmp_path / "untouched")
    for each in (old, untouched):
        each.load(EVENTS, "2026-05-03T00:00:00.000Z")
    before = list(old.store.rows())
    move(old.store, engine.events()).finish(ignore)
    with pytest.raises(StoreUnavailable, match="PRIVACY_EVENTS_URL"):
        list(old.store.rows())
    new = Kept(tmp_path / "new", books, events=engine.events())
    assert list(new.store.rows()) == before
    later = [
        event | {name: f"later {event[name]}" for name in ("id", "visit")}  # a visit has one visitor
        for event in traffic(8, 30, 60, 4)
    ]
    for each in (new, untouched):
        each.load(later, END)
    assert [new.table(table) for table in PUBLISHED[:4]] == [untouched.table(table) for table in PUBLISHED[:4]]
    assert len(list(new.store.rows())) == len(list(untouched.store.rows()))
    with new.store.read() as connection:
        assert not connection.execute(sa.select(events)).first() and not connection.execute(sa.select(texts)).first()


def test_changes_during_the_copy_are_moved(request, tmp_path, books):
    """Events that are loaded late, an erasure and a pruning meanwhile; a second finish moves nothing."""
    engine, source = engine_of("chdb", request, tmp_path, books), store_at(books, tmp_path)
    old = "2026-04-01T12:00:00.000Z"
    add(source, *(row(id=str(number), visitor=f"v{number % 9}") for number in range(90)), row(id="old", at=old))
    move(source, engine.events())
    source.erase("v3", DAY), source.prune("2026-04-02")
    add(source, *(row(id=f"late {number}", at="2026-05-08T09:00:00.000Z") for number in range(5)))
    again = move(source, engine.events())
    assert again.changes == 0
    again.finish(ignore)
    store = engine.store(tmp_path)
    assert len(list(store.rows())) == 85 and "v3" not in {event["visitor"] for event in store.rows()}
    assert move(store_at(books, tmp_path), engine.events()).is_moved


def test_settings_of_the_new_place_wait_for_the_end_of_the_move(request, tmp_path, books):
    """Otherwise a site would count a part of its events."""
    engine, source = engine_of("chdb", request, tmp_path, books), store_at(books, tmp_path)
    add(source, row())
    move(source, engine.events())
    with pytest.raises(StoreUnavailable, match="--finish"):
        engine.store(tmp_path).visitors()


def test_a_target_with_other_events_is_refused(request, tmp_path, books):
    """And what was copied can be taken back."""
    engine, source = engine_of("chdb", request, tmp_path, books), store_at(books, tmp_path)
    other = engine_of("chdb", request, tmp_path, f"sqlite:///{tmp_path}/other.sqlite")
    add(source, row()), add(other.store(tmp_path), row())
    with pytest.raises(MoveError, match="1 rows"):
        move(source, other.events())
    transfer = move(source, engine.events())
    transfer.undo()
    assert engine.events().tables.count_rows() == 0
    assert len(list(source.rows())) == 1


def test_another_target_than_that_of_the_move_is_refused(request, tmp_path, books):
    """Otherwise its rows would be deleted as stale, or by --undo. After --undo, the target may be another one."""
    engine, source = engine_of("chdb", request, tmp_path, books), store_at(books, tmp_path)
    other = engine_of("chdb", request, tmp_path, f"sqlite:///{tmp_path}/other.sqlite")
    add(source, row()), add(other.store(tmp_path), row()), move(source, engine.events())
    for step in ("begin", "undo"):
        with pytest.raises(MoveError, match="--undo"):
            getattr(EventTransfer(source, other.events()), step)()
    assert other.events().tables.count_rows() == 1
    EventTransfer(source, engine.events()).undo(), other.events().tables.truncate()
    assert move(source, other.events()).changes == 0


def wait_until_erased(store, scrub) -> None:
    deadline = time.monotonic() + 60
    while store.is_erasing:
        assert time.monotonic() < deadline
        scrub()
        time.sleep(0.2)


@pytest.mark.parametrize("finish", [True, False])
def test_promise_18_an_erasure_after_the_copy_is_carried_out_in_the_copy(request, tmp_path, books, finish):
    """Until then it is under way, and the check states the next step."""
    engine, source = engine_of("cluster", request, tmp_path, books), store_at(books, tmp_path)
    add(source, *(row(id=str(number), visitor=f"v{number % 9}") for number in range(90)))
    transfer = move(source, engine.events())
    assert not source.is_erasing and source.erase("v3", DAY) == 10 and source.is_erasing
    assert ["1 erased visitor" in message for _, _, message, _ in check_copy(source)] == [True]
    assert engine.events().tables.count_rows() == 90
    if finish:
        transfer.finish(ignore)
        store = engine.store(tmp_path)
        wait_until_erased(store, store.scrub_events)
    else:
        wait_until_erased(source, lambda: move(source, engine.events()))
    assert engine.events().tables.count_rows() == 80 and list(check_copy(source)) == []


def test_promise_18_a_copy_that_is_taken_back_leaves_no_erased_visitor(request, tmp_path, books):
    """It is not taken back before the replaced files are gone."""
    engine, source = engine_of("cluster", request, tmp_path, books), store_at(books, tmp_path)
    add(source, row(), row(visitor="other"))
    transfer = move(source, engine.events())
    source.erase("v", DAY)

    def undo() -> None:
        with suppress(MoveError):
            transfer.undo()

    wait_until_erased(source, undo)
    assert engine.events().tables.count_rows() == 0 and len(list(source.rows())) == 1


def copy_and_die(books: str, folder: Path, url: str, blocks: int) -> None:
    """Copy in a process that is killed after a number of blocks."""
    process = multiprocessing.get_context("spawn").Process(target=_copy, args=(books, folder, url, blocks))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def _copy(books: str, folder: Path, url: str, blocks: int) -> None:
    left = [blocks]

    def progress(_number: int) -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    speak_old_dialect(pytest.MonkeyPatch())
    event_transfer._AT_ONCE = 300
    parsed = parse_clickhouse_url(url)
    assert parsed is not None
    transfer = EventTransfer(store_at(books, folder), ClickHouseEvents.at(parsed))
    transfer.begin(), transfer.copy(progress)


def test_a_move_that_was_killed_goes_on(cluster, tmp_path, books):
    """After each number of blocks; the cluster then has every event once."""
    old, url = Kept(tmp_path / "old", books), cluster.url(f"moved_{time.time_ns()}")
    old.load(EVENTS, "2026-05-03T00:00:00.000Z")
    before = list(old.store.rows())
    for blocks in (1, 2, 1):
        copy_and_die(books, tmp_path, url, blocks)
    parsed = parse_clickhouse_url(url)
    assert parsed is not None
    move(old.store, ClickHouseEvents.at(parsed)).finish(ignore)
    assert list(store_at(books, tmp_path, ClickHouseEvents.at(parsed)).rows()) == before


def test_the_command_moves_a_site_and_states_its_new_settings(cluster, tiny, books, tmp_path):
    """The site then records, shows and erases with the new settings."""
    site, url = tiny(PRIVACY_EVENTS_URL=books), cluster.url(f"site_{time.time_ns()}")
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    assert len(site.events("page_view")) == 1
    first, finish = site.cli("move", "--events", url), site.cli("move", "--events", url, "--finish")
    assert (first.exit_code, finish.exit_code) == (0, 0), first.output + finish.output
    assert "    PRIVACY_BOOKS_URL = " in finish.output and "***" in finish.output and "cluster%20test" not in finish.output
    kept = {name: value for name, value in site.app.config.items() if name.startswith("PRIVACY_")}
    kept |= {"PRIVACY_EVENTS_URL": url, "PRIVACY_BOOKS_URL": books}
    new = type(site)(site.folder, **kept)
    moved = new.visitor()
    for name in ("privacy_consent", "privacy_visitor"):
        if found := visitor.get_cookie(name):
            moved.set_cookie(name, found.value)
    moved.get("/other")
    assert [event["page"] for event in new.events("page_view")] == ["/", "/other"]
    assert moved.get("/privacy/me.json").json["events"]["total"] == 3
    answer = moved.post("/privacy/me/erase", headers={"Accept": "application/json", "Sec-Fetch-Site": "same-origin"})
    assert "is being erased" in answer.json["message"]
    deadline = time.monotonic() + 60
    while new.privacy.runtime(new.app).store.is_erasing:
        assert time.monotonic() < deadline and new.cli("load").exit_code == 0
        time.sleep(0.2)
    assert new.events() == []
