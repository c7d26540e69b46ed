"""Thirty-one languages: complete catalogues, the visitor's own language, and marked English where a text is missing."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.pofile import read_po
from flask_babel import Babel

import flask_mixamo_privacy
from conftest import choose
from flask_mixamo_privacy.i18n.language import FULLY_TRANSLATED, SHIPPED, direction, language
from flask_mixamo_privacy.policy.parts import Banner
from flask_mixamo_privacy.policy.toml import START
from flask_mixamo_privacy.web.assets import folder

PACKAGE = Path(flask_mixamo_privacy.__file__).parent
CATALOGUES = [(f"{code}.po", "visitor.pot") for code in SHIPPED if code != "en"]
CATALOGUES += [(f"{code}.policy.po", "policy.pot") for code in FULLY_TRANSLATED if code != "en"]
OTHERS = [code for code in SHIPPED if code != "en"]


@cache
def messages(name):
    """Return the translations of a catalogue, and its fuzzy messages."""
    with (PACKAGE / "i18n" / "translations" / name).open("rb") as file:
        found = [message for message in read_po(file) if message.id]
    return {m.id: m.string for m in found}, {m.id for m in found if m.fuzzy}


def placeholders(text):
    return sorted(re.findall(r"%\(\w+\)s|%", text))


@pytest.mark.parametrize(("name", "template"), CATALOGUES)
def test_a_catalogue_is_complete(name, template):
    """A catalogue translates every text of the template, has no fuzzy text and no obsolete one."""
    (found, fuzzy), (expected_texts, _) = messages(name), messages(template)
    assert (set(expected_texts) - set(found), set(found) - set(expected_texts), fuzzy) == (set(), set(), set())
    assert [msgid for msgid, translation in found.items() if not translation.strip()] == []


@pytest.mark.parametrize(("name", "template"), CATALOGUES)
def test_a_catalogue_has_every_placeholder(name, template):
    """Each translation has the same placeholders as the original."""
    found, _ = messages(name)
    assert [msgid for msgid, translation in found.items() if placeholders(translation) != placeholders(msgid)] == []


def texts_in_python():
    """Yield every text that the package passes to a translator. Those in constants are found when a test shows them."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "t",
                "self.t",
                "ctx.language",
                "_buttons",
                "_quoting",
            ):
                yield from _texts(node.args)
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "self._to":
                yield from _texts(node.args[2:3])


def _texts(nodes):
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def texts_in_templates():
    """Yield every text that a template passes to its translator, directly or by a macro."""
    for path in Path(folder("templates")).rglob("*.html"):
        text = path.read_text()
        yield from re.findall(r'(?<!\w)t\("([^"]+)"', text)
        yield from re.findall(r'\{\{ list\("([^"]+)"', text)
        yield from re.findall(r'\("([^"]+)", policy\.\w+_of', text)


def texts_in_the_start_file():
    """Yield every translatable text of the policy that a new site starts with."""
    found = tomllib.loads(START.read_text())
    yield found["site"]["name"]
    for table in (*found["purposes"], *found["cookies"]):
        yield from (table[key] for key in ("title", "description", "reason") if key in table)


@pytest.mark.parametrize(
    ("collect", "least"),
    [(texts_in_python, 90), (texts_in_templates, 30), (texts_in_the_start_file, 12)],
    ids=["code", "pages", "start file"],
)
def test_every_text_is_in_a_catalogue_template(collect, least):
    """Every text of the code, the pages and the start file is in a catalogue template."""
    texts = set(collect())
    assert len(texts) >= least, sorted(texts)
    assert texts - set(messages("visitor.pot")[0]) - set(messages("policy.pot")[0]) == set()


def test_what_visitors_see_first_is_in_the_template_of_every_language():
    """No text of the banner, the settings page or the consent page falls back to English."""
    first = set()
    for name in ("banner", "settings", "_removed_storage", "consent_required", "me"):
        text = (Path(folder("templates")) / "mixamo_privacy" / f"{name}.html").read_text()
        first |= set(re.findall(r'(?<!\w)t\("([^"]+)"', text)) | set(re.findall(r'\("([^"]+)", policy\.\w+_of', text))
    purposes = tomllib.loads(START.read_text())["purposes"]
    first |= {purpose[key] for purpose in purposes for key in ("title", "description")}
    assert len(first) > 20 and first - set(messages("visitor.pot")[0]) == set()


