"""The reports in a real browser:

without JavaScript, on a phone, in dark mode and right to left, with no axe-core violation.
"""

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
    app = create_app({"SECRET_KEY": "not a secret, a test", "TESTING": True, **databases, **places})
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
    """With every table open, axe-core finds no violation, nothing scrolls sideways, and the strict policy refuses nothing."""
    options = LOOKS[name]
    refused = []
    page = look(**options)
    page.on("console", lambda message: refused.append(message.text))
    page.reload()
    for summary in page.locator(".mixamo-numbers summary").all():
        summary.click()
    expect(page.locator("table").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert refused == []
    if options.get("java_script_enabled", True):
        assert faults(page) == []


def test_the_window_is_chosen_without_a_script(look):
    """Staff choose the window by links and a form, with the keyboard alone."""
    page = look(java_script_enabled=False)
    page.get_by_role("link", name="Week", exact=True).press("Enter")
    expect(page.locator("[aria-current=true]")).to_have_text("Week")
    before = page.get_by_role("heading", level=1).inner_text()
    page.get_by_role("combobox").select_option(index=4)
    page.get_by_role("button", name="Show").press("Enter")
    expect(page.get_by_role("heading", level=1)).not_to_have_text(before)
    assert "window=20" in page.url


def test_every_chart_has_a_name_and_a_table(look):
    """A screen reader announces the chart's name and finds the numbers in a table below it."""
    page = look()
    figures = page.locator("figure").all()
    assert len(figures) > 8
    for figure in figures:
        pictures = figure.locator("> svg[role=img]").all()
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
