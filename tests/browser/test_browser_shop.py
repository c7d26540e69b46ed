"""The example site in a real browser:

a banner and a settings link on every page, and the full story with its theme switch.
"""

import json
import time

import pytest
from flask import request
from playwright.sync_api import expect

from example_site import create_app
from support.axe import faults

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PAGES = (
    *("/", "/animations", "/animations?kind=travel", "/animations/walk", "/animations/walk?play=1", "/studio", "/login"),
    *("/register", "/newsletter", "/feedback", "/animations/walk/order", "/password"),
)


@pytest.fixture
def shop(tmp_path):
    """The example site, with all its files in a temporary folder."""
    databases = {
        f"PRIVACY_{name.upper()}_URL": f"sqlite:///{tmp_path}/privacy-{name}.sqlite"
        for name in ("events", "ledger", "database")
    }
    databases["SHOP_DATABASE_URL"] = f"sqlite:///{tmp_path}/shop.sqlite"
    folders = {"PRIVACY_LOG_DIR": str(tmp_path / "log"), "PRIVACY_ASSETS_DIR": str(tmp_path / "assets")}
    return create_app({"TESTING": True, "SECRET_KEY": "not a secret, a test", **databases, **folders})


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
    press(page, name)
    expect(banner(page)).to_have_count(0)


def banner(page):
    return page.locator(".privacy-banner")


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


def test_every_page_shows_the_banner_until_it_is_answered(enter):
    """The banner is the first element of every page, including the signed-in page."""
    page = enter()
    for path in PAGES:
        page.goto(path)
        expect(page.locator("body > form").first).to_have_attribute("aria-label", "Your privacy")
        expect(banner(page)).to_be_visible()
    sign_in(page)
    expect(banner(page)).to_be_visible()
    answer(page, "Reject all")


def test_promise_18_every_page_links_to_the_settings(enter):
    """Every page links to the settings and the policy, including the extension's pages and an error page."""
    page = enter()
    for path in (*PAGES, "/privacy/", "/privacy/consent", "/privacy/requests", "/nowhere"):
        page.goto(path)
        for name, target in (("Privacy settings", "/privacy/consent"), ("Privacy policy", "/privacy/")):
            link = page.get_by_role("contentinfo").get_by_role("link", name=name, exact=True)
            expect(link).to_have_attribute("href", target)


def test_no_page_violates_the_shops_csp(enter):
    """The shop's policy is ``default-src 'self'``, and no page of the shop violates it."""
    page, errors = enter(), []
    page.on("console", lambda message: errors.append((page.url, message.text)) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append((page.url, str(error))))
    for path in (*PAGES, "/privacy/", "/privacy/consent", "/privacy/requests"):
        response = page.goto(path, wait_until="networkidle")
        assert response.header_value("content-security-policy") == "default-src 'self'"
    assert errors == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_axe_finds_no_violation_in_the_shop(shop, serve, open_browser, width, scheme):
    """axe-core finds no violation with the banner and without, including the extension's pages in the shop's layout."""
    page = open_browser(base_url=serve(shop), viewport={"width": width, "height": 568}, color_scheme=scheme)
    for path in (*PAGES, "/privacy/", "/privacy/consent", "/privacy/requests", "/nowhere"):
        page.goto(path)
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_axe_waits_for_the_style_sheets(shop, serve, open_browser):
    """A page with a late style sheet is not checked with the browser's default colours."""
    shop.before_request(lambda: time.sleep(0.3) if request.path.endswith(".css") else None)
    page = open_browser(base_url=serve(shop), color_scheme="dark")
    page.goto("/")
    page.get_by_role("link", name="Privacy policy").first.click()
    assert faults(page) == []


def test_no_page_makes_a_third_party_request(enter):
    """No page requests another host, before a decision or after it."""
    page, hosts = enter(), set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for path in PAGES:
        page.goto(path)
    answer(page, "Accept all")
    for path in PAGES:
        page.goto(path)
    assert hosts == {page.url.split("/")[2]}


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
