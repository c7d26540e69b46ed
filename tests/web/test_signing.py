"""Signed texts are those of itsdangerous, and an invalid one reads as none."""

from hashlib import sha256

import pytest
from itsdangerous import Signer

from flask_mixamo_privacy.web.signing import SignedValue

CONFIG = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["oldest", b"old"]}


def signer(*keys):
    return Signer(keys, salt="salt", key_derivation="hmac", digest_method=sha256)


def test_a_signature_is_that_of_itsdangerous():
    """A value that any release signed stays valid, and other code can verify ours."""
    signed = SignedValue(CONFIG, "salt", str).sign("r.500a.AAAAAA")
    assert signed.encode() == signer("new").sign("r.500a.AAAAAA")


@pytest.mark.parametrize("key", ["oldest", b"old", "new"])
def test_a_value_signed_with_a_kept_key_is_valid(key):
    """A change of SECRET_KEY ends no decision while the old key is a fallback."""
    assert SignedValue(CONFIG, "salt", str).unsign(signer(key).sign("text").decode()) == "text"


def test_keys_that_change_while_the_app_runs_count_at_once():
    """A value is valid only under the keys of the moment, also if a list of them is changed in place."""
    config = {"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]}
    value, raw = SignedValue(config, "salt", str), signer("old").sign("text").decode()
    assert value.unsign(raw) == "text"
    config["SECRET_KEY_FALLBACKS"].clear()
    assert value.unsign(raw) is None


@pytest.mark.parametrize("edit", [lambda raw: raw[:-1], lambda raw: raw + "=", lambda raw: "x" + raw, lambda raw: raw + "é"])
def test_an_edited_value_is_none(edit):
    """No other text counts as signed, whatever its length and its characters are."""
    value = SignedValue(CONFIG, "salt", str)
    assert value.unsign(edit(value.sign("text"))) is None


def test_a_signature_has_one_spelling():
    """Base64 has four last characters for the same bytes, and only one of them is what was signed."""
    value, last = SignedValue(CONFIG, "salt", str), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    raw = value.sign("text")
    assert [value.unsign(raw[:-1] + char) for char in last].count("text") == 1


def test_a_value_that_cannot_be_decoded_is_none():
    """A signed text of an earlier release, or one that is out of date, is no error."""
    value = SignedValue(CONFIG, "salt", int)
    assert value.unsign(value.sign("text")) is None and value.unsign(value.sign("17")) == 17
