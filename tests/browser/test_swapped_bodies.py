"""Pages whose body a library swaps have the same events and decisions as plain pages: htmx with ``hx-boost``, Turbo."""

from collections import Counter

import pytest
from flask import Flask, Response, current_app, render_template_string, request
from playwright.sync_api import expect
from test_tracker import wait_for

from support.service_site import with_services
from support.swapping_site import IS_TRACKED, OBSERVE_TRACKER, PATHS, swap

pytestmark = [pytest.mark.browser]
LIBRARIES = ("", "htmx", "turbo")


@pytest.fixture
def enter(tiny, serve, open_browser):
    """Return a function that opens a site of a library in a browser, and returns site and page."""

    def enter_site(library, path="/p1", embed=lambda: "", **config):
        site = swap(tiny(**config), library, embed)
        page = open_browser(base_url=serve(site.app))
        page.context.add_init_script(OBSERVE_TRACKER)
        page.goto(path)
        return site, page

    return enter_site


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def accept(page, name="Accept all"):
    with page.expect_response("**/privacy/consent"):
        press(page, name)
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    if name == "Accept all":
        page.wait_for_function(IS_TRACKED)


def follow(page, *paths):
    """Follow these links one after the other, and let each page's tracker run."""
    for path in paths:
        earlier = page.locator("main").get_attribute("data-number")
        page.get_by_role("link", name=path, exact=True).first.click()
        page.wait_for_url("**" + path.replace("/old", "/p5"))
        page.wait_for_function(IS_TRACKED, arg=earlier)


def counted(site, page):
    """Leave the site, and return how often each page had each event.

    A tracker sends its events in order and in one report, so once a last one is recorded, all are.
    """
    page.evaluate("document.dispatchEvent(new CustomEvent('privacy:track', { detail: { name: 'last' } }))")
    page.goto("about:blank")
    wait_for(lambda: site.events("last"), "the last event")
    return Counter((event["kind"], event["page"]) for event in site.events() if event["kind"] not in ("click", "last"))


PLAIN = {
    "walk": (["/p2", "/p3", "/p4", "/p5"], {"/p1": 1, "/p2": 1, "/p3": 1, "/p4": 1, "/p5": 1}),
    "same path": (["/p2", "/p1", "/p1?page=2"], {"/p1": 3, "/p2": 1}),
    "redirect": (["/p2", "/old"], {"/p1": 1, "/p2": 1, "/p5": 1}),
    "twice": (["/p2", "/p1", "/p2", "/p1"], {"/p1": 3, "/p2": 2}),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("walk", "cacheable"), [*((walk, False) for walk in PLAIN), (next(iter(PLAIN)), True)], ids=[*PLAIN, "page.js"]
)
def test_each_page_of_a_walk_counts_once(enter, library, cacheable, walk):
    """A walk has one view and one exit for each page, whichever library navigates."""
    site, page = enter(library, PRIVACY_CACHEABLE=cacheable)
    accept(page)
    paths, views = PLAIN[walk]
    follow(page, *paths)
    press(page, "Like")
    found = counted(site, page)
    assert {path: found["page_view", path] for _, path in found if found["page_view", path]} == views
    assert {path: found["page_exit", path] for path in views} == views
    assert sum(number for (kind, _), number in found.items() if kind == "liked") == 1


@pytest.mark.parametrize("library", LIBRARIES[1:])
def test_back_counts_a_view(enter, library):
    """Back is a view of the page that is shown again, and of no other."""
    site, page = enter(library)
    accept(page)
    follow(page, "/p2", "/p3")
    earlier = page.locator("main").get_attribute("data-number")
    page.go_back()
    page.wait_for_url("**/p2")
    page.wait_for_function(IS_TRACKED, arg=earlier)
    found = counted(site, page)
    assert [found["page_view", path] for path in ("/p1", "/p2", "/p3")] == [1, 2, 1]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_new_grant_after_a_withdrawal_counts_under_the_new_grant(enter, library):
    """A withdrawal and a new grant start one tracker, and the earlier one reports nothing more."""
    site, page = enter(library)
    accept(page)
    follow(page, "/p2")
    for name in ("Reject all", "Accept all"):
        page.evaluate("earlier = true")
        page.get_by_role("link", name="Privacy settings").click()
        if library != "htmx":
            page.wait_for_function("!window.earlier")  # Turbo swaps the page in, and then has it loaded as a document
        press(page, name)
        expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
    page.goto("/p3")
    follow(page, "/p4")
    press(page, "Like")
    found = counted(site, page)
    assert [found[kind, "/p4"] for kind in ("page_view", "page_exit", "liked")] == [1, 1, 1] and found[
        "page_view", "/p3"
    ] == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_page_swapped_in_after_a_grant_elsewhere_is_counted(enter, library):
    """The first page after a grant in another tab is counted although a script fetched it."""
    site, page = enter(library)
    page.context.request.post("/privacy/consent", form={"choice": "accept_all"}, max_redirects=0)
    follow(page, "/p2", "/p3")
    found = counted(site, page)
    assert [found["page_view", path] for path in ("/p1", "/p2", "/p3")] == [0, 1, 1]


