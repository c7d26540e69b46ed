"""Reports with PRIVACY_MIN_CELL = 1: no number is suppressed, and rows of today appear at once."""

import json
import re

import pytest

from conftest import choose
from flask_mixamo_privacy.i18n.language import FULLY_TRANSLATED, language
from flask_mixamo_privacy.reports.disclosure_control import CountedTable, Tally, suppress_small_cells
from support.login_site import entered, with_logins

pytestmark = pytest.mark.usefixtures("clock")

TODAY = ("2026-05-08", "2026-W19", "2026-05", "all")
DAY = 86400
EVERY_NUMBER = "Every figure is shown, even if a single visitor is behind it."


@pytest.fixture
def site(tiny):
    """A site that suppresses nothing. The user ``ann`` reads its reports."""
    return with_logins(tiny(PRIVACY_MIN_CELL=1, PRIVACY_STAFF=lambda user, need: True))


def walk(site, *paths):
    """Let a new visitor consent and open these paths."""
    visitor = site.visitor(Referer="https://search.example/?q=a", User_Agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")
    choose(visitor, "accept_all")
    for path in paths:
        visitor.get(path)
    site.cli("load")
    return visitor


def rows(site, name="pages", window="2026-05-08"):
    [report] = json.loads(site.cli("report", name, "--window", window, "--json").output)
    return [tuple(row.values())[:4] for row in report["rows"]]


def texts(site, *windows):
    """Yield every output about some windows: page, CSV, and the terminal's tables and JSON of all reports."""
    staff = entered(site)
    for window in windows:
        yield staff.get(f"/privacy/reports?window={window}").text
        yield from (
            staff.get(f"/privacy/reports/{name}.csv?window={window}").text for name in ("visits", "returning", "pages")
        )
        yield site.cli("report", "--window", window).output + site.cli("report", "--window", window, "--json").output
    yield site.cli("report").output + site.cli("report", "--json").output


@pytest.mark.parametrize("window", TODAY)
def test_one_visitor_has_rows_at_once(site, window):
    """The page, the day, the week, the month and all time have the row of the only visitor."""
    walk(site, "/", "/other")
    assert rows(site, window=window) == [("/", 1, 1, 0.5), ("/other", 1, 1, 0.5)]
    page = entered(site).get(f"/privacy/reports?window={window}").text
    assert '<dt>Visits</dt><dd><data value="1">' in page and '<dt>Visitors</dt><dd><data value="1">' in page
    assert "/other" in page and "So far, including today. The figures may still grow." in page


SIGNS = r"\bother\b(?!\.)|“other”|(?:<|&lt;)\d+|\b\d+\+|[Ff]ewer than|single out|1 visitors"


def suppressed(text):
    """Return the signs of suppression in an output."""
    return re.findall(SIGNS, text.replace("/other", "").replace("12+ means 12 or more", ""))


@pytest.mark.parametrize("days", [0, 1, 30])
def test_no_output_suppresses_a_number(site, clock, days):
    """No output has "other", "<5" or "12+": not of today, and not after a day or a month."""
    for paths in (["/", "/other"], ["/item/a", "/theme/dark"]):
        walk(site, *paths)
        site.cli("report")
    clock.shift(days * DAY)
    walk(site, "/other")
    assert [found for text in texts(site, *TODAY) if (found := suppressed(text))] == []


def test_each_answer_counts_the_visitors_since_the_last_one(site):
    """Three visitors, each followed by a report, are three visitors of the day and not one."""
    for number in (1, 2, 3):
        walk(site, "/")
        assert rows(site, "visits", "2026-05")[0] == ("2026-05-08", number, number, number)


def test_a_visitor_who_returns_is_counted_once(site, clock):
    """The visitors of an open day are not the sum of its parts."""
    visitor = walk(site, "/")
    assert rows(site, "visits")[0][2] == 1
    clock.shift(3600), visitor.get("/"), site.cli("load")
    assert rows(site, "visits")[0] == ("2026-05-08", 2, 1, 2)


def test_an_erasure_suppresses_nothing(site, clock):
    """After a visitor of a published day has withdrawn, all rows of the day and of its month stay."""
    visitor = walk(site, "/item/a")
    clock.shift(2 * DAY), walk(site, "/"), choose(visitor, "reject_all")
    assert rows(site) == [("/item/a", 1, 1, 1.0)]
    clock.shift(32 * DAY), walk(site)
    assert rows(site, "pages", "2026-05") == [("/", 1, 1, 0.5), ("/item/a", 1, 1, 0.5)]


@pytest.mark.parametrize(("least", "shown"), [(1, ["a", "b"]), (2, ["a"]), (6, ["a"])])
def test_a_table_that_lost_events_has_every_row_if_nothing_is_suppressed(least, shown):
    """A larger threshold hides the erased events behind a row. With 1, they alone are "other"."""
    table = CountedTable(dict.fromkeys("ab", Tally(6, 0, 6, 6)))
    assert list(suppress_small_cells(table, least, table.rows.get, complete=False)[0]) == shown


def test_the_visitors_of_an_open_day_that_lost_published_events_are_a_lower_bound(tiny):
    """A larger setting published a part of the day. An exact number would be wrong, so it is "6+", and the note states why."""
    before = tiny()
    visitors = [walk(before, "/") for _ in range(6)]
    before.cli("report"), choose(visitors[0], "reject_all")
    site = tiny(PRIVACY_MIN_CELL=1)
    assert rows(site, "visits") == [("2026-05-08", 6, "6+", 6)]
    note = '"6+" means 6 or more: the exact number is not known.'
    assert note in site.cli("report", "visits", "--window", "2026-05-08").output


def test_the_visitors_of_one_network_are_shown(site):
    """The rule that visitors of one network count once has no effect on a threshold of one."""
    for _ in range(2):
        walk(site, "/")
    assert rows(site) == [("/", 2, 2, 1.0)]


def test_an_open_month_is_not_compared_with_a_whole_one(site, clock):
    """A change against a whole month would show a loss on each first day."""
    walk(site, "/", "/"), clock.shift(31 * DAY), walk(site, "/")
    [report] = json.loads(site.cli("report", "pages", "--window", "2026-06", "--json").output)
    assert [(row["views"], row["trend"]) for row in report["rows"]] == [(1, None)]


def test_numbers_that_a_larger_setting_suppressed_are_unknown_until_a_rebuild(tiny, clock):
    """A day published under 5 shows a dash, not "<1". `flask privacy rebuild` shows its rows."""
    walk(before := tiny(), "/"), clock.shift(2 * DAY), before.cli("load")
    site = tiny(PRIVACY_MIN_CELL=1)
    assert rows(site, "visits") == [("2026-05-08", None, None, None)] and rows(site) == []
    assert site.cli("rebuild").output == "1 month rebuilt: 2026-05.\n"
    assert rows(site, "visits") == [("2026-05-08", 1, 1, 1)] and rows(site) == [("/", 1, 1, 1.0)]


def test_the_text_states_that_every_row_is_shown(site):
    """The heading promises no merged rows, and a note lists what is counted at the end of the day."""
    walk(site, "/")
    output = site.cli("report", "--period", "day").output
    assert output.splitlines()[0].endswith(" Shows every row, even of a single visitor.")
    assert "Counted at the end of each day: Exit pages, Changed choices, Decisions by policy version" in output


@pytest.mark.parametrize("code", FULLY_TRANSLATED)
def test_the_page_of_staff_states_it_in_five_languages(site, code):
    """No text falls back to English."""
    walk(site, "/")
    article = entered(site, Accept_Language=code).get("/privacy/reports?window=2026-05-08").text.partition("<article")[2]
    assert set(re.findall(r' lang="([\w-]+)"', article)) == {code}
    t = language(code)
    assert str(t(EVERY_NUMBER)) in article and str(t("So far, including today. The figures may still grow.")) in article


def test_check_reminds_of_the_setting(site, tiny):
    """The finding is a warning: the setting is allowed, and its effect is stated."""
    outcome = site.cli("check")
    assert (
        "warning: PRIVACY_MIN_CELL is 1, so a report shows what a single visitor did, and rows of today at once."
        in outcome.output
    )
    assert outcome.exit_code == 0 and "PRIVACY_MIN_CELL" not in tiny().cli("check").output