@pytest.mark.parametrize("code", SHIPPED)
def test_the_word_for_reject_is_no_longer_than_the_one_for_accept(code):
    """ "Reject all" is about as short as "Accept all" in every language."""
    accept, reject = (language(code)(msgid).text for msgid in ("Accept all", "Reject all"))
    assert accept != reject and len(reject) <= 1.35 * len(accept) + 2


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_its_own_words(code):
    """The buttons are translated, and the banner's text is about as long as in English."""
    t, asked = language(code), Banner().text
    assert [msgid for msgid in ("Accept all", "Reject all", "Save my choice") if t(msgid).text == msgid] == []
    assert t.of(asked, "en").lang == code and len(t.of(asked, "en").text) <= 1.5 * len(asked)


@pytest.mark.parametrize(("code", "dir"), [("en", "ltr"), ("de", "ltr"), ("ar", "rtl"), ("he", "rtl")])
def test_pages_have_their_language_and_direction(tiny, code, dir):
    """The banner on the site's page and the extension's own page have ``lang`` and ``dir``."""
    visitor = tiny().visitor(Accept_Language=code)
    assert re.search(rf'<form class="mixamo-ask"[^>]* lang="{code}" dir="{dir}">', visitor.get("/").text)
    for path in ("/privacy/consent", "/privacy/"):
        text = visitor.get(path).text
        assert f'<html lang="{code}" dir="{dir}">' in text and re.search(
            rf'class="mixamo-page[^>]* lang="{code}" dir="{dir}"', text
        )


def heading(visitor, path="/privacy/consent"):
    """Return the language of a page, and its first heading."""
    text = visitor.get(path).text
    return re.search(r'<html lang="([\w-]+)"', text)[1], re.search(r"<h1>([^<]+)</h1>", text)[1]


def expected(code):
    return code, language(code)("Privacy settings").__html__()


@pytest.mark.parametrize(
    ("accept", "code"),
    [
        ("de", "de"), ("de-AT", "de"), ("fr-CA, en;q=0.5", "fr"), ("tlh, pl;q=0.8, en;q=0.5", "pl"), ("zh-CN,zh;q=0.9", "zh"),
        ("en-GB", "en"), ("tlh", "en"), ("*", "en"), ("", "en"), ("de;q=x", "en"), (";;;,,,", "en"), ("x" * 5000, "en"),
        ("en;q=0.1, ja;q=0.9", "ja"), ("he-IL", "he"), ("DE", "de"), ("pt-br", "pt-BR"),
        ("pt-PT, pt-BR;q=0.9", "pt"), ("pt;q=0.9, pt-BR", "pt-BR"),
    ],
)  # fmt: skip
def test_the_browser_chooses_among_the_shipped_languages(tiny, accept, code):
    """The best accepted language is used, else the policy's language, and caches vary by it."""
    visitor = tiny().visitor(Accept_Language=accept)
    assert heading(visitor) == expected(code)
    for path in ("/", "/privacy/", "/privacy/consent"):
        assert "Accept-Language" in visitor.get(path).headers["Vary"].split(", ")


@pytest.mark.parametrize(
    ("accept", "date"),
    [("en-GB", "8 May 2026"), ("en-AU,en;q=0.5", "8 May 2026"), ("en-US", "May 8, 2026"), ("en", "May 8, 2026"),
     ("en-CA", "May 8, 2026"), ("de-CH", "8. Mai 2026")],
)  # fmt: skip
def test_english_has_the_dates_of_the_readers_region(tiny, clock, accept, date):
    """British and Australian visitors read 8 May 2026, American and Canadian ones May 8, 2026. The page's language is one."""
    visitor = tiny().visitor(Accept_Language=accept)
    choose(visitor, "accept_all")
    page = visitor.get("/privacy/me").text
    assert date in page and f'<html lang="{accept[:2]}"' in page


