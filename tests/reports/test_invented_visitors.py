"""Visitors whom one person invents: they neither fill a report nor stand in for other people."""

import pytest

from flask_mixamo_privacy.reports.formatting import as_csv, format_cell
from flask_mixamo_privacy.reports.reports import MOST_ROWS, Column
from flask_mixamo_privacy.reports.windows import Window
from support.event_factory import FIRST, Kept, at

DAY, CLOSED = Window.parse(f"{FIRST}"), "2026-04-22T00:00:00.000Z"


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "kept")


def views(visitor, pages, network=None):
    moment = at(FIRST, 43_200 + visitor)
    common = {"at": moment, "kind": "page_view", "visitor": f"v{visitor}", "visit": f"w{visitor}", "network": network}
    return [common | {"id": f"{visitor}-{number}", "page": page, "data": {}} for number, page in enumerate(pages)]


def test_a_report_has_a_thousand_rows_at_most_and_the_rest_in_other(kept):
    """Six visitors can open any number of pages. The numbers still add up to the total."""
    pages = [f"/{number:04d}" for number in range(MOST_ROWS + 200)]
    kept.load([event for visitor in range(6) for event in views(visitor, pages)], CLOSED)
    report = kept.reports.report("pages", DAY)
    assert (len(report.rows), report.rows[-1][:2]) == (MOST_ROWS + 1, ("other", 1200))
    assert sum(row[1] for row in report.rows) == report.total and len(as_csv(report).splitlines()) == MOST_ROWS + 2
    assert len(next(each for each in kept.reports.every(DAY, 100) if each.id == "pages").rows) == 101


def test_the_page_of_reports_cuts_a_long_name():
    """A name of six hundred characters would be on the page several times."""
    assert len(format_cell("/" + "a" * 600, Column("page", "Page", "text"), None)) == 120
