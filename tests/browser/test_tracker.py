"""The tracker in a real browser: which events it reports, when, how often, and when it stops."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from collections import Counter

import pytest
from flask import render_template_string
from playwright.sync_api import Error, expect

from conftest import executable

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><html lang="en"><title>Tracked</title><link rel="icon" href="data:,"><body>{{ privacy.banner() }}
<main><h1>Tracked</h1>
<a id="inside" href="/other?name=secret#part"><b>Inside secret</b></a>
<a id="outside" href="http://outside.example/page/one?name=secret#part">Outside</a>
<a id="mail" href="mailto:secret@mail.example">Write</a> <a id="top" href="#top">Up</a>
<form action="/other"><input name="q" value="secret"><input type="submit" name="search"></form>
<button type="button" id="by-id" name="not-this"><i>secret text</i></button><button type="button" name="by-name">secret</button>
<p data-privacy-event="video.played" id="video">secret</p>
<a data-privacy-event="sign.up" id="named" href="#here">secret</a><p id="nothing">secret</p>
{{ privacy.settings_link() }}</main>"""

CSP = "default-src 'self'; img-src data:"


class Watched:
    """The site's WSGI app. It records every report and can return other responses for a test."""

    def __init__(self, site):
        self.site, self.address = site, ""
        self.reports, self.acknowledged, self.paths = [], [], []
        self.answers = []  # pairs of a status and whether the site still receives the report

    def __call__(self, environ, start_response):
        self.paths.append(environ["PATH_INFO"])
        if environ["PATH_INFO"] != "/privacy/events":
            return self.site.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        report = json.loads(body)
        status, passed_on = self.answers.pop(0) if self.answers else (None, True)
        answered = []
        parts = list(self.site.app(environ, lambda *values: answered.append(values))) if passed_on else []
        self.reports.append(report)  # only now, so that the events are in the log when a test sees the report
        if status is not None:
            start_response(f"{status} So", [("Content-Length", "0")])
            return []
        if answered[0][0].startswith("204"):
            self.acknowledged.extend(event["id"] for event in report)
        start_response(*answered[0])
        return parts

    @property
    def kinds(self):
        return [[event["kind"] for event in report] for report in self.reports]


@pytest.fixture
def tracked(tiny, serve):
    """A site under a strict policy, wrapped in `Watched`."""

    def make(**config):
        site = tiny(**config)
        for path in ("/", "/other", "/item/<name>"):
            site.app.view_functions[path] = lambda **_: render_template_string(PAGE)
        site.app.after_request(lambda response: (response.headers.add("Content-Security-Policy", CSP), response)[1])
        watched = Watched(site)
        watched.address = serve(watched)
        return watched

    return make


@pytest.fixture
def visit(open_browser):
    """Return a function that opens the site in a browser that accepted, with a stopped clock, and returns the page."""

    def enter(address, accept=True, **options):
        page = open_browser(base_url=address, **options)
        page.violations = []
        page.on("console", lambda message: page.violations.append(message.text) if "Policy" in message.text else None)
        page.context.route(
            "http://outside.example/**", lambda route: route.fulfill(body="<title>Outside</title>", content_type="text/html")
        )
        page.clock.install(time=0)
        page.clock.pause_at(1000)
        if accept:
            page.context.request.post("/privacy/consent", form={"choice": "accept_all"}, max_redirects=0)
        page.goto("/")
        return page

    return enter


def accept_all(page):
    page.get_by_role("button", name="Accept all").click()
    expect(page.locator(".mixamo-ask")).to_have_count(0)