@pytest.mark.parametrize(
    ("locale", "code"),
    [
        ("de", "de"), (lambda: "de", "de"), (lambda: "de_AT", "de"), (lambda: "zh_Hans_CN", "zh"), (lambda: "pt_BR", "pt-BR"),
        (lambda: "pt-PT", "pt"),
        (lambda: None, "en"), (lambda: "tlh", "en"), (lambda: Locale("fr"), "fr"), (lambda: Locale("es", "MX"), "es"),
    ],
)  # fmt: skip
def test_the_site_may_choose_the_language(tiny, locale, code):
    """A language code or a callable overrides the browser, and caches then do not vary by language."""
    visitor = tiny(PRIVACY_LOCALE=locale).visitor(Accept_Language="it")
    assert heading(visitor) == expected(code)
    assert "Accept-Language" not in visitor.get("/privacy/consent").headers["Vary"]


@pytest.mark.parametrize(("chosen", "code"), [("fr", "fr"), ("de_CH", "de"), ("zh_Hans_CN", "zh"), ("sw", "en")])
def test_the_locale_of_flask_babel_is_used_if_present(tiny, chosen, code):
    """Flask-Babel's locale is used; one that is not shipped falls back to the policy's language."""
    site = tiny()
    Babel(site.app, locale_selector=lambda: chosen)
    assert heading(site.visitor(Accept_Language="it")) == expected(code)


def test_the_setting_takes_precedence_over_flask_babel(tiny):
    """PRIVACY_LOCALE takes precedence over Flask-Babel's locale."""
    site = tiny(PRIVACY_LOCALE="es")
    Babel(site.app, locale_selector=lambda: "fr")
    assert heading(site.visitor()) == expected("es")


@pytest.fixture
def edited_site(tiny, tmp_path):
    """Builds the site whose start file has these replacements."""

    def build(*edits, **config):
        text = START.read_text()
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (tmp_path / "privacy.toml").write_text(text)
        return tiny(PRIVACY_POLICY=tmp_path / "privacy.toml", **config)

    return build


@pytest.mark.parametrize("accept", ["tlh", "", "*"])
def test_an_unknown_language_falls_back_to_the_policys(edited_site, accept):
    """A Spanish site answers in Spanish if the visitor's language is not shipped."""
    site = edited_site(('language = "en"', 'language = "es"'))
    assert heading(site.visitor(Accept_Language=accept)) == expected("es")


def test_an_untranslated_sentence_is_english_and_marked_as_english(tiny):
    """In Polish the heading is Polish, and the English sentences have ``lang="en"`` for screen readers."""
    text = tiny().visitor(Accept_Language="pl").get("/privacy/").text
    assert language("pl")("Privacy policy").text != "Privacy policy"
    assert '<html lang="pl" dir="ltr">' in text and f"<h1>{language('pl')('Privacy policy')}</h1>" in text
    assert '<span lang="en" dir="ltr">Browsing this site does not count as consent' in text
    assert text.count("Browsing this site does not") == 1


@pytest.mark.parametrize("code", FULLY_TRANSLATED)
def test_in_five_languages_the_policy_is_complete(tiny, code):
    """No text on the page falls back to English or is marked as another language."""
    article = tiny().visitor(Accept_Language=code).get("/privacy/").text.partition("<article")[2]
    assert set(re.findall(r' lang="([\w-]+)"', article)) == {code}


def test_standard_texts_of_the_start_file_are_translated(tiny):
    """A site without texts of its own is shown in the visitor's language."""
    text = tiny().visitor(Accept_Language="de").get("/privacy/consent").text
    assert f">{language('de')('Statistics')}</label>" in text and ">Statistics<" not in text


