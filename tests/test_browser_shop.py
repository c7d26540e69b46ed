"""The example site in a real browser: a banner and a way back on every page, and the whole story with its own theme switch."""

import json
import time

import pytest
from accessible import faults
from flask import request
from playwright.sync_api import expect

from example_site import create_app

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PAGES = (
    *("/", "/animations", "/animations?kind=travel", "/animations/walk", "/animations/walk?play=1", "/studio", "/login"),
    *("/register", "/newsletter", "/feedback", "/animations/walk/order", "/password"),
)


@pytest.fixture
def shop(tmp_path):
    """The example site with everything it writes in a temporary folder."""
    databases = {
        f"PRIVACY_{name.upper()}_URL": f"sqlite:///{tmp_path}/privacy-{name}.sqlite"
        for name in ("events", "ledger", "database")
    }
    databases["SHOP_DATABASE_URL"] = f"sqlite:///{tmp_path}/shop.sqlite"
    folders = {"PRIVACY_LOG_DIR": str(tmp_path / "log"), "PRIVACY_ASSETS_DIR": str(tmp_path / "assets")}
    return create_app({"TESTING": True, "SECRET_KEY": "not a secret, a test", **databases, **folders})


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def enter(request, shop, serve, open_browser):
    """Opens a page of the shop in a browser of its own, with JavaScript and without."""
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
    """What ``flask privacy …`` prints for the shop."""
    outcome = shop.test_cli_runner().invoke(args=["privacy", *arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def events(shop, *kinds):
    found = map(json.loads, printed(shop, "events").splitlines())
    return [event for event in found if not kinds or event["kind"] in kinds]


def test_every_page_asks_until_there_is_an_answer(enter):
    """First thing in the page, and on each of them, the signed-in one included."""
    page = enter()
    for path in PAGES:
        page.goto(path)
        expect(page.locator("body > form").first).to_have_attribute("aria-label", "Your privacy")
        expect(banner(page)).to_be_visible()
    sign_in(page)
    expect(banner(page)).to_be_visible()
    answer(page, "Reject all")


def test_promise_18_every_page_has_the_way_back(enter):
    """A link to the settings and one to the policy, on our own pages and on an error page too."""
    page = enter()
    for path in (*PAGES, "/privacy/", "/privacy/consent", "/privacy/requests", "/nowhere"):
        page.goto(path)
        for name, target in (("Privacy settings", "/privacy/consent"), ("Privacy policy", "/privacy/")):
            link = page.get_by_role("contentinfo").get_by_role("link", name=name, exact=True)
            expect(link).to_have_attribute("href", target)


def test_the_browser_has_nothing_to_object(enter):
    """The shop's own policy is ``default-src 'self'``, and nothing on any page of it goes against that."""
    page, said = enter(), []
    page.on("console", lambda message: said.append((page.url, message.text)) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append((page.url, str(error))))
    for path in (*PAGES, "/privacy/", "/privacy/consent", "/privacy/requests"):
        response = page.goto(path, wait_until="networkidle")
        assert response.header_value("content-security-policy") == "default-src 'self'"
    assert said == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_axe_finds_nothing_in_the_shop(shop, serve, open_browser, width, scheme):
    """With the banner and without; our own pages in the shop's frame included."""
    page = open_browser(base_url=serve(shop), viewport={"width": width, "height": 568}, color_scheme=scheme)
    for path in (*PAGES, "/privacy/", "/privacy/consent", "/privacy/requests", "/nowhere"):
        page.goto(path)
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_axe_looks_once_the_style_sheets_are_there(shop, serve, open_browser):
    """A page that a click leads to is not judged by a browser's own colours; here its style is late."""
    shop.before_request(lambda: time.sleep(0.3) if request.path.endswith(".css") else None)
    page = open_browser(base_url=serve(shop), color_scheme="dark")
    page.goto("/")
    page.get_by_role("link", name="Privacy policy").first.click()
    assert faults(page) == []


def test_a_page_asks_only_its_own_site(enter):
    """No request leaves for anybody else, before an answer or after."""
    page, hosts = enter(), set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    for path in PAGES:
        page.goto(path)
    answer(page, "Accept all")
    for path in PAGES:
        page.goto(path)
    assert hosts == {page.url.split("/")[2]}


def test_a_refusers_theme_lasts_for_the_session_and_is_nobodys(shop, enter):
    """The switch works on every page, the cookie ends with the browser, and no event knows of it."""
    page = enter()
    answer(page, "Reject all")
    switch_theme(page, "dark")
    page.goto("/animations/walk")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expiry = {cookie["name"]: cookie["expires"] for cookie in page.context.cookies()}
    assert expiry["privacy_choices"] == -1 and "privacy_visitor" not in expiry and events(shop) == []


def test_an_account_is_in_no_event(shop, enter):
    """Who is signed in is counted like anybody, under the page's rule, with no name anywhere."""
    page = enter()
    answer(page, "Accept all")
    sign_in(page)
    page.goto("/animations/walk")
    pages = {event["page"] for event in events(shop, "page_view")}
    assert pages == {"/", "/login", "/account", "/animations/<slug>"} and "customer" not in printed(shop, "events")


def test_done_when(shop, enter, clock):
    """Six accept and browse, one comes back half an hour later; who rejects or says nothing is nowhere."""
    people = [enter() for _ in range(6)]
    for page in people:
        answer(page, "Accept all")
        page.goto("/animations")
        switch_theme(page, "dark")
    answer(refuser := enter(), "Reject all")
    for page, path in ((refuser, "/animations/kick"), (enter(), "/animations/sneak")):
        page.goto(path)
        switch_theme(page, "light")
    for page in people:  # what a tab still has to tell happened before the half-hour
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
