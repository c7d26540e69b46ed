"""The recipe for Flask-Session."""

from __future__ import annotations

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes


def test_accept_browse_withdraw(recipe):
    """The basket on the server survives the grant and the withdrawal."""
    page = recipe("session")
    app = page.app("shop")
    browser = Browser(app)
    accept_browse_withdraw(Application(app), browser, ["/", "/news"], own_feature=lambda: browser.request("/basket", "POST"))
    assert "<h1>3 in the basket</h1>" in browser.open("/").text
    assert list((page.folder / "instance" / "sessions").iterdir())


def test_a_decision_opens_no_session(recipe):
    """A visitor who only decides has no session cookie."""
    browser = Browser(recipe("session").app("shop"))
    browser.submit(browser.open("/").text, "reject_all")
    assert browser.client.get_cookie("session") is None
