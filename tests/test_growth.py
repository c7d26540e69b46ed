"""The page about growth, which a command writes from measured points."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

if not (Path(__file__).parents[1] / "benchmarks").is_dir():
    pytest.skip("The source distribution has no benchmarks.", allow_module_level=True)

from benchmarks import growth, growth_points
from benchmarks.growth_points import Point

POINTS, _ = growth_points.read()


def test_the_page_has_the_tables_and_the_picture_of_the_measured_points():
    """A changed point, or a table changed by hand, shows: run `python -m benchmarks.growth`."""
    page, picture = growth.written()
    assert growth.PAGE.read_text(encoding="utf-8") == page
    assert growth.PICTURE.read_text(encoding="utf-8") == picture


def test_the_picture_marks_every_measured_point():
    """Each point has a mark in both panels, the legend has six, and no other is drawn."""
    drawn = ElementTree.parse(growth.PICTURE)  # noqa: S314 — our own file
    marks = [each for each in drawn.iter() if "mark" in each.get("class", "").split()]
    assert len(marks) == 2 * len(POINTS) + 6
    assert sum("guess" in each.get("class", "").split() for each in drawn.iter()) >= 4


def test_a_row_beyond_the_measured_points_is_marked():
    """Ten billion events a month were never measured; ten thousand lie between points of both databases."""
    rows = growth.tables()["disk"].splitlines()[2:]
    assert ("≈" in rows[0], rows[-1].count("≈")) == (False, 4)


def test_an_estimate_at_a_point_is_the_measurement():
    """Between two points the value lies between theirs, and beyond them it is the nearest one's."""
    few, many = (
        Point("SQLite", events, 395, 1, size, 1, 1.0, 1.0, 0.0) for events, size in ((1000, 300_000), (100_000, 10_000_000))
    )
    values = [
        growth.between([few, many], month, growth.bytes_an_event)
        for month in (1, few.month, 10 * few.month, many.month, 1e9)
    ]
    assert values == pytest.approx([300, 300, 173.2, 100, 100], rel=0.001)


def test_the_largest_site_is_led_to_the_page_on_several_machines():
    """The page names an engine that exists, and links to its documentation."""
    setups = re.findall(r"\| ([^|]+) \|$", growth.tables()["disk"], re.MULTILINE)
    assert setups[2] == "SQLite" and setups[-1] == "[ClickHouse](clickhouse.md)"
    assert (Path(__file__).parents[1] / "docs/clickhouse.md").is_file()
