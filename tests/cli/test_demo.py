"""Demo data: invented visitors with real requests. Visitors who refuse or do not answer, and robots, are not recorded."""

import re
from collections import Counter
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from conftest import choose
from example_site import create_app
from flask_mixamo_privacy.cli.demo import VersionsInForce
from flask_mixamo_privacy.cli.demo_pages import Form, Offer, ParsedPage
from flask_mixamo_privacy.cli.demo_people import ROBOTS, DemoVisitors
from flask_mixamo_privacy.policy.toml import built_in
from flask_mixamo_privacy.web.context import NOW

END = 1778241600.0  # 2026-05-08T12:00:00Z
DAY = 86400


def crowd(seed=1, visitors=80, days=30):
    return DemoVisitors(visitors, days, END, ZoneInfo("UTC"), seed).arrivals()


def play(site, *options):
    outcome = site.cli("demo-data", "--visitors", "40", "--days", "40", *options)
    return outcome.exit_code, outcome.output


def test_a_seed_invents_the_same_visitors():
    """Another seed invents other visitors."""
    assert crowd() == crowd() != crowd(seed=2)


def test_refusals_are_shown_on_most_days():
    """With the defaults, five visitors or more refuse on most days, so that the reports show their number."""
    refusals = Counter(
        int((END - arrival.at) // DAY)
        for arrival in crowd(visitors=1500, days=77)
        if arrival.person.persona == "refuses" and arrival.nth == 1
    )
    assert sum(1 for number in refusals.values() if number >= 5) > 77 / 2


def test_demo_visits_are_in_the_past():
    """Visits are in order of time, and some visitors return."""
    arrivals = crowd()
    times = [arrival.at for arrival in arrivals]
    assert times == sorted(times) and times[0] >= END - 30 * DAY and times[-1] < END
    assert any(arrival.nth > 2 for arrival in arrivals)
    assert {arrival.person.persona for arrival in arrivals} == {"accepts", "counts", "refuses", "silent", "robot"}


def test_only_visitors_who_consent_are_recorded(tiny, clock):
    """The visitors are as many as the grants of statistics and include no robots, and all days are in the past."""
    site = tiny()
    assert play(site)[0] == 0
    events, grants = site.events(), site.ledger("grant")
    assert len({event["visitor"] for event in events}) <= len(grants) < 40
    assert {"visit_start", "repeat_visit", "page_view", "page_exit", "click"} <= {event["kind"] for event in events}
    days = {event["at"][:10] for event in events}
    assert len(days) > 10 and max(days) <= "2026-05-08"
    assert not {"Googlebot", "bingbot"} & {event["browser"] for event in events} and ROBOTS


def test_decisions_are_as_old_as_their_visits(tiny, clock):
    """The ledger has the simulated time of each decision and the shown text."""
    site = tiny()
    play(site)
    rows = site.ledger("grant", "refusals")
    assert len({row["at"][:10] for row in rows}) > 10 and len({row["locale"] for row in rows}) > 2
    assert all(row["text"] for row in rows if row["kind"] == "grant") and len(site.ledger("refusals")) > 2


def test_the_demo_reports_are_published_at_once(tiny, clock):
    """All past days are closed when the command ends."""
    site = tiny()
    play(site, "--visitors", "60")
    assert '"state": "closed"' in site.cli("report", "visits", "--window", "2026-04", "--json").output
    assert re.search(r"^/ +\d+", site.cli("report").output, re.MULTILINE)


def test_a_site_with_a_refusal_alone_is_not_changed(tiny, clock):
    """A refusal leaves neither event nor entry, but it is a real decision."""
    site = tiny()
    choose(site.visitor(), "reject_all")
    code, output = play(site, "--yes")
    assert code == 2 and "The site has decisions of visitors already" in output
    assert site.refusals() == [("2026-05-08", "", 1)]


def test_a_site_with_events_is_not_changed(tiny, clock):
    """The command exits with 2 and a message, unless --yes is given twice; with --if-empty it exits with 0."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    before = len(site.events())
    code, output = play(site)
    assert code == 2 and "Nothing was sent. Add --yes --yes to send the requests anyway." in output
    assert play(site, "--if-empty")[0] == 0
    assert len(site.events()) == before
    assert play(site, "--yes")[0] == 2 and len(site.events()) == before
    assert play(site, "--yes", "--yes")[0] == 0 and len(site.events()) > before


def test_no_loader_sees_incomplete_demo_data(tiny, clock, monkeypatch):
    """The log is written in a temporary folder until it is complete. The folder is then removed."""
    site, seen = tiny(), []
    runtime = site.privacy.runtime(site.app)
    monkeypatch.setattr("flask_mixamo_privacy.cli.demo.Player.play", lambda *_: seen.append(runtime.log.folder))
    play(site)
    assert seen and not [folder for folder in seen if folder == runtime.settings.log_dir]
    assert runtime.log.folder == runtime.settings.log_dir and not [name for name in site.files() if "demo-" in name]


@pytest.mark.parametrize(
    ("dates", "seen"),
    [
        (["2009-05-08", "2010-01-01", "2011-01-01"], ["2009-05-08", "2010-01-01", "2011-01-01"]),
        (["2008-01-01", "2009-05-08", "2010-01-01", "2026-05-08"], ["2009-05-08", "2010-01-01", "2026-05-08"]),
        (["2009-05-08"], ["2009-05-08"]),
        ([], [built_in().version]),
    ],
)
def test_decisions_fall_under_three_versions_of_the_policy(dates, seen):
    """The newest three are in force for a third of the time each, and none before its own date."""
    runtime = SimpleNamespace(policy=built_in(), versions=SimpleNamespace(dates=lambda: dates))
    versions, found = VersionsInForce(runtime, END - 90 * DAY, END), []
    for day in range(90, -1, -1):
        versions.at(END - day * DAY)
        found.append(runtime.policy.version)
    assert list(dict.fromkeys(found)) == seen
    versions.end()
    assert runtime.policy == built_in()


def test_a_page_states_what_demo_visitors_do_there():
    """A form and a link have a chance, and an input what is entered. A form without the attribute is left alone."""
    html = """<form action="/a" data-privacy-demo="0.5"><input name="n" data-privacy-demo="Visitor {number}">
    <textarea name="t" data-privacy-demo="1 Lane"></textarea><button name="b" value="c"></button></form>
    <form action="/delete"><input name="all"></form><a href="/b" data-privacy-demo="0.4">b</a>"""
    page = ParsedPage(html, "http://a.example/", "/privacy")
    assert page.forms == [Form(0.5, "/a", [("n", "Visitor {number}"), ("t", "1 Lane")], [("b", "c")])]
    assert page.offers == [Offer(0.4, "/b")] and page.links == ["/b"]


@pytest.mark.parametrize("header", ["mixamo_privacy.now", "Mixamo-Privacy-Now", "X-Mixamo_Privacy.Now"])
def test_no_request_header_sets_the_clock(tiny, clock, header):
    """A request's simulated time is in the WSGI environ, under a key that no header can set."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/", headers={header: "1"})
    assert {event["at"] for event in site.events()} == {"2026-05-08T12:00:00.000Z"}
    visitor.get("/", environ_overrides={NOW: END - DAY})
    assert "2026-05-07T12:00:00.000Z" in {event["at"] for event in site.events()}


@pytest.mark.server
def test_the_shop_shows_every_kind_of_report(tmp_path, clock):
    """The data include movement, clicks and choices. The shop's staff can open the page, its customer cannot."""
    app = create_app({"TESTING": True, "SECRET_KEY": "not a secret, a test", **places(tmp_path)})
    assert app.test_cli_runner().invoke(args=["privacy", "demo-data", "--visitors", "300"]).exit_code == 0
    found = Counter(re.findall(r'id="report-([a-z-]+)"', enter(app, "staff").get("/privacy/reports?window=all").text))
    assert {"visits", "pages", "movement", "clicks", "choices", "browsers", "hours", "decisions"} <= set(found)
    assert enter(app, "customer").get("/privacy/reports").status_code == 403
    assert app.test_client().get("/privacy/reports").headers["Location"].startswith("/login?next=")


def places(folder):
    databases = {f"PRIVACY_{name}_URL": f"sqlite:///{folder}/{name}.sqlite" for name in ("EVENTS", "LEDGER")}
    return databases | {f"PRIVACY_{name}_DIR": str(folder / name) for name in ("LOG", "ASSETS")}


def enter(app, name):
    client = app.test_client()
    client.post("/login", data={"name": name, "password": "demo"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert "/privacy/reports" in client.get("/account").text or name == "customer"
    return client
