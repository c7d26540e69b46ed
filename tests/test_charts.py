"""Pictures of reports: places that stand for the numbers, and nothing drawn where nothing is told."""

import re
from itertools import pairwise

import pytest

from flask_mixamo_privacy import charts
from flask_mixamo_privacy.tracking.reports import OTHER, Column, Report, Window

TEXT, VIEWS = Column("page", "Page", "text"), Column("views", "Views")


def report(rows, *columns):
    return Report("any", "Any", columns, tuple(rows), Window.parse("2026-05"), "closed", 1, 0.5, 5)


def test_bars_are_as_long_as_their_numbers():
    """In percent of the longest; a text such as "<5" has none, and "8+" counts as 8."""
    drawn = charts.bars(report([("/", 16), ("/a", 4), ("/b", "8+"), ("/c", "<5")], TEXT, VIEWS))
    assert [bar.width for bar in drawn.bars] == [100, 25, 50, 0]


def test_bars_leave_the_rest_to_the_table():
    """And say how much that is."""
    drawn = charts.bars(report([(f"/{number}", 1) for number in range(20)], TEXT, VIEWS))
    assert (len(drawn.bars), drawn.left_out) == (charts.MOST_BARS, 20 - charts.MOST_BARS)


def series(*cells, rtl=False):
    return charts.panels(report(((f"2026-05-{day:02d}", cell) for day, cell in enumerate(cells, 1)), TEXT, VIEWS), rtl=rtl)


def test_a_line_has_a_gap_where_little_is_told():
    """No line leads over a day of which only "<5" is said, for it would guess at it."""
    (panel,) = series(5, 10, "<5", 10, 5)
    assert [len(line.split()) for line in panel.lines] == [2, 2]
    assert [mark.hidden for mark in panel.marks] == [False, False, True, False, False]


def test_a_lines_height_is_its_number():
    """Half the number, half the height; none, on the base."""
    (panel,) = series(20, 10, 0)
    full, half, none = (panel.base - mark.y for mark in panel.marks)
    assert (half, none) == (pytest.approx(full / 2, abs=0.1), 0)


@pytest.mark.parametrize("cells", [(), (7,), (0, 0), ("<5", None, 7), ("<5", "<5")])
def test_a_series_of_too_little_is_not_drawn(cells):
    """One day is no line; neither are days of which less than half is told."""
    assert series(*cells) == ()


def test_pictures_are_mirrored_for_who_reads_from_the_right():
    """Time runs the other way, numbers stay."""
    (left,), (right,) = series(5, 10, 15), series(5, 10, 15, rtl=True)
    assert [mark.x for mark in right.marks] == [100 - mark.x for mark in left.marks]
    assert [mark.y for mark in right.marks] == [mark.y for mark in left.marks]


@pytest.mark.parametrize(
    ("most", "ticks"), [(1, (0, 1)), (7, (0, 2, 4, 6, 8)), (100, (0, 25, 50, 75, 100)), (1234, (0, 500, 1000, 1500))]
)
def test_a_scale_has_round_numbers(most, ticks):
    """From nought to one that is not below the most."""
    assert charts.scale(most, 4) == ticks


MOVES = [("/", "/a", 40), ("/", "/b", 20), ("/a", "/b", 10), (OTHER, OTHER, 30)]


def flow(rows, rtl=False):
    return charts.flow(report(rows, Column("from", "From", "text"), Column("to", "To", "text"), VIEWS), rtl=rtl)


def test_what_flows_out_of_a_page_and_into_one_is_the_sum_of_its_rows():
    """Bands are the rows, nodes their sums, heights in proportion."""
    drawn = flow(MOVES)
    assert [(node.name, node.number) for node in drawn.sources] == [("/", 60), ("/a", 10), (OTHER, 30)]
    assert [(node.name, node.number) for node in drawn.targets] == [("/a", 40), ("/b", 30), (OTHER, 30)]
    assert [(band.start, band.end, band.number) for band in drawn.bands] == [*MOVES]
    assert drawn.sources[0].height == pytest.approx(6 * drawn.sources[1].height, abs=0.5)


def test_small_flows_are_folded_into_other_and_nothing_is_lost():
    """At most eight pages a side, and the numbers add up to the report's."""
    rows = [(f"/{number}", f"/{number % 9}", 50 - number) for number in range(30)]
    drawn = flow(rows)
    assert len(drawn.sources) == len(drawn.targets) == charts.MOST_NODES
    assert sum(band.number for band in drawn.bands) == sum(row[2] for row in rows)


def test_no_two_names_of_a_flow_overlap():
    """However thin its pages are."""
    drawn = flow([(f"/{number}", "/", 1000 if number == 0 else 1) for number in range(8)])
    tops = [node.y for node in drawn.sources]
    assert min(after - before for before, after in pairwise(tops)) >= 19


def test_a_flow_is_mirrored_with_its_ribbons():
    """From stands at the right."""
    drawn = flow(MOVES, rtl=True)
    assert drawn.sources[0].x > 99 and drawn.targets[0].x == 0
    assert all(re.match(r"M99\.2 ", band.path) for band in drawn.bands)


def test_a_flow_of_nothing_is_none():
    """There is nothing to draw."""
    assert flow([]) is None


def test_columns_stand_at_their_places():
    """An hour of which nothing is told stays empty, and "other" has no place."""
    drawn = charts.columns(report([("01", 10), ("03", 5), (OTHER, 99)], TEXT, VIEWS), ("00", "01", "02", "03"), 100)
    assert [(column.name, column.height) for column in drawn] == [("00", 0), ("01", 100), ("02", 0), ("03", 50)]
