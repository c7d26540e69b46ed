"""The languages of the parts on a page in another language: the banner in each layout, its messages, and the settings."""

from dataclasses import replace

import pytest
from flask import render_template_string
from playwright.sync_api import expect

from flask_mixamo_privacy.policy.parts import Banner
from flask_mixamo_privacy.policy.toml import built_in

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("clock")]

PAGE = """<!doctype html><html lang="{lang}" dir="{dir}"><meta charset="utf-8"><title>Page</title><body>
{{{{ privacy.banner() }}}}<main><h1>Page</h1></main>"""

#: The language and the direction of each element that has a text: those of its markup, and those that the browser uses.
SPOKEN = """parts => [...new Set(parts.flatMap(part => [part, ...part.querySelectorAll("*")]).map(e => JSON.stringify(
  [e.closest("[lang]").lang, getComputedStyle(e).webkitLocale.replaceAll('"', ""), getComputedStyle(e).direction])))].map(JSON.parse)"""


@pytest.fixture
def enter(tiny, serve, open_browser):
    """Open a page in one language, in a browser whose user reads another."""

    def enter_page(lang, dir, locale, **config):
        site = tiny(**config)
        site.view("/page", lambda: render_template_string(PAGE.format(lang=lang, dir=dir)))
        page = open_browser(base_url=serve(site.app), locale=locale)
        page.goto("/page")
        page.locator(".mixamo-ask").wait_for()
        return page

    return enter_page


@pytest.mark.parametrize("layout", ["bar", "card", "sheet"])
@pytest.mark.parametrize(("lang", "dir", "locale", "own_dir"), [("en", "ltr", "ar", "rtl"), ("he", "rtl", "de", "ltr")])
def test_the_banner_has_its_own_language_in_every_layout(enter, layout, lang, dir, locale, own_dir):
    """Screen readers, fonts and the direction follow the visitor's language, and the page keeps its own."""
    page = enter(lang, dir, locale, PRIVACY_BANNER=layout)
    assert page.locator("#mixamo-place").evaluate_all(SPOKEN) == [[locale, locale, own_dir]]
    assert page.locator("main").evaluate_all(SPOKEN) == [[lang, lang, dir]]


def test_the_message_has_the_language_of_the_banner(enter):
    """After the banner is gone, its message stays in a place with the visitor's language."""
    page = enter("en", "ltr", "ar")
    page.locator(".mixamo-ask [value=accept_all]").click()
    expect(page.get_by_role("status")).to_have_text("تم حفظ اختيارك.")
    assert page.get_by_role("status").evaluate_all(SPOKEN) == [["ar", "ar", "rtl"]]


@pytest.mark.parametrize("layout", ["bar", "card", "sheet"])
def test_the_dialog_has_the_language_of_the_banner(enter, layout):
    page = enter("en", "ltr", "ar", PRIVACY_BANNER=layout)
    page.locator(".mixamo-ask [form]").click()
    page.get_by_role("dialog").wait_for()
    assert page.locator("dialog > *").evaluate_all(SPOKEN) == [["ar", "ar", "rtl"]]
    assert page.get_by_role("dialog").evaluate("e => [e.lang, e.dir]") == ["ar", "rtl"]


def test_a_sites_own_sentence_keeps_its_language_within_the_banner(enter):
    """A site that wrote it in one language shows that one to all visitors, marked as such."""
    page = enter("en", "ltr", "ar", PRIVACY_POLICY=replace(built_in(), banner=Banner("Dürfen wir zählen?"), language="de"))
    text = page.get_by_text("Dürfen wir zählen?")
    assert text.evaluate("e => [e.lang, getComputedStyle(e).direction]") == ["de", "ltr"]
