"""What holds on every page of the extension: focus rings, targets, large text, forced colours, and axe-core."""

from pathlib import Path

import pytest

from support.axe import faults
from support.browsers import with_text_size
from support.every_page import PUBLIC, STAFF, every_page

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PHONE, DESK = {"width": 320, "height": 568}, {"width": 1280, "height": 800}
COLOURS = (Path(__file__).parents[1] / "support" / "colours.js").read_text(encoding="utf-8")
CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"

#: The controls without a visible ring: it must differ from what is around it, and from what is inside it.
RINGS = """controls => [...document.querySelectorAll(controls)].filter(e => e.checkVisibility() && !e.disabled).flatMap(e => {
  e.focus()
  const style = getComputedStyle(e), around = surface(e), ring = pixel(style.outlineColor, around)
  const gap = style.boxShadow === "none" ? around : pixel(style.boxShadow.match(/^[a-z]+\\(.*?\\)/)[0], around)
  const drawn = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && parseFloat(style.outlineOffset) >= 1
  return drawn && contrast(ring, around) >= 3 && contrast(ring, gap) >= 3 ? [] : [e.outerHTML.slice(0, 90)] })"""

#: The buttons, fields and links that stand alone and are smaller than 24 pixels. A label is part of its field.
SMALL = """controls => [...document.querySelectorAll(controls)].filter(e => e.checkVisibility()).flatMap(e => {
  const { width, height } = (e.closest("label") || e).getBoundingClientRect()
  const flows = e.matches("a") && getComputedStyle(e).display === "inline"
  const alone = flows && e.parentElement.textContent.trim() === e.textContent.trim()
  const line = alone ? e.parentElement.getBoundingClientRect().height : height
  return (flows && !alone) || (width >= 24 && line >= 24) ? [] : [e.outerHTML.slice(0, 90), width, height] })"""

CUT = """[...document.querySelectorAll("main *")].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 &&
  getComputedStyle(e).overflowX === "hidden" && e.clientWidth > 1).map(e => e.outerHTML.slice(0, 90))"""


@pytest.fixture
def visit(tiny, serve, chromium):
    """Return a function that yields each page, in a browser whose user has this size of text."""
    contexts, browsers = [], []

    def pages(text=100, **options):
        site = every_page(tiny, PRIVACY_SEND=lambda mail: None, PRIVACY_BASE_URL="https://site.example")
        browser = chromium if text == 100 else with_text_size(chromium, text)
        browsers.extend([browser] if text != 100 else [])
        contexts.append(browser.new_context(base_url=serve(site.app), **options))
        page = contexts[-1].new_page()
        page.add_init_script(COLOURS)
        for path in PUBLIC:
            page.goto(path)
            yield page
        page.goto("/enter/ann")
        for path in STAFF:
            page.goto(path)
            yield page

    yield pages
    for each in (*contexts, *browsers):
        each.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_shows_the_focus(visit, scheme):
    """The ring of each control has a contrast of 3 : 1 with the surface around it, and with the gap inside it."""
    for page in visit(color_scheme=scheme):
        page.keyboard.press("Tab")  # from here on, focus is shown
        assert page.evaluate(RINGS, CONTROLS) == [], page.url


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
def test_every_target_is_large_enough(visit, viewport):
    """Buttons, fields and links that stand alone are at least 24 pixels wide and high."""
    for page in visit(viewport=viewport):
        assert page.evaluate(SMALL, CONTROLS) == [], page.url


@pytest.mark.parametrize("text", [100, 200])
@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_no_page_scrolls_sideways(visit, text, locale):
    """On the smallest phone, no page is wider than the window, and no text is cut off, also with a text of 200 %."""
    for page in visit(text, viewport=PHONE, locale=locale):
        assert (page.evaluate("document.documentElement.scrollWidth"), page.evaluate(CUT)) == (320, []), page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_switch_that_is_off_is_visible_in_forced_colours(visit, scheme):
    """With forced colours, the knob and the outline of each switch differ from the surface, on and off."""
    for page in visit(forced_colors="active", color_scheme=scheme):
        for switch in page.get_by_role("switch").all():
            knob, line, around = switch.evaluate("""e => [pixel(getComputedStyle(e, "::before").borderTopColor),
              pixel(getComputedStyle(e).borderTopColor), surface(e)]""")
            assert page.evaluate("([a, b, c]) => Math.min(contrast(a, c), contrast(b, c))", [knob, line, around]) >= 3
    assert page.url.endswith("/privacy/reports")


def test_the_current_staff_page_is_marked_in_forced_colours(visit):
    """Its line differs from the lines of the other pages, which have the colour of the surface."""
    for page in visit(forced_colors="active"):
        links = page.locator(".mixamo-staff-pages a")
        colours = links.evaluate_all("all => all.map(one => [one.ariaCurrent, getComputedStyle(one).borderBlockEndColor])")
        assert len({colour for _, colour in colours}) == len({current for current, _ in colours}), page.url
    assert len(colours) > 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_have_visible_borders(visit, scheme):
    """The border of each field, switch and quiet button has a contrast of at least 3 : 1 with its surface."""
    for page in visit(color_scheme=scheme):
        faint = page.evaluate("""() => [...document.querySelectorAll("main :is(input:not([type=checkbox], [type=radio], [type=hidden]),"
          + "[role=switch]:not(:disabled), textarea, select, .mixamo-quiet)")].filter(e => e.checkVisibility())
          .filter(e => contrast(pixel(getComputedStyle(e).borderTopColor, surface(e)), surface(e)) < 3).map(e => e.outerHTML)""")
        assert faint == [], page.url


@pytest.mark.parametrize("forced", ["none", "active"])
@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESK), ("dark", PHONE)], ids=["desk", "dark phone"])
def test_axe_finds_nothing_on_any_page(visit, scheme, viewport, forced):
    """Also with forced colours, on a light and on a dark surface."""
    for page in visit(color_scheme=scheme, viewport=viewport, forced_colors=forced):
        assert faults(page) == []
