"""Flask-WTF: a form under ``CSRFProtect``, which neither exempts the site's forms nor blocks those of the extension."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask, redirect, render_template_string, url_for
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

PAGE = LAYOUT.replace(
    "{% block content %}",
    "{% block content %}<form method=post>{{ form.hidden_tag() }}{{ form.text }}</form>{{ comments|join }}",
)


class CommentForm(FlaskForm):
    text = StringField("Comment", [DataRequired()])


@pytest.fixture(params=[True, False], ids=["Flask-WTF first", "Privacy first"])
def app(request, tmp_path: Path) -> Flask:
    app = new_app(tmp_path)
    for extension in (CSRFProtect, Privacy) if request.param else (Privacy, CSRFProtect):
        extension(app)
    comments: list[str] = []

    @app.route("/", methods=["GET", "POST"])
    def index():
        form = CommentForm()
        if form.validate_on_submit():
            comments.append(form.text.data)
            return redirect(url_for("index"))
        return render_template_string(PAGE, title="Comments", form=form, comments=comments)

    app.add_url_rule("/news", "news", lambda: render_template_string(LAYOUT, title="News"))
    return app


def comment(browser: Browser, page: str, text: str, **token: str) -> int:
    """Send a comment with the token of this page, or with another one, and return the status."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    return browser.request("/", "POST", data={"csrf_token": found[1], "text": text} | token).status_code


def test_accept_browse_withdraw(app):
    """In each state of consent a comment is saved with a token, and refused without one."""
    browser = Browser(app)
    sent = []

    def own_page(page):
        if "csrf_token" in page.text:
            sent.append(f"comment {len(sent)}.")
            assert comment(browser, page.text, sent[-1]) == 302
            assert comment(browser, page.text, "forged", csrf_token="") == 400

    accept_browse_withdraw(Application(app), browser, ["/", "/news"], own_page=own_page)
    last = browser.open("/").text
    assert len(sent) == 2 and all(text in last for text in sent) and "forged" not in last


def test_a_decision_needs_no_token_but_refuses_another_site(app):
    """The extension's own check applies: a post from another site grants nothing."""
    browser = Browser(app, Sec_Fetch_Site="cross-site")
    answer = browser.request("/privacy/consent", "POST", data={"choice": "accept_all"})
    assert answer.status_code == 403 and not Application(app).decisions()
