"""Open days with PRIVACY_MIN_CELL = 1: events are counted for the answer, before their day closes, and not published."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from conftest import choose
from flask_mixamo_privacy.reports.definitions import AT_END_OF_DAY, NAMES, OWN
from flask_mixamo_privacy.reports.windows import ALL, Window
from support.event_factory import FIRST, Kept, at, traffic

SIX = tuple(f"v{number}" for number in range(6))
DAY, WEEK = Window.of("day", FIRST), Window.of("week", FIRST)


def visits(*visitors, day=FIRST, page="/", hour=12):
    """Return a visit of one page by each visitor."""
    base = {"page": page, "data": {}}
    return [
        base | {"visitor": name, "visit": f"{name}{day}{hour}", "at": at(day, hour * 3600), "id": f"{kind}{day}{hour}", "kind": kind}
        for name in visitors
        for kind in ("visit_start", "page_view")
    ]  # fmt: skip


def pages(kept, window=DAY):
    return [row[:3] for row in kept.reports.report("pages", window).rows]


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 12.5), ("Asia/Tokyo", 4), ("Asia/Tokyo", 12.5), ("America/Lima", 17.5)])
@pytest.mark.usefixtures("clock")
def test_today_has_rows_before_yesterday_closes(tiny, clock, zone, hours):
    """After midnight, rows of today do not wait for the hour of grace, or for midnight in UTC."""
    site = tiny(PRIVACY_MIN_CELL=1, PRIVACY_TIMEZONE=zone)
    for path, shift in (("/", hours * 3600), ("/other", 0)):
        choose(visitor := site.visitor(), "accept_all")
        visitor.get(path), site.cli("load"), clock.shift(shift)
    for window, path in (("2026-05-08", "/"), ("2026-05-09", "/other")):
        [report] = json.loads(site.cli("report", "pages", "--window", window, "--json").output)
        assert [tuple(row.values())[:3] for row in report["rows"]] == [(path, 1, 1)], window


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_an_open_day_shows_what_is_published_when_it_closes(tmp_path, zone):
    """Two open days, one with late events of a counted day, have the rows and totals that they have once closed."""
    kept, events = Kept(tmp_path, least=1, zone=zone), traffic(4, 5, 60, 40)
    kept.load(events[::2], f"{FIRST + timedelta(days=3)}T13:00:00.000Z")
    kept.load(events[1::2], f"{FIRST + timedelta(days=3)}T13:00:00.000Z")
    shown = [(name, number) for name in NAMES if name not in AT_END_OF_DAY for number in (3, 4)]

    def look():
        found = [kept.reports.report(name, Window.of("day", FIRST + timedelta(days=number))) for name, number in shown]
        return [(report.id, report.total, [row[:5] for row in report.rows]) for report in found]

    before = look()
    kept.load([], f"{FIRST + timedelta(days=6)}T13:00:00.000Z")
    assert before == look() and len(kept.table("pieces")) > 4


@pytest.mark.parametrize("window", [WEEK, ALL], ids=str)
def test_an_open_window_adds_open_days_to_closed_ones(tmp_path, window):
    """Rows, totals and visitors are the same before and after the last two days are published."""
    kept = Kept(tmp_path, least=1)
    for number in range(3):
        kept.load(
            visits(*SIX[: number + 2], day=FIRST + timedelta(days=number)), f"{FIRST + timedelta(days=1)}T13:00:00.000Z"
        )
    before = (pages(kept, window), kept.reports.report("returning", window).total, kept.reports.distinct(window))
    kept.load([], f"{FIRST + timedelta(days=4)}T13:00:00.000Z")
    after = (pages(kept, window), kept.reports.report("returning", window).total, kept.reports.distinct(window))
    assert before == after == ([("/", 9, None)], 9, 4)


def test_an_answer_publishes_nothing(tmp_path):
    """However often a page is read, no table grows, and a row has the number of its visitors."""
    kept = Kept(tmp_path, least=1)
    for number, visitor in enumerate(SIX, 1):
        kept.load(visits(visitor, hour=number), f"{FIRST}T13:00:00.000Z")
        kept.reports.every(DAY), kept.reports.summary()
        assert pages(kept) == [("/", number, number)]
    assert kept.table("cells") == kept.table("pieces") == kept.table("people") == []


def test_a_larger_threshold_still_publishes_parts(tmp_path):
    """With the default, a report of today counts an interval, and shows no rows."""
    kept = Kept(tmp_path)
    kept.load(visits(*SIX), f"{FIRST}T13:00:00.000Z")
    assert (pages(kept), kept.reports.report("pages", DAY).total) == ([], 6)
    assert [row[2] for row in kept.table("pieces")] == [str(FIRST)]


def test_a_day_that_a_larger_threshold_published_in_part_is_added_up(tmp_path):
    """The setting became 1 during the day. The visitors of a row in two tables are unknown; those of the day are known."""
    for least, names, hour in ((5, SIX, 12), (1, ("v0", "new"), 14)):
        kept = Kept(tmp_path / str(least), f"sqlite:///{tmp_path}/events.sqlite", least)
        kept.load(visits(*names, hour=hour), f"{FIRST}T15:00:00.000Z")
        found = pages(kept), kept.reports.distinct(DAY), kept.reports.distinct(ALL)
    assert found == ([("/", 8, None)], 7, 7)


def test_an_erasure_leaves_nothing_of_a_visitor_in_an_open_day(tmp_path):
    """The day was not published, so its numbers are those of the other visitors."""
    kept = Kept(tmp_path, least=1)
    kept.load([*visits("gone", page="/secret"), *visits("v1")], f"{FIRST}T13:00:00.000Z")
    assert pages(kept) == [("/", 1, 1), ("/secret", 1, 1)]
    kept.store.erase("gone", str(FIRST))
    assert (pages(kept), kept.reports.distinct(DAY), kept.totals()["visitors"]) == ([("/", 1, 1)], 1, 1)


def test_only_what_needs_a_whole_day_is_unknown_in_an_open_one(tmp_path):
    """The last pages of visits wait for the end of the day. A report without an event is 0."""
    kept = Kept(tmp_path, least=1)
    kept.load(visits("v1"), f"{FIRST}T13:00:00.000Z")
    totals = {report.id: report.total for report in kept.reports.every(DAY)}
    assert {name for name, total in totals.items() if total is None} == {*AT_END_OF_DAY} - {*OWN}
    assert (totals["pages"], totals["clicks"], totals["movement"]) == (1, 0, 0)


def test_a_report_states_until_when_it_counts(tmp_path):
    """The end is that of the last event or, once its day has closed, of the day."""
    kept, ends = Kept(tmp_path, least=1), []
    for now in (f"{FIRST}T13:00:00.000Z", f"{FIRST + timedelta(days=1)}T13:00:00.000Z"):
        kept.load(visits("v1"), now)
        ends.append(kept.reports.report("pages", ALL).until)
    assert ends == [f"{FIRST}T12:00:00.001Z", f"{FIRST + timedelta(days=1)}T00:00:00.000Z"]


def test_rows_that_waited_for_the_end_of_their_week_are_whole_without_suppression(tmp_path):
    """Six visitors opened a page each, and one was erased before the setting became 1. "other" has the erased view alone."""
    url = f"sqlite:///{tmp_path}/events.sqlite"
    kept = Kept(tmp_path / "before", url)
    kept.load(
        [event for name in SIX for event in visits(name, page=f"/{name}")], f"{FIRST + timedelta(days=2)}T13:00:00.000Z"
    )
    kept.store.erase("v5", str(FIRST))
    kept = Kept(tmp_path / "after", url, least=1)
    kept.load([], f"{FIRST + timedelta(days=8)}T13:00:00.000Z")
    assert pages(kept, WEEK) == [*((f"/v{number}", 1, 1) for number in range(5)), ("other", 1, None)]
