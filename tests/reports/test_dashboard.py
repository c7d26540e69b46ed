"""The first screen: sums of published cells and nothing else, honest bounds, and comparisons of what is comparable."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import pytest

from flask_mixamo_privacy.reports.definitions import DEFINITIONS
from flask_mixamo_privacy.reports.disclosure_control import OTHER, Tally
from flask_mixamo_privacy.reports.windows import ALL, Window, week_of
from support.event_factory import FIRST, Kept, traffic

ONE_TABLE = ("pages", "entries", "browsers", "returning", "hours")
OPEN_MONTH, WEEKS, MONTHS = Window.parse("2026-05"), Window.parse("2026-W17..2026-W20"), Window.parse("2026-04..2026-06")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Five weeks of traffic with some days that are too small; it is Wednesday, 20 May."""
    kept = Kept(tmp_path_factory.mktemp("kept"), decided=decided)
    small = {str(FIRST + timedelta(days=number)) for number in (3, 10, 11, 24, 25)}
    events = [event for event in traffic(3, 30, 60, 30) if event["at"][:10] not in small or event["visitor"] in ("v0", "v1")]
    kept.load(events, "2026-05-20T12:00:00.000Z")
    return kept


def decisions(seed=9):
    """Return the outcomes of each day: a few refusals, and more grants."""
    chance = random.Random(seed)  # noqa: S311 — invented data needs no secret
    return {FIRST + timedelta(days=number): (chance.randint(0, 14), chance.randint(0, 7)) for number in range(30)}


def decided(first, end):
    return {
        day: {"decisions": {name: Tally(n, 0, n, n) for name, n in zip(("granted", "refused"), numbers, strict=True) if n}}
        for day, numbers in decisions().items()
        if first <= day < end
    }


def is_inside(month, week, day, window):
    """Return whether a cell belongs to a window: its day, the week of a month, or the month."""
    if day:
        return window.contains(date.fromisoformat(day))
    unit = week or month
    return window == ALL or (window.unit == "month" and month in map(str, window.parts)) or unit in map(str, window.parts)


@pytest.mark.parametrize("window", [OPEN_MONTH, WEEKS, MONTHS, ALL, Window.parse("2026-W19")], ids=str)
@pytest.mark.parametrize("name", ONE_TABLE)
def test_a_number_is_a_sum_of_whole_published_cells(kept, name, window):
    """Two windows therefore differ by published cells, and subtraction finds nothing that they do not state."""
    sums: Counter[str] = Counter()
    for of, month, week, day, _, row, number, *_ in kept.table("cells"):
        if of == name and is_inside(month, week, day, window):
            sums[row] += number
    report = kept.reports.report(name, window)
    shown = {row[0]: row[len(DEFINITIONS[name].names)] for row in report.rows if row[0] != OTHER}
    assert shown == {row: number for row, number in sums.items() if row not in ("", OTHER) and number}
    assert str(report.total).rstrip("+") == str(sums[""])


@pytest.mark.parametrize("window", [OPEN_MONTH, WEEKS, MONTHS, Window.parse("2026-W18"), ALL], ids=str)
def test_the_bounds_of_consent_contain_the_true_share(kept, window):
    """Whatever the hidden decisions are, the share lies between the bounds."""
    counted = [numbers for day, numbers in decisions().items() if window.contains(day) and day < date(2026, 5, 20)]
    granted, refused = (sum(numbers) for numbers in zip(*counted, strict=True))
    share = kept.reports.report("decisions", window).share
    assert share.least <= granted / (granted + refused) <= share.most and share.least < share.most


def headlines(kept, window):
    overview, _ = kept.reports.dashboard(window)
    return overview, {headline.id: headline for headline in overview.headlines}


def test_an_open_period_is_compared_with_the_same_days_of_the_one_before(kept):
    """Two days of this week are compared with Monday and Tuesday of the last one, and not with the whole week."""
    overview, found = headlines(kept, Window.parse("2026-W21"))
    assert (str(overview.compared), str(overview.through), overview.closed) == (
        "2026-05-11..2026-05-12",
        "2026-05-19",
        False,
    )
    days = [kept.reports.report("returning", Window.parse(f"2026-05-{day}")).total for day in (18, 19, 11, 12)]
    assert found["visits"].change == round((days[0] + days[1]) / (days[2] + days[3]) - 1, 4)


def test_a_bound_that_would_mislead_is_announced_instead(kept):
    """The visitors of an open week would be those of its largest day. They are known when the week closes."""
    _, found = headlines(kept, Window.parse("2026-W21"))
    assert (found["visitors"].cell, found["visitors"].waits_for) == (None, "week")


def test_the_visitors_of_several_weeks_are_a_mean(kept):
    """Visitors of weeks cannot be added. If one of the weeks is a lower bound, so is the mean."""
    _, found = headlines(kept, WEEKS)
    weeks = [str(kept.reports.distinct(week)) for week in WEEKS.parts]
    mean = round(sum(int(number.rstrip("+")) for number in weeks) / 4)
    assert found["visitors"].title == "Visitors a week"
    assert str(found["visitors"].cell) == f"{mean}+" and any("+" in number for number in weeks)


def test_days_published_together_are_one_block_and_hidden_days_are_hidden(kept):
    """No day that is suppressed by itself has a number of its own in the chart."""
    overview, _ = headlines(kept, Window.parse("2026-04"))
    shown = {str(part): slot.shown for slot in overview.slots for part in slot.parts}
    assert shown["2026-04-23"] != "number" and shown["2026-04-30"] != "number" and shown["2026-04-21"] == "number"


def test_the_trend_has_the_weeks_before_a_short_window(kept):
    """A trend needs more than the week that is looked at."""
    overview, _ = headlines(kept, Window.parse("2026-W20"))
    assert [week.window for week in overview.weeks] == [Window.parse(week_of(FIRST)).shifted(number) for number in range(4)]


def test_the_visitors_of_an_open_day_are_read_once(tmp_path, monkeypatch):
    """However many cells depend on whether they are few, a page reads them once, because a large site has many."""
    kept, read = Kept(tmp_path), []
    events = traffic(3, 2, 60, 30)
    kept.load(events, f"{FIRST + timedelta(days=1)}T12:00:00.000Z")
    found = kept.store.events.visitors_between
    monkeypatch.setattr(
        type(kept.store.events), "visitors_between", lambda _, *range_: read.append(range_) or found(*range_)
    )
    kept.reports.dashboard(Window.of("day", FIRST + timedelta(days=1)))
    assert len(read) == 1