SPECULATION = """document.head.append(Object.assign(document.createElement("script"), {type: "speculationrules",
  text: JSON.stringify({prefetch: [{source: "list", urls: ["/p2", "/p4"], eagerness: "immediate"}]})}))"""


def test_a_prefetched_page_counts_once_it_is_shown(enter):
    """The browser asks no more when the visitor opens a prefetched page, so its tracker reports the view."""
    site, page = enter("", path="about:blank")
    asked = []
    site.app.before_request(lambda: asked.append((request.path, request.headers.get("Sec-Purpose"))))
    page.goto("/p1")
    accept(page)
    page.evaluate(SPECULATION)
    wait_for(lambda: page.evaluate("1") and {("/p2", "prefetch"), ("/p4", "prefetch")} <= set(asked), "the prefetch")
    page.wait_for_timeout(300)  # until the browser has received the pages
    follow(page, "/p2", "/p3")
    found = counted(site, page)
    assert [path for path, _ in asked].count("/p2") == 1
    assert [found["page_view", path] for path in PATHS[:4]] == [1, 1, 1, 0]
    assert found["page_exit", "/p2"] == 1


# Decisions.


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("early", [False, True], ids=["after the script", "before the script"])
def test_a_press_posts_once(enter, library, early):
    """One press adds one grant to the ledger, whether the banner's script runs by then or not."""
    site, page = enter(library, path="about:blank")
    if early:
        page.route("**/banner.*.js", lambda route: route.abort())
    page.goto("/p1")
    posts = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    press(page, "Accept all")
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    page.goto("/p2")  # every request of the page before is reported by then
    assert len([post for post in posts if "/consent" in post.url]) == 1 and len(site.ledger("grant")) == 1


@pytest.mark.parametrize("name", ["Accept all", "Reject all"])
def test_a_page_from_the_back_forward_cache_shows_no_banner_after_a_decision(enter, name):
    """The restored page asks the site whether the visitor has decided since, so the other button overturns nothing."""
    site, page = enter("")
    other = page.context.new_page()
    other.goto(page.url)
    accept(other, name)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    assert len(site.ledger("grant")) == (name == "Accept all")


def test_a_page_from_the_back_forward_cache_keeps_its_banner_without_a_decision(enter):
    """Without a decision, the restored page still asks."""
    _, page = enter("")
    with page.expect_response("**/privacy/state.json"):
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    page.evaluate("fetch('/privacy/state.json').then((answer) => answer.json())")  # by then, the first answer is handled
    expect(page.locator(".mixamo-ask")).to_be_visible()


@pytest.mark.parametrize("library", ["htmx", "turbo"])
def test_a_body_from_a_librarys_cache_shows_no_banner_after_a_decision(enter, library):
    """Back shows the page that the library kept, without the banner."""
    _, page = enter(library)
    with page.expect_response("**/privacy/state.json"):  # the script of the new page's banner runs
        page.get_by_role("link", name="/p2", exact=True).click()
    accept(page, "Reject all")
    page.go_back()
    page.wait_for_url("**/p1")
    expect(page.locator(".mixamo-ask")).to_have_count(0)


