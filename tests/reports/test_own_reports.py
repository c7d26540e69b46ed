"""Declared reports: values of own events, goals and the furthest step of funnels, each under the threshold."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from flask_mixamo_privacy.policy.parts import Declaration
from flask_mixamo_privacy.policy.report_parts import Funnel, Goal, OwnEvent
from flask_mixamo_privacy.reports.windows import Window
from support.event_factory import FIRST, Kept, at

POLICY = Declaration(
    site="Shop",
    purposes=(),
    events=(OwnEvent("played", ("quality",)),),
    goals=(Goal("Bought", event="placed"), Goal("Looked", page="/clips/*")),
    funnels=(Funnel("Buying", ("/clips/*", "played", "placed")),),
)
DAY, MONTH = Window.of("day", FIRST), Window.of("month", FIRST)


def event(visitor: int, second: int, what: str, **data):
    kind, page = ("page_view", what) if what.startswith("/") else (what, "/clips/a")
    own = {"visitor": f"v{visitor}", "visit": f"v{visitor}", "id": f"{visitor}-{second}"}
    return own | {"at": at(FIRST, visitor * 60 + second), "kind": kind, "page": page, "data": data}


def walks(numbers):
    """Return events: as many visitors take each number of steps as ``numbers`` has."""
    steps = [numbers_of for number, count in enumerate(numbers, 1) for numbers_of in [number] * count]
    for visitor, most in enumerate(steps):
        for second, what in enumerate(("/clips/a", "played", "placed")[:most]):
            yield event(visitor, second, what, **({"quality": "hd" if visitor % 2 else "sd"} if what == "played" else {}))


@pytest.fixture
def shown(tmp_path):
    def shown(events, name, window=DAY, least=5):
        kept = Kept(tmp_path, policy=POLICY, least=least)
        kept.load(sorted(events, key=lambda each: each["at"]), "2026-05-03T00:00:00.000Z")
        return kept.reports.report(name, window).rows

    return shown


def test_a_funnel_shows_how_many_visitors_reached_each_step(shown):
    steps = (("Buying", "1. /clips/*", 30, 1.0), ("Buying", "2. played", 20, 0.6667), ("Buying", "3. placed", 10, 0.3333))
    assert shown(walks((10, 10, 10)), "funnels") == steps


def test_a_goal_shows_its_visitors_or_that_they_are_too_few(shown):
    assert shown(walks((10, 10, 3)), "goals", MONTH) == (("Bought", "<5"), ("Looked", 23))


def test_values_of_an_event_are_counted_by_visitor(shown):
    again = [event(visitor, 50, "played", quality="hd") for visitor in range(1, 20, 2)]
    rows = shown(
        [*walks((0, 20)), *again, event(50, 1, "played"), event(51, 1, "played", quality=None)], "event_values", MONTH
    )
    assert rows[0] == ("played · quality", "hd", 10, 0.4545) and rows[1][:2] == ("played · quality", "other")


def test_steps_in_another_order_are_no_progress(shown):
    """Visitors who play before they look have reached the first step alone."""
    events = [event(visitor, second, what) for visitor in range(9) for second, what in enumerate(("played", "/clips/a"))]
    assert [row[2] for row in shown(events, "funnels")] == [9, 0, 0]


@pytest.mark.parametrize("window", [DAY, MONTH])
@pytest.mark.parametrize("numbers", [(10, 10, 2), (10, 3, 10), (3, 10, 10), (2, 2, 10), (10, 0, 1), (6, 6, 4), (1, 9, 0)])
def test_no_step_with_too_few_visitors_can_be_calculated(shown, numbers, window):
    """A difference between two exact steps is one furthest step, and so is the last exact step."""
    rows = [row[2] for row in shown(walks(numbers), "funnels", window)]
    exact = [number if isinstance(number, int) else None for number in [*rows, 0]]
    differences = [one - other for one, other in pairwise(exact) if None not in (one, other)]
    assert all(each == 0 or each >= 5 for each in differences), rows


def test_a_part_of_today_hides_who_reached_a_goal_in_the_rest(tmp_path):
    """A report during the day publishes the goal of that part, as it does the goal's event. A seventh visitor came later."""
    kept, found = Kept(tmp_path, policy=POLICY), []
    for visitors, now in ((range(6), at(FIRST, 7200)), ([60], "2026-05-03T00:00:00.000Z")):
        kept.load([event(visitor, 1, "placed") for visitor in visitors], now)
        found.append((kept.reports.report("events", DAY).total, kept.reports.report("goals", DAY).rows[0]))
    assert found == [(6, ("Bought", 6)), ("6+", ("Bought", "6+"))]


def test_a_goal_that_is_no_longer_declared_stops(tmp_path):
    """Its waiting tables are left as they are, and the reports leave it out."""
    kept = Kept(tmp_path, policy=POLICY)
    kept.load(list(walks((3, 3, 3))), at(FIRST + timedelta(days=1), 7200))
    kept.calendar.own = {}
    kept.load([], "2026-05-03T00:00:00.000Z")
    assert "goals" not in [report.id for report in kept.reports.every(MONTH)]
