"""Enforced grants: Chromium itself refuses resources that a template hard-codes until the visitor grants them."""

import base64
import re
import time
from dataclasses import replace
from pathlib import Path
from urllib.request import urlopen

import pytest
from flask import Flask, Response, render_template_string, request
from playwright.sync_api import expect
from test_tracker import wait_for

from flask_mixamo_privacy.policy.parts import Cookie, Purpose, Service
from support.service_site import with_services

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

DOCS = Path(__file__).parents[2] / "docs"
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw==")
ALL = {"/script.js", "/pixel.gif", "/frame", "/beacon", "/font.woff2", "/style.css", "/fetch", "/background.gif"}

HARD_CODED = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hard-coded</title>
<link rel="stylesheet" href="{{ there }}/style.css">
<style>@font-face { font-family: Far; src: url("{{ there }}/font.woff2") } p { font-family: Far, sans-serif }
main { background: url("{{ there }}/background.gif") }</style></head><body>{{ privacy.banner() }}
<main><h1>Hard-coded</h1><p>Text in a far font. {{ privacy.settings_link() }}</p>
<img src="{{ there }}/pixel.gif" alt=""><iframe src="{{ there }}/frame" title="Frame"></iframe></main>
<script src="{{ there }}/script.js"></script>
<script>navigator.sendBeacon("{{ there }}/beacon", "1"); fetch("{{ there }}/fetch").catch(() => {})</script></body></html>"""

GATED = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Gated</title></head><body>{{ privacy.banner() }}
<main><h1>Gated</h1><p>{{ privacy.settings_link() }}</p>
{{ privacy.embed(there + "/frame", purpose="media", title="A film") }}
{{ privacy.script(there + "/script.js", purpose="media") }}</main></body></html>"""


@pytest.fixture
def elsewhere(serve):
    """A third-party host that serves one resource of each kind and records the requests it receives."""
    app, asked = Flask("elsewhere"), []

    @app.route("/<path:name>", methods=["GET", "POST"])
    def anything(name):
        asked.append(request.path)
        kinds = {"js": "text/javascript", "css": "text/css", "gif": "image/gif", "woff2": "font/woff2"}
        body = {"gif": PIXEL, "js": b"document.documentElement.dataset.script = 'ran'", "css": b"p{}"}
        ending = name.rpartition(".")[2]
        headers = {"Access-Control-Allow-Origin": "*"}
        return Response(body.get(ending, b"<p>there</p>"), content_type=kinds.get(ending, "text/html"), headers=headers)

    address = serve(app)

    def asked_so_far(_):
        """Ask once more, so that the list has every request that a browser made before."""
        with urlopen(f"{address}/last"):  # noqa: S310 — an http URL of this test
            asked.remove("/last")
        return asked

    members = {"address": address, "host": address.removeprefix("http://"), "asked": property(asked_so_far)}
    return type("Elsewhere", (), members)()


def everything_loads(elsewhere):
    wait_for(lambda: set(elsewhere.asked) == ALL, "every resource")


@pytest.fixture
def site(tiny, elsewhere):
    """Build a site whose policy declares that host for the purpose media."""

    def build(mode="enforce", **config):
        cookies = (
            Cookie("film_*", "media", "1 day", "Where films were stopped.", kind="local"),
            Cookie("filming", "media", "session", "The film at hand.", kind="session"),
            Cookie("films", "media", "1 day", "Films to see without a network.", kind="idb"),
            Cookie("film-*", "media", "1 day", "Their pictures.", kind="cache"),
            Cookie("/film-worker.js", "media", "1 day", "Brings them.", kind="worker"),
            Cookie("_seen", "media", "1 day", "What was seen.", kind="js"),
        )
        google = Service("google", "Google", "statistics", ("www.googletagmanager.com",), ("script",))
        policy = with_services(google, host=elsewhere.host, cookies=cookies)
        made = tiny(PRIVACY_POLICY=policy, PRIVACY_CSP=mode, **config)
        made.view("/hard-coded", lambda: render_template_string(HARD_CODED, there=elsewhere.address))
        made.view("/gated", lambda: render_template_string(GATED, there=elsewhere.address))
        return made

    return build


