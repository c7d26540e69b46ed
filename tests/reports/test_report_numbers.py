"""Report numbers: each equals an independent count over the raw events."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flask_mixamo_privacy.reports.definitions import NAMES, OWN
from flask_mixamo_privacy.reports.disclosure_control import OTHER
from flask_mixamo_privacy.reports.windows import ALL, UNITS, Window, week_of
from flask_mixamo_privacy.tracking.row_names import UNKNOWN
from support.event_factory import FIRST, Kept, traffic

Counted = list[tuple[Any, str]]  # (row, visitor), one per event
END = date(2026, 7, 5)  # every window has closed by then
CASES = [(1, 47, 300, 60, "UTC"), (2, 47, 60, 14, "UTC"), (3, 40, 30, 3, "UTC"), (4, 20, 100, 30, "America/New_York")]


def local(event: dict[str, Any], zone: str) -> datetime:
    return datetime.fromisoformat(event["at"]).astimezone(ZoneInfo(zone))


def counted(events: list[dict[str, Any]], name: str, zone: str) -> Counted:
    """Return the rows of one table for the events of one day, read in order."""
    rows: Counted = []
    last, chosen = dict[str, Any](), dict[Any, str]()
    numbers = {e["visit"]: e["data"]["visit_number"] for e in events if e["kind"] == "repeat_visit"}
    for e in events:
        visitor, found = e["visitor"], rows_of(e, numbers.get(e["visit"], 1), zone)
        if e["kind"] == "page_view":
            last[e["visit"]] = (e["page"], visitor)
        if e["kind"] == "customisation":
            choice, value = e["data"]["name"], e["data"]["value"]
            found["changes"] = choice if chosen.get((visitor, choice), value) != value else None
            chosen[visitor, choice] = value
        if found.get(name):
            rows.append((found[name], visitor))
    return list(last.values()) if name == "exits" else rows


def rows_of(e: dict[str, Any], number: int, zone: str) -> dict[str, Any]:
    """Return the rows in which one event counts, by table."""
    kind, page, data = e["kind"], e["page"], e["data"]
    if kind == "visit_start":
        ordinal = str(number) if number < 4 else "4–5" if number < 6 else "6–10" if number < 11 else "11 or more"
        site = e.get("referrer") and e["referrer"].rpartition("/")[0]
        how = {"returning": "repeat" if number > 1 else "first", "visit_numbers": ordinal, "referrers": site}
        return how | {"entries": page, "browsers": e["browser"], "platforms": e["platform"], "providers": e["provider"]}
    if kind == "page_view":
        movement = e["previous"] and (e["previous"], page)
        return {"pages": page, "hours": f"{local(e, zone):%H}", "movement": movement}
    if kind == "repeat_visit":
        gap, names = (
            data["days_since_last"],
            ((0, "the same day"), (1, "1 day"), (6, "2–6 days"), (13, "1 week"), (29, "2–4 weeks")),
        )
        return {"days_between": next((text for most, text in names if gap <= most), "a month or more")}
    if kind == "click":
        return {"clicks": (page, data.get("to") or data.get("on") or UNKNOWN)}
    if kind == "exit_link":
        return {"exit_links": data["to"]}
    if kind == "customisation":
        return {"choices": (data["name"], data["value"])}
    return {"events": kind} if kind != "page_exit" else {}


def publishable(rows: Counted, least: int) -> dict[Any, int]:
    """Return the rows that may be published, with their events, and "other" for the rest."""
    by_row = defaultdict(list)
    for row, visitor in rows:
        by_row[row].append(visitor)
    small = {row for row, visitor in by_row.items() if len(set(visitor)) < least}
    order = sorted(by_row.keys() - small, key=lambda row: (len(by_row[row]), _reversed(str_of(row))))
    while order and 0 < len({visitor for row in small for visitor in by_row[row]}) < least:
        small.add(order.pop(0))
    shown = {row: len(by_row[row]) for row in order}
    rest = len(rows) - sum(shown.values())
    return shown | ({OTHER: rest} if rest else {})


def str_of(row: Any) -> str:
    return '["' + '","'.join(row) + '"]' if isinstance(row, tuple) else row


def _reversed(text: str) -> tuple[int, ...]:
    return tuple(-ord(char) for char in text)


class Expected:
    """The published parts of one table: their days, totals and rows."""

    def __init__(self, by_day: dict[date, Counted], least: int) -> None:
        self.least = least
        self.totals: list[tuple[str, list[date], Counted]] = []
        self.groups: list[tuple[str, list[date], dict[Any, int], Counted]] = []
        untotalled, unpublished = dict(by_day), dict[date, Counted]()
        for level, key in (
            ("day", str),
            ("week", lambda day: f"{day:%Y-%m} {week_of(day)}"),
            ("month", lambda day: f"{day:%Y-%m}"),
        ):
            for unit in {key(day) for day in by_day}:
                if any(key(day) == unit for day in by_day) and level != "day" and key(max(by_day)) == unit:
                    continue  # a week or a month that has not ended
                days = sorted(day for day in untotalled if key(day) == unit)
                rows = [row for day in days for row in untotalled[day]]
                if rows and len({visitor for _, visitor in rows}) >= least:
                    self.totals.append((level, days, rows))
                    unpublished |= {day: untotalled.pop(day) for day in days}
                days = sorted(day for day in unpublished if key(day) == unit)
                rows = [row for day in days for row in unpublished[day]]
                table = publishable(rows, least)
                if rows and (level == "month" or table.get(OTHER, 0) <= 0.1 * len(rows)):
                    self.groups.append((level, days, table, rows))
                    for day in days:
                        del unpublished[day]

    def table(self, window: Window) -> tuple[int, dict[Any, int]]:
        """Return the window's total and its rows."""
        total = sum(len(rows) for level, days, rows in self.totals if inside(level, days, window))
        shown: dict[Any, int] = defaultdict(int)
        for level, days, table, _ in self.groups:
            if inside(level, days, window):
                for row, number in table.items():
                    shown[row] += number
        shown.pop(OTHER, None)
        rest = total - sum(shown.values())
        return total, dict(shown) | ({OTHER: rest} if rest else {})


