"""Flask-Babel: the site chooses the language of the banner, of the settings and of the recorded text."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from flask import render_template_string, request
from flask_babel import Babel, format_date

from flask_mixamo_privacy import Privacy
from support.applications import LAYOUT, Application, Browser, accept_browse_withdraw, new_app

WORDS = {"en": ("Reject all", "May 8, 2026"), "de": ("Alle ablehnen", "08.05.2026"), "fr": ("Tout refuser", "8 mai 2026")}


def build(folder: Path, babel_first: bool) -> Any:
    app = new_app(folder)
    if not babel_first:
        Privacy(app)
    Babel(app, locale_selector=lambda: request.args.get("lang") or request.accept_languages.best_match(WORDS) or "en")
    if babel_first:
        Privacy(app)
    for path in ("/", "/news"):
        app.add_url_rule(path, path, page)
    return app


def page() -> str:
    return render_template_string(LAYOUT, title=format_date(date(2026, 5, 8)))


@pytest.mark.parametrize(("locale", "babel_first"), [("en", True), ("de", False), ("fr", True)])
def test_accept_browse_withdraw(tmp_path, locale, babel_first):
    """The banner and the site's own date are in the visitor's language, and the grant names it."""
    button, day = WORDS[locale]
    site = Application(build(tmp_path, babel_first))
    browser = Browser(site.app, Accept_Language=locale)
    assert button in browser.open("/").text

    def own_page(page):
        assert f"<h1>{day}</h1>" in page.text

    accept_browse_withdraw(site, browser, ["/", "/news"], own_page=own_page)
    assert [row["locale"] for row in site.ledger("grant", "withdrawal")] == [locale, locale]


def test_the_locale_of_the_site_wins_over_the_browser(tmp_path):
    """A language that the visitor chose on the site is the banner's too."""
    app = build(tmp_path, babel_first=True)
    assert WORDS["fr"][0] in Browser(app, Accept_Language="de").open("/?lang=fr").text
