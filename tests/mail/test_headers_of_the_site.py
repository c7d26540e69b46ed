"""Headers that a site sets itself, in the bytes that a mail server receives."""

import re
import smtplib
from dataclasses import replace
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.policy import SMTP

import pytest

from support.mail_site import ADA, Shop, policy

pytestmark = pytest.mark.usefixtures("clock")

CREATORS = [EmailMessage, lambda: MIMEText("Hello")]


@pytest.fixture
def server(tiny, office):
    office.mails.clear(), office.raw.clear()
    with Shop(tiny) as shop, shop.privacy.smtp(smtplib.SMTP("127.0.0.1", office.port, timeout=5)) as server:
        yield server


def of_class(mail):
    """A mail about an order, to Ada."""
    mail["To"], mail["Privacy-Class"] = ADA, "class=service&reference=order+1017"
    return mail


@pytest.mark.parametrize("name", ["X-SMTPAPI", "Disposition-Notification-To", "Autocrypt", "X-Ours"])
@pytest.mark.parametrize("refold_source", ["long", "none"])
def test_a_header_that_python_does_not_know_stays_whole(server, office, name, refold_source):
    """A header in ASCII needs no encoded words, so each one leaves as it is."""
    mail = of_class(EmailMessage(policy=SMTP.clone(refold_source=refold_source)))
    mail[name] = value = f"v=1; b={'A' * 90}"
    server.send_message(mail)
    assert office.header(name) == value


@pytest.mark.parametrize("create", CREATORS)
@pytest.mark.parametrize("name", ["List-Unsubscribe", "List-Help", "List-Archive"])
def test_promise_26_a_url_in_unicode_leaves_in_ascii(server, office, create, name):
    """RFC 2369 permits no encoded words around the URL of a list."""
    mail = of_class(create())
    mail[name] = "<https://bücher.example/löschen?für=ü>, <mailto:ü@shop.example>"
    server.send_message(mail)
    ascii_url = "https://xn--bcher-kva.example/l%C3%B6schen?f%C3%BCr=%C3%BC"
    assert office.header(name) == f"<{ascii_url}>, <mailto:%C3%BC@shop.example>"


def test_a_word_too_long_for_a_line_is_left_to_python(server, office):
    """A mail server refuses a line of more than 998 characters; RFC 5322, 2.1.1."""
    mail = of_class(EmailMessage())
    mail["X-Ours"] = "A" * 1200
    assert server.send_message(mail) == {} and office.header("X-Ours")


@pytest.mark.parametrize("create", CREATORS)
def test_an_address_beside_a_name_in_unicode_stays_readable(server, office, create):
    """Only the name leaves as encoded words; RFC 2047, 5. An older message object would encode the address as well."""
    mail = of_class(create())
    mail["Reply-To"] = 'Ömer <o@shop.example>, "Ü, Co" <u@bücher.example>'
    server.send_message(mail)
    assert re.findall("<[^>]*>", office.header("Reply-To")) == ["<o@shop.example>", "<u@xn--bcher-kva.example>"]


def test_the_sender_that_is_added_stays_readable(tiny, office):
    """send() adds From, also to an older message object and with a site's name in Unicode."""
    named = replace(policy(), site="Bücher, Ömer")
    with Shop(tiny, PRIVACY_POLICY=named, PRIVACY_SEND=None, PRIVACY_SMTP_URL=office.url) as other:
        other.privacy.send(of_class(MIMEText("Hello")))
    assert office.header("From").endswith("?= <privacy@shop.example>")
