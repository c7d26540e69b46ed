"""The policy page as a reader meets it: a summary, contents and changes first, human names, and a contact to click."""

import re
from dataclasses import replace

import pytest
from test_toml import FULL

from flask_mixamo_privacy.i18n.language import language
from flask_mixamo_privacy.policy.comparison import describe
from flask_mixamo_privacy.policy.parts import Contact, Field, Period, Retention, in_words
from flask_mixamo_privacy.policy.toml import read
from flask_mixamo_privacy.policy.versions import Versions

FACTS = {"min_cell": 5, "provider": False}


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "privacy.toml").write_text(FULL)
    return replace(read(tmp_path / "privacy.toml"), promises=())


def read_page(tiny, policy):
    return tiny(PRIVACY_POLICY=policy).visitor().get("/privacy/").text


def sentences(old, new, code="en"):
    """Return what changed between two policies, as the page states it."""
    both = (Versions(None, **FACTS).current(policy, "2026-05-08") for policy in (old, new))
    return [sentence.text for section in describe(*both, language(code)) for sentence in section.sentences]


def test_summary_and_contents_come_before_the_first_section(tiny, policy):
    """A reader sees the policy in short, and then a link to each section in its order."""
    page = read_page(tiny, policy)
    sections = re.findall(r'<section id="([\w-]+)"', page)
    assert sections[0] == "summary" and page.index('class="mixamo-contents"') < page.index('id="scope"')
    assert re.findall(r'<li><a href="#([\w-]+)"', page) == sections[1:]


def test_the_contact_can_be_clicked(tiny, policy):
    """A mail address and a web address of the contact are links, without the sentence's final stop."""
    page = read_page(tiny, replace(policy, contact=Contact("Eve", "eve@a-b.example", "https://eve.example/post")))
    assert '<a href="mailto:eve@a-b.example">eve@a-b.example</a>.' in page
    assert 'href="https://eve.example/post"' in page


def test_markup_around_an_address_stays_text(tiny, policy):
    """A contact with quotes and angle brackets adds a link, and nothing else."""
    page = read_page(tiny, replace(policy, contact=Contact('"><b>Eve</b>', "eve@a.example")))
    assert "<b>Eve" not in page and '<a href="mailto:eve@a.example">' in page


@pytest.mark.parametrize(
    ("name", "words"), [("old_enough", "Old enough"), ("email", "E-mail address"), ("VAT-id", "VAT id"), ("__", "__")]
)
def test_a_field_without_a_label_is_named_in_words(name, words):
    """No reader meets an underscore that has a word beside it."""
    assert in_words(name) == words == Field(name, "anonymous", "").title


def test_a_declared_label_is_the_name_of_a_field(tiny, policy):
    """The label is in every table, in the reader's language, and the key is in none."""
    fields = tuple(
        replace(field, label={"en": "How to reach you", "de": "Erreichbarkeit"}) if field.name == "email" else field
        for field in policy.fields
    )
    site = tiny(PRIVACY_POLICY=replace(policy, fields=fields))
    assert site.visitor().get("/privacy/").text.count("How to reach you") > 1
    assert "Erreichbarkeit" in site.visitor(Accept_Language="de").get("/privacy/").text


def test_a_changed_cell_names_its_row_and_column(policy):
    """A longer retention is one sentence with both periods."""
    longer = tuple(replace(p, retention=Period(7, "year")) if p.id == "support" else p for p in policy.purposes)
    [sentence] = sentences(policy, replace(policy, purposes=longer))
    assert re.fullmatch(r"“.+”, Kept for: “.+” has become “7 years”", sentence)


def test_new_and_removed_rows_and_sections_are_told(policy):
    """A removed recipient and a removed section are each one sentence; seen from the other side they are new."""
    fewer = replace(policy, recipients=policy.recipients[1:], minors=None)
    removed, added = sentences(policy, fewer), sentences(fewer, policy)
    assert any(text.startswith("No longer there: “Bank") for text in removed) and "This section has been removed." in removed
    assert any(text.startswith("New: “Bank") for text in added) and "This section is new." in added


def test_the_same_text_has_no_changes(policy):
    assert sentences(policy, policy) == []
    assert sentences(policy, replace(policy, retention=Retention(archives=Period(5, "day")))) != []