def wait_for(condition, what="it", seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def flush(page, watched, number=1):
    """Let five seconds pass in the browser, and wait until a total of `number` reports has arrived."""
    page.clock.run_for(5000)
    wait_for_reports(page, watched, number)


def wait_for_reports(page, watched, number):
    wait_for(lambda: page.evaluate("1") and len(watched.reports) >= number, f"{number} reports")


def let_the_answer_arrive(page):
    """Let the page handle the answers that were sent before: wait for the answer to a later request."""
    page.evaluate("fetch('/privacy/state.json').then((answer) => answer.json())")


def press(page, *names):
    for name in names:
        page.locator(f"#{name}").click()


def kinds_kept(page):
    return page.evaluate(
        "Object.values(JSON.parse(sessionStorage.privacy_events || '{}')).flat().map((event) => event.kind)"
    )


def events_of(site, *kinds):
    return [(event["page"], event["data"]) for event in site.events(*kinds)]


def test_clicks_are_reported_without_any_text(tracked, visit):
    """A link is identified by its target, a button by id or name.

    No text, value, query, mail address or fragment is reported.
    """
    watched = tracked()
    page = visit(watched.address)
    press(page, "by-id", "top", "nothing")
    page.locator("[name=by-name]").click()
    page.evaluate("document.querySelector('#mail').addEventListener('click', (event) => event.preventDefault())")
    press(page, "mail")
    page.locator("[name=search]").click()
    page.wait_for_url("**/other?*")
    press(page, "inside")
    wait_for(lambda: len(watched.site.events("click")) == 6, "six clicks")
    assert sorted(events_of(watched.site, "click"), key=str) == [
        ("/", {"button": "by-id"}),
        ("/", {"button": "by-name"}),
        ("/", {"button": "search"}),
        ("/", {"to": "/"}),
        ("/", {"to": "mailto:"}),
        ("/other", {"to": "/other"}),
    ]
    assert "secret" not in json.dumps(watched.reports) and page.violations == []


def test_named_elements_are_reported_by_their_name(tracked, visit):
    """A named element of any kind is reported by its name instead of as a click."""
    watched = tracked()
    page = visit(watched.address)
    press(page, "video", "named")
    flush(page, watched)
    assert watched.kinds == [["video.played", "sign.up"]]
    assert events_of(watched.site, "video.played", "sign.up", "click") == [("/", {}), ("/", {})]


def test_a_sites_own_script_can_report_an_event(tracked, visit):
    """The script dispatches an event on the document. The tracker needs and creates no global name."""
    watched = tracked()
    page = visit(watched.address, accept=False)
    names = page.evaluate("Object.keys(window).sort()")
    accept_all(page)
    wait_for(lambda: kinds_kept(page) == ["page_view"], "the tracker")
    page.evaluate("document.dispatchEvent(new CustomEvent('privacy:track', {detail: {name: 'video.played', seconds: 3}}))")
    flush(page, watched)
    assert (
        events_of(watched.site, "video.played") == [("/", {"seconds": 3})]
        and page.evaluate("Object.keys(window).sort()") == names
    )


def test_an_exit_link_is_reported_by_host_and_path(tracked, visit):
    """The exit also reports the page that was left and how many seconds it was visible."""
    watched = tracked()
    page = visit(watched.address)
    page.clock.run_for(7200)
    press(page, "outside")
    page.wait_for_url("http://outside.example/**")
    wait_for(lambda: len(events_of(watched.site, "exit_link", "page_exit")) == 2, "both events")
    assert events_of(watched.site, "exit_link") == [("/", {"to": "http://outside.example/page/one"})]
    assert events_of(watched.site, "page_exit") == [("/", {"seconds": 7})]
    assert sorted(events_of(watched.site, "click"), key=str) == []


def test_a_link_opened_in_a_new_tab_is_reported(tracked, visit):
    """A click of the middle button is reported too."""
    watched = tracked()
    page = visit(watched.address)
    page.locator("#outside").click(button="middle")
    page.locator("#outside").click(button="right")
    flush(page, watched)
    assert watched.kinds == [["exit_link"]]


def test_only_the_time_a_page_is_visible_counts(tracked, visit):
    """The time that a page spends in the background is not counted."""
    watched = tracked()
    page = visit(watched.address)
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.clock.run_for(3000)
    page.evaluate(hide, True)
    page.clock.run_for(60000)
    page.evaluate(hide, False)
    page.clock.run_for(1000)
    page.goto("/other")
    wait_for(lambda: watched.site.events("page_exit"), "an exit")
    assert events_of(watched.site, "page_exit") == [("/", {"seconds": 4})]


def test_queued_events_are_sent_when_the_page_is_hidden(tracked, visit):
    """The browser might never return to the page, so the tracker sends its queue at once."""
    watched = tracked()
    page = visit(watched.address)
    press(page, "by-id")
    page.evaluate("""() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      for (let i = 0; i < 3; i++) document.dispatchEvent(new Event("visibilitychange"));
    }""")
    wait_for(lambda: watched.reports, "a report")
    assert watched.kinds == [["click"]]


@pytest.mark.parametrize("method", ["pushState", "replaceState"])
def test_a_page_changed_without_a_load_is_a_page_view(tracked, visit, method):
    """A new path reports the end of the old page first.

    A change of the query or fragment is no page view; going back is one.
    """
    watched = tracked()
    page = visit(watched.address)
    page.clock.run_for(2000)
    for path in ("/item/walk?q=secret#part", "/item/walk?q=other", "/item/walk#more"):
        page.evaluate(f"history.{method}({{}}, '', '{path}')")
    page.clock.run_for(3000)
    if method == "pushState":
        page.evaluate("history.go(-3)")
        page.wait_for_url("**/")
    flush(page, watched)
    expected = [("page_exit", "/", None, {"seconds": 2}), ("page_view", "/item/walk", "/", {})]
    if method == "pushState":
        expected += [("page_exit", "/item/walk", None, {"seconds": 3}), ("page_view", "/", "/item/walk", {})]
    reported = {event["id"] for report in watched.reports for event in report}
    found = [(e["kind"], e["page"], e["previous"], e["data"]) for e in watched.site.events() if e["id"] in reported]
    assert sorted(found, key=str) == sorted(expected, key=str) and "secret" not in json.dumps(watched.reports)


def test_a_page_from_the_back_forward_cache_is_a_page_view(tracked, visit):
    """The page's time starts at zero again."""
    watched = tracked()
    page = visit(watched.address)
    before = len(watched.site.events("page_view"))
    page.clock.run_for(4000)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    page.goto("/other")
    wait_for(lambda: len(watched.site.events("page_view")) == before + 2 and watched.site.events("page_exit"), "the views")
    assert events_of(watched.site, "page_exit") == [("/", {"seconds": 0})]


def test_twenty_events_are_sent_at_once_fewer_after_five_seconds(tracked, visit):
    """Twenty events are sent in one request without a wait. Later events go into the next request."""
    watched = tracked()
    page = visit(watched.address)
    press_many(page, 19)
    page.clock.run_for(4000)
    assert watched.reports == []
    press_many(page, 2)
    wait_for(lambda: page.evaluate("1") and len(watched.reports) == 1, "a report")
    wait_for(lambda: kinds_kept(page) == ["click"], "the acknowledgement")
    flush(page, watched, 2)
    wait_for(lambda: kinds_kept(page) == [], "the acknowledgement")
    assert list(map(len, watched.reports)) == [20, 1] and len(watched.site.events("click")) == 21


def press_many(page, number):
    page.evaluate("(n) => { for (let i = 0; i < n; i++) document.querySelector('#by-id').click(); }", number)


@pytest.mark.parametrize("status", [503, 500, 429])
def test_a_failing_site_is_retried_with_backoff_and_each_event_counts_once(tracked, visit, status):
    """The site fails twice: once it recorded nothing, once it recorded everything but the response was lost."""
    watched = tracked()
    page = visit(watched.address)
    watched.answers = [(status, False), (status, True)]
    press_many(page, 3)
    for number, seconds in enumerate((5, 10, 20), 1):
        page.clock.run_for((seconds - 1) * 1000)
        assert page.evaluate("1") and len(watched.reports) == number - 1
        press_many(page, 20 if number > 1 else 0)  # many more events do not shorten the wait
        page.clock.run_for(1000)
        wait_for_reports(page, watched, number)
        let_the_answer_arrive(page)
    wait_for(lambda: len(kinds_kept(page)) == 3, "the acknowledgements of the first forty")
    page.clock.run_for(5000)
    wait_for(lambda: kinds_kept(page) == [], "the last acknowledgement")
    assert (
        set(Counter(event["id"] for event in watched.site.events("click")).values()) == {1}
        and len(watched.site.events("click")) == 43
    )


def test_an_unreachable_site_is_retried(tracked, visit):
    """Events that occurred during the outage are reported after it, with their own times."""
    watched = tracked()
    page = visit(watched.address)
    page.context.set_offline(True)
    press(page, "by-id")
    page.clock.run_for(5000)
    page.wait_for_timeout(0)
    time.sleep(0.2)
    assert watched.reports == [] and kinds_kept(page) == ["click"]
    page.context.set_offline(False)
    page.clock.run_for(10000)
    wait_for(lambda: page.evaluate("1") and watched.reports, "a report")
    assert watched.reports[0][0]["age"] >= 15000 and len(watched.site.events("click")) == 1


def test_a_page_sends_the_unsent_events_of_the_page_before(tracked, visit):
    """Events of the page before are sent with the same ids and counted once, however often they are sent."""
    watched = tracked()
    page = visit(watched.address)
    press(page, "by-id")
    for _ in range(3):
        page.reload()
    assert kinds_kept(page).count("click") == 1
    flush(page, watched, 4)
    wait_for(lambda: kinds_kept(page) == [], "the acknowledgement")
    sent = Counter(event["id"] for report in watched.reports for event in report)
    stored = Counter(event["id"] for event in watched.site.events("click", "page_exit"))
    assert max(sent.values()) > 1 and set(stored) == set(sent) and set(stored.values()) == {1}
    assert len(watched.site.events("click")) == 1 and len(watched.site.events("page_exit")) == 3


def test_a_hundred_events_are_kept_at_most(tracked, visit):
    """The oldest events are dropped first, so a long outage does not flood the site."""
    watched = tracked()
    page = visit(watched.address)
    watched.answers = [(503, False)]
    press_many(page, 20)
    wait_for(lambda: page.evaluate("1") and len(watched.reports) == 1, "a report")
    let_the_answer_arrive(page)
    press_many(page, 130)
    assert len(kinds_kept(page)) == 100
    page.clock.run_for(10000)
    wait_for(lambda: kinds_kept(page) == [], "the acknowledgements")
    assert list(map(len, watched.reports)) == [20] * 6 and len(watched.site.events("click")) == 100


def test_an_invalid_event_does_not_affect_the_others(tracked, visit):
    """An event with a name or value that the log does not accept is dropped alone."""
    watched = tracked()
    page = visit(watched.address)
    press(page, "by-id")
    page.evaluate("document.dispatchEvent(new CustomEvent('privacy:track', {detail: {name: 'not a name'}}))")
    press(page, "video")
    flush(page, watched)
    wait_for(lambda: kinds_kept(page) == [], "the acknowledgement")
    assert len(watched.site.events("click", "video.played")) == 2


def test_two_tabs_report_separately_and_each_event_counts_once(tracked, visit):
    """Both tabs belong to one visitor and one visit."""
    watched = tracked()
    one = visit(watched.address)
    two = one.context.new_page()
    two.goto("/")
    for page in (one, two, one):
        press(page, "by-id")
    for page in (one, two):
        page.clock.run_for(5000)
    wait_for(lambda: one.evaluate("1") and two.evaluate("1") and len(watched.reports) == 2, "two reports")
    events = watched.site.events("click")
    assert len(events) == len({event["id"] for event in events}) == 3
    assert len({(event["visitor"], event["visit"]) for event in watched.site.events()}) == 1


def test_a_withdrawal_in_another_tab_stops_this_one(tracked, visit):
    """A 403 stops the tracker: it keeps and resends nothing, and events reported earlier are erased."""
    watched = tracked()
    page = visit(watched.address)
    other = page.context.new_page()
    other.goto("/privacy/consent")
    press(page, "by-id")
    other.get_by_role("button", name="Reject all").click()
    expect(other.get_by_role("status")).to_have_text("Your choice is saved.")
    flush(page, watched)
    wait_for(lambda: page.evaluate("1") and page.evaluate("sessionStorage.length") == 0, "the end")
    press_many(page, 50)
    page.clock.run_for(60000)
    page.goto("/other")
    assert len(watched.reports) == 1 and page.evaluate("sessionStorage.length") == 0 and watched.site.events() == []


@pytest.mark.parametrize("reload", [True, False])
def test_events_kept_before_a_withdrawal_are_not_reported_after_a_new_grant(tracked, visit, reload):
    """The events are not reported under the new ID, whether the tab is reloaded or stays open."""
    watched = tracked()
    page = visit(watched.address)
    press(page, "by-id")
    other = page.context.new_page()
    other.goto("/privacy/consent")
    for answer in ("Reject all", "Accept all"):
        other.get_by_role("button", name=answer).click()
        expect(other.get_by_role("status")).to_have_text("Your choice is saved.")
    other.goto("/other")
    if reload:
        page.reload()
    flush(page, watched)
    assert watched.site.events("click") == []


def test_a_page_from_the_back_forward_cache_keeps_nothing_after_a_withdrawal(tracked, visit):
    """The restored page contacts the site at once. After five seconds the visitor may have left it again."""
    watched = tracked()
    page = visit(watched.address)
    other = page.context.new_page()
    other.goto("/privacy/consent")
    other.get_by_role("button", name="Reject all").click()
    expect(other.get_by_role("status")).to_have_text("Your choice is saved.")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    wait_for_reports(page, watched, 1)
    wait_for(lambda: page.evaluate("1") and page.evaluate("sessionStorage.length") == 0, "the end")
    assert watched.site.events() == []


@pytest.mark.parametrize("choice", ["Reject all", None])
def test_without_a_grant_of_statistics_there_is_no_request(tracked, visit, choice):
    """The browser requests neither the tracker nor an event, and the tab's storage is empty."""
    watched = tracked()
    page = visit(watched.address, accept=False)
    if choice:
        page.get_by_role("button", name=choice).click()
        expect(page.locator(".mixamo-ask")).to_have_count(0)
    press(page, "by-id", "video", "inside")
    page.clock.run_for(60000)
    page.goto("/")
    assert not {"/privacy/tracker.js", "/privacy/events", "/privacy/page.js"} & set(watched.paths)
    assert page.evaluate("sessionStorage.length") == 0 and watched.site.events() == []


def test_a_grant_without_a_reload_starts_the_tracker_once(tracked, visit):
    """The banner's response starts the tracker, which reports the page view, but not the click on the banner."""
    watched = tracked()
    page = visit(watched.address, accept=False)
    accept_all(page)
    wait_for(lambda: kinds_kept(page) == ["page_view"], "the tracker")
    press(page, "by-id")
    flush(page, watched)
    assert watched.kinds == [["page_view", "click"]] and len(watched.site.events("page_view")) == 1 and page.violations == []


@pytest.mark.parametrize(
    "without",
    [
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('no', 'SecurityError'); } })",
        "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }",
        "delete Navigator.prototype.sendBeacon",
        "Navigator.prototype.sendBeacon = () => false",
        "sessionStorage.privacy_events = '{'",
        "sessionStorage.privacy_events = 'null'",
    ],
    ids=["no storage", "full storage", "no beacon", "beacon refused", "garbage kept", "null kept"],
)
def test_a_browser_without_storage_or_beacons_still_reports(tracked, visit, open_browser, without):
    """Storage may be forbidden or full, and beacons may be disabled."""
    watched = tracked()
    page = visit(watched.address)
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.add_init_script(without)
    page.goto("/item/walk")
    press(page, "by-id")
    page.goto("/other")
    wait_for(lambda: {"/item/walk"} == {event["page"] for event in watched.site.events("click")}, "the click")
    assert {"/", "/item/walk"} <= {event["page"] for event in watched.site.events("page_exit")} and errors == []


