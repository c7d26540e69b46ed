"""The reports' pages: for staff who need them, of numbers alone, each with its table, as CSV and as JSON."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from logins import entered, with_logins

from conftest import choose
from flask_mixamo_privacy.assets import build
from flask_mixamo_privacy.language import WHOLE, language
from flask_mixamo_privacy.spreadsheet import as_csv
from flask_mixamo_privacy.tracking.reports import NAMES, Column, Report, Window
from flask_mixamo_privacy.tracking.shapes import SERIES, SHAPES
from flask_mixamo_privacy.views.reports import SECTIONS

DAY = 86400
PATHS = ["/privacy/reports", "/privacy/reports/pages.csv", "/privacy/reports/pages.json"]


@pytest.fixture
def office(tiny, clock):
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
    """Somebody who consents, looks around and chooses a theme."""
    visitor = site.visitor(Referer="https://search.example/?q=a", User_Agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")
    choose(visitor, "accept_all")
    visitor.get("/")
    visitor.get("/other", headers={"Referer": "http://localhost/"})
    if number % 2:
        visitor.get("/item/%3Cb%3Ebold", headers={"Referer": "http://localhost/other"})
    visitor.get("/theme/dark")


def looks(site):
    return [json.loads(row["detail"]) for row in site.ledger("access") if "need" in row["detail"]]


class Tables(HTMLParser):
    """The tables of a page by their id: rows of numbers and texts as the page has them."""

    def __init__(self, html):
        super().__init__()
        self.tables, self._row, self._cell = {}, None, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        if tag == "table":
            self._rows = self.tables[said["id"].removeprefix("table-").replace("-", "_")] = []
        elif tag == "tr":
            self._row = []
        elif tag in ("td", "th"):
            self._cell = ""
        elif tag == "data" and self._cell is not None:
            self._cell = json.loads(said["value"])

    def handle_data(self, data):
        if isinstance(self._cell, str):
            self._cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self._row.append(self._cell.strip() if isinstance(self._cell, str) else self._cell)
            self._cell = None
        elif tag == "tr":
            self._rows.append(tuple(self._row))


def test_promise_41_reports_are_for_staff_who_need_them(office):
    """Anonymous: 401, and no entry; without the need: 403; with it: 200; both are noted, with what was looked at."""
    site = office(people=1)
    assert [site.visitor().get(path).status_code for path in PATHS] == [401] * 3
    assert looks(site) == []
    for name, status in (("bob", 403), ("ann", 200)):
        assert [entered(site, name).get(path).status_code for path in PATHS] == [status] * 3
    rules = {entry["what"] for entry in looks(site)[:3]}
    assert [(entry["who"], entry["outcome"]) for entry in looks(site)] == [("bob", "denied")] * 3 + [("ann", "allowed")] * 3
    assert [entry["what"] for entry in looks(site)[3:]] == list(PATHS) and "/privacy/reports/<name>.csv" in rules


def test_promise_41_nobody_may_look_by_default(office):
    """Without PRIVACY_STAFF nobody is staff."""
    assert entered(office(people=1, PRIVACY_STAFF=None)).get("/privacy/reports").status_code == 403


def test_promise_23_every_number_of_the_page_is_the_reports(office):
    """Each table's rows are those of the report, cell by cell."""
    site = office()
    shown = Tables(entered(site).get("/privacy/reports?window=2026-05").text).tables
    with site.app.app_context():
        reports = site.privacy.site(site.app).reports.every(Window.parse("2026-05"))
    told = [report for report in reports if report.rows]
    assert set(shown) == {report.id for report in told} and len(told) > 10
    for report in told:
        head, *rows = shown[report.id]
        assert head == tuple(column.title for column in report.columns)
        assert [tuple(map(plain, row)) for row in rows] == [tuple(map(plain, as_shown(report, row))) for row in report.rows]


def plain(cell):
    return cell if isinstance(cell, int | float) else str(cell)


def as_shown(report, row):
    """A row as English has it: a dash for nothing, a day without its year, a language by its name."""
    texts = {None: "–", "": "–", "en": "English"}
    for cell, column in zip(row, report.columns, strict=True):
        day = column.id == "when" and re.fullmatch(r"2026-05-(\d\d)", cell)
        yield f"May {int(day[1])}" if day else texts.get(cell, cell)


