"""Soft hyphens: HTML has them, so that a long word breaks where it may. No other text has one."""

import pytest
from flask import render_template_string

from conftest import choose
from flask_mixamo_privacy.i18n.language import SHIPPED, SOFT_HYPHEN, LocalizedText, language
from flask_mixamo_privacy.rights.emails import kind_of

SETTINGS = "Datenschutz\u00adeinstellungen"


def test_html_has_the_soft_hyphens_of_a_catalogue():
    """The text itself has none, and equals the text without them."""
    title = language("de")("Privacy settings")
    assert (title.text, title.__html__()) == ("Datenschutzeinstellungen", SETTINGS)
    assert title == LocalizedText("Datenschutzeinstellungen", "de") and str(title) == title.text


def test_a_value_in_a_sentence_keeps_its_soft_hyphens():
    """A purpose's title breaks within the label of a button too."""
    t = language("it")
    label = t("Allow %(purpose)s", purpose=t("Customisation"))
    assert (
        SOFT_HYPHEN in label.__html__()
        and SOFT_HYPHEN not in label.text
        and label.text in label.__html__().replace(SOFT_HYPHEN, "")
    )


def test_a_sites_own_text_may_have_soft_hyphens():
    """They are in the HTML alone, in each language of the text."""
    text = language("de").of({"en": "Customisation", "de": "Anpassungs\u00admöglichkeiten"}, "en")
    assert (text.text, text.__html__()) == ("Anpassungsmöglichkeiten", "Anpassungs\u00admöglichkeiten")


@pytest.mark.parametrize("code", SHIPPED)
def test_no_text_but_html_has_a_soft_hyphen(tiny, code):
    """The title of a page, JSON, Markdown and the texts in the ledger have none."""
    site = tiny()
    visitor = site.visitor(Accept_Language=code)
    page = visitor.get("/privacy/consent").text
    shown = page.partition('name="shown" value="')[2].partition('"')[0]
    choose(visitor, "accept_all", shown=shown)
    texts = [page.partition("<title>")[2].partition("</title>")[0], str(site.ledger_texts())]
    texts += [visitor.get(f"/privacy/{name}").text for name in ("policy.json", "policy.md", "me.json", "receipt")]
    assert site.ledger_texts() and [text for text in texts if SOFT_HYPHEN in text] == []


def test_no_attribute_has_a_soft_hyphen(tiny):
    """A screen reader would read it, and a style sheet would show it."""
    page = tiny().visitor(Accept_Language="de").get("/privacy/").text
    assert SOFT_HYPHEN in page
    assert [tag for tag in page.split("<") if SOFT_HYPHEN in tag.partition(">")[0]] == []


def test_a_frozen_version_has_no_soft_hyphen(tiny, tmp_path):
    site = tiny(PRIVACY_VERSIONS_DIR=tmp_path / "versions")
    assert site.cli("policy", "freeze", "--date", "2026-05-08").exit_code == 0
    assert SOFT_HYPHEN not in (tmp_path / "versions" / "2026-05-08.json").read_text(encoding="utf-8")


def test_the_kind_of_a_request_breaks_on_the_page_alone():
    """The label of the form and the sentence of the mail come from the same text."""
    kind = kind_of("object", language("de"))
    assert SOFT_HYPHEN in kind.__html__() and SOFT_HYPHEN not in f"{kind}"


def test_a_link_on_a_sites_own_page_has_no_soft_hyphen(tiny):
    """The site's tests compare its text. The same link on the extension's pages may break at one."""
    visitor = tiny().visitor(Accept_Language="de")
    assert ">Datenschutzeinstellungen</a>" in visitor.get("/").text
    assert f">{SETTINGS}</a>" in visitor.get("/privacy/").text


def test_a_site_may_extend_the_extensions_base_with_values_of_the_same_names(tiny):
    """A site's page has no soft hyphen there either."""
    page = '{% extends "mixamo_privacy/base.html" %}'
    site = tiny()
    site.view("/page", lambda: render_template_string(page, t={"code": "de", "dir": "ltr"}))
    assert ">Datenschutzeinstellungen</a>" in site.visitor(Accept_Language="de").get("/page").text
