"""The recipe for Flask-Talisman, in a real browser and by a test client."""

from __future__ import annotations

import re

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes

HTTPS = "https://localhost"
STATS = "stats.example"


def policies(page):
    """Return the policies of a page. A comma separates two in one header (RFC 9110, 5.6.1)."""
    return page.headers["Content-Security-Policy"].split(", ")


def test_accept_browse_withdraw(recipe):
    """On HTTPS, each state of consent has Talisman's policy and that of the grants."""
    app = recipe("talisman").app("shop")

    def own_page(page):
        assert len(policies(page)) == 2

    accept_browse_withdraw(Application(app), Browser(app, HTTPS), ["/", "/news"], own_page=own_page)


def test_http_is_redirected_except_in_debug_mode(recipe):
    """In production a visitor is sent to HTTPS. In debug mode the site works on HTTP."""
    app = recipe("talisman").app("shop")
    assert app.test_client().get("/").location == "https://localhost/"
    app.debug = True
    browser = Browser(app)
    assert "mixamo-ask" not in browser.submit(browser.open("/").text, "accept_all").text


def test_the_host_is_allowed_by_both_policies_after_the_grant_only(recipe):
    """Talisman's policy always lists the host, and the extension's after the grant."""
    browser = Browser(recipe("talisman").app("shop"), HTTPS)
    before = policies(browser.open("/"))
    browser.submit(browser.open("/").text, "accept_all")
    after = policies(browser.open("/"))
    assert [sum(STATS in policy for policy in found) for found in (before, after)] == [1, 2]


def test_every_script_carries_the_nonce_of_its_response(recipe):
    """The banner's script, the tracker and the granted script run under Talisman's policy."""
    browser = Browser(recipe("talisman").app("shop"), HTTPS)
    for number in (2, 3):
        page = browser.open("/")
        nonce = re.search(r"'nonce-([^']+)'", " ".join(policies(page)))[1]
        scripts = re.findall(r"<script[^>]*>", page.text)
        assert len(scripts) == number and all(f'nonce="{nonce}"' in script for script in scripts)
        if number == 2:
            browser.submit(page.text, "accept_all")