def test_a_killed_browser_loses_no_acknowledged_event(tracked, chromium):
    """Every acknowledged event is in the log exactly once."""
    watched = tracked()
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    browser = chromium.browser_type.launch(executable_path=executable(), args=arguments)
    page = browser.new_page(base_url=watched.address)
    page.goto("/")
    accept_all(page)
    page.goto("/")
    page.evaluate("setInterval(() => document.querySelector('#by-id').click(), 1)")
    wait_for(lambda: page.evaluate("1") and len(watched.acknowledged) > 100, "a hundred acknowledged events")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    os.kill(next(process["id"] for process in processes if process["type"] == "browser"), signal.SIGKILL)
    wait_for(lambda: not browser.is_connected() or browser_gone(page), "the end of the browser")
    stored = Counter(event["id"] for event in watched.site.events())
    assert set(watched.acknowledged) <= set(stored) and set(stored.values()) == {1}


def browser_gone(page):
    try:
        page.evaluate("1")
    except Error:
        return True
    return False


def test_a_cacheable_page_reports_its_own_view(tracked, visit):
    """The view includes the referrer. Banner, decision and tracker work as on other pages, under the same policy."""
    watched = tracked(PRIVACY_CACHEABLE=True)
    page = visit(watched.address, accept=False)
    accept_all(page)
    wait_for(lambda: kinds_kept(page) == ["page_view"], "the tracker")
    flush(page, watched)
    assert len(watched.site.events("page_view")) == 1
    page.goto("/item/walk?q=secret")
    press(page, "inside")
    page.wait_for_url("**/other?*")
    flush(page, watched, 3)
    wait_for(lambda: len(watched.site.events("page_view")) == 3, "three views")
    views = [(event["page"], event["previous"]) for event in watched.site.events("page_view")]
    assert sorted(views, key=str) == [("/", None), ("/item/walk", None), ("/other", "/item/walk")]
    assert "secret" not in json.dumps(watched.reports) and page.violations == []
    assert page.locator(".mixamo-ask").count() == 0


