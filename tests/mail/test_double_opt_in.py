"""Double opt-in: an opt-in by a form takes effect only after a link in a mail, because anyone can enter any address."""

import json
import re

import pytest

from conftest import choose
from flask_mixamo_privacy.errors import LedgerUnavailable
from flask_mixamo_privacy.i18n.language import SHIPPED, language
from flask_mixamo_privacy.policy.parts import Contact
from flask_mixamo_privacy.policy.writer import derive
from support.form_site import POINTS, born, hidden, policy, send, with_forms
from support.login_site import entered, with_logins

pytestmark = pytest.mark.usefixtures("clock")

ADA = "ada@shop.example"
DAY = 86400
BY_LINK = "An address receives marketing e-mail only after its owner has confirmed it with a link that we send there."
OWN_ADDRESS = "The address of the account that you are signed in to needs no confirmation."


@pytest.fixture
def shop(tiny):
    """Builds a site with forms that sends mail. ``shop.mails`` are its mails."""

    def build(**config):
        mails = []
        own = policy(contact=Contact("Shop", "privacy@shop.example"))
        site = with_forms(tiny, **{"PRIVACY_POLICY": own, "PRIVACY_SEND": mails.append} | config)
        site.mails = mails
        return site

    return build


def test_promise_26_an_opt_in_waits_for_its_link(shop):
    """Neither the form nor opening the page subscribes a person; the button does."""
    site = shop()
    assert sign_up(site).status_code == 200 and may(site) == "no-opt-in"
    visitor = site.visitor()
    assert "Colouring pages" in visitor.get(link(site)).text and may(site) == "no-opt-in"
    assert "Thank you. You are signed up: Colouring pages." in visitor.post(link(site)).text and may(site) == "opted-in"


def test_promise_10_the_ledger_has_the_sign_up_and_its_confirmation(shop, clock):
    """Both entries have the digest of the text that the form showed."""
    site = shop()
    sign_up(site)
    path = link(site)
    clock.shift(60)
    site.visitor().post(path)
    asked, confirmed = site.ledger("opt-in asked", "opt-in")
    assert (asked["kind"], confirmed["kind"]) == ("opt-in asked", "opt-in") and asked["text"] == confirmed["text"] != ""
    assert (asked["subject"], asked["source"]) == (confirmed["subject"], confirmed["source"])
    assert json.loads(confirmed["detail"]) == {"list": "kids", "asked": asked["at"]}


def test_promise_26_a_person_who_opted_out_comes_back_only_by_a_link(shop):
    """Another visitor cannot re-subscribe them."""
    site = shop()
    opt_out(site)
    sign_up(site)
    assert may(site) == "opted-out"
    site.visitor().post(link(site))
    assert may(site) == "opted-in"


@pytest.mark.parametrize("config", [{"PRIVACY_SEND": None}, {"PRIVACY_CONFIRM_OPT_INS": "never"}])
def test_an_opt_in_without_a_link_ends_no_opt_out(shop, config):
    """Without mail, or if the site confirms addresses itself, an opt-in takes effect at once. An opt-out outweighs it."""
    site = shop(**config)
    sign_up(site), sign_up(site, "bob@shop.example"), opt_out(site)
    sign_up(site)
    assert (may(site), may(site, "bob@shop.example")) == ("opted-out", "opted-in") and site.mails == []


@pytest.mark.parametrize(
    ("setting", "stated"), [("always", (True, False)), ("visitors", (True, True)), ("never", (False, False))]
)
def test_promise_10_the_policy_page_states_what_the_setting_does(shop, setting, stated):
    """The page, the Markdown and the JSON state that an address waits for a link, and for whom it does not."""
    for path in ("/privacy/", "/privacy/policy.md", "/privacy/policy.json"):
        text = shop(PRIVACY_CONFIRM_OPT_INS=setting).visitor().get(path).text
        assert (BY_LINK in text, OWN_ADDRESS in text) == stated