@pytest.fixture
def third(serve):
    """A third-party host whose script asks it again every 20 ms. The host records each request."""
    app, asked = Flask("third"), []

    @app.get("/<name>")
    def answer(name):
        asked.append(name)
        code = "window.asking = true; setInterval(() => fetch(new URL('/again', import.meta.url)).catch(() => {}), 20)"
        return Response(code, content_type="text/javascript", headers={"Access-Control-Allow-Origin": "*"})

    address = serve(app)
    return type("Third", (), {"address": address, "host": address.removeprefix("http://"), "asked": asked})


WAYS = [("settings", None), ("settings", "enforce"), ("erase", None), ("button", "enforce")]


@pytest.mark.parametrize(
    ("library", "own", "csp"), [(library, *way) for library in LIBRARIES for way in WAYS] + [("", "fetch", None)]
)
def test_no_third_party_request_follows_a_withdrawal(enter, third, csp, library, own):
    """After a withdrawal the site is shown in a new document, whichever library navigates."""
    config = {"PRIVACY_POLICY": with_services(host=third.host)} | ({"PRIVACY_CSP": csp} if csp else {})
    site, page = enter(
        library,
        embed=lambda: current_app.jinja_env.globals["privacy"].script(
            third.address + "/a.js", purpose="media", type="module"
        ),
        **config,
    )
    press(page, "Accept all")
    wait_for(lambda: page.wait_for_timeout(20) or "again" in third.asked, "the third party")
    WITHDRAW[own](page)
    wait_for(lambda: page.wait_for_timeout(20) or site.ledger("withdrawal"), "the withdrawal")
    page.wait_for_function("document.readyState === 'complete' && !window.asking")
    expect(page.get_by_role("status").first).to_be_visible()
    before = len(third.asked)
    page.wait_for_timeout(200)  # ten times as long as between two requests
    assert len(third.asked) == before


def test_back_after_a_withdrawal_runs_no_service(tiny, serve, third, chromium):
    """A browser with a back/forward cache asks the site for the page again, and the third party stays unasked."""
    from conftest import chromium_arguments, executable

    site = tiny(PRIVACY_POLICY=with_services(host=third.host))
    tags = "{{ privacy.banner() }}{{ privacy.script(url, purpose='media', type='module') }}{{ privacy.settings_link() }}"
    site.view("/film", lambda: render_template_string(f"<!doctype html><body>{tags}", url=third.address + "/a.js"))
    browser = chromium.browser_type.launch(
        executable_path=executable(), args=chromium_arguments(), ignore_default_args=["--disable-back-forward-cache"]
    )
    page = browser.new_page(base_url=serve(site.app))
    page.goto("/film")
    press(page, "Accept all")
    wait_for(lambda: page.wait_for_timeout(50) or "again" in third.asked, "the third party")
    by_settings(page)
    expect(page.get_by_role("status")).to_be_visible()
    before = len(third.asked)
    page.evaluate("setTimeout(() => history.go(-2))")
    page.wait_for_url("**/film", wait_until="commit")
    page.wait_for_timeout(800)
    browser.close()
    assert len(third.asked) == before


def by_settings(page):
    page.get_by_role("link", name="Privacy settings").click()
    press(page, "Reject all")


def by_erasure(page):
    page.get_by_role("link", name="Privacy settings").click()
    page.get_by_role("link", name="What is stored about you").click()
    press(page, "Erase everything")
    page.locator("form[action$=erase] button").click()


def by_a_button_of_the_site(page):
    """A form of the site's own, which htmx or Turbo posts."""
    page.evaluate("""() => { document.querySelector("main").insertAdjacentHTML("beforeend",
      "<form method='post' action='/privacy/consent'><button name='choice' value='reject_all'>Forget</button></form>");
      window.htmx?.process(document.body) }""")
    press(page, "Forget")


def by_fetch(page):
    """A script that swaps the answer into the body and runs its scripts, as such libraries do."""
    page.evaluate("""async () => {
      const answer = await fetch("/privacy/consent", {method: "POST", body: new URLSearchParams({choice: "reject_all"})});
      const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
      history.pushState({}, "", answer.url);
      document.body.replaceWith(parsed.body);
      for (const old of document.body.querySelectorAll("script")) {
        const script = document.createElement("script");
        for (const {name, value} of old.attributes) script.setAttribute(name, value);
        old.replaceWith(script);
      }
    }""")


WITHDRAW = {"settings": by_settings, "erase": by_erasure, "button": by_a_button_of_the_site, "fetch": by_fetch}
