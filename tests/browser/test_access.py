"""Accessibility of the extension's pages by keyboard and screen reader:

axe-core finds no violation and every switch is reachable.
"""

import pytest
from flask import render_template_string
from playwright.sync_api import expect

from flask_mixamo_privacy.web.access import consent_required
from support.axe import faults

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>:root { color-scheme: light dark; background: Canvas; color: CanvasText }</style><body>
{{ privacy.banner() }}<main><h1>Page</h1><p>{{ privacy.settings_link() }} {{ privacy.policy_link() }}</p></main>"""


@pytest.fixture
def enter(tiny, serve, open_browser):
    """Return a function that opens a page of a site with one of each of the extension's pages, in a browser of its own."""

    def enter_site(path, **options):
        site = tiny()
        site.view("/page", lambda: render_template_string(PAGE))
        site.view("/wardrobe", consent_required("customisation")(lambda: "Dressed."))
        page = open_browser(base_url=serve(site.app), **options)
        page.goto(path)
        return page

    return enter_site


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def settings(request, enter):
    """The settings page, with JavaScript and without."""
    return enter("/privacy/consent", java_script_enabled=request.param)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def switches(page):
    """Return the switches of the settings page that are on."""
    return [box.get_attribute("value") for box in page.get_by_role("switch").all() if box.is_checked()]


def fail_to_send(page):
    """Make the decision fail, so that the banner shows its error message."""
    page.route("**/privacy/consent", lambda route: route.abort())
    press(page, "Accept all")
    expect(page.get_by_role("alert")).to_contain_text("nothing was saved")


def choose_and_stay(page):
    press(page, "Accept all")
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")


def choose_outdated(page):
    """Answer under an outdated policy, which shows an alert with status 409."""
    page.locator("main [name=shown]").evaluate("field => { field.value = 'xxxxxx.' + '0'.repeat(64) }")
    with page.expect_response("**/privacy/consent") as response:
        press(page, "Accept all")
    assert response.value.status == 409
    expect(page.get_by_role("alert")).to_contain_text("has changed")


PAGES = {
    "banner": ("/page", lambda page: expect(page.locator(".mixamo-ask")).to_be_visible()),
    "banner with a message": ("/page", fail_to_send),
    "banner gone": ("/page", choose_and_stay),
    "settings": ("/privacy/consent", lambda page: expect(page.get_by_role("switch")).to_have_count(2)),
    "settings chosen": ("/privacy/consent", choose_and_stay),
    "settings outdated": ("/privacy/consent", choose_outdated),
    "policy": ("/privacy/", lambda page: expect(page.get_by_role("table").first).to_be_visible()),
    "consent required": (
        "/wardrobe",
        lambda page: expect(page.get_by_role("heading")).to_have_text("Your consent is needed"),
    ),
}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(enter, name, width, scheme):
    """axe-core finds no violation on a wide window in light and on a small phone in dark."""
    path, prepare = PAGES[name]
    page = enter(path, viewport={"width": width, "height": 568}, color_scheme=scheme)
    prepare(page)
    assert faults(page) == []


def test_axe_can_find_something(enter):
    """The check above can fail: axe-core reports an image without alternative text."""
    page = enter("/page")
    page.locator("main").evaluate("main => main.append(document.createElement('img'))")
    assert ["image-alt" in fault for fault in faults(page)] == [True]


def test_promise_10_no_switch_is_on_before_an_answer(settings):
    """A visitor who was not asked yet has granted nothing. Each switch has the purpose's name and description."""
    names = ("Statistics", "Customisation")
    for switch, name in zip(settings.get_by_role("switch").all(), names, strict=True):
        expect(switch).to_have_accessible_name(name)
        expect(switch).not_to_have_accessible_description("")
    assert switches(settings) == []


def test_settings_by_keyboard(settings):
    """Tab reaches each switch in order, Space turns it, Enter saves, and the page confirms it."""
    keyboard = settings.keyboard
    for name in ("Statistics", "Customisation"):
        keyboard.press("Tab")
        keyboard.press("Tab")
        expect(settings.get_by_role("switch", name=name)).to_be_focused()
    keyboard.press("Space")
    expect(settings.get_by_role("switch", name="Customisation")).to_be_checked()
    keyboard.press("Enter")
    expect(settings.get_by_role("status")).to_have_text("Your choice is saved.")
    assert switches(settings) == ["customisation"]


def test_settings_show_the_focus(settings):
    """Every element that receives keyboard focus has a visible outline."""
    stops = settings.locator("main :is(a, button, summary, input:not([type=hidden]))").count()
    for _ in range(stops):
        settings.keyboard.press("Tab")
        assert settings.locator("main :focus").evaluate("e => parseFloat(getComputedStyle(e).outlineWidth)") >= 2
    assert stops == 10


def test_a_page_that_needs_consent_opens_with_one_press(enter):
    """The page names the purpose that it needs, and opens once the visitor grants that purpose."""
    page = enter("/wardrobe")
    expect(page.get_by_text("works only if you allow “Customisation”")).to_be_visible()
    press(page, "Allow Customisation")
    expect(page.get_by_text("Dressed.")).to_be_visible()
    assert [cookie["name"] for cookie in page.context.cookies()] == ["privacy_consent"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_settings_survive_forced_colours(enter, scheme):
    """In forced-colours mode, a switch that is on still looks different from one that is off."""
    page = enter("/privacy/consent", forced_colors="active", color_scheme=scheme)
    switch = page.get_by_role("switch").first
    off = switch.screenshot()
    switch.check()
    page.get_by_role("heading").first.click()
    assert switch.screenshot() != off
