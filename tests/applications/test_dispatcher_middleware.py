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