@pytest.fixture
def enter(serve, open_browser, site):
    """Return a function that opens a page in a browser of its own."""

    def go(path, made=None, **options):
        page = open_browser(base_url=serve((made or site()).app), **options)
        page.goto(path)
        return page

    return go


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def decide(page, name):
    """Submit a decision on the settings page, then open the hard-coded page again."""
    page.goto("/privacy/consent")
    press(page, name)
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
    page.goto("/hard-coded")
    page.evaluate("document.fonts.ready.then(() => true)")


@pytest.mark.parametrize("script", [True, False], ids=["script", "noscript"])
def test_promise_1_nothing_leaves_the_browser_before_a_grant(enter, elsewhere, script):
    """The page contains a script, pixel, frame, beacon, font, style sheet, fetch and background.

    The browser requests none.
    """
    page = enter("/hard-coded", java_script_enabled=script)
    assert elsewhere.asked == [] and elsewhere.address in page.content()


def test_promise_1_nothing_after_a_refusal_everything_after_a_grant_nothing_after_a_withdrawal(enter, elsewhere):
    """The same page in the same browser, under three decisions."""
    page = enter("/hard-coded")
    decide(page, "Reject all")
    assert elsewhere.asked == []
    decide(page, "Accept all")
    everything_loads(elsewhere)
    elsewhere.asked.clear()
    decide(page, "Reject all")
    assert elsewhere.asked == []


def test_promise_27_nothing_under_global_privacy_control(enter, elsewhere):
    """With the signal, nothing is requested. A grant made while the signal is sent stands."""
    page = enter("/hard-coded", extra_http_headers={"Sec-GPC": "1"})
    assert elsewhere.asked == []
    decide(page, "Accept all")
    everything_loads(elsewhere)


def test_accepting_on_the_banner_reloads_the_page_under_the_new_policy(enter, elsewhere):
    """The current page was served under the old policy, so the script reloads it. The page view is counted once."""
    page = enter("/hard-coded")
    press(page, "Accept all")
    expect(page.locator("html[data-script=ran]")).to_have_count(1)
    everything_loads(elsewhere)


def test_an_accepted_page_is_counted_once(enter, site):
    """The page view is counted once although the banner's script loads the page a second time."""
    made = site()
    page = enter("/hard-coded", made)
    press(page, "Accept all")
    expect(page.locator("html[data-script=ran]")).to_have_count(1)
    assert [event["page"] for event in made.events("page_view")] == ["/hard-coded"]


def test_report_only_refuses_nothing_and_reports_to_the_site(enter, site, elsewhere):
    """In report-only mode a site can find out what it loads before it enforces the policy."""
    made = site("report-only")
    enter("/hard-coded", made)
    everything_loads(elsewhere)
    assert f"Browsers refused '{elsewhere.host}' by script-src-elem on /hard-coded." in made.cli("check").output


@pytest.mark.parametrize("script", [True, False], ids=["script", "noscript"])
def test_a_frame_appears_in_place_after_its_button(enter, elsewhere, script):
    """Without JavaScript the button loads only the requested frame, and the page keeps its scroll position."""
    page = enter("/gated", java_script_enabled=script)
    assert elsewhere.asked == [] and elsewhere.address not in page.content()
    press(page, "Allow and load")
    expect(page.locator("iframe[title='A film']")).to_be_in_viewport()
    expect(page.frame_locator("iframe").locator("p")).to_have_text("there")
    assert page.url.endswith(page.locator("iframe").get_attribute("id"))


