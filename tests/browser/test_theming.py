"""The presets of docs/theming.md, in sites with the real style sheets of Bootstrap, Pico and Tailwind."""

import re

import pytest
from playwright.sync_api import expect

from support.axe import faults
from support.styled_site import DOCS, SHEETS, TESTS, style

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

COLOURS = (TESTS / "support" / "colours.js").read_text(encoding="utf-8")

#: What a site's style sheet may not change of a page: the sizes of its controls, in the order of the page.
SIZES = """() => [...document.querySelectorAll(".mixamo-page :is([role=switch], .mixamo-buttons button, .mixamo-purpose)")]
  .map(e => { const style = getComputedStyle(e), knob = getComputedStyle(e, "::before")
    return [style.display, style.borderRadius, style.minHeight, e.matches("input") ? [e.offsetWidth, e.offsetHeight] : "",
      e.matches("input") ? [knob.width, knob.insetInlineStart, knob.margin] : ""] })"""


@pytest.fixture
def styled(tiny, serve, open_browser, tmp_path):
    """Return a function that opens the settings in a site with a style sheet and its preset."""

    def open_settings(name, scheme="light", **options):
        site = tiny()
        style(site.app, tmp_path, name, scheme)
        page = open_browser(base_url=serve(site.app), color_scheme=scheme, **options)
        page.add_init_script(COLOURS)
        page.goto("/privacy/consent")
        return page

    return open_settings


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", SHEETS)
def test_a_preset_keeps_every_contrast(styled, name, scheme):
    """Settings, banner and dialog have no axe-core violation, and the shape of each button is at least 3 : 1."""
    page = styled(name, scheme)
    assert faults(page) == []
    page.goto("/page")
    shape = page.get_by_role("button", name="Accept all").evaluate(
        "e => contrast(pixel(getComputedStyle(e).backgroundColor), surface(e))"
    )
    assert shape >= 3 and [line for line in faults(page) if "mixamo" in line] == []
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert [line for line in faults(page) if "mixamo" in line] == []


@pytest.mark.parametrize("name", SHEETS)
def test_a_style_sheet_changes_no_control(styled, name):
    """Switches and buttons have the sizes and the shape that they have without a style sheet."""
    page = styled(name)
    radius = page.locator(".mixamo-buttons button").first.evaluate("e => getComputedStyle(e).borderRadius")
    page.evaluate("document.documentElement.style.fontSize = getComputedStyle(document.documentElement).fontSize")
    dressed = page.evaluate(SIZES)
    page.evaluate("document.querySelector('style').remove()")
    page.evaluate("radius => document.documentElement.style.setProperty('--privacy-radius', radius)", radius)
    assert dressed == page.evaluate(SIZES) != []


@pytest.mark.parametrize("name", SHEETS)
def test_a_preset_fits_a_phone(styled, name):
    """On the smallest phone nothing scrolls sideways, and both answers of the banner are in view."""
    page = styled(name, viewport={"width": 320, "height": 568})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.goto("/page")
    for answer in ("Accept all", "Reject all"):
        expect(page.get_by_role("button", name=answer)).to_be_in_viewport(ratio=1)


def test_every_preset_names_only_documented_properties():
    """Each property of the presets is in the table, and each property of the table is read by a style sheet."""
    listed = set(re.findall(r"--privacy-[a-z-]+", DOCS.split("## Presets")[0]))
    used = {
        name
        for path in (TESTS.parent / "static").glob("*.css")
        for name in re.findall(r"var\((--privacy-[a-z-]+)", path.read_text())
    }
    assert set(re.findall(r"--privacy-[a-z-]+", DOCS)) == listed == used - {"--privacy-height"}
