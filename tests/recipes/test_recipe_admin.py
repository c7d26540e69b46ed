"""The recipe for Flask-Admin."""

from __future__ import annotations

import json

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes


@pytest.fixture
def app(recipe):
    app = recipe("admin").app("shop", "create_app")
    yield app
    import shop

    with app.app_context():
        shop.db.session.remove()
        shop.db.engine.dispose()


def signed_in(app, name):
    browser = Browser(app)
    assert browser.request("/login", "POST", data={"name": name}).status_code == 302
    return browser


def test_accept_browse_withdraw(app):
    """Staff can add an article in each state of consent."""
    browser = signed_in(app, "ann")

    def add_article():
        assert browser.request("/admin/articles/new/", "POST", data={"title": "News"}).status_code == 302

    accept_browse_withdraw(Application(app), browser, ["/", "/admin/", "/admin/articles/"], own_feature=add_article)


def test_a_view_of_personal_data_is_for_staff_and_recorded_but_not_counted(app):
    """Another user gets 403. The ledger has the access and the denial, and no event has the page."""
    ann, bob = signed_in(app, "ann"), signed_in(app, "bob")
    ann.submit(ann.open("/").text, "accept_all")
    assert "<h1>eve</h1>" in ann.open("/admin/customers/eve").text
    assert bob.request("/admin/customers/eve").status_code == 403
    site = Application(app)
    details = [json.loads(row["detail"]) for row in site.ledger("access")]
    assert [detail["who"] for detail in details if detail.get("fields") == ["email"]][:1] == ["ann"]
    assert site.pages_viewed() == ["/"]
