"""The recipe for Flask-Babel."""

from __future__ import annotations

import pytest

from support.applications import Application, Browser, accept_browse_withdraw

pytestmark = pytest.mark.recipes


@pytest.mark.parametrize(("locale", "day"), [("en", "May 8, 2026"), ("de", "08.05.2026"), ("fr", "8 mai 2026")])
def test_accept_browse_withdraw(recipe, locale, day):
    """The site's date is in the visitor's language, and the ledger names it."""
    app = recipe("babel").app("shop")
    browser = Browser(app, Accept_Language=locale)
    assert f"<h1>{day}</h1>" in browser.open("/").text
    accept_browse_withdraw(Application(app), browser, ["/", "/news"])
    assert {row["locale"] for row in Application(app).ledger("grant", "withdrawal")} == {locale}


def test_a_chosen_language_is_the_banners_too(recipe):
    """The choice of the site comes before the browser's languages."""
    browser = Browser(recipe("babel").app("shop"), Accept_Language="de")
    assert "Alle ablehnen" in browser.open("/").text
    browser.request("/language/fr", "POST")
    page = browser.open("/").text
    assert "Tout refuser" in page and '<html lang="fr">' in page
