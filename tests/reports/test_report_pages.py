"""Report pages: numbers only, for staff with the need, as tables, CSV and JSON."""

import csv
import dataclasses
import io
import json
import re
from html.parser import HTMLParser

import pytest

from conftest import choose
from flask_mixamo_privacy.i18n.language import FULLY_TRANSLATED, language
from flask_mixamo_privacy.policy.report_parts import Funnel, Goal
from flask_mixamo_privacy.policy.toml import built_in
from flask_mixamo_privacy.reports.definitions import DEFINITIONS, NAMES, SERIES, Column
from flask_mixamo_privacy.reports.formatting import as_csv
from flask_mixamo_privacy.reports.reports import Report
from flask_mixamo_privacy.reports.windows import Window
from flask_mixamo_privacy.web.assets import build
from flask_mixamo_privacy.web.views.reports import PRESETS, PUBLIC_SECTIONS, SECTIONS
from support.login_site import entered, with_logins

DAY = 86400
PATHS = ["/privacy/reports", "/privacy/reports/pages.csv", "/privacy/reports/pages.json"]


@pytest.fixture
def staff_site(tiny, clock):
    """Builds a site that twelve consenting visitors and one who refused saw on 8 May; it is the 9th of June."""

    def build(people=12, **config):
        config = {"PRIVACY_STAFF": lambda user, need: (user.id, need) == ("ann", "reports")} | config
        site = with_logins(tiny(**config))
        for number in range(people):
            walk(site, number)
        choose(site.visitor(), "reject_all")
        clock.shift(32 * DAY)
        site.cli("load")
        return site

    return build


