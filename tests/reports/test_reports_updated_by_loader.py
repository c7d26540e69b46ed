"""Reports during a load: events, cursors and the reports that close with them are one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest
from test_publisher import END, PUBLISHED, SIX, published, views

from flask_mixamo_privacy.errors import StoreUnavailable
from flask_mixamo_privacy.reports.tables import Columns
from flask_mixamo_privacy.reports.windows import ALL, Window
from flask_mixamo_privacy.storage.clock import milliseconds_of, timestamp_of_milliseconds
from flask_mixamo_privacy.tracking import loader
from flask_mixamo_privacy.tracking.event_table import STORED
from support.event_factory import FIRST, Kept, traffic


def by_day(events: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [list(some) for _, some in groupby(events, key=lambda event: event["at"][:10])]


def add_fault(kept: Kept, table: str, when: str = "1") -> None:
    with kept.store.write() as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER fault BEFORE INSERT ON {table} WHEN {when} BEGIN SELECT RAISE(ABORT, 'fault'); END"
        )


def remove_fault(kept: Kept) -> None:
    with kept.store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER fault")


@pytest.mark.parametrize("table", ["cells", "pieces", "people", "distinct_visitors", "events"])
def test_a_failed_load_keeps_neither_events_nor_counts(tmp_path, table):
    """A failure anywhere in the transaction keeps nothing, and the second try is complete."""
    events, kept, other = traffic(5, 14, 80, 20), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    add_fault(kept, table)
    with pytest.raises(StoreUnavailable):
        kept.load(events, END)
    assert [kept.table(name) for name in (*PUBLISHED, "people", "events", "cursors")] == [[]] * 7
    remove_fault(kept)
    assert kept.load([], END).events == len(events)
    other.load(events, END)
    assert published(kept) == published(other)


def test_after_a_failed_batch_reports_have_the_batches_before_it(tmp_path, monkeypatch):
    """The earlier batches are counted and published, and nothing of the failed batch is."""
    monkeypatch.setattr(loader, "_CHUNK", 40_000)  # one or two days
    days, kept, whole = by_day(traffic(5, 20, 80, 20)), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    kept.write(days)
    add_fault(kept, "events", f"NEW.slot >= {milliseconds_of(f'{FIRST + timedelta(days=16)}T00:00:00.000Z')}")
    with pytest.raises(StoreUnavailable):
        kept.load([], END)
    before = published(kept)
    loaded = {timestamp_of_milliseconds(row[0])[:10] for row in kept.table("events")}
    assert loaded >= {row[2] for row in before["pieces"]} > {str(FIRST + timedelta(days=number)) for number in range(11)}
    remove_fault(kept)
    kept.load([], END)
    whole.load([event for day in days for event in day], END)
    assert published(kept) == published(whole)


def test_a_backlog_of_many_segments_is_published_like_a_daily_load(tmp_path, monkeypatch):
    """The tables do not depend on the number of transactions, the number of files or their order."""
    days, kept, whole = by_day(traffic(6, 60, 80, 20)), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    whole.load([event for day in days for event in day], END)
    monkeypatch.setattr(loader, "_CHUNK", 20_000)
    kept.write(days[::-1])
    kept.load([], END)
    assert published(kept) == published(whole)
    assert kept.rebuilder.rebuild().skipped == () and published(kept) == published(whole)


def test_repeated_lines_are_not_counted_again(tmp_path, monkeypatch):
    """Lines that recur in other segments are counted once, in the same pass or in a later one."""
    days, kept, once = by_day(traffic(6, 12, 80, 20)), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    monkeypatch.setattr(loader, "_CHUNK", 20_000)
    kept.write([day for day in days for _ in range(2)])
    kept.load([], END)
    kept.write(days)
    kept.load([], END)
    once.load([event for day in days for event in day], END)
    assert published(kept) == published(once)


def test_promise_18_a_visitor_erased_during_a_pass_is_not_counted(tmp_path, monkeypatch):
    """What a pass holds in memory of an open day is not used after an erasure."""
    monkeypatch.setattr(loader, "_CHUNK", 5000)  # a segment
    kept = Kept(tmp_path)
    kept.write([views(*SIX, "gone"), views(*SIX, hour=13, tag="later")])
    kept.now = "2026-04-22T12:00:00.000Z"
    kept.loader.load(progress=lambda _: kept.store.erase("gone", "2026-04-22"))
    assert kept.reports.report("pages", Window.of("day", FIRST)).total == 12


def test_concurrent_loaders_count_each_event_once(tmp_path):
    """Two loaders with the same lines and one database count each event once."""
    days, one = by_day(traffic(6, 12, 80, 20)), Kept(tmp_path / "a")
    both = [one, Kept(tmp_path / "b", str(one.store.database.url))]
    both[0].write(days)
    both[1].write(days[::-1])
    threads = [threading.Thread(target=kept.load, args=([], END)) for kept in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    number = sum(event["kind"] == "page_view" for day in days for event in day)
    assert one.reports.report("pages", ALL).total == number


def test_an_unfinished_pass_publishes_nothing_that_the_rest_belongs_to(tmp_path, monkeypatch):
    """Loading one batch at a time has the same result in the end."""
    monkeypatch.setattr(loader, "_CHUNK", 20_000)
    days, kept, whole = by_day(traffic(6, 12, 80, 20)), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    kept.write(days)
    kept.now = END
    passes = list(iter(lambda: kept.loader.load(most=1).lines, 0))
    whole.load([event for day in days for event in day], END)
    assert len(passes) > 5 and published(kept) == published(whole)


def test_a_segment_whose_first_line_is_malformed_keeps_no_day_open(tmp_path, monkeypatch):
    """Such a segment is loaded first, because it may belong to any day."""
    monkeypatch.setattr(loader, "_CHUNK", 20_000)
    days, kept, whole = by_day(traffic(6, 12, 80, 20)), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    kept.write(days)
    (kept.folder / "zzz.events").write_text("no event\n")
    assert kept.load([], END).malformed == 1
    whole.load([event for day in days for event in day], END)
    assert published(kept) == published(whole)


def test_the_stored_columns_are_the_counted_columns():
    """A stored row has the columns of the tally in the same order."""
    assert Columns._fields == STORED
