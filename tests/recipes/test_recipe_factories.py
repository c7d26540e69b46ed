"""The recipe for app factories and blueprints."""

from __future__ import annotations

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes


def test_accept_browse_withdraw(recipe):
    """The factory's app asks, counts under a grant, and stops after the withdrawal."""
    app = recipe("factories").app("shop", "create_app")
    named = ["/", "/films/<int:number>"]
    accept_browse_withdraw(Application(app), Browser(app), ["/", "/films/7"], named=named)


def test_the_blueprint_uses_the_extension(recipe):
    """A view of the blueprint records an event of its own, and another needs a grant."""
    app = recipe("factories").app("shop", "create_app")
    browser = Browser(app)
    assert browser.request("/films/for-you").status_code == 403
    browser.submit(browser.open("/").text, "accept_all")
    browser.open("/films/for-you")
    browser.request("/films/7/played", "POST")
    (played,) = Application(app).events("film.played")
    assert played["data"] == {"seconds": 30}


def test_the_environment_sets_a_setting(recipe, monkeypatch):
    """``FLASK_PRIVACY_CSP`` sets ``PRIVACY_CSP``."""
    monkeypatch.setenv("FLASK_PRIVACY_CSP", "enforce")
    app = recipe("factories").app("shop", "create_app")
    assert "default-src 'self'" in Browser(app).open("/").headers["Content-Security-Policy"]


def test_the_pages_own_test_passes(recipe):
    """The site's test of the page runs with the plugin."""
    page = recipe("factories")
    assert "1 passed" in page.run(page.commands()[-1] + " -p no:cacheprovider -p no:xdist")
