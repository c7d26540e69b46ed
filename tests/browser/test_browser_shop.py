"""The example site in a real browser:

a banner and a settings link on every page, and the full story with its theme switch.
"""

import json
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from flask import request
from playwright.sync_api import expect

from conftest import serving
from support.axe import faults
from support.browsers import with_text_size
from support.example_shop import open_shop

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PAGES = (
    *("/", "/animations", "/animations?kind=travel", "/animations/walk", "/animations/walk?play=1", "/studio", "/login"),
    *("/register", "/newsletter", "/feedback", "/animations/walk/order", "/password"),
)
#: The extension's pages in the shop's layout.
OWN = ("/privacy/", "/privacy/consent", "/privacy/requests")
FACTS = """() => ({
  first: document.querySelector("body > :not(link)")?.querySelector("form")?.getAttribute("aria-label"),
  banner: document.querySelector(".mixamo-ask")?.checkVisibility() ?? false,
  links: Object.fromEntries([...document.querySelectorAll("footer a")].map((link) => [link.textContent.trim(), link.getAttribute("href")])),
})"""


@pytest.fixture
def shop(tmp_path):
    """The example site, with all its files in a temporary folder."""
    return open_shop(tmp_path)


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def enter(request, shop, serve, open_browser):
    """Return a function that opens a page of the shop in a browser of its own, with or without JavaScript."""
    url = serve(shop)

    def enter_shop(path="/", **options):
        page = open_browser(java_script_enabled=request.param, base_url=url, **options)
        page.goto(path)
        return page

    return enter_shop


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def answer(page, name):
    grants = name == "Accept all"  # then a page with the granted service replaces this one
    with page.expect_navigation() if grants else nullcontext():
        press(page, name)
    expect(banner(page)).to_have_count(0)


def banner(page):
    return page.locator(".mixamo-ask")


def switch_theme(page, theme):
    press(page, theme.capitalize())
    expect(page.locator("html")).to_have_attribute("data-theme", theme)


def sign_in(page):
    page.goto("/login?next=/account")
    page.get_by_label("Name").fill("customer")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page).to_have_url("/account")


