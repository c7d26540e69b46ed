"""The recipe for moving from another consent tool: no old cookie grants anything, and each is deleted."""

from __future__ import annotations

import json

import pytest
from flask import Flask, render_template_string
from playwright.sync_api import expect
from werkzeug.test import Client

from support.applications import Application, Browser, accept_browse_withdraw
from support.recipes import npm_packages

pytestmark = pytest.mark.recipes

OLD = {
    "_consent": json.dumps({"enabled": ["required", "analytics"], "last_updated": "2026-01-01T00:00:00"}),
    "cookie_consent": "analytics=2026-01-01T00:00:00+00:00|social=-1",
    "cc_cookie": json.dumps({"categories": ["necessary", "analytics"], "consentId": "1"}),
    "mtm_consent": "1767225600000",
    "mtm_consent_removed": "1",
    "_pk_id.1.1fff": "0123456789abcdef.1767225600.",
    "_ga": "GA1.1.1.1",
    "_ga_XXXXXXX": "GS1.1.1",
}
VANILLA = """<!doctype html><title>Old</title><link rel="icon" href="data:,"><script src="/cc.js"></script><body><script>
CookieConsent.run({ hideFromBots: false, categories: { necessary: { readOnly: true }, analytics: {} },
  language: { default: "en", translations: { en: { consentModal: { title: "Old", acceptAllBtn: "Allow it all" },
    preferencesModal: { title: "Old", sections: [] } } } } });</script>"""


def deleted(response):
    """Return the names of the cookies that a response deletes."""
    return {line.partition("=")[0] for line in response.headers.getlist("Set-Cookie") if "Max-Age=0" in line}


def test_accept_browse_withdraw(recipe):
    """A new visitor is asked, counted and forgotten as on any site."""
    app = recipe("moving").app("shop")
    accept_browse_withdraw(Application(app), Browser(app), ["/", "/news"])


def test_old_cookies_grant_nothing_and_are_deleted_once(recipe):
    """The visitor is asked again, no event or grant is recorded, and the next page has no old cookie."""
    app = recipe("moving").app("shop")
    browser = Browser(app)
    for name, value in OLD.items():
        browser.client.set_cookie(name, value, domain="localhost")
    page = browser.open("/")
    assert "mixamo-ask" in page.text and "matomo" not in page.text and "googletagmanager" not in page.text
    assert deleted(page) == set(OLD)
    assert not deleted(browser.open("/news"))
    assert not Application(app).events() and not Application(app).decisions()


def test_a_granted_service_keeps_its_cookie_until_the_withdrawal(recipe):
    """Google's cookie is left alone under the new grant, and the withdrawal deletes it."""
    browser = Browser(recipe("moving").app("shop"))
    browser.submit(browser.open("/").text, "accept_all")
    browser.client.set_cookie("_ga", "GA1.1.2.2", domain="localhost")
    page = browser.open("/")
    assert "googletagmanager" in page.text and "matomo.js" in page.text and "_ga" not in deleted(page)
    browser.submit(browser.open("/privacy/consent").text, "reject_all")
    assert browser.client.get_cookie("_ga") is None


@pytest.mark.parametrize(("kept", "other"), [("google", "matomo"), ("matomo", "google")])
def test_a_site_with_one_of_the_services_leaves_out_the_other(recipe, kept, other):
    """Without its tables and its tags the page works, and its cookies are deleted even under a grant."""
    page = recipe("moving")
    for name, end in (("privacy.toml", "\n\n"), ("templates/page.html", "\n")):
        parts = (page.folder / name).read_text().split(end)
        page.files[name] = end.join(part for part in parts if other not in part)
        (page.folder / name).write_text(page.files[name])
    leftovers = (page.folder / "leftovers.py").read_text().replace(f'("statistics", "{other}")', "None")
    (page.folder / "leftovers.py").write_text(leftovers)
    browser = Browser(page.app("shop"))
    browser.submit(browser.open("/").text, "accept_all")
    for name in ("_ga", "_pk_id.1.1fff"):
        browser.client.set_cookie(name, OLD[name], domain="localhost")
    answer = browser.open("/")
    assert kept in answer.text and other not in answer.text
    assert deleted(answer) == {"_pk_id.1.1fff" if other == "matomo" else "_ga"}


@pytest.mark.filterwarnings("ignore")  # Flask-Consent uses what Python has deprecated since
def test_a_grant_of_the_real_flask_consent_is_asked_again(recipe):
    """Its cookie is valid on the old site, and deleted on the new one."""
    from flask_consent import Consent

    old = Flask("old")
    old.config.update(SECRET_KEY="x", CONSENT_PRIMARY_SERVERNAME="localhost")
    Consent(old).add_standard_categories()
    before = Client(old)
    answer = before.post("/consent", json=["required", "analytics"])
    assert "analytics" in answer.json["enabled"]
    browser = Browser(recipe("moving").app("shop"))
    browser.client.set_cookie("_consent", before.get_cookie("_consent").value, domain="localhost")
    page = browser.open("/")
    assert "mixamo-ask" in page.text and deleted(page) == {"_consent"}


def test_a_grant_of_the_real_vanilla_cookieconsent_is_asked_again(recipe, serve, open_browser):
    """In a browser, the old banner's cookie disappears and the new banner is shown."""
    old, script = Flask("old"), (npm_packages() / "vanilla-cookieconsent/dist/cookieconsent.umd.js").read_text()
    old.add_url_rule("/", "home", lambda: render_template_string(VANILLA))
    old.add_url_rule("/cc.js", "cc", lambda: (script, {"Content-Type": "text/javascript; charset=utf-8"}))
    page = open_browser()

    def names():
        return {cookie["name"] for cookie in page.context.cookies()}

    page.goto(serve(old))
    page.get_by_role("button", name="Allow it all").click()
    page.wait_for_function("document.cookie.includes('cc_cookie')")
    page.goto(serve(recipe("moving").app("shop")))  # another port of the same host, which has the same cookies
    expect(page.locator(".mixamo-ask")).to_be_visible()
    assert "cc_cookie" not in names()


def test_a_cookie_of_a_parent_domain_is_deleted(recipe, serve, open_browser):
    """Google's script sets its cookie for the whole domain."""
    address = serve(recipe("moving").app("shop")).replace("127.0.0.1", "www.shop.localhost")
    page = open_browser()
    page.context.add_cookies([{"name": "_ga", "value": "GA1.1.1.1", "domain": ".shop.localhost", "path": "/"}])
    page.goto(address)
    expect(page.locator(".mixamo-ask")).to_be_visible()
    assert page.context.cookies() == []