def test_the_banner_of_a_cacheable_page_returns_to_it(tracked, visit):
    """The return address includes the query. The banner is first in the tab order."""
    watched = tracked(PRIVACY_CACHEABLE=True)
    page = visit(watched.address, accept=False)
    page.goto("/item/walk?size=2")
    page.locator(".mixamo-ask").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.mixamo-ask') !== null")
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("button", name="Save my choice").click()
    page.wait_for_url("**/item/walk?size=2")
    assert page.violations == []


def test_without_javascript_a_cacheable_page_links_to_the_settings(tracked, visit, open_browser):
    """Without JavaScript the page has no banner, so nothing is granted; the settings link lets the visitor decide."""
    watched = tracked(PRIVACY_CACHEABLE=True)
    page = open_browser(base_url=watched.address, java_script_enabled=False)
    page.goto("/")
    page.locator("noscript a, .mixamo-settings-link").first.click()
    page.get_by_role("button", name="Accept all").click()
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")


SHADOW = """<x-card data-privacy-event="card"><template shadowrootmode="open"><a id="deep" href="/item/walk"><b>secret</b></a>
<p data-privacy-event="video.played">secret</p><x-inner><template shadowrootmode="open"><button id="inner">secret</button>
</template></x-inner></template></x-card>
<x-link><template shadowrootmode="open"><a href="http://outside.example/page">secret</a></template></x-link>"""


