"""Visitors whom one person invents: they neither fill a report nor stand in for other people."""

import pytest

from flask_mixamo_privacy.reports.definitions import Column
from flask_mixamo_privacy.reports.formatting import as_csv, format_cell
from flask_mixamo_privacy.reports.reports import MOST_ROWS
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


def shown(kept, networks):
    """Return the pages of April, with one visitor of each network on the first page, and others on two more pages."""
    events = [event for number, network in enumerate(networks) for event in views(number, ["/a"], network)]
    for number in range(20, 38):
        events += views(number, ["/b" if number < 30 else "/c"], f"192.0.{number}.0/24")
    kept.load(events, "2026-05-02T00:00:00.000Z")
    return [row[0] for row in kept.reports.report("pages", Window.parse("2026-04")).rows]


@pytest.mark.parametrize(
    ("networks", "pages"),
    [
        (["203.0.113.0/24"] * 4 + ["198.51.100.0/24"], ["/b", "other"]),
        (["2001:db8:1::/48"] * 4 + [None], ["/b", "other"]),
        ([f"203.0.{number}.0/24" for number in range(5)], ["/b", "/c", "/a"]),
        (["10.0.0.0/24"] * 5, ["/b", "/c", "/a"]),
        ([None] * 5, ["/b", "/c", "/a"]),
    ],
)
def test_the_visitors_of_one_network_count_once_towards_the_threshold(kept, networks, pages):
    """Four invented visitors beside one person would show that person's row. Behind a proxy, no network is known."""
    assert shown(kept, networks) == pages


def test_today_needs_visitors_of_enough_networks(kept):
    """A request for today publishes no part that one person and four invented visitors made."""
    kept.load([event for number in range(5) for event in views(number, ["/"], "203.0.113.0/24")], f"{FIRST}T13:00:00.000Z")
    assert kept.totals()["page_views"] is None
