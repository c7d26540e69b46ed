"""Charts of reports: coordinates that represent the numbers, and nothing drawn for suppressed numbers."""

import re
from datetime import date
from itertools import pairwise

import pytest

from flask_mixamo_privacy.reports import charts
from flask_mixamo_privacy.reports.cells import Share
from flask_mixamo_privacy.reports.dashboard import Slot, Week
from flask_mixamo_privacy.reports.definitions import Column
from flask_mixamo_privacy.reports.disclosure_control import OTHER
from flask_mixamo_privacy.reports.reports import Report
from flask_mixamo_privacy.reports.windows import Window

TEXT, VIEWS = Column("page", "Page", "text"), Column("views", "Views")


def report(rows, *columns):
    return Report("any", "Any", columns, tuple(rows), Window.parse("2026-05"), "closed", 1, Share(0.5, 0.5), 5)


def test_bars_are_proportional_to_their_numbers():
    """Lengths are percentages of the longest bar. A text such as "<5" has no bar, and "8+" counts as 8."""
    chart = charts.bars(report([("/", 16), ("/a", 4), ("/b", "8+"), ("/c", "<5")], TEXT, VIEWS))
    assert [bar.width for bar in chart.bars] == [100, 25, 50, 0]


def test_bars_show_only_the_largest_rows():
    """The chart states how many further rows the table has."""
    chart = charts.bars(report([(f"/{number}", 1) for number in range(20)], TEXT, VIEWS))
    assert (len(chart.bars), chart.left_out) == (charts.MOST_BARS, 20 - charts.MOST_BARS)


def plot(*cells, rtl=False):
    days = [Window("day", date(2026, 5, day)) for day in range(1, len(cells) + 1)]
    slots = [
        Slot((day,), cell, "hidden" if cell == "<5" else "number", cell if cell != "<5" else 0)
        for day, cell in zip(days, cells, strict=True)
    ]
    return charts.plot(slots, 5, rtl=rtl)


def test_a_columns_height_is_proportional_to_its_number():
    """Half the number has half the height, and zero has none."""
    full, half, none = (column.height for column in plot(20, 10, 0).columns)
    assert (half, none) == (pytest.approx(full / 2), 0)


def test_a_hidden_number_has_a_band_up_to_the_threshold():
    """A suppressed day is not drawn as zero: its band ends at the threshold, which no legend has to explain twice."""
    chart = plot(20, "<5", 10)
    assert [column.slot.shown for column in chart.columns] == ["number", "hidden", "number"]
    assert chart.columns[1].height == pytest.approx(chart.columns[0].height / 4) and "hidden" in chart.shown


def test_days_published_together_are_one_block_at_their_mean():
    """Three days with twelve visits together are one column of three days, as tall as a day with four."""
    days = [Window("day", date(2026, 5, day)) for day in range(1, 5)]
    block, day = charts.plot([Slot(tuple(days[:3]), 12, "together", 4), Slot((days[3],), 4, "number", 4)], 5).columns
    assert block.height == day.height and block.width > 2.9 * day.width


@pytest.mark.parametrize("cells", [(), (0, 0), ("<5", "<5")])
def test_a_chart_without_a_number_is_not_drawn(cells):
    """Zeros and suppressed days alone make no chart."""
    assert plot(*cells) is None


def test_charts_are_mirrored_for_right_to_left_languages():
    """The time axis is reversed, and the numbers stay the same."""
    left, right = plot(5, 10, 15).columns, plot(5, 10, 15, rtl=True).columns
    assert [column.x for column in right] == [pytest.approx(100 - column.x - column.width, abs=0.02) for column in left]
    assert [column.height for column in right] == [column.height for column in left]


def test_a_sparkline_has_a_gap_at_a_hidden_number():
    """No line crosses a hidden number, because that would suggest its value. If more than a third is hidden, nothing is drawn."""
    assert [len(line.split()) for line in charts.sparkline((5, 10, None, 10, 5))] == [2, 2]
    assert charts.sparkline((5, 10, None, None, None)) == () == charts.sparkline(())


WEEKS = [Window("week", date(2026, 5, 4)).shifted(number) for number in range(3)]


