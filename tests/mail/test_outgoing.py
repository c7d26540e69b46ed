"""Mail permission at the time of sending, by smtplib and by Flask-Mailman, with a real mail server."""

import smtplib

import pytest
from flask_mailman import EmailMessage as MailmanMessage
from flask_mailman import Mail

from flask_mixamo_privacy.errors import MailClassError, MailError
from support.mail_site import ADA, Shop

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def shop(tiny, office):
    office.mails.clear()
    values = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": office.port, "MAIL_BACKEND": "flask_mixamo_privacy.mailman"}
    with Shop(tiny, **values) as shop:
        shop.privacy.opt_in(ADA), shop.privacy.opt_in("bob@shop.example")
        yield shop


@pytest.fixture
def server(shop, office):
    with shop.privacy.smtp(smtplib.SMTP("127.0.0.1", office.port, timeout=5)) as server:
        yield server


def test_promise_26_a_mail_to_a_person_who_opted_out_meanwhile_is_not_sent(shop, server, office):
    """The mail was created before the opt-out; the result states why it was held back."""
    mails = [shop.mail(to=to) for to in (ADA, "bob@shop.example")]
    shop.privacy.opt_out(ADA)
    assert [server.send_message(mail) for mail in mails] == [{ADA: (550, b"opted-out")}, {}]
    assert [to for to, _ in office.mails] == ["bob@shop.example"] and shop.runtime.mail.held_back == {"opted-out": 1}


def test_promise_26_a_mail_that_arrives_can_be_stopped(shop, server, office):
    """It has two ways to unsubscribe and a Message-ID for replies, and no internal label."""
    server.send_message(shop.mail())
    ((_, mail),) = office.mails
    assert mail["List-Unsubscribe"].replace("\n", "") == shop.privacy.unsubscribe_headers(ADA)["List-Unsubscribe"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and shop.token() in mail["Message-ID"]
    assert "Privacy-Class" not in mail and len(mail.get_all("Message-ID")) == 1


def test_promise_26_each_recipient_gets_an_own_unsubscribe_link(shop, server, office):
    """This also holds for one mail to several recipients, some of whom opted out."""
    shop.privacy.opt_out("bob@shop.example")
    held_back = server.send_message(shop.mail(to=f"{ADA}, bob@shop.example, eve@shop.example"))
    assert held_back == {"bob@shop.example": (550, b"opted-out"), "eve@shop.example": (550, b"no-opt-in")}
    assert [(to, shop.token() in mail["List-Unsubscribe"]) for to, mail in office.mails] == [(ADA, True)]


def test_promise_25_a_mail_without_a_class_is_not_sent(shop, server, office):
    """Neither a message object nor a text is sent without a class."""
    mail = shop.mail()
    del mail["Privacy-Class"]
    with pytest.raises(MailClassError):
        server.send_message(mail)
    with pytest.raises(MailClassError):
        server.sendmail("shop@shop.example", [ADA], mail.as_bytes())
    assert office.mails == []


def test_promise_37_receipts_and_password_resets_arrive_after_an_opt_out(shop, server, office):
    """The newsletter does not arrive, and service mail has no List-Unsubscribe."""
    shop.privacy.opt_out(ADA)
    server.send_message(shop.mail("service", subject="Receipt", reference="order 1017"))
    server.sendmail("shop@shop.example", ADA, shop.mail("service", subject="Reset", reference="account ada").as_string())
    server.send_message(shop.mail(subject="News"))
    assert office.subjects() == ["Receipt", "Reset"] and "List-Unsubscribe" not in office.mails[0][1]


def test_the_wrapper_behaves_like_the_connection_otherwise(server):
    """Other methods of smtplib work as before."""
    assert server.ehlo()[0] == 250 and server.has_extn("8bitmime")


def mailman(shop):
    shop.site.app.testing = False  # otherwise Flask-Mailman keeps the mails in memory
    return Mail(shop.site.app)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:flask_mailman")
def test_promise_26_flask_mailman_checks_the_permission_when_the_mail_leaves(shop, office):
    """Its backend uses the same labels and headers."""
    connection = mailman(shop).get_connection()
    label = shop.privacy.mail_class("marketing", list="marketing")
    mails = [
        MailmanMessage("News", "Hello", "shop@shop.example", [to], headers=dict(label)) for to in (ADA, "bob@shop.example")
    ]
    shop.privacy.opt_out(ADA, "marketing")
    assert connection.send_messages(mails) == 1
    ((to, mail),) = office.mails
    assert to == "bob@shop.example" and shop.token(to) in mail["List-Unsubscribe"] and "Privacy-Class" not in mail
    assert mails[1].extra_headers == label


@pytest.mark.filterwarnings("ignore::DeprecationWarning:flask_mailman")
def test_promise_37_flask_mailman_sends_service_mail(shop, office):
    """Service mail is sent unchanged to all recipients at once; one without a class raises."""
    mailman(shop)
    shop.privacy.opt_out(ADA)
    label = shop.privacy.mail_class("service", "order 1017")
    MailmanMessage("Receipt", "Hello", "shop@shop.example", [ADA], cc=["bob@shop.example"], headers=label).send()
    assert [to for to, _ in office.mails] == [ADA, "bob@shop.example"]
    with pytest.raises(MailClassError):
        MailmanMessage("News", "Hello", "shop@shop.example", [ADA]).send()


def test_a_site_may_send_by_the_transport_of_its_requests(shop):
    """PRIVACY_SEND and PRIVACY_SMTP_URL are used with the same check."""
    assert shop.privacy.send(shop.mail()) == {} and shop.mails[0]["List-Unsubscribe-Post"]
    shop.privacy.opt_out(ADA)
    assert shop.privacy.send(shop.mail()) == {ADA: (550, b"opted-out")} and len(shop.mails) == 1


def test_promise_26_each_permitted_recipient_gets_a_separate_mail(shop):
    """A person without permission gets no mail, and no mail names another recipient."""
    shop.privacy.opt_out("bob@shop.example")
    shop.privacy.send(shop.mail(to=f"{ADA}, bob@shop.example"))
    assert [mail["To"] for mail in shop.mails] == [ADA]


def test_without_a_transport_sending_raises(tiny):
    """The error names the settings."""
    with (
        Shop(tiny, PRIVACY_SEND=None) as shop,
        pytest.raises(MailError, match="set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL"),
    ):
        shop.privacy.send(shop.mail("service", reference="order 1"))


@pytest.mark.parametrize("sender", ["jörg@shop.example", "a,b@shop.example"])
def test_the_sender_may_have_any_name(tiny, sender):
    """An address beyond ASCII (RFC 6531), or one that needs quotes, is the sender of a site's mail without a From."""
    with Shop(tiny, PRIVACY_MAIL_FROM=sender) as shop:
        mail = shop.mail("service", reference="order 1")
        del mail["From"]
        shop.privacy.send(mail)
        (address,) = shop.mails[0]["From"].addresses
        assert f"{address.username}@{address.domain}" == sender
