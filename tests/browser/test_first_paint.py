"""The banner's style in the page, in a real browser, also under a policy that only a proxy knows of."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

STRICT = "default-src 'self'"
SHIFT = """() => new Promise(resolve => {
  let sum = 0;
  new PerformanceObserver(list => { for (const entry of list.getEntries()) sum += entry.value; }).observe({type: "layout-shift", buffered: true});
  setTimeout(() => resolve(sum), 300);
})"""


def behind_a_proxy(app):
    """Return the app behind a proxy that adds a policy."""

    def proxied(environ, start_response):
        def start(status, headers, error=None):
            return start_response(status, [*headers, ("Content-Security-Policy", STRICT)], error)

        return app(environ, start)

    return proxied


@pytest.fixture(params=[True, False], ids=["script", "noscript"])
def visit(request, serve, open_browser):
    """Return a function that opens the page of a site whose endpoint already contains the style."""

    def open_page(site, app=None):
        assert site.visitor().get("/").status_code == 200
        page = open_browser(base_url=serve(app or site.app), java_script_enabled=request.param)
        page.goto("/")
        return page

    return open_page


def is_fixed(page):
    """Wait for the banner, and assert that it has its style."""
    expect(page.locator(".mixamo-ask")).to_be_visible()
    expect(page.locator(".mixamo-ask")).to_have_css("position", "fixed")
    expect(page.get_by_role("button", name="Accept all")).to_be_visible()


def test_a_page_with_the_style_requests_no_sheet(tiny, serve, open_browser):
    """The disabled link is not loaded, and nothing on the page moves."""
    site = tiny()
    site.visitor().get("/")
    page = open_browser(base_url=serve(site.app))
    requested = []
    page.on("request", lambda sent: requested.append(sent.url))
    page.goto("/", wait_until="networkidle")
    is_fixed(page)
    assert [url for url in requested if url.endswith(".css")] == []
    assert page.evaluate(SHIFT) == 0


def test_the_banner_has_its_style_under_the_policy_of_a_proxy(tiny, visit):
    """The browser blocks the style in the page, and the linked sheet replaces it, with and without JavaScript."""
    site = tiny()
    page = visit(site, behind_a_proxy(site.app))
    is_fixed(page)
    page.get_by_role("button", name="Reject all").click()
    expect(page.locator(".mixamo-ask")).to_have_count(0)


def test_nothing_moves_under_the_policy_of_a_proxy(tiny, serve, open_browser):
    """Until the linked sheet is there, the banner is hidden."""
    site = tiny()
    site.visitor().get("/")
    page = open_browser(base_url=serve(behind_a_proxy(site.app)))
    page.goto("/")
    is_fixed(page)
    assert page.evaluate(SHIFT) == 0


def test_the_settings_open_over_a_page_with_the_style(tiny, visit):
    """The dialog, or the page without JavaScript, follows as on a page that links the sheet."""
    page = visit(tiny())
    is_fixed(page)
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("button", name="Save my choice")).to_be_visible()
