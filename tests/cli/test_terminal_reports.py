"""Reports in a terminal: by name, period and window, as tables, JSON and CSV."""

import json

import pytest

from conftest import choose
from flask_mixamo_privacy.reports.definitions import NAMES, OWN
from flask_mixamo_privacy.reports.formatting import bar

DAY = 86400


@pytest.fixture
def seen(tiny, clock, monkeypatch):
    """A site that six consenting visitors saw on 8 May; it is the 9th of June."""
    monkeypatch.setenv("COLUMNS", "80")
    site = tiny()
    for _ in range(6):
        visitor = site.visitor()
        choose(visitor, "accept_all")
        visitor.get("/")
        visitor.get("/item/" + "long" * 30, headers={"Referer": "http://localhost/"})
    clock.shift(32 * DAY)
    return site


def test_an_inexact_number_has_no_rate(tiny, clock):
    """While a few visits are held back, no rate is calculated from them."""
    site = tiny()
    visitors = [site.visitor() for _ in range(6)]
    for visitor in visitors:
        choose(visitor, "accept_all")
    for _ in range(2):
        for visitor in visitors:
            visitor.get("/")
        clock.shift(DAY)
    visitors[0].get("/"), clock.shift(2 * DAY)
    lines = dict(line.rsplit(None, 1) for line in site.cli("report").output.splitlines() if line.startswith(("Vis", "Rep")))
    assert lines == {"Visitors": "6", "Visits": "12+", "Repeat visits": "6+", "Repeat-visit rate": "–"}


def test_a_report_is_printed_by_name(seen):
    """The table has a bar, and its heading states which visitors are counted."""
    lines = seen.cli("report", "entries", "--period", "month").output.splitlines()
    assert lines[0] == (
        "2026-05 (closed). Counts visitors who consented to statistics, 100.0% of the decisions. "
        'Rows with fewer than 5 visitors are merged into "other".'
    )
    assert lines[2:] == [
        "ENTRY PAGES",
        "Page  Visits  Visitors   Share",
        "────  ──────  ────────  ──────",
        "/          6         6  100.0%  ████████████████████████",
    ]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(seen, monkeypatch, columns):
    """A long name is shortened, and output without a terminal has no colour."""
    monkeypatch.setenv("COLUMNS", str(columns))
    output = seen.cli("report", "pages", "movement", "--window", "2026-05").output
    tables = [line for line in output.splitlines() if line.startswith(("/", "─"))]
    assert tables and max(map(len, tables)) <= columns and "\x1b" not in output


def test_all_reports_of_a_period_list_the_empty_ones(seen):
    """Reports without a row are named at the end."""
    output = seen.cli("report", "--period", "month").output
    assert "MOVEMENT" in output and output.rstrip().endswith("Internet providers.")


def test_reports_are_printed_as_json_and_csv(seen):
    """Both formats have the same reports."""
    found = json.loads(seen.cli("report", "pages", "visits", "--period", "month", "--json").output)
    assert [(each["id"], each["window"]) for each in found] == [("visits", "2026-05"), ("pages", "2026-05")]
    assert len(json.loads(seen.cli("report", "--window", "2026-05", "--json").output)) == len({*NAMES} - {*OWN})
    assert (
        seen.cli("report", "entries", "--window", "2026-05", "--csv")
        .output.splitlines()[1]
        .startswith('"/","6","6","1.0","2026-05","closed",')
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["people"], "There is no report 'people'; allowed: visits,"),
        (["--csv"], "--csv prints one report. Name one of visits,"),
        (["pages", "visits", "--csv"], "--csv prints one report"),
        (
            ["--window", "May"],
            "The window is 'May'; allowed: a day (2026-05-08), an ISO week (2026-W19), a month (2026-05) or all.",
        ),
        (["--window", "2026-02-30"], "The window is '2026-02-30'; allowed: a day (2026-05-08),"),
        (["--window", "2026-W54"], "The window is '2026-W54'; allowed: a day (2026-05-08),"),
        (["--window", ""], "The window is ''; allowed: a day (2026-05-08),"),
        (["pages", "--json", "--csv"], "--json and --csv exclude each other: choose one."),
        (["--window", "2031-01"], "Nothing was recorded in 2031-01."),
        (["--window", "2026-05", "--period", "week"], "--window 2026-05 is not a week; leave out --period."),
        (["--window", "2026-05", "--period", "28"], "--window 2026-05 is not a 28; leave out --period."),
        (["--period", "decade"], "'decade' is not one of"),
    ],
)
def test_an_invalid_argument_is_explained(seen, arguments, sentence):
    """The error has the argument and the allowed values, and the exit code is 2."""
    outcome = seen.cli("report", *arguments)
    assert (outcome.exit_code, sentence in " ".join(outcome.output.split())) == (2, True), outcome.output


@pytest.mark.parametrize(("share", "drawn"), [(1, "████"), (0.5, "██"), (0.28, "█▏"), (0.001, "▏"), (0, "")])
def test_a_bar_is_drawn_in_eighths(share, drawn):
    """A small number has a visible bar."""
    assert bar(share, 4) == drawn
