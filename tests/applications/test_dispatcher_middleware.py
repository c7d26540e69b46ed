"""Werkzeug's DispatcherMiddleware: two apps with the extension on one host, each with its own decisions and log."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import render_template_string
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app


def build(folder: Path, name: str) -> Application:
    app = new_app(folder, name, SECRET_KEY=f"not a secret, {name}")
    Privacy(app)
    for path in ("/", "/news"):
        app.add_url_rule(path, path, lambda: render_template_string(LAYOUT, title=name))
    return Application(app)


@pytest.fixture
def sites(tmp_path: Path) -> dict[str, Application]:
    """The app at the root of the host, and the app below /shop."""
    return {"": build(tmp_path, "front"), "/shop": build(tmp_path, "shop")}


@pytest.fixture
def browser(sites) -> Browser:
    return Browser(DispatcherMiddleware(sites[""].app, {"/shop": sites["/shop"].app}))


@pytest.mark.parametrize("mount", ["", "/shop"])
def test_accept_browse_withdraw(sites, browser, mount):
    """Each app works by itself, and the log names its pages with the mount."""
    pages = [f"{mount}/", f"{mount}/news"]
    accept_browse_withdraw(sites[mount], browser, pages, settings=f"{mount}/privacy/consent")
    other = sites["" if mount else "/shop"]
    assert not other.decisions() and not other.events()


def test_each_app_keeps_its_own_decision(sites, browser):
    """A visitor who accepts in one app and refuses in the other is asked once by each, and counted by the first."""
    for mount, choice in (("", "accept_all"), ("/shop", "reject_all")):
        browser.submit(browser.open(f"{mount}/").text, choice)
    for _ in range(2):
        assert not any("mixamo-ask" in browser.open(f"{mount}/news").text for mount in sites)
    assert sites[""].pages_viewed() == ["/", "/news", "/news"] and not sites["/shop"].events()
    assert len({event["visitor"] for event in sites[""].events()}) == 1


def test_a_withdrawal_in_one_app_leaves_the_other(sites, browser):
    """Both apps count, one stops, and the other goes on under the same visitor ID."""
    for mount in sites:
        browser.submit(browser.open(f"{mount}/").text, "accept_all")
    browser.submit(browser.open("/shop/privacy/consent").text, "reject_all")
    for mount in sites:
        browser.open(f"{mount}/news")
    assert sites[""].pages_viewed() == ["/", "/news"] and not sites["/shop"].events()
    assert len({event["visitor"] for event in sites[""].events()}) == 1
