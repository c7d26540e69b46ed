"""The weekly mail: published numbers of the closed week, once to each address, and nothing else."""

from __future__ import annotations

import pytest

from conftest import choose
from flask_mixamo_privacy.errors import MailError, SettingError
from flask_mixamo_privacy.reports.reports import Reports
from flask_mixamo_privacy.web.weekly_report import send_weekly_report

DAY = 86400
STAFF = ["ann@shop.example", "bob@shop.example", "ann@shop.example"]


@pytest.fixture
def mailing(tiny, clock):
    """Build a site that six visitors saw on Friday, 8 May, and perhaps one a page of their own; by default it is the 12th of May."""

    def build(days=4, lonely=False, **config):
        mails = []
        config = {
            "PRIVACY_WEEKLY_REPORT": STAFF,
            "PRIVACY_SEND": mails.append,
            "PRIVACY_MAIL_FROM": "shop@shop.example",
        } | config
        site = tiny(**config)
        for number in range(6):
            visitor = site.visitor()
            choose(visitor, "accept_all")
            visitor.get("/"), visitor.get("/other")
            if lonely and not number:
                visitor.get("/item/lonely")
        clock.shift(days * DAY)
        site.cli("load")
        return site, mails

    return build


def send(site):
    with site.app.app_context():
        return send_weekly_report(site.privacy.runtime(site.app))


def test_each_address_gets_a_closed_week_once(mailing):
    """Two addresses get one mail each, and a second call sends nothing. The ledger records the mails."""
    site, mails = mailing()
    assert (send(site), send(site)) == (2, 0) and [mail["To"] for mail in mails] == ["ann@shop.example", "bob@shop.example"]
    text = mails[0].get_content()
    assert "Visits: 6" in text and "/: 6" in text and "May 4" in mails[0]["Subject"]
    assert sum("weekly report" in row["detail"] for row in site.ledger("access")) == 2


def test_the_mail_has_no_number_of_a_few_visitors(mailing):
    """The page of a single visitor is neither named nor counted by itself."""
    site, mails = mailing(lonely=True)
    send(site)
    assert "lonely" not in mails[0].get_content()


def test_an_open_week_is_not_sent(mailing):
    """On Saturday, the week of Friday goes on."""
    site, mails = mailing(days=1)
    assert send(site) == 0 and mails == []


def test_a_mail_that_failed_is_sent_later(mailing):
    """An address whose mail failed gets the week on the next call."""
    failing = [True]

    def deliver(mail):
        if failing:
            raise OSError(failing.pop())

    site, _ = mailing(PRIVACY_SEND=deliver)
    with pytest.raises(MailError):
        send(site)
    assert send(site) == 1


def test_an_address_that_always_fails_keeps_no_other_from_its_mail(mailing):
    """Every other address gets the week at once, and each hour only the failing address is tried again."""
    mails = []

    def deliver(mail):
        if mail["To"] == STAFF[0]:
            raise OSError("no such mailbox")
        mails.append(mail["To"])

    site, _ = mailing(PRIVACY_SEND=deliver)
    for _ in range(2):
        with pytest.raises(MailError):
            send(site)
    assert mails == [STAFF[1]]


def test_nothing_is_counted_once_every_address_has_the_week(mailing, monkeypatch):
    """Each process asks every hour, and the reports of a large site take a while."""
    site, _ = mailing()
    send(site)
    monkeypatch.setattr(Reports, "dashboard", lambda *_: pytest.fail("counted"))
    assert send(site) == 0


def test_no_mail_is_sent_by_default(mailing):
    """Staff ask for the mail; the setting names them."""
    site, mails = mailing(PRIVACY_WEEKLY_REPORT=())
    assert send(site) == 0 and mails == []


@pytest.mark.parametrize("value", ["ann@shop.example", ["ann"], [None], ["ann@shop.example, bob@shop.example"]])
def test_the_setting_is_a_list_of_addresses(tiny, value):
    """The error has the value, what is allowed and the next step."""
    with pytest.raises(SettingError, match="a list of mail addresses"):
        tiny(PRIVACY_WEEKLY_REPORT=value)
