"""A site's own catalogues: they correct the shipped translations and add what these lack, for this site alone."""

import json

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import write_po

from conftest import choose
from flask_mixamo_privacy.errors import SettingError
from flask_mixamo_privacy.i18n.language import language
from support.messages import letter

SETTINGS, SCOPE = (
    "Privacy settings",
    "Browsing this site does not count as consent: everything optional stays off until you turn it on.",
)


@pytest.fixture
def translated(tiny, tmp_path):
    """Build a site whose catalogue of a language has these translations."""

    def build(code, texts, write=write_po, name="mixamo_privacy.po", **options):
        folder = tmp_path / "translations" / code / "LC_MESSAGES"
        folder.mkdir(parents=True, exist_ok=True)
        catalogue = Catalog(locale="de")
        for msgid, text in texts.items():
            catalogue.add(msgid, text, **options)
        with (folder / name).open("wb") as file:
            write(file, catalogue)
        return tiny(PRIVACY_TRANSLATIONS=tmp_path / "translations")

    return build


def heading(site, code):
    return site.visitor(Accept_Language=code).get("/privacy/consent").text.partition("<h1>")[2].partition("<")[0]


@pytest.mark.parametrize(("write", "name"), [(write_po, "mixamo_privacy.po"), (write_mo, "mixamo_privacy.mo")])
def test_a_site_corrects_a_translation(translated, write, name):
    """Its own catalogue, compiled or not, comes before the shipped one."""
    assert heading(translated("de", {SETTINGS: "Ihre Privatsphäre"}, write, name), "de") == "Ihre Privatsphäre"


def test_a_site_rewords_an_english_sentence(translated):
    assert heading(translated("en", {SETTINGS: "Your choices"}), "en") == "Your choices"


def test_a_site_adds_a_sentence_that_the_shipped_catalogue_lacks(translated):
    """The policy page of a language with few translations then has this one, and it is not marked as English."""
    page = translated("pl", {SCOPE: "Samo przeglądanie nie jest zgodą."}).visitor(Accept_Language="pl").get("/privacy/").text
    assert '<span data-promise="3">Samo przeglądanie nie jest zgodą.</span>' in page


@pytest.mark.parametrize(("folder", "header"), [("pt_BR", "pt-BR"), ("zh", "zh-Hans-CN")])
def test_a_folder_is_named_after_its_language(translated, folder, header):
    """The name has an underscore, as those of gettext, and a visitor of each region reads the text."""
    assert heading(translated(folder, {SETTINGS: "Own"}), header) == "Own"


def test_another_site_of_the_process_keeps_the_shipped_text(translated, tiny):
    own, other = translated("de", {SETTINGS: "Ihre Privatsphäre"}), tiny()
    assert (heading(own, "de"), heading(other, "de")) == ("Ihre Privatsphäre", language("de")(SETTINGS).__html__())


def test_the_text_shown_is_the_sites_own(translated):
    """A grant is recorded with the words that the visitor read, and the form with them is accepted."""
    site = translated("de", {"Accept all": "Alles erlauben"})
    visitor = site.visitor(Accept_Language="de")
    shown = visitor.get("/").text.partition('name="shown" value="')[2].partition('"')[0]
    assert choose(visitor, "accept_all", shown=shown).status_code == 303
    assert "Alles erlauben" in site.ledger_texts()[0]["body"]


@pytest.mark.parametrize("options", [{"flags": ["fuzzy"]}, {"context": "menu"}, {}], ids=["fuzzy", "context", "empty"])
def test_an_unfinished_translation_is_left_out(translated, options):
    """A fuzzy entry, an empty one, and one for a context of the site's own change nothing."""
    site = translated("de", {SETTINGS: "Vielleicht" if options else ""}, **options)
    assert heading(site, "de") == language("de")(SETTINGS).__html__()


@pytest.mark.parametrize("text", ["Erlauben", "Erlauben: %(purposes)s", "%(purpose)s zu 100 % erlauben"])
def test_other_placeholders_are_an_error(translated, text):
    """The error names the setting, the text, what is allowed, and the sentence and file to change."""
    with pytest.raises(SettingError, match=r"PRIVACY_TRANSLATIONS.*Erlauben|erlauben") as caught:
        translated("de", {"Allow %(purpose)s": text})
    assert "allowed: a translation with %(purpose)s" in str(caught.value)
    assert "Change the msgstr of 'Allow %(purpose)s'" in str(caught.value) and "mixamo_privacy.po" in str(caught.value)


def test_a_language_that_is_not_shipped_is_an_error(translated):
    with pytest.raises(
        SettingError, match=r"PRIVACY_TRANSLATIONS is .*tlh.*; allowed: a folder named after a shipped language: en, "
    ):
        translated("tlh", {SETTINGS: "Own"})


@pytest.mark.parametrize("name", ["mixamo_privacy.mo", "mixamo_privacy.po"])
@pytest.mark.parametrize("content", [b"no catalogue", b"", b"\xde\x12\x04\x95\0\0", b"\xde\x12\x04\x95" + b"\xff" * 24])
def test_a_damaged_file_is_an_error(tiny, tmp_path, name, content):
    """Only an empty file of texts is a catalogue, because it has no translation."""
    if (name, content) == ("mixamo_privacy.po", b""):
        content = b'msgid "unfinished'
    folder = tmp_path / "translations" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    with pytest.raises(SettingError, match="allowed: a gettext catalogue that can be read"):
        tiny(PRIVACY_TRANSLATIONS=tmp_path / "translations")


def test_a_missing_folder_is_an_error_only_if_it_is_set(tiny, tmp_path):
    """Without the setting, the folder ``translations`` may be missing, or have catalogues of the site alone."""
    with pytest.raises(SettingError, match="allowed: the path of a folder"):
        tiny(PRIVACY_TRANSLATIONS=tmp_path / "nowhere")
    assert heading(tiny(), "de")


def test_the_word_of_the_sites_own_button_unsubscribes_by_mail(translated, tmp_path, clock):
    """The inbox reads the same catalogues as the pages."""
    site = translated("de", {"Unsubscribe": "Bitte streichen"})
    (tmp_path / "mail.eml").write_bytes(letter("Bitte streichen"))
    assert json.loads(site.cli("inbox", "--json", str(tmp_path / "mail.eml")).output)["action"] == "act"
