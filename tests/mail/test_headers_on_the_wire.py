"""Structured headers, in the bytes that a mail server receives."""

import re
import smtplib
from email.message import EmailMessage
from email.mime.text import MIMEText
from email.policy import SMTP, default

import pytest
from flask_mailman import EmailMessage as MailmanMessage
from flask_mailman import Mail

from support.mail_site import ADA, BASE, Shop

pytestmark = pytest.mark.usefixtures("clock")

LONG = f"{BASE}/{'shops/' * 30}"
THREAD = " ".join(f"<{letter * 70}@shop.example>" for letter in "abc")
SUBJECTS = ["News", "Neuigkeiten für Ömer " + "ü" * 80, "ニュース" * 30]


@pytest.fixture(params=[BASE, LONG, "https://bücher.example/café"])
def shop(request, tiny, office):
    office.mails.clear(), office.raw.clear()
    values = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": office.port, "MAIL_BACKEND": "flask_mixamo_privacy.mailman"}
    with Shop(tiny, PRIVACY_BASE_URL=request.param, PRIVACY_SEND=None, PRIVACY_SMTP_URL=office.url, **values) as shop:
        shop.privacy.opt_in(ADA)
        yield shop


@pytest.fixture
def server(shop, office):
    with shop.privacy.smtp(smtplib.SMTP("127.0.0.1", office.port, timeout=5)) as server:
        yield server


def assert_whole(shop, office):
    raw = office.raw[:]
    headers = shop.privacy.unsubscribe_headers(ADA)
    assert office.header("List-Unsubscribe") == headers["List-Unsubscribe"]
    for name, expected in {
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Message-ID": rf"<{shop.token()}\S+>",
    }.items():
        office.raw[:] = raw
        assert re.fullmatch(expected, office.header(name))


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("policy", [default, SMTP])
def test_promise_26_an_ordinary_message_has_a_button_to_unsubscribe(shop, server, office, subject, policy):
    """No header for mail programs leaves as encoded words, however long the site's URL is."""
    mail = EmailMessage(policy=policy)
    for name, value in shop.mail(subject=subject).items():
        mail[name] = value
    mail.set_content("Grüße" * 200)
    server.send_message(mail)
    assert_whole(shop, office)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_promise_26_the_transport_of_the_site_sends_the_button(shop, office, subject):
    """This holds for PRIVACY_SMTP_URL, and for a message that a callable of PRIVACY_SEND serialises."""
    shop.privacy.send(shop.mail(subject=subject))
    assert_whole(shop, office)


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("as_text", [EmailMessage.as_bytes, EmailMessage.as_string])
def test_promise_26_a_text_gets_the_button(shop, server, office, subject, as_text):
    """A text is parsed, and its own headers keep their lines."""
    mail = shop.mail(subject=subject)
    server.sendmail("shop@shop.example", ADA, as_text(mail))
    assert_whole(shop, office)


def test_promise_26_an_older_message_object_gets_the_button(shop, server, office):
    """email.mime has the older policy compat32."""
    mail = MIMEText("Hello")
    mail["From"], mail["To"], mail["Subject"] = "shop@shop.example", ADA, SUBJECTS[1]
    mail["Privacy-Class"] = shop.privacy.mail_class("marketing", list="marketing")["Privacy-Class"]
    server.send_message(mail)
    assert_whole(shop, office)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:flask_mailman")
def test_promise_26_flask_mailman_sends_the_button(shop, office):
    """Its messages have the policy compat32 as well."""
    shop.site.app.testing = False
    label = shop.privacy.mail_class("marketing", list="marketing")
    connection = Mail(shop.site.app).get_connection()
    connection.send_messages([MailmanMessage(SUBJECTS[1], "Hello", "shop@shop.example", [ADA], headers=label)])
    assert_whole(shop, office)


def test_promise_26_headers_for_a_message_of_the_sites_own_stay_whole(shop, office):
    """A site that sends by other means adds the two headers itself."""
    mail = EmailMessage()
    for name, value in shop.privacy.unsubscribe_headers(ADA).items():
        mail[name] = value
    office.raw.append(mail.as_bytes(policy=SMTP) + b"\r\n")
    assert office.header("List-Unsubscribe") == shop.privacy.unsubscribe_headers(ADA)["List-Unsubscribe"]


@pytest.mark.parametrize("name", ["References", "In-Reply-To", "List-Id", "Feedback-ID", "Message-ID"])
@pytest.mark.parametrize("is_text", [False, True])
def test_structured_headers_of_the_site_stay_whole(shop, server, office, name, is_text):
    """A reply to a long Message-ID keeps its thread."""
    mail = shop.mail("service", reference="order 1017")
    value = THREAD if name == "References" else THREAD.split()[0]
    mail[name] = value
    if is_text:
        text = mail.as_bytes(policy=SMTP.clone(max_line_length=0))
        server.sendmail("shop@shop.example", ADA, text)
    else:
        server.send_message(mail)
    assert office.header(name) == value


def test_a_text_keeps_its_lines(shop, server, office):
    """A signature over headers and body stays valid: no line is divided, joined or changed."""
    lines = ["DKIM-Signature: v=1; b=" + "A" * 90, "X-Long: " + "word " * 30 + "end", "", "From here on", ""]
    label = shop.privacy.mail_class("service", "order 1017")["Privacy-Class"]
    server.sendmail("shop@shop.example", ADA, "\r\n".join([f"Privacy-Class: {label}", *lines]).encode())
    assert office.raw == ["\r\n".join(lines).encode()]


def test_a_long_class_is_read_in_every_spelling(shop, server, office):
    """Python may have written it as encoded words before it was parsed again."""
    for text in (b"Privacy-Class: =?utf-8?q?class=3Dservice=26reference=3Dorder+?=\r\n =?utf-8?q?1017?=\r\n\r\nHello\r\n",):
        assert server.sendmail("shop@shop.example", ADA, text) == {}
    assert office.raw == [b"\r\nHello\r\n"]
