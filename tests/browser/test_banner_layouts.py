"""The banner's three layouts: at every size of window and text, in every language, both answers are in view."""

import pytest
from playwright.sync_api import expect

from flask_mixamo_privacy.i18n.language import SHIPPED
from support.axe import faults
from support.browsers import with_text_size

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

LAYOUTS = ("bar", "card", "sheet")
WINDOWS = ((320, 568), (360, 640), (375, 667), (1280, 800))
#: The languages with the longest text, the longest labels of the buttons, and lines from right to left.
LANGUAGES = ("en", "de", "ar", "fi", "ga", "hu", "pl", "el")

#: The top, the bottom and the visible part of each button, and whether something covers its middle.
ANSWERS = """() => [...document.querySelectorAll(".mixamo-ask button")].map(button => {
  const { x, y, width, height } = button.getBoundingClientRect()
  return { top: Math.round(y), width: Math.round(width), height: Math.round(height), inside: x >= 0 && y >= 0 &&
    x + width <= innerWidth && y + height <= innerHeight, seen: document.elementFromPoint(x + width / 2, y + height / 2) === button,
    overflows: button.scrollWidth > button.clientWidth + 1 || button.scrollHeight > button.clientHeight + 1 } })"""

COVERAGE = """() => { const { width, height } = document.querySelector(".mixamo-ask").getBoundingClientRect()
  return 100 * width * height / innerWidth / innerHeight }"""


@pytest.fixture(scope="module")
def browsers(chromium):
    """Return a function that launches a browser whose user has set this size of text, in percent."""
    launched = {}

    def browser(text):
        if text not in launched:
            launched[text] = with_text_size(chromium, text)
        return launched[text]

    yield browser
    for each in launched.values():
        each.close()


@pytest.fixture
def looks(tiny, serve, browsers):
    """Return a function that yields a page with the banner for each window and language."""

    def pages(text, windows=WINDOWS, languages=LANGUAGES, layout="bar"):
        page = browsers(text).new_page(base_url=serve(tiny(PRIVACY_BANNER=layout).app))
        for language in languages:
            page.set_extra_http_headers({"Accept-Language": language})
            page.goto("/")
            for width, height in windows:
                page.set_viewport_size({"width": width, "height": height})
                yield (layout, text, language, width), page
        page.close()

    return pages


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", [100, 175, 200])
def test_both_answers_are_in_view_at_every_size_of_text(looks, layout, text):
    """Accept and reject share one row, are equally large, and are completely in view. Only the sentence scrolls."""
    for look, page in looks(text, layout=layout):
        accept, reject, settings = page.evaluate(ANSWERS)
        assert abs(accept.pop("width") - reject.pop("width")) <= 1, look
        assert accept == reject and accept["inside"] and accept["seen"] and not accept["overflows"], look
        assert settings["inside"] and settings["seen"] and settings["height"] >= 24, look
        assert page.locator(".mixamo-ask").evaluate("e => e.scrollHeight <= e.clientHeight"), look


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("text", [100, 200])
def test_the_tab_key_reaches_the_sentence_only_if_it_scrolls(looks, layout, text):
    """The arrow keys then scroll it. A sentence that is in view completely is no stop of the Tab key."""
    for look, page in looks(text, [(320, 568), (1280, 800)], ["en", "de"], layout):
        sentence = page.locator(".mixamo-ask p").first
        scrolls = sentence.evaluate("e => e.scrollHeight > e.clientHeight")
        expect(sentence).to_have_attribute("tabindex", "0" if scrolls else "-1")
        assert [fault for fault in faults(page) if "mixamo" in fault] == [], look


def test_the_sentence_is_scrolled_by_the_keyboard(looks):
    """At twice the size of text on a small phone, the first stop of the Tab key is the sentence, with a visible outline."""
    for _, page in looks(200, [(320, 568)], ["de"]):
        sentence = page.locator(".mixamo-ask p").first
        expect(sentence).to_have_attribute("tabindex", "0")
        page.keyboard.press("Tab")
        expect(sentence).to_be_focused()
        assert sentence.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        page.keyboard.press("End")
        page.wait_for_function("document.activeElement.scrollTop > 0")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_banner_covers_little_in_every_language(looks, layout):
    """At the normal size of text, the banner covers at most 10 % of a desktop's window, and 27 % of a small phone's.

    Both answers are in view.
    """
    large = {}
    for look, page in looks(100, [(320, 568), (1280, 800)], SHIPPED, layout):
        covered, answers = page.evaluate(COVERAGE), page.evaluate(ANSWERS)[:2]
        if covered > (27 if look[-1] == 320 else 10) or not all(one["inside"] and one["seen"] for one in answers):
            large[look] = covered
    assert large == {}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_sentence_has_15_pixels_and_grows_with_the_text(looks, layout):
    """The banner's sentence is 15px high at the normal size of text, and twice as high at 200 %."""
    for text in (100, 200):
        for _, page in looks(text, [(320, 568)], ["en"], layout):
            size = page.locator(".mixamo-ask p").first.evaluate("e => getComputedStyle(e).fontSize")
            assert size == f"{15 * text // 100}px"


def test_the_banner_ends_where_the_content_ends(tiny, serve, open_browser):
    """The sides of the bar follow the width and the edge that the site states."""
    page = open_browser(base_url=serve(tiny().app), viewport={"width": 1280, "height": 800})
    page.goto("/")
    page.add_style_tag(content=":root { --privacy-width: 60rem; --privacy-edge: 1rem }")
    left, right = page.evaluate("""[document.querySelector(".mixamo-ask p").getBoundingClientRect().left,
      document.querySelector(".mixamo-ask button[form]").parentElement.getBoundingClientRect().right]""")
    assert (left, right) == (160, 1120)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_layout_moves_or_blocks_the_page(tiny, serve, open_browser, layout):
    """The banner appears without a motion, and the page around it can be used."""
    page = open_browser(base_url=serve(tiny(PRIVACY_BANNER=layout).app))
    page.goto("/")
    assert page.evaluate("document.getAnimations().length") == 0
    assert page.locator("dialog, [aria-modal], [inert]").count() == 0
    page.get_by_role("link", name="Other").click()
    expect(page).to_have_url("/other")


@pytest.mark.parametrize("forced", ["active", "none"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_button_has_an_outline_in_forced_colours(tiny, serve, open_browser, layout, forced):
    """With forced colours, the answers are buttons with a visible border, and the settings are underlined."""
    page = open_browser(base_url=serve(tiny(PRIVACY_BANNER=layout).app), forced_colors=forced)
    page.goto("/")
    border, surface = page.locator(".mixamo-ask button").first.evaluate(
        "e => [getComputedStyle(e).borderTopColor, getComputedStyle(e.form).backgroundColor]"
    )
    assert (border != surface and border != "rgba(0, 0, 0, 0)") == (forced == "active")
    settings = page.get_by_role("button", name="Settings")
    assert "underline" in settings.evaluate("e => getComputedStyle(e).textDecorationLine")
