"""``resolve_shown``: the text that a form's hidden field identifies."""

from dataclasses import replace
from functools import partial

import pytest

from flask_mixamo_privacy.consent.proof import banner, current_text, settings
from flask_mixamo_privacy.i18n.language import language
from flask_mixamo_privacy.ledger.entry import resolve_shown
from flask_mixamo_privacy.policy.parts import Banner
from flask_mixamo_privacy.policy.toml import built_in

POLICY = built_in()
CURRENT = partial(current_text, POLICY)
TYPO = banner(replace(POLICY, banner=Banner("May we count yuor visits?")), language("en"))


def resolve(token, kept=None):
    return resolve_shown(token, CURRENT, POLICY.policy_fingerprint, lambda digest, fingerprint: kept)


@pytest.mark.parametrize("text", [banner, settings])
@pytest.mark.parametrize("code", ["en", "de"])
def test_the_current_text_is_resolved_in_any_language(text, code):
    """The text in use is found without the ledger."""
    found = text(POLICY, language(code))
    assert resolve(found.form_token) == found


def test_a_corrected_text_is_valid_if_the_ledger_has_it():
    """The form asked the same question, so the ledger's copy is the text."""
    assert resolve(TYPO.form_token, kept=TYPO) is TYPO
    assert resolve(TYPO.form_token) is None


def test_a_text_of_another_question_is_not_looked_up():
    """A stored text proves nothing if its form asked another question."""
    assert resolve("other." + TYPO.form_token.partition(".")[2], kept=TYPO) is None


def test_an_unchanged_text_of_another_question_is_invalid():
    """The purposes behind the same sentence may have changed, such as their recipients."""
    token = "other." + banner(POLICY, language("en")).form_token.partition(".")[2]
    assert resolve(token) is None


@pytest.mark.parametrize("token", ["x", "...", "x.banner.xx.0", "x.embed:none.en.0", "x.banner.en"])
def test_a_malformed_token_has_no_text(token):
    """Any client may send any token."""
    assert resolve(token, kept=TYPO) is None
