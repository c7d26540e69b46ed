"""The recipe for Flask-Assets."""

from __future__ import annotations

import re

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes


@pytest.mark.parametrize("debug", [False, True])
def test_the_bundles_contain_the_banners_files(recipe, debug, monkeypatch):
    """Every file of the page is served, and the banner loads none of its own."""
    monkeypatch.setenv("FLASK_DEBUG", str(int(debug)))
    browser = Browser(recipe("assets").app("shop"))
    page = browser.open("/").text
    files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    contents = "".join(browser.request(file).text for file in files)
    assert ".mixamo-ask" in contents and "privacy:change" in contents and "document.title" in contents
    assert re.findall(r'(?:href|src)="/privacy/static/', page) == []


def test_accept_browse_withdraw(recipe):
    """Each state of consent has the site's bundles."""
    app = recipe("assets").app("shop")

    def own_page(page):
        assert len(re.findall(r'"/static/all\.\w+\.(?:css|js)"', page.text)) == 2

    accept_browse_withdraw(Application(app), Browser(app), ["/", "/news"], own_page=own_page)


def test_the_command_builds_the_bundles(recipe):
    """``flask assets build`` writes both files before the site is served."""
    page = recipe("assets")
    page.run(page.commands()[1])
    assert {path.suffix for path in (page.folder / "static").glob("all.*")} == {".css", ".js"}


def test_the_banner_works_with_the_bundled_script(recipe, serve, open_browser):
    """In a browser, the answer closes the banner without a new page."""
    page = open_browser(base_url=serve(recipe("assets").app("shop")))
    page.goto("/")
    page.get_by_role("button", name="Reject all", exact=True).click()
    page.locator(".mixamo-ask").wait_for(state="detached")
    assert page.title() == "Shop!"
