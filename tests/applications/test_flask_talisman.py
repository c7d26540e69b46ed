"""Flask-Talisman: HTTPS by redirect, and a Content-Security-Policy with nonces beside the one of the visitor's grants."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import render_template_string
from flask_talisman import Talisman

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

HTTPS = "https://localhost"


@pytest.fixture(params=["off", "enforce"])
def app(request: Any, tmp_path: Path) -> Any:
    app = new_app(tmp_path, PRIVACY_CSP=request.param)
    policy = {"default-src": "'self'", "script-src": "'self'"}
    Talisman(app, content_security_policy=policy, content_security_policy_nonce_in=["script-src"])
    Privacy(app)
    page = LAYOUT + '<script nonce="{{ csp_nonce() }}">document.title += "!"</script>'
    app.add_url_rule("/", "index", lambda: render_template_string(page, title="Start"))
    app.add_url_rule("/news", "news", lambda: render_template_string(page, title="News"))
    return app


def test_accept_browse_withdraw(app):
    """On HTTPS, the log and the ledger hold what happened, and the site's own header stays."""

    def own_page(page):
        policies = page.headers.getlist("Content-Security-Policy")
        assert any("script-src 'self' 'nonce-" in policy for policy in policies)

    accept_browse_withdraw(Application(app), Browser(app, HTTPS), ["/", "/news"], own_page=own_page)


@pytest.mark.parametrize("choice", [None, "accept_all"])
def test_every_script_carries_the_nonce_of_its_response(app, choice):
    """The banner's script and the tracker run under Talisman's policy, like the site's own script."""
    browser = Browser(app, HTTPS)
    page = browser.open("/")
    if choice:
        browser.submit(page.text, choice)
        page = browser.open("/")
    nonce = re.search(r"'nonce-([^']+)'", " ".join(page.headers.getlist("Content-Security-Policy")))[1]
    scripts = re.findall(r"<script[^>]*>", page.text)
    assert len(scripts) == 2 and all(f'nonce="{nonce}"' in script for script in scripts)


def test_http_leads_to_https_and_counts_nothing(app):
    """The redirect is no page view, and the cookies are bound to HTTPS."""
    browser = Browser(app, HTTPS)
    browser.submit(browser.open("/").text, "accept_all")
    answer = browser.client.get("/news", base_url="http://localhost", headers=browser.headers)
    assert answer.status_code in (301, 302) and answer.headers["Location"] == f"{HTTPS}/news"
    assert Application(app).pages_viewed() == ["/"]
    assert browser.client.get_cookie("__Host-privacy_consent").secure
