"""Several apps on one host in a real browser, which sends the cookies of / to each mount too."""

import pytest
from flask import make_response, render_template_string, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from conftest import Tiny

pytestmark = pytest.mark.browser

PAGE = '<!doctype html><html lang="en"><title>Page</title><body>{{ privacy.banner() }}<p>Page'


def page():
    response = make_response(render_template_string(PAGE))
    response.set_etag("of-the-article")
    response.cache_control.no_cache = True
    return response.make_conditional(request)


@pytest.fixture
def sites(tmp_path):
    """Two sites with one secret, whose page has an ETag of its own."""
    found = []
    for name in ("front", "shop"):
        (tmp_path / name).mkdir()
        found.append(Tiny(tmp_path / name))
        found[-1].view("/page", page)
    return found


def test_each_mount_is_asked_once_and_withdraws_alone(sites, serve, open_browser):
    """A decision at one mount lasts there, and is none at the other; a stored page never shows an earlier decision."""
    front, shop = sites
    base = serve(DispatcherMiddleware(front.app, {"/shop": shop.app}))
    browser = open_browser()
    for mount in ("", "/shop"):
        browser.goto(f"{base}{mount}/page")
        button = browser.get_by_role("button", name="Accept all")
        button.click(), button.wait_for(state="hidden")
    for mount in ("", "/shop", ""):
        browser.goto(f"{base}{mount}/page")
        assert not browser.get_by_role("button", name="Accept all").is_visible()
        assert f"{mount}/privacy/tracker.js" in browser.content()
    browser.goto(f"{base}/shop/privacy/consent")
    with browser.expect_navigation():
        browser.get_by_role("button", name="Reject all").click()
    for mount, counted in (("", True), ("/shop", False)):
        browser.goto(f"{base}{mount}/page")
        assert (f"{mount}/privacy/tracker.js" in browser.content()) == counted
    assert len({event["visitor"] for event in front.events()}) == 1 and shop.events() == []