def walk(site, number):
    """A visitor who consents, browses and chooses a theme."""
    visitor = site.visitor(Referer="https://search.example/?q=a", User_Agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")
    choose(visitor, "accept_all")
    visitor.get("/")
    visitor.get("/other", headers={"Referer": "http://localhost/"})
    if number % 2:
        visitor.get("/item/%3Cb%3Ebold", headers={"Referer": "http://localhost/other"})
    visitor.get("/theme/dark")


def accesses(site):
    return [json.loads(row["detail"]) for row in site.ledger("access") if "need" in row["detail"]]


class Tables(HTMLParser):
    """The tables of a page by their id: rows of numbers and texts as the page has them."""

    def __init__(self, html):
        super().__init__()
        self.tables, self._row, self._cell = {}, None, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "table":
            self._rows = self.tables[attributes["id"].removeprefix("table-").replace("-", "_")] = []
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th"):
            self._cell = ""
        elif tag == "data" and self._cell is not None:
            self._cell = json.loads(attributes["value"])

    def handle_data(self, data):
        if isinstance(self._cell, str):
            self._cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self._row.append(self._cell.strip() if isinstance(self._cell, str) else self._cell)
            self._cell = None
        elif tag == "tr":
            self._rows.append(tuple(self._row))


def test_promise_41_reports_are_for_staff_with_the_need(staff_site):
    """Anonymous users get 401 without an entry; denied and allowed staff get 403 and 200 with an entry."""
    site = staff_site(people=1)
    assert [site.visitor().get(path).status_code for path in PATHS] == [401] * 3
    assert accesses(site) == []
    for name, status in (("bob", 403), ("ann", 200)):
        assert [entered(site, name).get(path).status_code for path in PATHS] == [status] * 3
    rules = {entry["what"] for entry in accesses(site)[:3]}
    assert [(entry["who"], entry["outcome"]) for entry in accesses(site)] == [("bob", "denied")] * 3 + [
        ("ann", "allowed")
    ] * 3
    assert [entry["what"] for entry in accesses(site)[3:]] == list(PATHS) and "/privacy/reports/<name>.csv" in rules


def test_promise_41_reports_are_denied_by_default(staff_site):
    """Without PRIVACY_STAFF no user may read reports."""
    assert entered(staff_site(people=1, PRIVACY_STAFF=None)).get("/privacy/reports").status_code == 403


def test_promise_23_every_number_of_the_page_is_the_reports(staff_site):
    """The rows of each table equal those of the report, cell by cell."""
    site = staff_site()
    shown = Tables(entered(site).get("/privacy/reports?window=2026-05").text).tables
    with site.app.app_context():
        reports = site.privacy.runtime(site.app).reports.every(Window.parse("2026-05"))
    nonempty = [report for report in reports if report.has_named_row]
    assert set(shown) == {report.id for report in nonempty} and len(nonempty) > 10
    for report in nonempty:
        head, *rows = shown[report.id]
        assert head == tuple(column.title for column in report.columns)
        assert [tuple(map(plain, row)) for row in rows] == [tuple(map(plain, as_shown(report, row))) for row in report.rows]


def plain(cell):
    return cell if isinstance(cell, int | float) else str(cell)


def as_shown(report, row):
    """Return a row as English displays it: a dash for nothing, short days, languages by name."""
    texts = {None: "–", "": "–", "en": "English", "2026-05-08": "May 8, 2026"}
    for cell, column in zip(row, report.columns, strict=True):
        day = column.id == "when" and re.fullmatch(r"2026-05-(\d\d)", cell)
        yield f"May {int(day[1])}" if day else texts.get(cell, cell)


def test_promise_23_the_fixed_log_gives_the_exact_page_table(staff_site):
    """Twelve views on each of three pages and six on a fourth were counted by hand."""
    rows = entered(staff_site()).get("/privacy/reports/pages.json?window=2026-05").json["rows"]
    assert [(row["page"], row["views"], row["visitors"], row["share"]) for row in rows] == [
        ("/", 12, 12, 0.2857),
        ("/other", 12, 12, 0.2857),
        ("/theme/dark", 12, 12, 0.2857),
        ("/item/<b>bold", 6, 6, 0.1429),
    ]


def test_csv_and_json_equal_the_report(staff_site):
    """Every row of every report is exported under the columns' ids, with its window and state."""
    site = staff_site()
    staff = entered(site)
    with site.app.app_context():
        reports = site.privacy.runtime(site.app).reports.every(Window.parse("2026-05"))
    for report in reports:
        found = staff.get(f"/privacy/reports/{report.id}.json?window=2026-05").json
        assert found == json.loads(json.dumps(report.as_dict()))
        response = staff.get(f"/privacy/reports/{report.id}.csv?window=2026-05")
        rows = list(csv.DictReader(io.StringIO(response.text)))
        texts = [["" if cell is None else str(cell) for cell in row] for row in report.rows]
        assert [[row[column.id] for column in report.columns] for row in rows] == texts
        assert {(row["window"], row["state"], row["counted"]) for row in rows} <= {("2026-05", "closed", report.counted)}
        assert f'filename="{report.id}-2026-05.csv"' in response.headers["Content-Disposition"]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_of_a_csv_is_a_formula(start):
    """A spreadsheet must not calculate a page's name; a negative number stays a number."""
    columns = (Column("page", "Page", "text"), Column("trend", "Change", "change"))
    report = Report("pages", "Pages", columns, ((start, -0.5),), Window.parse("2026-05"), "closed", 1, None, 5)
    row = next(csv.DictReader(io.StringIO(as_csv(report), newline="")))
    assert (row["page"], row["trend"]) == ("'" + start, "-0.5")


@pytest.mark.parametrize("name", ["/a;=1+1", '/a; "=1', "/a;-1;@b", "/a"])
def test_no_part_of_a_csv_between_semicolons_is_a_formula(name):
    """Where the comma is the decimal sign, a spreadsheet splits a line at semicolons, also within quotes."""
    report = Report("pages", "Pages", (Column("page", "Page", "text"),), ((name,),), Window.parse("all"), "open", 1, None, 5)
    head, line = as_csv(report).splitlines()
    assert all(cell[0] == cell[-1] == '"' for cell in [*head.split(","), *line.split(",")])
    assert not any(part.strip(' "').startswith(("=", "+", "-", "@")) for part in line.split(";"))


def everything(site):
    """Return all outputs of every window: pages, CSV, JSON and terminal."""
    staff = entered(site)
    for window in ("2026-05-08", "2026-W19", "2026-05", "all"):
        yield staff.get(f"/privacy/reports?window={window}").text
        for name in NAMES:
            yield from (staff.get(f"/privacy/reports/{name}.{form}?window={window}").text for form in ("csv", "json"))
        yield site.cli("report", "--window", window).output + site.cli("report", "--window", window, "--json").output


def test_promise_24_no_output_contains_an_id_or_an_address(staff_site):
    """No output has an ID of a visitor, visit, event or receipt, a network or an e-mail address."""
    site = staff_site()
    named = {event[field] for event in site.events() for field in ("visitor", "visit", "id", "network")} - {None}
    named |= {row["receipt"] for row in site.ledger("grant")}
    texts = list(everything(site))
    assert len(named) > 60 and all(len(text) > 40 for text in texts)
    assert [name for name in named if any(name in text for text in texts)] == []
    assert not any(re.search(r"[\w.+-]+@[\w-]+\.\w+", text) for text in texts)


def test_promise_15_no_output_shows_the_path_of_one_visitor(staff_site, clock):
    """Pages, referrers and choices of a single visitor are in no output."""
    clock.shift(-32 * DAY)
    site = staff_site(people=0)
    clock.shift(-32 * DAY)
    alone = site.visitor(Referer="https://diary.example/")
    choose(alone, "accept_all")
    for path in ("/item/lonely", "/theme/purple"):
        alone.get(path, headers={"Referer": "http://localhost/item/lonely"})
    for number in range(12):
        walk(site, number)
    clock.shift(64 * DAY)
    site.cli("load")
    staff = entered(site)
    with site.app.app_context():
        reports = site.privacy.runtime(site.app).reports
        windows = [*reports.windows("month"), *reports.windows("day")]
    texts = [staff.get(f"/privacy/reports?window={window}").text for window in [*windows[-3:], *windows[:3], "all"]]
    assert any("/theme/dark" in text for text in texts)
    assert not [word for word in ("lonely", "purple", "diary") if any(word in text for text in texts)]


SMALL = "&lt;5"


@pytest.mark.parametrize(("people", "shown"), [(1, SMALL), (4, SMALL), (5, '<data value="5">5</data>')])
def test_promise_23_a_small_total_is_shown_as_small(staff_site, people, shown):
    """The total shows only that it is small."""
    text = entered(staff_site(people=people)).get("/privacy/reports?window=2026-05").text
    assert f"<dt>Visits</dt><dd>{shown}</dd>" in re.sub(r"\s+(?=</?d[td])", "", text)


def test_page_names_are_escaped(staff_site):
    """A page's name is never markup, and the report has nothing inline."""
    text = entered(staff_site()).get("/privacy/reports?window=2026-05").text
    assert "/item/&lt;b&gt;bold" in text and "<b>" not in text
    article = text.partition("<article")[2]
    assert not re.findall(r"<script|<style| style=| on\w+=", article)


def test_reports_are_never_cached(staff_site):
    """No format of a report is cached."""
    staff = entered(staff_site(people=1))
    assert [staff.get(path).headers["Cache-Control"] for path in PATHS] == ["no-store"] * 3


def test_reading_reports_is_no_page_view(staff_site):
    """Staff who consented are not counted while they read reports."""
    site, views = staff_site(), 42
    staff = entered(site)
    choose(staff, "accept_all")
    staff.get("/privacy/reports")
    assert len(site.events("page_view")) == views


HEADINGS = {
    "": "June 2026", "period=month": "June 2026", "period=week": "Jun 8 – 14, 2026", "period=day": "June 8, 2026",
    "period=28": "May 18 – Jun 14, 2026", "period=90": "Apr 1 – Jun 30, 2026", "period=year": "Jul 1, 2025 – Jun 30, 2026",
    "period=all": "All time", "window=2026-W19": "May 4 – 10, 2026", "window=2026-05-08": "May 8, 2026",
    "window=2026-06": "June 2026", "window=all&period=day": "All time", "window=2026-W18..2026-W21": "Apr 27 – May 24, 2026",
}  # fmt: skip


def test_the_window_is_chosen_by_the_query(staff_site):
    """The window is the named one, or that of a period which ends with the last closed day."""
    site = staff_site(people=1)
    walk(site, 0)
    site.cli("load")
    staff = entered(site)
    texts = {query: staff.get(f"/privacy/reports?{query}").text.replace("\u2009", " ") for query in HEADINGS}
    assert {query: re.search(r"</span> ([^<]+)</h1>", text)[1] for query, text in texts.items()} == HEADINGS


@pytest.mark.parametrize("path", PATHS)
def test_an_invalid_window_is_not_found(staff_site, path):
    """Any invalid window is answered 404, and never raises."""
    staff = entered(staff_site(people=1))
    queries = ["window=2026-13", "window=2031-01", "window=0001-01-01", "window=9999-12", "window=<b>", "period=decade"]
    assert [staff.get(f"{path}?{query}").status_code for query in queries] == [404] * len(queries)


def test_an_unknown_report_is_not_found(staff_site):
    """The answer lists the existing reports."""
    response = entered(staff_site(people=1)).get("/privacy/reports/people.csv")
    assert response.status_code == 404 and "movement" in response.text


def test_an_open_window_shows_its_closed_days_and_states_until_when(staff_site, clock):
    """The rows of a day follow once it is over. The page never publishes a part of today."""
    site = staff_site()
    for number in range(12):
        walk(site, number)
    site.cli("load")
    staff = entered(site)
    today = staff.get("/privacy/reports?window=2026-06").text
    assert "So far, through June 8, 2026." in today and "/theme/dark" not in today
    clock.shift(DAY)
    site.cli("load")
    tomorrow = staff.get("/privacy/reports?window=2026-06").text
    assert "So far, through June 9, 2026." in tomorrow and "/theme/dark" in tomorrow


def test_what_is_counted_at_the_end_of_the_day_is_unknown_until_then(staff_site, clock):
    """Exit pages of today are neither 0 nor "Nothing recorded", because visits go on."""
    site = staff_site()
    for number in range(12):
        walk(site, number)
    site.cli("load")
    staff = entered(site)
    assert staff.get("/privacy/reports/exits.json?window=2026-06-09").json["total"] is None
    assert "Exit pages –" in " ".join(staff.get("/privacy/reports?window=2026-06-09").text.split())
    assert staff.get("/privacy/reports/exit_links.json?window=2026-06-09").json["total"] == 0


def test_every_table_states_which_visitors_are_counted(staff_site):
    """The caption states the consenting visitors. Their share of the decisions, 12 of 13, would reveal the one refusal."""
    text = entered(staff_site()).get("/privacy/reports?window=2026-05").text
    captions = re.findall(r"<caption>.*?</caption>", text, re.DOTALL)
    assert len(captions) > 10 and all(
        "Only visitors who agreed to statistics are counted." in caption for caption in captions
    )


def test_an_unavailable_store_is_answered_503(staff_site):
    """The access is recorded before the store is read."""
    site = staff_site(people=1)
    (site.folder / "privacy-events.sqlite").write_bytes(b"no database at all" * 100)
    staff = entered(site)
    assert [staff.get(path).status_code for path in PATHS] == [503] * 3
    assert [entry["outcome"] for entry in accesses(site)] == ["allowed"] * 3


@pytest.mark.parametrize("code", FULLY_TRANSLATED)
def test_every_text_of_a_report_is_in_five_languages(code):
    """Titles, column headings, named rows and sections are translated."""
    words = (
        {title for title, _ in (*SECTIONS, *PUBLIC_SECTIONS)} | {title for _, title in PRESETS} | {"other", "(not recorded)"}
    )
    words |= {"Visitors a week", "Visitors a month", "Where visitors came from", "Where visitors went"}
    words |= {definition.title for definition in DEFINITIONS.values()} | {title for title, _ in SERIES.values()}
    columns = [column for definition in DEFINITIONS.values() for column in (*definition.names, definition.counts)]
    words |= {column.title for column in (*columns, *(column for _, columns in SERIES.values() for column in columns))}
    words |= {"Share", "Time on page", "Change", "When", "granted", "refused", "withdrawn"}
    words |= {word for definition in DEFINITIONS.values() for word in definition.order if not re.fullmatch(r"[\d–]+", word)}
    t = language(code)
    assert [word for word in words if t(word).lang != code] == []


def test_the_page_is_in_the_languages_of_its_staff(staff_site):
    """The page is complete in German, and right to left in Arabic with unchanged numbers and URLs."""
    site = staff_site()
    german = entered(site, Accept_Language="de").get("/privacy/reports?window=2026-05").text.partition("<article")[2]
    assert "Mai 2026" in german and "Wege" in german and set(re.findall(r' lang="([\w-]+)"', german)) == {"de"}
    arabic = entered(site, Accept_Language="ar").get("/privacy/reports?window=2026-05").text
    assert 'dir="rtl"' in arabic and '<bdi dir="ltr">/theme/dark</bdi>' in arabic


@pytest.mark.parametrize("people", [1, 12])
def test_a_figure_keeps_its_sign_on_its_side_in_arabic(staff_site, people):
    """``<5`` and ``12+`` are isolated in lists, tables, titles and sentences; otherwise the sign would change its side."""
    page = entered(staff_site(people=people), Accept_Language="ar").get("/privacy/reports?window=2026-05").text
    article = page.partition("<article")[2]
    assert re.search(r"\u2066(&lt;5|\d+\+)\u2069", article)
    assert re.findall(r"(?<![\u2066\d])(?:&lt;\d+|\d+\+)", article) == []


def test_the_page_shows_declared_goals_and_the_steps_of_funnels(staff_site):
    """Each step has its bar, number and rate, and CSV has the same rows. Without a declaration there is no such section."""
    goals, funnels = (Goal("Elsewhere", page="/other"),), (Funnel("Browsing", ("/", "/other", "/item/*")),)
    staff = entered(staff_site(PRIVACY_POLICY=dataclasses.replace(built_in(), goals=goals, funnels=funnels)))
    text = " ".join(re.sub(r"<[^>]+>", " ", staff.get("/privacy/reports?window=2026-05").text).split())
    assert "Goals Goals Elsewhere 12" in text and "Browsing · 2. /other 12 100.0%" in text
    assert '"Browsing","3. /item/*","6","0.5"' in staff.get("/privacy/reports/funnels.csv?window=2026-05").text


def test_a_page_without_goals_has_no_section_for_them(staff_site):
    assert "Funnels" not in entered(staff_site()).get("/privacy/reports?window=2026-05").text


def test_the_style_sheet_is_small():
    """The style sheet of the reports has a size limit."""
    assert len(build("reports.css")) < 8000


def test_dates_follow_the_region_of_the_browser(staff_site):
    """An English reader in Britain reads 8 May, and one in America May 8."""
    site = staff_site()
    query = "/privacy/reports?window=2026-05-08"
    assert "8 May 2026" in entered(site, Accept_Language="en-GB,en;q=0.9").get(query).text
    assert "May 8, 2026" in entered(site, Accept_Language="en-US,en;q=0.9").get(query).text
    assert "May 8, 2026" in entered(site, Accept_Language="en-XX").get(query).text  # an unknown region


def test_a_page_has_its_own_view(staff_site):
    """The view selects the published rows of one page. A page without any is not found, and "other" is no page."""
    staff = entered(staff_site())
    text = staff.get("/privacy/reports/page?page=/other&window=2026-05").text
    assert "Where visitors came from" in text and "Where visitors went" in text
    assert re.search(r'"mixamo-name"><a href="[^"]+"><bdi dir="ltr">/</bdi>.*?"mixamo-number">12<', text, re.DOTALL)
    queries = ("page=/lonely&window=2026-05", "page=other&window=2026-05", "window=2026-05", "page=/other&window=2026-06")
    assert [staff.get(f"/privacy/reports/page?{query}").status_code for query in queries] == [404] * 4


def test_the_view_of_a_page_is_for_staff_and_its_name_is_not_recorded(staff_site):
    """The ledger records the window of an access, and not the page, which is the user's own input."""
    site = staff_site()
    path = "/privacy/reports/page?window=2026-05&page=/other"
    assert [site.visitor().get(path).status_code, entered(site, "bob").get(path).status_code] == [401, 403]
    entered(site).get(path)
    assert accesses(site)[-1]["what"] == "/privacy/reports/page?window=2026-05"


def test_the_access_entry_names_a_window_of_several_units(staff_site):
    """The ledger records which weeks or months a member of staff looked at."""
    site = staff_site()
    entered(site).get("/privacy/reports?window=2026-W18..2026-W21")
    assert accesses(site)[-1]["what"] == "/privacy/reports?window=2026-W18..2026-W21"