def test_a_service_is_switched_off_under_its_purpose(enter, elsewhere):
    """The service's box appears while the purpose is on.

    Without the service, nothing of it is loaded and the purpose stays on.
    """
    page = enter("/privacy/consent", java_script_enabled=False)
    box = page.get_by_label("Film", exact=True)
    page.get_by_text("Services (2)").click()
    expect(box).to_be_hidden()
    page.get_by_role("switch", name="Media").check()
    expect(box).to_be_checked()
    box.uncheck()
    press(page, "Save my choice")
    page.goto("/gated")
    assert elsewhere.asked == [] and page.locator("iframe").count() == 0
    page.goto("/privacy/consent")
    assert page.get_by_role("switch", name="Media").is_checked() and not box.is_checked()


FILL = """async () => {
  localStorage.setItem("film_1", "10"); localStorage.setItem("mine", "stays"); sessionStorage.setItem("filming", "1")
  document.cookie = "_seen=1; path=/"; document.cookie = "basket=2; path=/"
  await caches.open("film-1"); await caches.open("mine"); await navigator.serviceWorker.register("/film-worker.js")
  await new Promise(done => Object.assign(indexedDB.open("films"), {onsuccess: event => { event.target.result.close(); done() }}))
}"""
LEFT = """async () => [Object.keys(localStorage), Object.keys(sessionStorage), document.cookie,
  (await indexedDB.databases()).map(one => one.name), await caches.keys(),
  (await navigator.serviceWorker.getRegistrations()).length]"""


def test_promise_18_a_withdrawal_empties_what_scripts_had_stored(enter, site):
    """All storage, service workers and script cookies of the purpose are removed. Storage of other purposes stays."""
    made = site()
    made.view("/film-worker.js", lambda: Response("", content_type="text/javascript"))
    page = enter("/privacy/consent", made)
    press(page, "Accept all")
    page.evaluate(FILL)
    page.get_by_role("switch", name="Media").uncheck()
    press(page, "Save my choice")
    expect(page.get_by_text("This was removed from your browser:")).to_be_visible()
    for name in ("film_*", "filming", "films", "film-*", "/film-worker.js", "_seen"):
        expect(page.get_by_role("listitem").filter(has_text=name).first).to_be_visible()
    assert page.evaluate(LEFT) == [["mine"], [], "basket=2", [], ["mine"], 0]


def test_removal_is_complete_before_it_is_reported(enter, site):
    """A visitor who leaves the removal page as early as possible has no stored data left, even if the script loads late."""
    made = site()
    made.app.before_request(lambda: time.sleep(0.5) if "forget." in request.path else None)
    page = enter("/privacy/consent", made)
    press(page, "Accept all")
    page.evaluate("localStorage.setItem('film_1', '10')")
    page.goto("/privacy/consent?next=/gated")
    press(page, "Reject all")
    page.get_by_role("link", name="Back to the page you came from").click()
    assert page.evaluate("Object.keys(localStorage)") == []


def test_without_javascript_only_header_deletions_are_reported(enter):
    """Without JavaScript, data that scripts stored stays until a script can remove it."""
    page = enter("/privacy/consent", java_script_enabled=False)
    press(page, "Accept all"), press(page, "Reject all")
    expect(page.get_by_text("This was removed from your browser:")).to_be_visible()
    shown = [item.inner_text() for item in page.locator(".mixamo-message li").all() if item.is_visible()]
    assert "_seen" in shown and not any("film" in name for name in shown)


def test_rejecting_on_the_banner_opens_the_removal_page(enter, tiny, site):
    """A new purpose makes the banner ask again. A visitor who then rejects all has withdrawn the other purposes."""
    policy = site().app.config["PRIVACY_POLICY"]
    grown = replace(policy, purposes=(*policy.purposes, Purpose("radio", "Radio", "Sounds from elsewhere.")))
    apps = [tiny(PRIVACY_POLICY=one).app for one in (policy, grown)]
    in_force = [apps[0]]
    page = enter("/privacy/consent", type("Made", (), {"app": lambda environ, start: in_force[-1](environ, start)}))
    press(page, "Accept all")
    page.evaluate("localStorage.setItem('film_1', '10')")
    in_force.append(apps[1])
    page.goto("/")
    press(page, "Reject all")
    expect(page.get_by_text("This was removed from your browser:")).to_be_visible()
    page.get_by_role("link", name="Back to the page you came from").click()
    assert page.evaluate("Object.keys(localStorage)") == []