def inside(level: str, days: list[date], window: Window) -> bool:
    return UNITS.index(level) <= UNITS.index(window.unit) and (window == ALL or window.first <= days[0] < window.end)


def windows_of(number_of_days: int) -> list[Window]:
    days = [FIRST + timedelta(days=number) for number in range(-1, number_of_days + 1)]
    return [ALL, *sorted({Window.of(unit, day) for day in days for unit in UNITS[:3]}, key=str)]


@pytest.mark.server
@pytest.mark.parametrize(("seed", "number", "visitors", "visits", "zone"), CASES)
def test_promise_23_every_number_is_a_count_over_the_events(tmp_path, seed, number, visitors, visits, zone):
    """Every number is correct for large, medium and small sites, over days, weeks, months and all time."""
    events, kept = traffic(seed, number, visitors, visits), Kept(tmp_path, zone=zone)
    kept.load(events, f"{END}T12:00:00.000Z")
    by_day: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_day[local(event, zone).date()].append(event)
    checked = 0
    found = {(report.id, window): report for window in windows_of(number) for report in kept.reports.every(window)}
    for name in [name for name in NAMES if name not in ("visits", *OWN) and not name.startswith("decisions")]:
        days = {day: counted(day_events, name, zone) for day, day_events in by_day.items()} | {END: []}
        expected = Expected(days, kept.least)
        for window in windows_of(number):
            report = found[name, window]
            names = 2 if name in ("movement", "clicks", "choices") else 1
            shown = {row[0] if names == 1 or row[0] == OTHER else row[:2]: row[names] for row in report.rows}
            total, rows = expected.table(window)
            true = sum(len(rows) for day, rows in days.items() if window == ALL or window.first <= day < window.end)
            expected_total = total if total == true else f"{total}+" if total else "<5"
            assert (report.total, shown) == (expected_total, rows), (name, str(window))
            checked += len(shown)
    assert checked > 100


@pytest.mark.parametrize(("seed", "number", "visitors", "visits", "zone"), CASES[:2])
def test_distinct_visitors_are_counted_once(tmp_path, seed, number, visitors, visits, zone):
    """A number of visitors is exact or a lower bound."""
    events, kept = traffic(seed, number, visitors, visits), Kept(tmp_path)
    kept.load(events, f"{END}T12:00:00.000Z")
    exact = 0
    for window in windows_of(number):
        first, end = window.first.isoformat(), window.end.isoformat()
        true = len({e["visitor"] for e in events if window == ALL or first <= e["at"] < end})
        for row in kept.reports.report("visits", window).rows if window.unit == "day" else ():
            assert row[2] == true or (row[2] == "<5" and true < 5)
        found = kept.reports.distinct(window)
        assert found == true or (isinstance(found, str) and (true < 5 or int(found[:-1]) <= true))
        exact += found == true
    assert exact > number / 2


def test_time_on_page_is_the_mean_of_whole_seconds(tmp_path):
    """The mean is over exits with a duration; the change is against the window before."""
    events, kept = traffic(1, 20, 400, 120), Kept(tmp_path)
    kept.load(events, "2026-06-01T12:00:00.000Z")
    day, before = (Window.of("day", FIRST + timedelta(days=number)) for number in (9, 8))
    seconds = [
        int(e["data"]["seconds"])
        for e in events
        if e["kind"] == "page_exit" and e["page"] == "/" and e["at"][:10] == str(day)
    ]
    views = [
        sum(e["kind"] == "page_view" and e["page"] == "/" and e["at"][:10] == str(one) for e in events)
        for one in (day, before)
    ]
    row = kept.reports.report("pages", day).rows[0]
    assert row[0] == "/" and row[4:] == (round(sum(seconds) / len(seconds)), round(views[0] / views[1] - 1, 4))