def test_promise_23_the_fixed_log_gives_the_exact_page_table(office):
    """Twelve on each of three pages, six on a fourth: counted by hand."""
    rows = entered(office()).get("/privacy/reports/pages.json?window=2026-05").json["rows"]
    assert [(row["page"], row["views"], row["visitors"], row["share"]) for row in rows] == [
        ("/", 12, 12, 0.2857),
        ("/other", 12, 12, 0.2857),
        ("/theme/dark", 12, 12, 0.2857),
        ("/item/<b>bold", 6, 6, 0.1429),
    ]


def test_csv_and_json_are_the_report_itself(office):
    """Every row of every report, under the columns' names, each with what it is about."""
    site = office()
    staff = entered(site)
    with site.app.app_context():
        reports = site.privacy.site(site.app).reports.every(Window.parse("2026-05"))
    for report in reports:
        found = staff.get(f"/privacy/reports/{report.id}.json?window=2026-05").json
        assert found == json.loads(json.dumps(report.as_dict()))
        response = staff.get(f"/privacy/reports/{report.id}.csv?window=2026-05")
        rows = list(csv.DictReader(io.StringIO(response.text)))
        said = [["" if cell is None else str(cell) for cell in row] for row in report.rows]
        assert [[row[column.id] for column in report.columns] for row in rows] == said
        assert {(row["window"], row["state"], row["counted"]) for row in rows} <= {("2026-05", "closed", report.counted)}
        assert f'filename="{report.id}-2026-05.csv"' in response.headers["Content-Disposition"]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_of_a_csv_is_a_formula(start):
    """A page may be called anything; a spreadsheet is not to calculate it. A number may be below zero all the same."""
    columns = (Column("page", "Page", "text"), Column("trend", "Change", "change"))
    report = Report("pages", "Pages", columns, ((start, -0.5),), Window.parse("2026-05"), "closed", 1, None, 5)
    row = next(csv.DictReader(io.StringIO(as_csv(report), newline="")))
    assert (row["page"], row["trend"]) == ("'" + start, "-0.5")


def everything(site):
    """All that staff can be shown of every window: pages, CSV, JSON, and what the terminal prints."""
    staff = entered(site)
    for window in ("2026-05-08", "2026-W19", "2026-05", "all"):
        yield staff.get(f"/privacy/reports?window={window}").text
        for name in NAMES:
            yield from (staff.get(f"/privacy/reports/{name}.{form}?window={window}").text for form in ("csv", "json"))
        yield site.cli("report", "--window", window).output + site.cli("report", "--window", window, "--json").output


def test_promise_24_no_output_holds_an_id_or_an_address(office):
    """No visitor, visit, event or receipt; no network; nothing like an e-mail address."""
    site = office()
    named = {event[field] for event in site.events() for field in ("visitor", "visit", "id", "network")} - {None}
    named |= {row["receipt"] for row in site.ledger("grant")}
    texts = list(everything(site))
    assert len(named) > 60 and all(len(text) > 40 for text in texts)
    assert [name for name in named if any(name in text for text in texts)] == []
    assert not any(re.search(r"[\w.+-]+@[\w-]+\.\w+", text) for text in texts)


def test_promise_15_no_output_shows_the_path_of_one_visitor(office, clock):
    """What one alone looked at, came from and chose is in none of them."""
    clock.shift(-32 * DAY)
    site = office(people=0)
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
    windows = re.findall(
        r'<option value="([^"]+)"', "".join(staff.get(f"/privacy/reports?period={unit}").text for unit in ("month", "day"))
    )
    texts = [staff.get(f"/privacy/reports?window={window}").text for window in [*windows[-3:], windows[0], "all"]]
    assert any("/theme/dark" in text for text in texts)
    assert not [word for word in ("lonely", "purple", "diary") if any(word in text for text in texts)]


@pytest.mark.parametrize(("people", "shown"), [(1, "&lt;5"), (4, "&lt;5"), (5, '<data value="5">5</data>')])
def test_promise_23_few_visitors_are_few(office, people, shown):
    """The total says only that it is small."""
    text = entered(office(people=people)).get("/privacy/reports?window=2026-05").text
    assert f"<dt>Visits</dt><dd>{shown}</dd>" in text


def test_the_names_of_pages_are_text(office):
    """Whatever a page is called, it is no markup; and nothing on the page is inline."""
    text = entered(office()).get("/privacy/reports").text
    assert "/item/&lt;b&gt;bold" in text and "<b>" not in text
    article = text.partition("<article")[2]
    assert not re.findall(r"<script|<style| style=| on\w+=", article)


def test_nothing_keeps_a_report(office):
    """No cache, in any form."""
    staff = entered(office(people=1))
    assert [staff.get(path).headers["Cache-Control"] for path in PATHS] == ["no-store"] * 3