def test_a_sites_own_texts_are_shown_per_language(edited_site):
    """A text is in the visitor's language if the site has it, else in the site's language and marked."""
    site = edited_site(("[log]", '[banner]\ntext = { en = "May we?", de = "Dürfen wir?" }\n\n[log]'))
    texts = {code: site.visitor(Accept_Language=code).get("/").text for code in ("en", "de", "fr")}
    assert "<p>May we?</p>" in texts["en"] and "<p>Dürfen wir?</p>" in texts["de"]
    assert '<p><span lang="en" dir="ltr">May we?</span></p>' in texts["fr"]


def test_a_sites_own_texts_are_not_translated(edited_site):
    """A text that the site has in one language stays in it, and is marked on other pages."""
    site = edited_site(('language = "en"', 'language = "de"'), ('title = "Statistics"', 'title = "Zählung"'))
    assert '<span lang="de" dir="ltr">Zählung</span>' in site.visitor(Accept_Language="ar").get("/privacy/consent").text


@pytest.mark.parametrize("code", ["he", "pl"])
def test_an_earlier_version_in_english_reads_from_the_left(edited_site, code):
    """The frozen English text keeps its direction on a page of any direction."""
    site = edited_site()
    assert site.cli("policy", "freeze", "--date", "2026-05-08").exit_code == 0
    text = site.visitor(Accept_Language=code).get("/privacy/versions/2026-05-08").text
    assert f'<html lang="{code}" dir="{direction(code)}">' in text
    assert re.search(r'<div class="mixamo-text" lang="en" dir="ltr">\s*<section', text)


@pytest.mark.parametrize(("path", "kind"), [("policy.md", "text"), ("policy.json", "json")])
def test_the_other_formats_are_in_the_visitors_language_too(tiny, path, kind):
    """Markdown and JSON are in the visitor's language, like the page."""
    response = tiny().visitor(Accept_Language="de").get(f"/privacy/{path}")
    title = language("de")("Privacy policy").text
    assert title != "Privacy policy"
    assert response.text.startswith(f"# {title}\n") if kind == "text" else response.json["title"] == title


MEASURE = """() => {
  const banner = document.querySelector(".mixamo-ask")
  const inside = (part, whole) => part.left >= whole.left - .5 && part.right <= whole.right + .5
    && part.top >= whole.top - .5 && part.bottom <= whole.bottom + .5
  const problems = []
  for (const button of banner.querySelectorAll("button")) {
    if (button.scrollWidth > button.clientWidth || button.scrollHeight > button.clientHeight) problems.push("overflow: " + button.textContent)
    if (!inside(button.getBoundingClientRect(), banner.getBoundingClientRect())) problems.push("outside: " + button.textContent)
    const walker = document.createTreeWalker(button, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (const word of node.data.matchAll(/[^\\s-]+/g)) {
        const range = document.createRange()
        range.setStart(node, word.index)
        range.setEnd(node, word.index + word[0].length)
        const lines = new Set(Array.from(range.getClientRects(), part => Math.round(part.top)))
        if (lines.size > 1 && !/[\\u3040-\\u9fff]/.test(word[0])) problems.push("cut: " + word[0])
        if (!Array.from(range.getClientRects()).every(part => inside(part, button.getBoundingClientRect()))) problems.push("past its button: " + word[0])
      }
    }
  }
  return {
    problems, lang: banner.lang, dir: getComputedStyle(banner).direction, buttons: banner.querySelectorAll("button").length,
    width: document.documentElement.scrollWidth, height: banner.getBoundingClientRect().height,
  }
}"""


@pytest.mark.browser
@pytest.mark.parametrize("code", SHIPPED)
def test_the_banner_fits_a_small_phone(tiny, serve, open_browser, code):
    """At 320 × 568 no button's text is cut or overflows, and most of the page stays visible."""
    page = open_browser(viewport={"width": 320, "height": 568}, locale=code)
    page.goto(serve(tiny().app))
    found = page.evaluate(MEASURE)
    assert (found["problems"], found["buttons"], found["lang"], found["dir"]) == ([], 3, code, direction(code))
    assert found["width"] <= 320
    assert found["height"] <= (0.30 if code == "en" else 0.45) * 568