def test_a_sites_own_script_can_handle_the_change_itself(enter, elsewhere):
    """``privacy:change`` contains the grants. Preventing its default keeps a single-page application on its page."""
    page = enter("/gated")
    page.evaluate("""document.addEventListener("privacy:change", event => {
      event.preventDefault(); document.title = event.detail.granted.join() })""")
    press(page, "Accept all")
    expect(page).to_have_title("necessary,statistics,customisation,media")
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    assert elsewhere.asked == []


@pytest.mark.parametrize(("answer", "stays"), [("Accept all", True), ("Reject all", False)])
def test_the_documented_script_keeps_the_page_only_after_a_grant(enter, answer, stays):
    """The visitor has granted the film already, so "Reject all" is a withdrawal, and the browser loads a new document."""
    page = enter("/gated")
    press(page, "Allow and load")
    expect(page.locator("iframe")).to_have_count(1)
    (example,) = re.findall(r"^```js\n(.*?)^```", (DOCS / "javascript.md").read_text(), re.MULTILINE | re.DOTALL)
    with page.expect_response("**/state.json") as state:
        page.evaluate(f"() => {{ window.marked = true; const startCounting = () => document.title = 'counted'; {example} }}")
    assert state.value.json()["services"]["film"] == "granted"
    press(page, answer)
    page.wait_for_function("document.title === 'counted'" if stays else "!window.marked")
    assert page.evaluate("window.marked === true") is stays


def test_google_consent_signals_precede_its_tag(enter, site):
    """The signals have the documented order and form, under default-src 'self' and without an inline script."""
    made = site()
    template = """<!doctype html><title>Google</title>{{ privacy.google_tag("G-1") }}"""
    made.view("/google", lambda: render_template_string(template))
    page = enter("/privacy/consent", made)
    script = "document.title = dataLayer.map(one => [...one].map(part => JSON.stringify(part)).join(' ')).slice(0, 1)"
    page.route("https://www.googletagmanager.com/gtag/js?id=G-1", lambda route: route.fulfill(body=script))
    press(page, "Accept all")
    page.goto("/google")
    denied = "".join(f',"{name}":"denied"' for name in ("ad_storage", "ad_user_data", "ad_personalization"))
    expect(page).to_have_title('"consent" "default" {"analytics_storage":"granted"' + denied + "}")


def test_promise_1_a_worker_requests_only_granted_hosts(serve, open_browser, site, elsewhere):
    """A worker's imported script and its fetch are refused before the grant, and load after it."""
    made, there = site(), elsewhere.address
    work = f'try {{ importScripts("{there}/script.js") }} catch {{}}\nfetch("{there}/fetch").catch(() => 0).then(() => postMessage(1))'
    page = (
        "<!doctype html><title>x</title><script>new Worker('/work.js').onmessage = () => (document.title = 'done')</script>"
    )
    made.view("/work.js", lambda: Response(work, content_type="text/javascript"))
    made.view("/work", lambda: page)
    address, browser = serve(made.app), open_browser()
    for choice, reached in (("Reject all", set()), ("Accept all", {"/script.js", "/fetch"})):
        browser.goto(f"{address}/privacy/consent")
        press(browser, choice)
        expect(browser.get_by_role("status")).to_have_text("Your choice is saved.")
        browser.goto(f"{address}/work")
        expect(browser).to_have_title("done")
        assert set(elsewhere.asked) == reached