def test_a_look_at_the_reports_is_no_page_view(office):
    """Staff who consented are not counted while they read."""
    site, views = office(), 42
    staff = entered(site)
    choose(staff, "accept_all")
    staff.get("/privacy/reports")
    assert len(site.events("page_view")) == views


HEADINGS = {
    "": "May 2026", "period=month": "May 2026", "period=week": "Jun 1 – 7, 2026", "period=day": "June 8, 2026",
    "period=all": "All time", "window=2026-W19": "May 4 – 10, 2026", "window=2026-05-08": "May 8, 2026",
    "window=2026-06": "June 2026", "window=all&period=day": "All time",
}  # fmt: skip


def test_the_window_is_chosen_by_the_query(office):
    """By its name, or the newest of a period that has closed."""
    site = office(people=1)
    walk(site, 0)
    site.cli("load")
    staff = entered(site)
    texts = {query: staff.get(f"/privacy/reports?{query}").text.replace("\u2009", " ") for query in HEADINGS}
    assert {query: re.search(r"</span> ([^<]+)</h1>", text)[1] for query, text in texts.items()} == HEADINGS


@pytest.mark.parametrize("path", PATHS)
def test_a_window_that_is_none_is_not_found(office, path):
    """404, whatever it is; never an error."""
    staff = entered(office(people=1))
    queries = ["window=2026-13", "window=2031-01", "window=0001-01-01", "window=9999-12", "window=<b>", "period=year"]
    assert [staff.get(f"{path}?{query}").status_code for query in queries] == [404] * len(queries)


def test_an_unknown_report_is_not_found(office):
    """And the answer names those there are."""
    response = entered(office(people=1)).get("/privacy/reports/people.csv")
    assert response.status_code == 404 and "movement" in response.text


def test_an_open_window_shows_totals_and_says_so(office, clock):
    """Until June is over its rows wait."""
    site = office()
    for number in range(12):
        walk(site, number)
    site.cli("load")
    text = entered(site).get("/privacy/reports?window=2026-06").text
    assert "This time is not over: until then there are totals only." in text
    assert "/theme/dark" not in text


def test_every_table_says_who_is_counted(office):
    """Consenting visitors, and what share of the decisions they are: 12 of 13, where that can be told."""
    text = entered(office()).get("/privacy/reports").text
    captions = re.findall(r"<caption>.*?</caption>", text, re.DOTALL)
    assert len(captions) > 10 and all("only visitors who consented to statistics" in caption for caption in captions)


def test_a_store_that_is_away_is_said_to_be_away(office):
    """503, and the look was noted before."""
    site = office(people=1)
    (site.folder / "privacy-events.sqlite").write_bytes(b"no database at all" * 100)
    staff = entered(site)
    assert [staff.get(path).status_code for path in PATHS] == [503] * 3
    assert [entry["outcome"] for entry in looks(site)] == ["allowed"] * 3


@pytest.mark.parametrize("code", WHOLE)
def test_every_word_of_a_report_is_in_five_languages(code):
    """Titles, headings of columns, rows with names of ours, sections."""
    words = {title for title, _ in SECTIONS} | {"Day", "Week", "Month", "All time", "other", "(not recorded)"}
    words |= {shape.title for shape in SHAPES.values()} | {title for title, _ in SERIES.values()}
    columns = [column for shape in SHAPES.values() for column in (*shape.names, shape.counts)]
    words |= {column.title for column in (*columns, *(column for _, columns in SERIES.values() for column in columns))}
    words |= {"Share", "Time on page", "Change", "When", "granted", "refused", "withdrawn"}
    words |= {word for shape in SHAPES.values() for word in shape.order if not re.fullmatch(r"[\d–]+", word)}
    t = language(code)
    assert [word for word in words if t(word).lang != code] == []


def test_the_page_speaks_the_languages_of_its_staff(office):
    """In German, whole; in Arabic from the right, with numbers and addresses as they are."""
    site = office()
    german = entered(site, Accept_Language="de").get("/privacy/reports").text.partition("<article")[2]
    assert "Mai 2026" in german and "Wege" in german and set(re.findall(r' lang="([\w-]+)"', german)) == {"de"}
    arabic = entered(site, Accept_Language="ar").get("/privacy/reports").text
    assert 'dir="rtl"' in arabic and '<bdi dir="ltr">/theme/dark</bdi>' in arabic


def test_the_style_sheet_is_small():
    """A page of reports costs little."""
    assert len(build("reports.css")) < 8000
