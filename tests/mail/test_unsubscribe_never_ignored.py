"""Mentions of the word: no mail that mentions it is dropped silently."""

import base64

import pytest

from support.messages import TOKEN, action, decided, letter

CONTACT = {"To": "privacy@shop.example"}


def alternative(plain, html, **headers):
    """A mail whose plain text and HTML are meant to have the same content."""
    parts = (f"--b\r\nContent-Type: text/{kind}\r\n\r\n{text}\r\n" for kind, text in (("plain", plain), ("html", html)))
    kind = "multipart/alternative; boundary=b"
    return decided(letter("Re: News", f"{''.join(parts)}--b--\r\n", Content_Type=kind, **CONTACT | headers))


def test_promise_36_a_long_mail_is_read_to_its_end():
    """A long mail is read to the end of its text."""
    assert action("Hello", "All is well. " * 5000 + "Unsubscribe me!", **CONTACT) == "ask"


def test_promise_36_html_is_read_beside_plain_text():
    """The plain text alone unsubscribes; a mention only in the HTML needs review."""
    assert alternative("Your mail program shows no HTML.", "<p>unsubscribe</p>").action == "ask"
    assert alternative("unsubscribe", "<p>unsubscribe</p>").action == "act"
    assert alternative("Fine", "<p>Fine</p>").action == "ignore"


def test_promise_36_the_sites_own_footer_quoted_in_html_unsubscribes_no_one():
    """The quoted footer is recognised by its link, as in plain text."""
    footer = f'<blockquote>Unsubscribe <a href="https://shop.example/privacy/unsubscribe/{TOKEN}">here</a></blockquote>'
    found = alternative("A fine walk!", f"<p>A fine walk!</p>{footer}")
    assert found.reason == "the word is only in the quoted footer of our own mail"
    assert alternative("A fine walk!", f"<p>Stop sending these</p>{footer}").action == "ask"


@pytest.mark.parametrize("disposition", ['inline; filename="msg.txt"', 'attachment; filename="msg.txt"', "inline"])
def test_promise_36_a_body_with_a_file_name_is_a_body(disposition):
    """A text part with a file name is read if the mail has no other body."""
    assert action("Hello", "unsubscribe", Content_Disposition=disposition, **CONTACT) == "ask"


@pytest.mark.parametrize("charset", ["x-unknown", "x-unknown*en", "punycode", "utf-8*en"])
def test_promise_36_a_subject_in_an_unknown_charset_is_read(charset):
    """The ASCII characters of the subject are read."""
    encoded = base64.b64encode(b"How do I unsubscribe").decode()
    assert action(f"=?{charset}?B?{encoded}?=", **CONTACT) == "ask"
    assert action(f"Grüße =?{charset}?B?{encoded}?=", **CONTACT) == "ask"
