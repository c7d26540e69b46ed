"""The recipe for Flask-Caching: whole pages from the cache, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.applications import Application, Browser
from support.recipes import wait_until

pytestmark = pytest.mark.recipes


def test_a_cached_page_is_the_same_for_all_visitors(recipe):
    """What one visitor decided is in no copy."""
    app = recipe("caching").app("shop")
    pages = set()
    for choice in ("accept_all", "reject_all", None):
        browser = Browser(app)
        if choice:
            browser.request("/privacy/consent", "POST", data={"choice": choice})
        pages.add(browser.open("/").text)
    assert len(pages) == 1 and "Cartwheel" in pages.pop()


def test_each_visitor_gets_an_own_banner_and_each_view_counts_once(recipe, serve, open_browser):
    """The banner comes by ``page.js``, and the tracker reports the views of cached pages."""
    app = recipe("caching").app("shop")
    site, address = Application(app), serve(app)
    page, other = open_browser(base_url=address), open_browser(base_url=address)
    page.goto("/")
    page.get_by_role("button", name="Accept all", exact=True).click()
    expect(page.locator(".mixamo-ask")).to_have_count(0)
    other.goto("/")
    expect(other.locator(".mixamo-ask")).to_be_visible()
    with page.expect_response("**/privacy/tracker.js*"):
        page.goto("/news")
    page.goto("about:blank")
    wait_until(lambda: "/news" in site.pages_viewed())
    assert sorted(site.pages_viewed()) == ["/", "/news"]