@pytest.mark.parametrize("points", [("registration", "posting"), ("pictures",), ("registration", "newsletter")])
def test_promise_10_only_a_form_that_signs_up_is_stated(shop, points):
    """A policy whose forms sign up to no mail does not mention the link."""
    own = policy(*(point for point in POINTS if point.id in points), contact=Contact("Shop", "privacy@shop.example"))
    text = shop(PRIVACY_POLICY=own).visitor().get("/privacy/").text
    assert (BY_LINK in text) is (points != ("registration", "posting"))


@pytest.mark.parametrize("code", SHIPPED)
def test_promise_10_the_link_is_stated_in_every_language(code):
    """No language falls back to English."""
    t = language(code)
    text = derive(policy(), t, confirm_opt_ins="visitors").as_markdown()
    assert [t(sentence).lang for sentence in (BY_LINK, OWN_ADDRESS)] == [code, code]
    assert t(BY_LINK).text in text and t(OWN_ADDRESS).text in text


def test_a_new_sentence_of_the_policy_asks_no_one_again(shop):
    """A decision stays valid, and a form that was open meanwhile is accepted, because neither depends on the page."""
    before = shop(PRIVACY_CONFIRM_OPT_INS="never")
    choose(visitor := before.visitor(), "accept_all")
    fields = hidden(visitor, "/pictures")
    later = shop().visitor()
    later.set_cookie("privacy_consent", visitor.get_cookie("privacy_consent").value)
    assert "mixamo-ask" not in later.get("/").text
    assert later.post("/pictures", data=fields | {"email": ADA}).json["opt_ins"] == ["kids"]


def test_a_logged_in_user_confirms_the_own_address_if_the_site_declares_it(shop):
    """With ``visitors``, only an address other than the user's own waits for a link."""
    site = shop(PRIVACY_CONFIRM_OPT_INS="visitors")
    user = entered(with_logins(site), ADA)
    send(user, "/pictures", email=ADA), send(user, "/pictures", email="bob@shop.example")
    assert (may(site), may(site, "bob@shop.example")) == ("opted-in", "no-opt-in")


def test_an_opt_in_by_code_counts_as_confirmed(shop):
    """The site itself knows whose address it is."""
    site = shop()
    with site.app.app_context():
        site.privacy.opt_in(ADA, "kids")
    assert may(site) == "opted-in"


def test_a_link_works_once_and_for_a_week(shop, clock):
    """After that its page offers no button."""
    site = shop()
    sign_up(site)
    path = link(site)
    assert [site.visitor().post(path).status_code for _ in range(2)] == [200, 410]
    sign_up(site)
    path = link(site)
    clock.shift(7 * DAY + 1)
    assert site.visitor().get(path).status_code == site.visitor().post(path).status_code == 410


