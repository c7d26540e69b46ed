"""Charts of reports: coordinates that represent the numbers, and nothing drawn for suppressed numbers."""

import re
from itertools import pairwise

import pytest

from flask_mixamo_privacy.reports import charts
from flask_mixamo_privacy.reports.disclosure_control import OTHER
from flask_mixamo_privacy.reports.reports import Column, Report
from flask_mixamo_privacy.reports.windows import Window

TEXT, VIEWS = Column("page", "Page", "text"), Column("views", "Views")


def report(rows, *columns):
    return Report("any", "Any", columns, tuple(rows), Window.parse("2026-05"), "closed", 1, 0.5, 5)


def test_bars_are_proportional_to_their_numbers():
    """Lengths are percentages of the longest bar. A text such as "<5" has no bar, and "8+" counts as 8."""
    chart = charts.bars(report([("/", 16), ("/a", 4), ("/b", "8+"), ("/c", "<5")], TEXT, VIEWS))
    assert [bar.width for bar in chart.bars] == [100, 25, 50, 0]


def test_bars_show_only_the_largest_rows():
    """The chart states how many further rows the table has."""
    chart = charts.bars(report([(f"/{number}", 1) for number in range(20)], TEXT, VIEWS))
    assert (len(chart.bars), chart.left_out) == (charts.MOST_BARS, 20 - charts.MOST_BARS)


def series(*cells, rtl=False):
    return charts.panels(report(((f"2026-05-{day:02d}", cell) for day, cell in enumerate(cells, 1)), TEXT, VIEWS), rtl=rtl)


def test_a_line_has_a_gap_at_a_suppressed_number():
    """No line crosses a day with "<5", because that would suggest a value."""
    (panel,) = series(5, 10, "<5", 10, 5)
    assert [len(line.split()) for line in panel.lines] == [2, 2]
    assert [mark.hidden for mark in panel.marks] == [False, False, True, False, False]


def test_a_lines_height_is_proportional_to_its_number():
    """Half the number has half the height, and zero is on the baseline."""
    (panel,) = series(20, 10, 0)
    full, half, none = (panel.base - mark.y for mark in panel.marks)
    assert (half, none) == (pytest.approx(full / 2, abs=0.1), 0)


@pytest.mark.parametrize("cells", [(), (7,), (0, 0), ("<5", None, 7), ("<5", "<5")])
def test_a_series_with_too_few_numbers_is_not_drawn(cells):
    """One day makes no line, and neither does a series with less than half of its days published."""
    assert series(*cells) == ()


def test_charts_are_mirrored_for_right_to_left_languages():
    """The time axis is reversed, and the numbers stay the same."""
    (left,), (right,) = series(5, 10, 15), series(5, 10, 15, rtl=True)
    assert [mark.x for mark in right.marks] == [100 - mark.x for mark in left.marks]
    assert [mark.y for mark in right.marks] == [mark.y for mark in left.marks]


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
    assert min(after - before for before, after in pairwise(tops)) >= 19


def test_a_flow_is_mirrored_with_its_ribbons():
    """In a mirrored flow, the source pages are on the right."""
    chart = flow(MOVES, rtl=True)
    assert chart.sources[0].x > 99 and chart.targets[0].x == 0
    assert all(re.match(r"M99\.2 ", band.path) for band in chart.bands)


def test_an_empty_flow_is_not_drawn():
    """Without rows there is nothing to draw."""
    assert flow([]) is None


def test_columns_have_fixed_positions():
    """An hour without a published number stays empty, and "other" has no column."""
    chart = charts.columns(report([("01", 10), ("03", 5), (OTHER, 99)], TEXT, VIEWS), ("00", "01", "02", "03"), 100)
    assert [(column.name, column.height) for column in chart] == [("00", 0), ("01", 100), ("02", 0), ("03", 50)]
