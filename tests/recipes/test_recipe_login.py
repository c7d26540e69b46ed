"""The recipes for logins: Flask-Login, and a login of the site's own."""

from __future__ import annotations

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes

SITES = {
    "shop": ({"name": "ann", "password": "staff-password"}, {"name": "bob", "password": "bob-password"}),
    "desk": ({"id": "1"}, {"id": "2"}),
}


@pytest.mark.parametrize("site", SITES)
def test_accept_browse_withdraw(recipe, site):
    """A user's pages are named by their rule, and a decision ends no login."""
    app = recipe("login").app(site)
    browser = Browser(app)

    def log_in():
        assert browser.request("/login", "POST", data=SITES[site][1]).status_code == 302

    log_in()
    named = ["/", "/orders/<int:number>"]
    accept_browse_withdraw(Application(app), browser, ["/", "/orders/7"], named=named)


@pytest.mark.parametrize("site", SITES)
def test_only_staff_read_the_reports(recipe, site):
    """Staff read them, another user gets 403, and a visitor is sent to the site's login page."""
    app = recipe("login").app(site)
    answers = []
    for login in (*SITES[site], None):
        browser = Browser(app)
        if login:
            assert browser.request("/login", "POST", data=login).status_code == 302
        answers.append(browser.request("/privacy/reports"))
    assert [answer.status_code for answer in answers] == [200, 403, 302]
    assert answers[2].headers["Location"].startswith("/login")
    assert [row["kind"] for row in Application(app).ledger()] == ["access", "access"]


@pytest.mark.parametrize("site", SITES)
def test_after_a_logout_no_report_opens(recipe, site):
    """Staff who logged out are visitors again."""
    browser = Browser(recipe("login").app(site))
    browser.request("/login", "POST", data=SITES[site][0])
    assert browser.request("/privacy/reports").status_code == 200
    browser.request("/logout")
    assert browser.request("/privacy/reports").status_code == 302
