"""Whether a mail may go is asked when it leaves: by smtplib and by Flask-Mailman, to a real mail server."""

import smtplib

import pytest
from flask_mailman import EmailMessage as MailmanMessage
from flask_mailman import Mail
from posting import ADA, Shop

from flask_mixamo_privacy.errors import MailClassError, MailError

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


def test_promise_26_opted_out_between_the_two_is_not_sent(shop, server, office):
    """The mail was made while the opt-in stood, and the list too; the answer says why it was held back."""
    mails = [shop.mail(to=to) for to in (ADA, "bob@shop.example")]
    shop.privacy.opt_out(ADA)
    assert [server.send_message(mail) for mail in mails] == [{ADA: (550, b"opted-out")}, {}]
    assert [to for to, _ in office.mails] == ["bob@shop.example"] and shop.here.mail.held_back == {"opted-out": 1}


def test_promise_26_what_arrives_can_be_stopped(shop, server, office):
    """It carries its own two ways out, and a Message-ID by which a reply is known; the label stays at home."""
    server.send_message(shop.mail())
    ((_, mail),) = office.mails
    assert mail["List-Unsubscribe"].replace("\n", "") == shop.privacy.unsubscribe_headers(ADA)["List-Unsubscribe"]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click" and shop.token() in mail["Message-ID"]
    assert "Privacy-Class" not in mail and len(mail.get_all("Message-ID")) == 1


def test_promise_26_each_gets_their_own_way_out(shop, server, office):
    """Also where one mail is for several, some of whom may not get it."""
    shop.privacy.opt_out("bob@shop.example")
    held_back = server.send_message(shop.mail(to=f"{ADA}, bob@shop.example, eve@shop.example"))
    assert held_back == {"bob@shop.example": (550, b"opted-out"), "eve@shop.example": (550, b"no-opt-in")}
    assert [(to, shop.token() in mail["List-Unsubscribe"]) for to, mail in office.mails] == [(ADA, True)]


def test_promise_25_a_mail_that_does_not_say_what_it_is_goes_nowhere(shop, server, office):
    """Neither as a message nor as text."""
    mail = shop.mail()
    del mail["Privacy-Class"]
    with pytest.raises(MailClassError):
        server.send_message(mail)
    with pytest.raises(MailClassError):
        server.sendmail("shop@shop.example", [ADA], mail.as_bytes())
    assert office.mails == []


def test_promise_37_receipts_and_password_resets_arrive_after_an_opt_out(shop, server, office):
    """And the newsletter does not; what is no marketing has no List-Unsubscribe."""
    shop.privacy.opt_out(ADA)
    server.send_message(shop.mail("service", subject="Receipt", reference="order 1017"))
    server.sendmail("shop@shop.example", ADA, shop.mail("service", subject="Reset", reference="account ada").as_string())
    server.send_message(shop.mail(subject="News"))
    assert office.subjects() == ["Receipt", "Reset"] and "List-Unsubscribe" not in office.mails[0][1]


def test_the_wrapper_is_the_connection_in_all_else(server):
    """What a site calls of smtplib's works as before."""
    assert server.ehlo()[0] == 250 and server.has_extn("8bitmime")


def mailman(shop):
    shop.site.app.testing = False  # else Flask-Mailman keeps everything to itself
    return Mail(shop.site.app)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:flask_mailman")
def test_promise_26_flask_mailman_asks_as_the_mail_leaves(shop, office):
    """By its backend; the same labels, the same headers."""
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
def test_promise_37_flask_mailman_lets_service_mail_through(shop, office):
    """To everybody at once, as it was made; one that says nothing of itself raises."""
    mailman(shop)
    shop.privacy.opt_out(ADA)
    label = shop.privacy.mail_class("service", "order 1017")
    MailmanMessage("Receipt", "Hello", "shop@shop.example", [ADA], cc=["bob@shop.example"], headers=label).send()
    assert [to for to, _ in office.mails] == [ADA, "bob@shop.example"]
    with pytest.raises(MailClassError):
        MailmanMessage("News", "Hello", "shop@shop.example", [ADA]).send()


def test_a_site_may_send_by_the_way_it_set_up_for_requests(shop):
    """PRIVACY_SEND or PRIVACY_SMTP_URL, with the same check."""
    assert shop.privacy.send(shop.mail()) == {} and shop.mails[0]["List-Unsubscribe-Post"]
    shop.privacy.opt_out(ADA)
    assert shop.privacy.send(shop.mail()) == {ADA: (550, b"opted-out")} and len(shop.mails) == 1


def test_promise_26_nobody_gets_it_by_standing_beside_somebody_who_may(shop):
    """A mail for several is handed over for each who may get it, and names nobody else."""
    shop.privacy.opt_out("bob@shop.example")
    shop.privacy.send(shop.mail(to=f"{ADA}, bob@shop.example"))
    assert [mail["To"] for mail in shop.mails] == [ADA]


def test_without_a_way_out_sending_says_so(tiny):
    """And names the settings."""
    with (
        Shop(tiny, PRIVACY_SEND=None) as shop,
        pytest.raises(MailError, match="set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL"),
    ):
        shop.privacy.send(shop.mail("service", reference="order 1"))
