"""Scrubbing of page addresses and network addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mixamo_privacy.tracking.scrub import network_of, scrub_path, scrub_text, split_referrer


@pytest.mark.parametrize(
    ("path", "scrubbed"),
    [
        ("/", "/"),
        ("", "/"),
        ("/animations/walk-cycle-2024-v2", "/animations/walk-cycle-2024-v2"),
        ("/how-to-make-a-character-run-in-12-frames", "/how-to-make-a-character-run-in-12-frames"),
        ("/item/12345678", "/item/12345678"),
        ("/Ärger/straße", "/Ärger/straße"),
        ("/releases/3.12.1rc1", "/releases/3.12.1rc1"),
        ("/2026/05/08/a-post", "/2026/05/08/a-post"),
        ("/users/a@b.example", "/users/:email"),
        ("/users/a%40b.example/orders", "/users/:email/orders"),
        ("/reset/550e8400-e29b-41d4-a716-446655440000", "/reset/:token"),
        ("/reset/ImFAYi5jIg.aRk2Lw.Xh3kQ9vT1yZ0pLmNbVcXsDfGhJk", "/reset/:token"),
        ("/confirm/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP", "/confirm/:token"),
        ("/t/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/t/:token"),
        ("/call/0049301234567", "/call/:number"),
        ("/a?x=1#y", "/a"),
        ("/a%00b", "/a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_a_path_keeps_words_and_loses_identifiers(path, scrubbed):
    """Words and small numbers stay; mail addresses, long numbers and tokens are removed."""
    assert scrub_path(path) == scrubbed


@given(st.text())
def test_a_scrubbed_path_has_no_mail_address_and_bounded_length(path):
    """A page name never contains an @ and has at most 200 characters, whatever the path."""
    scrubbed = scrub_path("/" + path)
    assert "@" not in scrubbed and len(scrubbed) <= 200


@given(st.binary(min_size=16, max_size=32))
def test_random_tokens_are_removed(secret):
    """Tokens of secrets.token_hex and token_urlsafe are removed, apart from a very rare exception."""
    assert scrub_path(f"/reset/{secret.hex()}") in ("/reset/:token", "/reset/:number")


@given(st.text(max_size=500))
def test_no_text_keeps_a_mail_address(text):
    """A text property loses every mail address, and everything after 200 characters."""
    assert "a@b.example" not in scrub_text(f"a@b.example {text} a@b.example") and len(scrub_text(text)) <= 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("203.0.113.77:4711", "203.0.113.0/24"),
        (" 203.0.113.77:", "203.0.113.0/24"),
        ("[2001:db8:aaaa:bbbb::1]:4711", "2001:db8:aaaa::/48"),
        ("[2001:db8:aaaa:bbbb::1]", "2001:db8:aaaa::/48"),
        ('"[2001:db8:aaaa:bbbb::1]:4711"', "2001:db8:aaaa::/48"),
        ("[::ffff:203.0.113.77]:4711", "203.0.113.0/24"),
        ("[fe80::1%eth0]:4711", "fe80::/48"),
        ("203.0.113.77:_hidden-1", "203.0.113.0/24"),
        ("[2001:db8:aaaa:bbbb::1]:_hidden.1", "2001:db8:aaaa::/48"),
        ("_hidden:4711", ""),
        ("203.0.113.77:port", ""),
        ("shop.example:4711", ""),
        ("[203.0.113.77", ""),
        ("", ""),
        ("unix:", ""),
        ("not an address", ""),
    ],
)
def test_a_network_is_a_24_or_48_prefix(address, network):
    """The network is the address's /24 or /48 prefix, and empty for an invalid address."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("referrer", "found"),
    [
        ("http://me.example/a?b", ("/a", "")),
        ("https://me.example/", ("/", "")),
        ("https://other.example/a?q=secret#x", ("", "https://other.example/a")),
        ("https://user:pass@other.example/", ("", "https://other.example/")),
        ("android-app://com.example", ("", "")),
        ("http://[broken", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_referrer_is_a_page_of_this_or_another_site(referrer, found):
    """The referrer's query, credentials and fragment are never kept."""
    assert split_referrer(referrer, "me.example") == found