def printed(shop, *arguments):
    """Return the output of ``flask privacy …`` for the shop."""
    outcome = shop.test_cli_runner().invoke(args=["privacy", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def events(shop, *kinds):
    found = map(json.loads, printed(shop, "events").splitlines())
    return [event for event in found if not kinds or event["kind"] in kinds]


@pytest.fixture(scope="module", params=[True, False], ids=["script", "noscript"])
def walk(request, chromium, tmp_path_factory):
    """What a visitor sees and a browser reports who opens every page, decides nothing, accepts, and opens them again."""
    shop = open_shop(tmp_path_factory.mktemp("walk"))
    with serving(shop) as url:
        context = chromium.new_context(java_script_enabled=request.param, base_url=url)
        yield walked(context.new_page(), url)
        context.close()


def walked(page, url):
    hosts, errors, pages, policies = set(), [], {}, set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.on("console", lambda message: errors.append((page.url, message.text)) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append((page.url, str(error))))
    for path in ("/nowhere", *OWN, *PAGES):
        policies.add(page.goto(path).header_value("content-security-policy"))
        pages[path] = page.evaluate(FACTS)
        if path == "/nowhere":
            errors.clear()  # the browser reports its status
    sign_in(page)
    pages["/account"] = page.evaluate(FACTS)
    answer(page, "Accept all")
    for path in PAGES:
        page.goto(path)
    return SimpleNamespace(pages=pages, errors=errors, policies=policies, hosts=hosts, host=url.partition("//")[2])


def test_every_page_shows_the_banner_until_it_is_answered(walk):
    """The banner is the first element of every page, including the signed-in page."""
    asking = [walk.pages[path] for path in (*PAGES, "/account")]
    assert {(found["first"], found["banner"]) for found in asking} == {("Your privacy", True)}


def test_promise_18_every_page_links_to_the_settings(walk):
    """Every page links to the settings and the policy, including the extension's pages and an error page."""
    links = {"Privacy settings": "/privacy/consent", "Privacy policy": "/privacy/"}
    assert len(walk.pages) == len(PAGES) + 5
    assert [path for path, found in walk.pages.items() if not links.items() <= found["links"].items()] == []


def test_no_page_violates_the_shops_csp(walk):
    """The shop allows itself and the player's frame, our pages also forbid framing, and no page violates it."""
    own = "default-src 'self'; frame-src 'self' http://player.localhost:*"
    beside = {policy.removeprefix(own).partition("default-src")[0] for policy in walk.policies}
    assert beside == {", ", ", frame-ancestors 'self', "} and walk.errors == []


def test_no_page_makes_a_third_party_request(walk):
    """No page requests another host, before a decision or after it."""
    assert walk.hosts == {walk.host}


def test_axe_finds_no_violation_in_the_shop(shop, serve, open_browser):
    """axe-core finds no violation on a small phone in dark, and no page is wider than a phone or a desk.

    The audit of the shop checks all pages on a desk in light.
    """
    page = open_browser(base_url=serve(shop), color_scheme="dark")
    for path in (*PAGES, *OWN, "/nowhere"):
        page.goto(path)
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": 568})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        assert faults(page) == []


def test_no_page_of_the_shop_scrolls_sideways_with_large_text(chromium, shop, serve):
    """On the smallest phone, with a text of 200 %, each page is as wide as the window."""
    browser = with_text_size(chromium, 200)
    page = browser.new_page(base_url=serve(shop), viewport={"width": 320, "height": 568})
    page.goto("/animations/walk")
    page.get_by_role("button", name="Add to the basket").click()
    paths = (*PAGES, "/basket")
    widths = {path: page.goto(path) and page.evaluate("document.documentElement.scrollWidth") for path in paths}
    browser.close()
    assert set(widths.values()) == {320}, widths


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_chosen_is_visible_in_forced_colours(shop, serve, open_browser, scheme):
    """The button of the current theme and the current filter differ from the others, and axe-core finds no violation."""
    page = open_browser(base_url=serve(shop), forced_colors="active", color_scheme=scheme)
    page.goto("/animations?kind=travel")
    for others in (".themes button", ".filters div:first-child a"):
        found = page.locator(others).evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
        assert len(found) > len(set(found)) == 2, others
    assert faults(page) == []


def test_axe_waits_for_the_style_sheets(shop, serve, open_browser):
    """A page with a late style sheet is not checked with the browser's default colours."""
    shop.before_request(lambda: time.sleep(0.3) if request.path.endswith(".css") else None)
    page = open_browser(base_url=serve(shop), color_scheme="dark")
    page.goto("/")
    page.get_by_role("link", name="Privacy policy").first.click()
    assert faults(page) == []


def test_the_theme_of_a_visitor_who_refused_is_kept_for_the_session(shop, enter):
    """The switch works on every page, the cookie ends with the browser session, and no event contains the theme."""
    page = enter()
    answer(page, "Reject all")
    switch_theme(page, "dark")
    page.goto("/animations/walk")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expiry = {cookie["name"]: cookie["expires"] for cookie in page.context.cookies()}
    assert expiry["privacy_choices"] == -1 and "privacy_visitor" not in expiry and events(shop) == []


def test_no_event_identifies_an_account(shop, enter):
    """A signed-in user is counted under the page's rule, and no event contains a user name."""
    page = enter()
    answer(page, "Accept all")
    sign_in(page)
    page.goto("/animations/walk")
    pages = {event["page"] for event in events(shop, "page_view")}
    assert pages == {"/", "/login", "/account", "/animations/<slug>"} and "customer" not in printed(shop, "events")


@pytest.mark.parametrize("enter", [True], ids=["script"], indirect=True)
def test_the_reports_count_only_visitors_who_accepted(shop, enter, clock):
    """Six visitors accept and browse, and one returns after half an hour.

    Visitors who reject or do not answer appear nowhere.
    """
    people = [enter() for _ in range(6)]
    for page in people:
        answer(page, "Accept all")
        page.goto("/animations")
        switch_theme(page, "dark")
    answer(refuser := enter(), "Reject all")
    for page, path in ((refuser, "/animations/kick"), (enter(), "/animations/sneak")):
        page.goto(path)
        switch_theme(page, "light")
    for page in people:  # events that the tab has not sent yet belong to the time before the half-hour
        while page.evaluate("sessionStorage.length"):
            page.wait_for_timeout(100)
    clock.shift(31 * 60)
    people[0].goto("/")
    expect(people[0].get_by_text("Welcome back")).to_be_visible()
    assert {"/animations/kick", "/animations/sneak"}.isdisjoint(event["page"] for event in events(shop))
    report = json.loads(printed(shop, "report", "--json"))
    assert (report["visitors"], report["visits"], report["repeat_visits"]) == (6, 7, "<5")
    assert [(row["name"], row["value"], row["visitors"]) for row in report["customisation"]] == [("theme", "dark", 6)]
    assert all(words in printed(shop, "report") for words in ("Visits             7", "theme  dark"))
