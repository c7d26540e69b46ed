"""Reports: exact totals of consenting visitors, with small cells suppressed."""

import json

import pytest

from conftest import choose


def visit(site, paths, number=1):
    """Let this many visitors consent and open these paths."""
    for _ in range(number):
        visitor = site.visitor()
        choose(visitor, "accept_all")
        for path in paths:
            visitor.get(path)


def report(site):
    return json.loads(site.cli("report", "--json").output)


def test_the_report_counts_consenting_visitors_alone(tiny, clock):
    """Six accept, one of them returns, one refuses and one never answers: the report counts the six."""
    site = tiny()
    people = [site.visitor() for _ in range(6)]
    for person in people:
        choose(person, "accept_all")
        person.get("/")
        person.get("/theme/dark")
    refusing_visitor = site.visitor()
    choose(refusing_visitor, "reject_all")
    refusing_visitor.get("/other")
    site.visitor().get("/other")
    clock.shift(31 * 60)
    people[0].get("/")
    found = report(site)
    assert (found["visitors"], found["visits"], found["page_views"]) == (6, 7, 13)
    assert (found["repeat_visits"], found["repeat_visit_rate"]) == ("<5", "<5")
    assert found["pages"] == [
        {"page": "/", "views": 7, "visitors": 6, "share": 0.5385},
        {"page": "/theme/dark", "views": 6, "visitors": 6, "share": 0.4615},
    ]
    assert found["customisation"] == [{"name": "theme", "value": "dark", "choices": 6, "visitors": 6, "share": 1.0}]


def test_promise_23_the_page_report_is_exact(tiny):
    """Views, visitors and shares of a fixed log are exact."""
    site = tiny()
    visit(site, ["/", "/", "/other"], 5)
    assert report(site)["pages"] == [
        {"page": "/", "views": 10, "visitors": 5, "share": 0.6667},
        {"page": "/other", "views": 5, "visitors": 5, "share": 0.3333},
    ]


def test_promise_23_small_rows_are_pooled(tiny):
    """Pages below five visitors are "other" once five visitors are behind them."""
    site = tiny()
    visit(site, ["/"], 5)
    visit(site, ["/item/walk"], 3)
    visit(site, ["/item/run"], 4)
    assert [(row["page"], row["visitors"]) for row in report(site)["pages"]] == [("/", 5), ("other", 7)]


def test_promise_23_a_suppressed_row_cannot_be_found_by_subtraction(tiny):
    """A page of a single visitor is pooled with the next smallest one."""
    site = tiny()
    visit(site, ["/"], 7)
    visit(site, ["/other"], 6)
    visit(site, ["/item/secret"], 1)
    pages = report(site)["pages"]
    assert [(row["page"], row["views"], row["visitors"]) for row in pages] == [("/", 7, 7), ("other", 7, 7)]


@pytest.mark.parametrize(("visitors", "shown"), [(0, 0), (1, "<5"), (4, "<5"), (5, 5)])
def test_promise_23_a_small_total_shows_only_that_it_is_small(tiny, visitors, shown):
    """A total below five visitors is "<5"."""
    site = tiny()
    visit(site, ["/"], visitors)
    assert (report(site)["visits"], report(site)["visitors"], report(site)["page_views"]) == (shown,) * 3


def test_the_threshold_is_a_setting(tiny):
    """A site may require a larger threshold."""
    site = tiny(PRIVACY_MIN_CELL=7)
    visit(site, ["/"], 6)
    assert report(site)["visitors"] == "<7"


def test_promise_24_no_report_identifies_a_visitor(tiny):
    """The text and the JSON have no visitor, visit, receipt or address."""
    site = tiny()
    visit(site, ["/", "/theme/dark"], 6)
    printed = site.cli("report").output + site.cli("report", "--json").output
    named = {event[field] for event in site.events() for field in ("visitor", "visit", "id")} | {"127.0.0"}
    assert not [name for name in named if name in printed]


def test_the_text_report_is_a_table(tiny):
    """The heading states which visitors are counted."""
    site = tiny()
    visit(site, ["/", "/theme/dark"], 6)
    lines = site.cli("report").output.splitlines()
    assert lines[0].startswith("All time. Counts visitors who consented to statistics")
    assert lines[2:8] == [
        "TOTALS",
        "Visitors           6",
        "Visits             6",
        "Repeat visits      0",
        "Repeat-visit rate  0.0%",
        "Page views         12",
    ]
    assert any(line.startswith("/                6         6  50.0%") for line in lines)
    assert "theme  dark         6         6  100.0%  ████████████████████████" in lines


def test_the_json_report_is_one_object(tiny):
    """The order of its keys is fixed."""
    site = tiny()
    visit(site, ["/", "/theme/dark"], 6)
    found = report(site)
    totals = ["visitors", "visits", "repeat_visits", "repeat_visit_rate", "page_views"]
    assert list(found) == [*totals, "pages", "customisation", "min_cell", "consenting", "until", "counted"]
    assert found["until"].startswith("20") and found["min_cell"] == 5
