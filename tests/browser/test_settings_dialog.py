"""The settings as a dialog over the page with the banner: focus, keyboard, decisions, strict pages and failures."""

import pytest
from flask import render_template_string
from playwright.sync_api import expect

from support.axe import faults
from support.swapping_site import swap

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

NONCE = "nonce-of-this-page"
POLICIES = {
    "self": "default-src 'self'",
    "nonce": f"default-src 'none'; connect-src 'self'; script-src 'nonce-{NONCE}'; style-src 'nonce-{NONCE}'; form-action 'self'",
    "types": "require-trusted-types-for 'script'; trusted-types mixamo-privacy",
}


@pytest.fixture
def enter(serve, open_browser):
    """Return a function that opens a page of the site in a browser of its own."""

    def enter_site(site, path="/other", **options):
        page = open_browser(base_url=serve(site.app), **options)
        page.goto(path)
        return page

    return enter_site


def open_settings(page):
    """Press the banner's third button, and return the dialog."""
    page.locator(".mixamo-ask").get_by_role("button", name="Settings").click()
    expect(page.get_by_role("dialog", name="Privacy settings")).to_be_visible()
    return page.get_by_role("dialog")


def test_the_settings_open_over_the_page(tiny, enter):
    """The page stays where it is, the dialog has its name and its language, and the focus is on its title."""
    page = enter(tiny())
    dialog = open_settings(page)
    expect(page).to_have_url("/other")
    expect(dialog.get_by_role("heading", level=1)).to_be_focused()
    assert dialog.evaluate("e => [e.matches(':modal'), e.lang, e.dir]") == [True, "en", "ltr"]


@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_the_close_button_is_beside_the_title(tiny, enter, locale):
    """On the smallest phone too, no line of the dialog holds only its close button."""
    page = enter(tiny(), locale=locale, viewport={"width": 320, "height": 568})
    page.locator(".mixamo-ask [form]").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    tops = page.locator("dialog :is(h1, .mixamo-close)").evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
    assert abs(tops[0] - tops[1]) < 16
    widths = page.locator("dialog :is(h1, .mixamo-columns)").evaluate_all("all => all.map(e => e.offsetWidth)")
    assert widths[0] == widths[1], "the button makes the text narrower"


def test_without_javascript_the_settings_are_a_page(tiny, enter):
    page = enter(tiny(), java_script_enabled=False)
    page.get_by_role("button", name="Settings").click()
    expect(page).to_have_url("/privacy/consent?next=%2Fother")


@pytest.mark.parametrize("way", ["Escape", "button", "backdrop"])
def test_closing_the_settings_decides_nothing(tiny, enter, way):
    """Escape, the close button and a click beside the dialog close it. The focus returns to the banner's button."""
    page = enter(tiny(), viewport={"width": 1280, "height": 800})
    dialog = open_settings(page)
    if way == "Escape":
        page.keyboard.press("Escape")
    elif way == "button":
        dialog.get_by_role("button", name="Close").click()
    else:
        page.mouse.click(5, 5)
    expect(page.locator(".mixamo-panel")).to_have_count(0)
    expect(page.get_by_role("button", name="Settings")).to_be_focused()
    assert page.context.cookies() == []


def test_the_tab_key_stays_in_the_dialog(tiny, enter):
    """The page and the banner behind the dialog receive no focus."""
    page = enter(tiny())
    open_settings(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")


def test_a_choice_in_the_dialog_closes_it_and_the_banner(tiny, enter):
    """The decision is stored with the text of the settings, announced, and the focus moves to the page's content."""
    site = tiny()
    page = enter(site)
    dialog = open_settings(page)
    dialog.get_by_role("switch", name="Customisation").check()
    dialog.get_by_role("button", name="Save my choice").click()
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
    expect(page.locator(".mixamo-ask, .mixamo-panel")).to_have_count(0)
    expect(page.locator("main")).to_be_focused()
    assert [row["source"] for row in site.ledger_texts()] == ["settings"]


def test_the_settings_can_be_opened_again(tiny, enter):
    page = enter(tiny())
    open_settings(page)
    page.keyboard.press("Escape")
    expect(page.locator(".mixamo-panel")).to_have_count(0)
    open_settings(page).get_by_role("button", name="Reject all").click()
    expect(page.locator(".mixamo-ask")).to_have_count(0)


def test_two_presses_open_one_dialog(tiny, enter):
    page = enter(tiny())
    page.evaluate("() => { const b = document.querySelector('.mixamo-ask [form]'); b.click(); b.click() }")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator("dialog")).to_have_count(1)


def test_a_failed_grant_is_reported_in_the_dialog(tiny, enter):
    """The dialog stays open with the server's message until the decision succeeds."""
    page = enter(tiny())
    dialog = open_settings(page)
    page.route("**/privacy/consent", lambda route: route.fulfill(status=503, json={"message": "Not now."}), times=1)
    dialog.get_by_role("button", name="Accept all").click()
    expect(dialog.get_by_role("alert")).to_have_text("Not now.")
    dialog.get_by_role("button", name="Accept all").click()
    expect(page.locator(".mixamo-ask, .mixamo-panel")).to_have_count(0)


