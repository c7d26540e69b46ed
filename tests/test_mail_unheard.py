"""Nothing that mentions the word is dropped silently, wherever in a mail it stands."""

import base64

import pytest
from letters import TOKEN, action, decided, letter

CONTACT = {"To": "privacy@shop.example"}


def alternative(plain, html, **headers):
    """A mail that says everything twice, or is meant to."""
    parts = (f"--b\r\nContent-Type: text/{kind}\r\n\r\n{said}\r\n" for kind, said in (("plain", plain), ("html", html)))
    kind = "multipart/alternative; boundary=b"
    return decided(letter("Re: News", f"{''.join(parts)}--b--\r\n", Content_Type=kind, **CONTACT | headers))


def test_promise_36_a_long_mail_is_read_to_its_end():
    """As far as any of it is taken for text."""
    assert action("Hello", "All is well. " * 5000 + "Unsubscribe me!", **CONTACT) == "ask"


def test_promise_36_html_is_read_beside_plain_text():
    """What is certain rests on the plain text; of what the HTML alone says a person decides."""
    assert alternative("Your mail program shows no HTML.", "<p>unsubscribe</p>").action == "ask"
    assert alternative("unsubscribe", "<p>unsubscribe</p>").action == "act"
    assert alternative("Fine", "<p>Fine</p>").action == "ignore"


def test_promise_36_our_footer_quoted_in_the_html_asks_for_nothing():
    """As in plain text: known by the link in it."""
    ours = f'<blockquote>Unsubscribe <a href="https://shop.example/privacy/unsubscribe/{TOKEN}">here</a></blockquote>'
    found = alternative("A fine walk!", f"<p>A fine walk!</p>{ours}")
    assert found.reason == "the word is ours alone, of the footer that it quotes"
    assert alternative("A fine walk!", f"<p>Stop sending these</p>{ours}").action == "ask"


@pytest.mark.parametrize("disposition", ['inline; filename="msg.txt"', 'attachment; filename="msg.txt"', "inline"])
def test_promise_36_a_body_with_a_file_name_is_a_body(disposition):
    """There is nothing else in the mail."""
    assert action("Hello", "unsubscribe", Content_Disposition=disposition, **CONTACT) == "ask"


@pytest.mark.parametrize("charset", ["x-unknown", "x-unknown*en", "punycode", "utf-8*en"])
def test_promise_36_a_subject_in_a_charset_that_nobody_knows_is_read(charset):
    """Its letters are what they look like in ASCII."""
    said = base64.b64encode(b"How do I unsubscribe").decode()
    assert action(f"=?{charset}?B?{said}?=", **CONTACT) == "ask"
    assert action(f"Grüße =?{charset}?B?{said}?=", **CONTACT) == "ask"
