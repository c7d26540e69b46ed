"""The reports in a real browser:

without JavaScript, on a phone, in dark mode and right to left, with no axe-core violation.
"""

import re

import pytest
from playwright.sync_api import expect

from example_site import create_app
from support.axe import faults

pytestmark = pytest.mark.browser

PHONE = {"width": 320, "height": 568}
LOOKS = {
    "wide": {"viewport": {"width": 1280, "height": 800}},
    "phone, dark and from the right": {"locale": "ar", "viewport": PHONE, "color_scheme": "dark"},
    "without a script": {"java_script_enabled": False, "viewport": PHONE},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The example site with its demo data."""
    folder = tmp_path_factory.mktemp("shop")
    databases = {f"PRIVACY_{name}_URL": f"sqlite:///{folder}/{name}.sqlite" for name in ("EVENTS", "LEDGER")}
    places = {f"PRIVACY_{name}_DIR": str(folder / name) for name in ("LOG", "ASSETS")}
    public = {"PRIVACY_PUBLIC_REPORTS": True}
    app = create_app({"SECRET_KEY": "not a secret, a test", "TESTING": True, **public, **databases, **places})
    assert app.test_cli_runner().invoke(args=["privacy", "demo-data", "--visitors", "150"]).exit_code == 0
    return app


@pytest.fixture
def look(shop, serve, open_browser):
    """Return a function that opens the reports as staff of the shop."""

    def open_reports(query="?window=all", **options):
        page = open_browser(base_url=serve(shop), **options)
        page.goto("/privacy/consent")
        page.get_by_role("button").and_(page.locator("[value=reject_all]")).click()
        page.goto("/login?next=/privacy/reports")
        page.locator("[name=name]").fill("staff")
        page.locator("[name=password]").fill("demo")
        page.locator("main form button").last.click()
        page.goto(f"/privacy/reports{query}")
        return page

    return open_reports


@pytest.mark.parametrize("name", LOOKS)
def test_the_reports_are_accessible(look, name):
    """With any table open, axe-core finds no violation, nothing scrolls sideways, and the strict policy refuses nothing.

    One table is open at a time.
    """
    options = LOOKS[name]
    refused = []
    page = look(**options)
    page.on("console", lambda message: refused.append(message.text))
    page.reload()
    for summary in page.locator(".mixamo-numbers summary").all():
        summary.click()
    expect(page.locator("details[open]")).to_have_count(1)
    expect(page.locator("details[open] table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert refused == []
    if options.get("java_script_enabled", True):
        assert faults(page) == []


@pytest.mark.parametrize("path", ["/privacy/reports/page?page=/&window=all", "/privacy/reports/public"])
def test_the_other_pages_of_reports_are_accessible(look, path):
    """The view of one page and the public page have no violation, and scroll in one direction, on a phone in the dark."""
    page = look(viewport=PHONE, color_scheme="dark")
    assert page.goto(path).status == 200
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert faults(page) == []


def test_the_window_is_chosen_without_a_script(look):
    """Staff choose the window by links, with the keyboard alone."""
    page = look(java_script_enabled=False)
    page.get_by_role("link", name="28 days", exact=True).press("Enter")
    expect(page.locator("[aria-current=true]")).to_have_text("28 days")
    before = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("link", name="Earlier").press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_have_text(before)
    assert "window=20" in page.url


def test_every_chart_has_a_name_and_a_table(look):
    """A screen reader announces the chart's name and finds the numbers in a table below it."""
    page = look()
    figures = page.locator("figure").all()
    assert len(figures) > 8
    for figure in figures:
        pictures = figure.locator("svg[role=img]").all()
        assert all(page.locator(f"#{picture.get_attribute('aria-labelledby').split()[0]}").count() for picture in pictures)
        assert figure.locator("table caption").count() == 1


def test_no_text_of_a_chart_overflows(look):
    """On a phone, text stays inside the chart, left to right and right to left."""
    for locale in ("en", "ar"):
        page = look(viewport=PHONE, locale=locale)
        over = page.evaluate("""() => [...document.querySelectorAll("figure svg text")].filter(text => {
            const box = text.getBoundingClientRect(), whole = text.closest("figure").getBoundingClientRect()
            return box.width && (box.left < whole.left - 1 || box.right > whole.right + 1)
        }).map(text => text.textContent)""")
        assert over == []


@pytest.mark.parametrize("width", [320, 1280])
def test_text_at_200_percent_breaks_no_picture(look, width):
    """No text is cut or runs over another row, because bars and charts grow with their text."""
    page = look(viewport={"width": width, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    over = page.evaluate("""() => [...document.querySelectorAll(".mixamo-top li")].filter(row => {
        const box = row.getBoundingClientRect()
        return box.height && [...row.querySelectorAll("span")].some(part => {
            const own = part.getBoundingClientRect()
            return own.top < box.top - 1 || own.bottom > box.bottom + 1 || own.right > box.right + 1 || own.left < box.left - 1
        })
    }).map(row => row.textContent)""")
    assert over == []


def test_the_reports_are_printed_on_at_most_four_pages(look, tmp_path):
    """On paper, closed tables and the choice of a period are left out."""
    page = look(query="")
    page.emulate_media(media="print")
    assert page.locator("details:visible").count() == 0
    page.pdf(path=tmp_path / "reports.pdf", format="A4")
    assert 1 <= len(re.findall(rb"/Type /Page\b", (tmp_path / "reports.pdf").read_bytes())) <= 4


def test_bands_and_bars_are_visible_against_the_page(look):
    """WCAG 2.2, 1.4.11: a graphical object has a contrast of 3 : 1 in light and dark."""
    for scheme in ("light", "dark"):
        page = look(color_scheme=scheme)
        assert page.evaluate(CONTRASTS) == []


CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
    const paperColor = getComputedStyle(document.body).backgroundColor
    const light = color => {
        for (const each of [paperColor, color]) {
            canvas.fillStyle = each
            canvas.fillRect(0, 0, 1, 1)
        }
        const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map(each => each / 255)
            .map(each => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4)
        return .2126 * red + .7152 * green + .0722 * blue
    }
    const paper = light(paperColor)
    return [...document.querySelectorAll(".mixamo-flow path, .mixamo-bar, .mixamo-edge, .mixamo-point")].filter(shape => {
        const own = light(getComputedStyle(shape).fill)
        return (Math.max(own, paper) + .05) / (Math.min(own, paper) + .05) < 3
    }).map(shape => shape.getAttribute("class") + " " + getComputedStyle(shape).fill)
}"""
