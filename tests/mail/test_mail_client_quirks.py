"""Mail programs: what they add to a message, and how they encode reports."""

import base64

import pytest

from support.messages import action, decided, report

FIELDS = b"Feedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: FBL/1\r\nOriginal-Rcpt-To: ada@mail.example\r\n"


@pytest.mark.parametrize("value", ["no (by hand)", "(by hand) no", "No ; x=y"])
def test_a_comment_makes_no_mail_automatic(value):
    """A comment in Auto-Submitted is allowed by RFC 3834 5."""
    assert action(Auto_Submitted=value) == "act"
    assert action(Auto_Submitted=value.replace("no", "auto-replied (no)").replace("No", "auto-replied")) == "ignore"


@pytest.mark.parametrize(
    ("encoding", "fields"),
    [("base64", base64.encodebytes(FIELDS)), ("quoted-printable", FIELDS.replace(b"ada@", b"=61d=\r\na=40")), ("8bit", FIELDS)],
)  # fmt: skip
def test_promise_36_a_feedback_report_may_be_encoded(encoding, fields):
    """A feedback report is recognised if its parts are encoded, as some providers do."""
    kind = b"Content-Type: message/feedback-report\r\n"
    before, _, after = report().partition(kind)
    encoded = b"%sContent-Transfer-Encoding: %s\r\n\r\n%s\r\n" % (kind, encoding.encode(), fields)
    assert decided(before + encoded + b"--b" + after.partition(b"--b")[2]).address == "ada@mail.example"


@pytest.mark.parametrize(
    "below",
    [
        "On Fri, 1 May 2026 at 10:00, Shop <s@shop.example>\nwrote:\n\n> Hello", "On Friday the shop <s@shop.example>\nwrote:\n> Hello",
        "On Fri, 1 May 2026 at 10:00, The Shop\n<s@shop.example> wrote:\n> Hello", "From: Shop <s@shop.example>\nSent: Friday\nTo: Ada\n\nHello",
        "*Von:* Shop\n\n*Gesendet:* Freitag\nHallo", "De : Shop\nEnvoyé : vendredi\nBonjour", "Sent from my iPhone", "Von meinem iPhone gesendet",
        "Sent from my iPhone\n\nOn Friday Shop wrote:\n> Hello", "Get Outlook for iOS<https://aka.example/x>\n\n> Hello", "Envoyé de mon iPhone",
    ],
)  # fmt: skip
def test_promise_36_what_a_mail_program_adds_is_not_the_senders_text(below):
    """The word above a signature or a quotation stands alone."""
    assert action("Re: News", f"unsubscribe\n\n{below}") == "act"


@pytest.mark.parametrize(
    "below",
    ["From: now on.\nThanks", "Sent from my heart? Not me", "Sent from my iPhone. Please do not", "Sent from my neighbour bob@mail.example", "but not bob <bob@mail.example>\n\nplease:\n> x",
     "Only the offers\nwrote:\n> x"],
)  # fmt: skip
def test_promise_36_text_below_the_word_still_counts(below):
    """Text of the sender below the word may change its meaning."""
    assert action("Re: News", f"unsubscribe\n{below}") == "ask"