def test_clicks_inside_shadow_dom_are_reported(tracked, visit):
    """Links, buttons and marks in open shadow roots are reported like those of the page, also in nested roots."""
    watched = tracked()
    watched.site.view("/shadow", lambda: render_template_string(PAGE + SHADOW))
    page = visit(watched.address)
    page.goto("/shadow")
    for selector in ("x-card p", "x-inner button", "x-link a"):
        page.locator(selector).click()
    page.wait_for_url("http://outside.example/**")
    wait_for(lambda: watched.site.events("exit_link"), "the exit")
    assert sorted(event["kind"] for event in watched.site.events("video.played", "card", "click")) == [
        "card",
        "video.played",
    ]
    assert events_of(watched.site, "exit_link") == [("/shadow", {"to": "http://outside.example/page"})]


def test_a_click_on_a_link_inside_shadow_dom_names_its_target(tracked, visit):
    """The link is reported by its path, although the event's target is the root's host."""
    watched = tracked()
    watched.site.view("/shadow", lambda: render_template_string(PAGE + SHADOW.replace(' data-privacy-event="card"', "")))
    page = visit(watched.address)
    page.goto("/shadow")
    page.locator("#deep").click()
    wait_for(lambda: watched.site.events("click"), "the click")
    assert events_of(watched.site, "click") == [("/shadow", {"to": "/item/walk"})]