@pytest.mark.parametrize("address", ["**/settings-dialog.*", "**/privacy/consent?*"], ids=["script", "settings"])
def test_a_dialog_that_cannot_be_loaded_becomes_a_page(tiny, enter, address):
    """If the script or its request fails, the browser opens the settings as it would without JavaScript."""
    page = enter(tiny())
    page.route(address, lambda route: route.abort(), times=1)
    page.get_by_role("button", name="Settings").click()
    expect(page).to_have_url("/privacy/consent?next=%2Fother")
    expect(page.get_by_role("switch").first).to_be_visible()


@pytest.mark.parametrize("policy", POLICIES)
def test_the_dialog_works_on_strict_pages(tiny, enter, policy):
    """The browser blocks nothing, and the dialog has its style sheets."""
    site, errors = tiny(PRIVACY_CSP_NONCE=lambda: NONCE), []
    site.view("/favicon.ico", lambda: "")
    site.app.after_request(lambda r: r.headers.set("Content-Security-Policy", POLICIES[policy]) or r)
    page = enter(site)
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    dialog = open_settings(page)
    assert dialog.get_by_role("switch").first.evaluate("e => getComputedStyle(e).appearance") == "none"
    dialog.get_by_role("button", name="Accept all").click()
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    assert errors == []


def test_a_page_that_allows_no_script_address_opens_the_settings_as_a_page(tiny, enter):
    site = tiny()
    strict = "require-trusted-types-for 'script'; trusted-types 'none'"
    site.app.after_request(lambda r: r.headers.set("Content-Security-Policy", strict) or r)
    page = enter(site)
    page.get_by_role("button", name="Settings").click()
    expect(page).to_have_url("/privacy/consent?next=%2Fother")


@pytest.mark.parametrize(("locale", "scheme"), [("en", "light"), ("en", "dark"), ("ar", "light"), ("de", "dark")])
def test_axe_finds_nothing_in_the_dialog(tiny, enter, locale, scheme):
    site = tiny()
    page = enter(site, locale=locale, color_scheme=scheme, viewport={"width": 320, "height": 568})
    page.locator(".mixamo-ask [form]").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert [line for line in faults(page) if "dialog" in line or "mixamo" in line] == []


SITES_STYLES = """dialog { display: flex; position: relative; width: 100%; min-width: 100%; height: 100%; padding: 4rem; color: red }
dialog::backdrop { background: red } h1 { float: left } button { width: 100%; margin: 2rem }"""


def test_a_sites_styles_for_dialogs_do_not_apply(tiny, enter):
    site = tiny()
    page = enter(site, viewport={"width": 1280, "height": 800})
    page.add_style_tag(content=SITES_STYLES)
    dialog = open_settings(page)
    place = dialog.evaluate(
        "e => { const s = getComputedStyle(e); return [s.display, s.position, s.padding, e.offsetWidth] }"
    )
    assert place == ["block", "fixed", "0px", 736]


def test_a_form_of_the_site_with_the_same_attributes_is_its_own(tiny, enter):
    """A form of the site that has data-dialog, and fields named like a form's methods, is sent by the browser."""
    site = tiny()
    form = '<form action="/other" data-dialog="/x.js"><input name="id"><input name="submit"><button>Send</button></form>'
    site.view("/form", lambda: render_template_string("<title>Form</title>{{ privacy.banner() }}" + form))
    page = enter(site, "/form")
    page.get_by_role("button", name="Send").click()
    expect(page).to_have_url("/other?id=&submit=")


def test_the_dialog_changes_a_decision_made_elsewhere(tiny, enter):
    """The dialog shows the decision that was made in another tab since, and its form is accepted."""
    page = enter(tiny())
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Accept all").click()
    expect(other.locator(".mixamo-ask")).to_have_count(0)
    dialog = open_settings(page)
    expect(dialog.get_by_role("switch", name="Statistics")).to_be_checked()
    dialog.get_by_role("button", name="Reject all").click()
    expect(page.locator(".mixamo-panel")).to_have_count(0)


@pytest.mark.parametrize("library", ["", "htmx", "turbo"])
def test_back_leaves_no_dead_dialog(tiny, enter, library):
    """A library restores a copy of the page, without scripts in it. The settings open again on each page."""
    page = enter(swap(tiny(), library), "/p1")
    page.get_by_role("link", name="/p2", exact=True).first.click()
    page.wait_for_url("**/p2")
    open_settings(page)
    page.go_back()
    page.wait_for_url("**/p1")
    page.go_forward()
    page.wait_for_url("**/p2")
    expect(page.locator(".mixamo-panel")).to_have_count(0)
    open_settings(page)
    expect(page.locator(".mixamo-panel:modal")).to_have_count(1)
