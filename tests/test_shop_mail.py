"""The shop and a real mail server: who signs up, buys, and wants no more newsletters gets the receipt all the same."""

import re

import pytest
from letters import PASSED
from posting import PostOffice

from example_site import create_app

ADA = "ada@mail.example"


@pytest.fixture(scope="module")
def office():
    office = PostOffice()
    yield office
    office.controller.stop()


class Shop:
    """The shop, a visitor, and the post."""

    def __init__(self, folder, office):
        office.mails.clear()
        self.office = office
        self.app = create_app(
            {
                "TESTING": True,
                "SECRET_KEY": "not a secret, a test",
                "PRIVACY_SMTP_URL": office.url,
                "PRIVACY_BASE_URL": "https://pacework.example",
                "SHOP_DATABASE_URL": f"sqlite:///{folder}/shop.sqlite",
                "PRIVACY_ASSETS_DIR": str(folder.parent / "assets"),
                "PRIVACY_LOG_DIR": str(folder / "log"),
                **{f"PRIVACY_{name}_URL": f"sqlite:///{folder}/{name}.sqlite" for name in ("EVENTS", "LEDGER", "DATABASE")},
            }
        )
        self.visitor = self.app.test_client()
        self.folder = folder

    def newsletter(self, subject):
        """Send one; gives what the command says."""
        outcome = self.app.test_cli_runner().invoke(args=["newsletter", subject], input="New clips.")
        assert outcome.exit_code == 0, outcome.output
        return outcome.output

    def sign_up(self, email=ADA, old_enough="yes"):
        return self.visitor.post("/newsletter", data={"email": email, "old_enough": old_enough})

    def buy(self):
        person = {"name": "Ada", "email": ADA, "address": "1 Lane", "order": "walk"}
        assert self.visitor.post("/animations/walk/buy", data=person).status_code == 303

    def inbox(self, subject, **headers):
        said = {
            "From": ADA,
            "To": "unsubscribe@pacework.example",
            "Authentication-Results": PASSED,
            "Subject": subject,
        } | headers
        path = self.folder / "reply.eml"
        path.write_text("".join(f"{name}: {value}\n" for name, value in said.items()) + "\n")
        return self.app.test_cli_runner().invoke(args=["privacy", "inbox", str(path)]).output

    def last(self):
        return self.office.mails[-1][1]

    def link(self, of="https://pacework.example"):
        return re.search(rf"{of}(/\S+)", self.last().get_content())[1]


@pytest.fixture
def shop(tmp_path, office):
    folder = tmp_path / "shop"
    folder.mkdir()
    return Shop(folder, office)


def by_link(shop):
    path = shop.link()
    assert shop.visitor.get(path).status_code == 200
    shop.visitor.post(path)


def by_one_click(shop):
    path = re.search(r"<https://pacework\.example(/[^>]+)>", shop.last()["List-Unsubscribe"])[1]
    shop.app.test_client().post(path, data={"List-Unsubscribe": "One-Click"})


def by_reply(shop):
    answered = {"In-Reply-To": shop.last()["Message-ID"]}
    assert "1 act" in shop.inbox(f"Re: {shop.last()['Subject']} unsubscribe", **answered)


@pytest.mark.parametrize("way", [by_link, by_one_click, by_reply])
def test_promise_37_the_newsletter_stops_and_the_receipt_still_comes(shop, way):
    """Signed up, bought, opted out by a link, by one click, or by a reply; and the password can be had anew."""
    shop.visitor.post("/signup", data={"email": ADA, "name": "Ada", "password": "secret"})
    shop.sign_up(), shop.buy()
    assert shop.newsletter("May") == "sent: 1\n"
    way(shop)
    assert shop.newsletter("June") == "opted-out: 1\n"
    shop.buy(), shop.visitor.post("/password", data={"email": ADA})
    subjects = [re.sub(r"order \w+", "order", subject) for subject in shop.office.subjects(ADA)]
    assert subjects == ["Receipt of order", "May", "Receipt of order", "Your new password"]
    path = shop.link("http://localhost")
    assert shop.visitor.post(path, data={"password": "new"}).status_code == 303
    assert shop.visitor.get(path).status_code == 410


def test_promise_26_undo_brings_the_newsletter_back(shop):
    """One more press on the page."""
    shop.sign_up(), shop.newsletter("May")
    path = shop.link()
    shop.visitor.post(path)
    assert shop.newsletter("June") == "opted-out: 1\n"
    shop.visitor.post(path, data={"undo": "1"})
    assert shop.newsletter("July") == "sent: 1\n"


def test_promise_19_a_child_gets_no_newsletter(shop):
    """Whose age is known only after the sign-up is left out, and counted."""
    shop.sign_up()
    with shop.app.app_context():
        shop.app.extensions["mixamo_privacy"].site(shop.app).rights.minors.note(ADA)
    assert shop.newsletter("May") == "minor: 1\n" and not shop.office.mails


def test_promise_26_the_list_alone_is_no_opt_in(shop):
    """An address that somebody put into the shop's database gets nothing."""
    from example_site import records

    with shop.app.app_context(), records.session() as session:
        session.add(records.Subscription(email="bought@list.example"))
        session.commit()
    assert shop.newsletter("May") == "no-opt-in: 1\n" and not shop.office.mails


def test_a_shop_without_a_mail_server_sells_all_the_same(shop, caplog):
    """That the receipt was not sent is in the site's log."""
    shop.office.controller.stop()
    try:
        shop.buy()
    finally:
        shop.office.__init__()
    assert "A mail was not sent" in caplog.text
