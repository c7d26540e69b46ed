"""Publishing: each interval once, after it closed; the same tables at any time; no visitor in them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flask_mixamo_privacy.reports.definitions import NAMES, OWN
from flask_mixamo_privacy.reports.windows import ALL, Calendar, Window, as_period
from flask_mixamo_privacy.tracking import sql_events
from flask_mixamo_privacy.tracking.row_names import UNKNOWN
from support.event_factory import FIRST, Kept, at, traffic

END = "2026-07-01T12:00:00.000Z"
PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors")


def published(kept):
    return {name: kept.table(name) for name in PUBLISHED}


def views(*visitors, day=FIRST, page="/", hour=12, tag=""):
    """Return one page view of each visitor."""
    events = []
    for number, visitor in enumerate(visitors):
        base = {
            "visitor": visitor,
            "visit": f"{visitor}{day}{tag}",
            "at": at(day, hour * 3600 + number),
            "page": page,
            "data": {},
        }
        events += [base | {"id": f"{kind}{page}{day}{tag}", "kind": kind} for kind in ("visit_start", "page_view")]
    return events


SIX = tuple(f"v{number}" for number in range(6))


def test_loading_in_parts_publishes_the_same_tables(tmp_path):
    """A daily load and a load of the backlog with every event twice publish the same."""
    events, living, backlog = traffic(5, 25, 80, 20), Kept(tmp_path / "a"), Kept(tmp_path / "b")
    for number in range(25):
        day = str(FIRST + timedelta(days=number))
        of_day = [event for event in events if event["at"][:10] == day]
        living.load([*of_day, *of_day[:20]], f"{day}T23:00:00.000Z")
    living.load([], END)
    backlog.load(events, END)
    assert published(living) == published(backlog)


def test_a_rebuild_publishes_the_same_tables(tmp_path):
    """A rebuild publishes every month again and lists it."""
    kept = Kept(tmp_path)
    kept.load(traffic(6, 60, 80, 20), END)
    before = published(kept)
    assert kept.rebuilder.rebuild().months == ("2026-04", "2026-05", "2026-06")
    assert published(kept) == before and len(before["cells"]) > 300


def test_a_rebuild_skips_months_changed_by_an_erasure_or_retention(tmp_path):
    """The rebuild lists those months; their tables stay as published."""
    kept = Kept(tmp_path)
    kept.load([*traffic(6, 60, 80, 20), *views("gone", day=FIRST + timedelta(days=20), tag="x")], END)
    before = published(kept)
    kept.store.erase("gone", "2026-07-01")
    kept.store.prune("2026-04-22")
    rebuilt = kept.rebuilder.rebuild()
    assert (rebuilt.months, rebuilt.skipped) == (("2026-06",), ("2026-04", "2026-05"))
    assert kept.table("cells") == before["cells"] and kept.table("distinct_visitors") == before["distinct_visitors"]


def test_promise_24_an_erasure_changes_no_report(tmp_path):
    """Reports of a closed window, of all time and of today stay the same after an erasure."""
    kept = Kept(tmp_path)
    kept.load([*traffic(7, 40, 50, 15), *views(*SIX, "gone", day=FIRST + timedelta(days=40))], "2026-05-30T13:00:00.000Z")
    windows = [ALL, *(Window.parse(text) for text in ("2026-04-25", "2026-W18", "2026-04", "2026-05-30", "2026-05"))]
    before = [kept.reports.summary(), *(kept.reports.every(window) for window in windows)]
    for visitor in ("gone", "v1", "v2"):
        kept.store.erase(visitor, "2026-05-30")
    assert [kept.reports.summary(), *(kept.reports.every(window) for window in windows)] == before


def test_promise_24_an_erasure_in_the_first_part_of_a_day_does_not_stand_alone(tmp_path):
    """Exit pages are counted at the end of the day, whose first part lost the visitor. "other" has others too."""
    kept = Kept(tmp_path)
    kept.load([*views(*SIX, page="/a"), *views("gone", page="/rare")], "")
    with kept.store.write() as connection:
        assert kept.publisher.publish_today(connection)
    kept.load(views("v7", "v8", page="/a", hour=20), f"{FIRST + timedelta(days=1)}T02:00:00.000Z")
    kept.store.erase("gone", str(FIRST + timedelta(days=1)))
    kept.load(views(*SIX, page="/a", day=FIRST + timedelta(days=2)), END)
    rows = [row[:2] for row in kept.reports.report("exits", Window.parse("2026-W17")).rows]
    assert rows == [("/a", 6), ("other", 9)]


def test_promise_18_an_erasure_reaches_the_working_tables(tmp_path):
    """No table has the visitor, and a late line of the visitor is rejected."""
    kept = Kept(tmp_path)
    kept.load(views(*SIX, "gone"), f"{FIRST + timedelta(days=2)}T12:00:00.000Z")
    kept.load(views("gone", hour=13, tag="late"), f"{FIRST + timedelta(days=2)}T12:00:00.000Z")
    code = {name: code for code, name in kept.table("event_visitors")}["gone"]
    named = [{row[1] for row in kept.table("events")}, {row[0] for row in kept.table("people")}]
    assert all(code in codes for codes in named)
    kept.store.erase("gone", "2026-04-22")
    kept.load(views("gone", hour=14, tag="later"), f"{FIRST + timedelta(days=2)}T12:00:00.000Z")
    named = [{row[1] for row in kept.table("events")}, {row[0] for row in kept.table("people")}]
    assert not any(code in codes for codes in named) and "gone" not in str(kept.table("event_visitors"))


def test_promise_24_published_tables_contain_no_visitor(tmp_path):
    """No visitor ID and no visit ID is in the tables that reports read."""
    kept = Kept(tmp_path)
    events = traffic(8, 40, 80, 20)
    kept.load(events, END)
    text = str(published(kept))
    assert not [event for event in events if f"'{event['visitor']}'" in text or event["visit"] in text]


def test_today_has_no_breakdown_and_changes_by_at_least_five_visitors(tmp_path):
    """The report of today changes only once five visitors are behind the change."""
    kept, day = Kept(tmp_path), FIRST
    kept.load(views(*SIX), f"{day}T12:30:00.000Z")
    assert (kept.totals()["page_views"], kept.totals()["visitors"]) == (6, 6)
    for number in range(4):
        kept.load(views(f"n{number}", hour=13, tag=str(number)), f"{day}T13:30:00.000Z")
        assert kept.totals()["page_views"] == 6
    kept.load(views("n4", hour=13, tag="4"), f"{day}T13:30:00.000Z")
    assert (kept.totals()["page_views"], kept.totals()["visitors"]) == (11, 11)
    week = kept.reports.report("pages", Window.of("week", day))
    assert (week.state, week.rows, week.total) == ("open", (), 11)


def test_a_small_day_is_published_when_its_week_closes(tmp_path):
    """Three visitors are too few for a day, and those of a week are enough."""
    kept = Kept(tmp_path)
    for number in range(7):
        day = FIRST + timedelta(days=number)
        kept.load(views(*(f"d{number}-{each}" for each in range(3)), day=day), f"{day}T12:30:00.000Z")
    kept.load([], "2026-04-28T12:00:00.000Z")
    days = [kept.reports.report("visits", Window.of("day", FIRST + timedelta(days=number))).total for number in range(7)]
    week = kept.reports.report("pages", Window.of("week", FIRST))
    assert days == ["<5"] * 7 and week.rows == (("/", 21, 21, 1.0, None, None),)


def test_a_late_event_is_counted_once_with_the_next_day(tmp_path):
    """Its own day was published and stays; nothing is lost, and a rebuild has the same result."""
    kept = Kept(tmp_path)
    kept.load(views(*SIX), "2026-04-21T12:00:00.000Z")
    late = views("late", *SIX[:2], hour=20, tag="late")
    for _ in range(2):
        kept.load(late, "2026-04-21T12:00:00.000Z")
    kept.load(views(*SIX, day=FIRST + timedelta(days=1), tag="next"), "2026-04-22T12:00:00.000Z")
    found = [kept.reports.report("pages", Window.of("day", FIRST + timedelta(days=number))).total for number in range(2)]
    before = published(kept)
    kept.rebuilder.rebuild()
    assert found == [6, 9] and published(kept) == before


def test_days_begin_in_the_time_zone_of_the_site(tmp_path):
    """23:30 in Berlin belongs to that day, although UTC differs, also in summer time."""
    kept = Kept(tmp_path, zone="Europe/Berlin")
    kept.load([*views(*SIX, hour=21), *views(*SIX, hour=22, tag="after")], "2026-04-24T12:00:00.000Z")
    hours = [
        kept.reports.report("hours", Window.of("day", FIRST + timedelta(days=number))).rows[0][0] for number in range(2)
    ]
    assert hours == ["23", "00"]
    assert Calendar("Europe/Berlin").start_of(FIRST) == "2026-04-19T22:00:00.000Z"


def test_aggregates_have_a_retention_of_their_own(tmp_path, monkeypatch):
    """Totals outlive events, are deleted with their month, and are not counted again."""
    kept = Kept(tmp_path)
    kept.load(traffic(9, 60, 200, 60), END)
    progress = []
    monkeypatch.setattr(sql_events, "AT_MOST", 1000)
    kept.store.prune("2026-06-01", "2026-05-20", progress.append)
    assert {row[1] for row in kept.table("cells")} == {"2026-05", "2026-06"}
    assert len(progress) == 18 and progress == sorted(progress)
    kept.store.prune("2026-07-01", "2026-07-01")
    kept.load(views(*SIX, day=FIRST + timedelta(days=80)), "2026-07-12T12:00:00.000Z")
    assert {row[1] for row in kept.table("cells")} == {"2026-07"}


HOSTILE = (
    ("exit_link", {"to": "other"}), ("exit_link", {"to": ""}), ("exit_link", {"to": "x" * 5000}), ("exit_link", {}),
    ("click", {"on": '["'}), ("click", {"to": 7}), ("click", {"on": "y" * 5000}), ("page_exit", {"seconds": 2**53}),
    ("page_exit", {"seconds": 1e300}), ("page_exit", {"seconds": "long"}), ("page_exit", {"seconds": -5}), ("page_exit", {}),
    ("customisation", {}), ("customisation", {"name": "", "value": None}), ("customisation", {"name": "other", "value": "other"}),
    ("repeat_visit", {"visit_number": "many", "days_since_last": 1.5}), ("repeat_visit", {}), ("visit_start", {}),
)  # fmt: skip


def test_no_event_invented_by_a_browser_breaks_the_reports(tmp_path):
    """Reserved names, very long names, huge numbers and wrong types are reported safely."""
    kept = Kept(tmp_path)
    events = views(*SIX)
    for number, (kind, data) in enumerate(HOSTILE):
        for visitor in SIX:
            base = {"visitor": visitor, "visit": f"{visitor}{number}", "at": at(FIRST, 50_000), "page": "", "data": data}
            events.append(base | {"id": f"h{number}", "kind": kind})
    kept.load(events, "2026-04-22T12:00:00.000Z")
    day = Window.of("day", FIRST)
    assert len(kept.reports.report("exit_links", day).rows) == 3 and kept.reports.report("clicks", day).total == 18
    assert [row[0] for row in kept.reports.report("changes", day).rows] == [UNKNOWN]
    assert kept.reports.every(ALL) and kept.reports.report("pages", day).total == 6


def test_a_summary_of_nothing_is_empty(tmp_path):
    """Before the first event there is no database, and a report creates none."""
    kept = Kept(tmp_path)
    _, pages, _ = kept.reports.summary()
    assert set(kept.totals().values()) == {0} and pages.rows == kept.reports.windows("day") == ()
    assert [report.rows for report in kept.reports.every(ALL)] == [()] * len(
        {*NAMES} - {*OWN}
    ) and not kept.store.database.exists


@pytest.mark.parametrize("text", ["2026-05-08", "2026-W19", "2026-05", "all"])
def test_a_window_is_parsed_as_it_is_written(text):
    """A window is written as it is parsed, and its neighbours are adjacent."""
    window = Window.parse(text)
    assert str(window) == text and window.next.previous == window
    assert window.unit == "all" or window.previous.end == window.first


@pytest.mark.parametrize("text", ["", "today", "2026-13", "2026-W60", "2026-5-8", "2026-05-08T12:00"])
def test_an_invalid_window_raises_with_the_allowed_forms(text):
    """The error has the rejected value."""
    with pytest.raises(ValueError) as raised:
        Window.parse(text)
    assert text in str(raised.value) or "week" in str(raised.value) or "month" in str(raised.value)


@pytest.mark.parametrize("text", ["2026-W10..2026-W13", "2025-12..2026-02", "2026-12-28..2027-01-03", "2026-W53..2027-W02"])
def test_several_units_are_one_window(text):
    """Weeks, months or days in a row are written as the first and the last one, and their neighbours are adjacent."""
    window = Window.parse(text)
    assert str(window) == text and window.next.previous == window and window.previous.end == window.first
    assert [window.parts[0].first, window.parts[-1].end] == [window.first, window.end] and len(window.parts) == window.count


@pytest.mark.parametrize(
    "text", ["2026-05..2026-04", "2026-05..2026-05", "2026-05..2026-W30", "2026-01..2033-01", "..", "all..all"]
)
def test_several_units_have_one_kind_and_order(text):
    """Another kind, a reversed order, or a number beyond the limit is refused."""
    with pytest.raises(ValueError, match="Up to 60 of one kind"):
        Window.parse(text)


def test_an_unknown_period_raises_with_the_known_ones():
    """The known periods are units, and the presets of the page."""
    with pytest.raises(ValueError, match=r"The period is 'decade'; allowed: day, week, month, all, 7, 28, 90, year\."):
        as_period("decade")
    assert as_period("28") == ("week", 4)


def test_events_of_the_sites_own_are_counted_by_name(tmp_path):
    """Each name is a row under the threshold, also the name "other". The automatic kinds are not among them."""
    kept = Kept(tmp_path)
    names = {"video.played": 7, "other": 6, "rare": 2}
    own = [
        event | {"kind": name, "id": f"{name}-{event['visitor']}", "data": {}}
        for name, number in names.items()
        for event in views(*(f"v{each}" for each in range(number)))
    ]
    kept.load([*own, *views(*SIX)], END)
    report = kept.reports.report("events", Window.of("month", FIRST))
    assert [row[:3] for row in report.rows] == [("video.played", 7, 7), ("other", 8, 6)]