def test_the_trend_draws_bounds_as_a_column_and_close_ones_also_as_a_line():
    """An exact week and one within ten points are joined by a line. A week with wide bounds is a column alone."""
    shares = (Share(0.8, 0.8), Share(0.7, 0.75), Share(0.2, 0.9))
    chart = charts.trend([Week(*week) for week in zip(WEEKS, shares, strict=True)], ())
    assert [(each.y, each.height) for each in chart.ranges[1:]] == [(25, 5), (10, 70)]
    assert [each.middle for each in chart.ranges] == [20, 27.5, None] and len(chart.lines) == 1 and not chart.is_exact


def test_the_trend_marks_the_policy_versions_of_its_weeks():
    """A version of an earlier day has no mark. Each mark has a letter for the legend."""
    weeks = [Week(week, Share(0.8, 0.8)) for week in WEEKS]
    marks = charts.trend(weeks, ["2026-05-22", "2009-05-08", "2026-05-11"]).marks
    assert [(mark.letter, mark.day) for mark in marks] == [("A", "2026-05-11"), ("B", "2026-05-22")]
    assert marks[0].x == pytest.approx(100 / 3, abs=0.01)


def test_the_trend_needs_two_weeks():
    """One week is no trend."""
    assert charts.trend([Week(WEEKS[0], Share(0.8, 0.8)), Week(WEEKS[1], None)], ()) is None


@pytest.mark.parametrize(
    ("most", "ticks"), [(1, (0, 1)), (7, (0, 2, 4, 6, 8)), (100, (0, 25, 50, 75, 100)), (1234, (0, 500, 1000, 1500))]
)
def test_a_scale_has_round_numbers(most, ticks):
    """The scale goes from zero to a round number that is at least the largest value."""
    assert charts.scale(most, 4) == ticks


MOVES = [("/", "/a", 40), ("/", "/b", 20), ("/a", "/b", 10), (OTHER, OTHER, 30)]


def flow(rows, rtl=False):
    return charts.flow(report(rows, Column("from", "From", "text"), Column("to", "To", "text"), VIEWS), rtl=rtl)


def test_a_flows_nodes_are_the_sums_of_its_rows():
    """Bands are the rows, nodes are their sums, and heights are proportional."""
    chart = flow(MOVES)
    assert [(node.name, node.number) for node in chart.sources] == [("/", 60), ("/a", 10), (OTHER, 30)]
    assert [(node.name, node.number) for node in chart.targets] == [("/a", 40), ("/b", 30), (OTHER, 30)]
    assert [(band.start, band.end, band.number) for band in chart.bands] == [*MOVES]
    assert chart.sources[0].height == pytest.approx(6 * chart.sources[1].height, abs=0.5)


def test_small_flows_are_folded_into_other_and_nothing_is_lost():
    """Each side has at most eight pages, and the numbers add up to the report's total."""
    rows = [(f"/{number}", f"/{number % 9}", 50 - number) for number in range(30)]
    chart = flow(rows)
    assert len(chart.sources) == len(chart.targets) == charts.MOST_NODES
    assert sum(band.number for band in chart.bands) == sum(row[2] for row in rows)


def test_no_two_names_of_a_flow_overlap():
    """Names do not overlap even if the pages have very thin nodes."""
    chart = flow([(f"/{number}", "/", 1000 if number == 0 else 1) for number in range(8)])
    tops = [node.y for node in chart.sources]
    assert min(after - before for before, after in pairwise(tops)) >= 1.39  # em


def test_a_flow_is_mirrored_with_its_ribbons():
    """In a mirrored flow, the source pages are on the right."""
    chart = flow(MOVES, rtl=True)
    assert chart.sources[0].x > 99 and chart.targets[0].x == 0
    assert all(re.match(r"M99\.2 ", band.path) for band in chart.bands)


def test_an_empty_flow_is_not_drawn():
    """Without rows there is nothing to draw."""
    assert flow([]) is None


def test_columns_have_fixed_positions():
    """An hour that "other" may contain is hidden, and has no number. "other" has no column."""
    chart = charts.columns(report([("01", 10), ("03", 5), (OTHER, 99)], TEXT, VIEWS), ("00", "01", "02", "03"))
    assert [(column.name, column.height, column.hidden) for column in chart if not column.hidden] == [
        ("01", 100, False),
        ("03", 50, False),
    ]
    assert [column.name for column in chart if column.hidden] == ["00", "02"]


def test_an_hour_without_a_visit_is_zero():
    """If no row is merged into "other", an hour without a row had no views."""
    chart = charts.columns(report([("01", 10)], TEXT, VIEWS), ("00", "01"))
    assert [(column.height, column.hidden) for column in chart] == [(0, False), (100, False)]