def test_a_link_is_not_confirmed_by_another_site(shop):
    """The answer to a form of another site is 403."""
    site = shop()
    sign_up(site)
    answer = site.visitor().post(link(site), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403 and may(site) == "no-opt-in"


def test_sign_ups_share_the_links_of_a_mailbox(shop, clock):
    """A mailbox gets three links a day, whatever it is asked to confirm, and requests come first."""
    site = shop()
    for number in range(5):
        sign_up(site, f"ada+{number}@shop.example")
    site.visitor().post("/privacy/requests", data={"kind": "access", "email": ADA})
    process(site)
    assert [str(mail["To"]) for mail in site.mails] == [ADA, "ada+0@shop.example", "ada+1@shop.example"]
    clock.shift(DAY + 1)
    process(site)
    assert len(site.mails) == 6


def test_a_sign_up_that_is_repeated_waits_once(shop):
    """A flood of one form costs one mail."""
    site = shop()
    for _ in range(5):
        sign_up(site)
    process(site)
    assert len(site.mails) == 1


def test_a_failed_mail_is_sent_again(shop, clock, caplog):
    """The log does not contain the address."""
    down = [True]
    site = shop(PRIVACY_SEND=lambda mail: 1 / 0 if down else site.mails.append(mail))
    sign_up(site)
    process(site)
    assert "A link to confirm an opt-in will be sent again" in caplog.text and ADA not in caplog.text
    down.clear()
    clock.shift(301)
    site.visitor().post(link(site))
    assert may(site) == "opted-in"


def test_a_mail_that_always_fails_is_tried_for_a_week(shop, clock, caplog):
    """The intervals grow, and the log states the last try."""
    tried = []
    site = shop(PRIVACY_SEND=lambda mail: tried.append(mail) or 1 / 0)
    sign_up(site)
    for _ in range(10 * 24):
        process(site)
        clock.shift(3601)
    assert 8 <= len(tried) < 20 and "A link to confirm an opt-in will not be sent again" in caplog.messages[-1]


def test_an_opt_in_that_was_not_confirmed_leaves_no_address(shop, clock):
    """It is deleted after two weeks."""
    site = shop()
    sign_up(site)
    assert ADA in database(site)
    clock.shift(15 * DAY)
    process(site)
    assert ADA not in database(site) and site.mails == []


def test_an_erasure_and_an_export_reach_opt_ins_that_wait(shop):
    """The address is gone, and its link works no more."""
    site = shop()
    sign_up(site)
    path = link(site)
    assert json.loads(site.cli("export", ADA).output)["stores"]["opt-ins"][0]["list"] == "kids"
    site.cli("erase", "--subject", ADA)
    assert ADA not in database(site) and site.visitor().post(path).status_code == 410


def test_a_confirmation_that_cannot_be_recorded_opts_in_no_person(shop, monkeypatch):
    """The answer is 503, and the link still works."""
    site = shop()
    sign_up(site)
    path = link(site)
    with monkeypatch.context() as patch:

        def away(*entry):
            raise LedgerUnavailable("away")

        patch.setattr(site.privacy.runtime(site.app).ledger, "append", away)
        assert site.visitor().post(path).status_code == 503 and may(site) == "no-opt-in"
    assert site.visitor().post(path).status_code == 200 and may(site) == "opted-in"


def test_promise_20_another_visitor_cannot_mark_an_address_as_a_childs(shop):
    """The answer binds its browser, until the address is confirmed."""
    site = shop()
    child = site.visitor()
    assert send(child, "/newsletter", email=ADA, **born(2020)).status_code == 403
    assert send(child, "/newsletter", email=ADA, **born(1985)).status_code == 403
    assert send(site.visitor(), "/newsletter", email=ADA, **born(1985)).status_code == 200
    site.visitor().post(link(site))
    assert may(site, list_name="marketing") == "opted-in"


def test_promise_20_a_childs_browser_that_confirms_an_address_marks_it(shop):
    """The address is a child's in every browser from then on."""
    site = shop()
    send(site.visitor(), "/newsletter", email=ADA, **born(1985))
    child = site.visitor()
    send(child, "/newsletter", email="other@shop.example", **born(2020))
    answer = child.post(link(site))
    assert answer.status_code == 403 and "We cannot sign you up." in answer.text
    assert may(site, list_name="marketing") == "minor"


def sign_up(site, email=ADA):
    return send(site.visitor(), "/pictures", email=email)


def opt_out(site):
    with site.app.app_context():
        site.privacy.opt_out(ADA)


def may(site, email=ADA, list_name="kids"):
    with site.app.app_context():
        return site.privacy.may_mail(email, "marketing", list=list_name).reason


def process(site):
    assert site.cli("requests", "process").exit_code == 0


def link(site):
    """Send the mails, and return the path of the link in the last one."""
    process(site)
    return re.search(r"http://localhost(/\S+)", site.mails[-1].get_content())[1]


def database(site):
    """Return the content of the database of rights as text."""
    return b"".join(path.read_bytes() for path in site.folder.glob("privacy-rights.sqlite*")).decode("latin-1")
