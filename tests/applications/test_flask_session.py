"""Flask-Session: sessions on the server, read by Flask-Login; a decision leaves them alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cachelib import FileSystemCache
from flask import Flask, render_template_string, session
from flask_login import LoginManager, UserMixin, login_user
from flask_session import Session

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app


class User(UserMixin):
    id = "7"


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    cache = FileSystemCache(str(tmp_path / "sessions"))
    app = new_app(tmp_path, SESSION_TYPE="cachelib", SESSION_CACHELIB=cache, SESSION_PERMANENT=False)
    Session(app)
    LoginManager(app).user_loader(lambda id: User())
    Privacy(app)
    for path in ("/", "/orders/<int:number>"):
        app.add_url_rule(path, path, lambda **_: render_template_string(LAYOUT, title="Shop"))

    @app.post("/basket")
    def basket():
        session["basket"] = session.get("basket", 0) + 1
        return {"basket": session["basket"]}

    @app.post("/login")
    def login():
        login_user(User())
        return {}

    return app


def test_accept_browse_withdraw(app):
    """A basket in the session survives the grant and the withdrawal."""
    browser = Browser(app)
    filled = []

    def fill_basket():
        filled.append(browser.request("/basket", "POST").json["basket"])

    accept_browse_withdraw(Application(app), browser, ["/", "/orders/7"], own_feature=fill_basket)
    assert filled == [1, 2, 3]


def test_a_page_of_a_user_is_named_by_its_rule(app):
    """A login in a session on the server is seen, so the log contains no path that leads to a person."""
    browser = Browser(app)
    browser.request("/login", "POST")
    accept_browse_withdraw(
        Application(app), browser, ["/orders/7", "/orders/8"], named=["/orders/<int:number>", "/orders/<int:number>"]
    )


def test_a_decision_opens_no_session(app):
    """A visitor who only decides gets no session cookie."""
    browser = Browser(app)
    browser.submit(browser.open("/").text, "reject_all")
    assert browser.client.get_cookie("session") is None and browser.client.get_cookie("privacy_consent")
