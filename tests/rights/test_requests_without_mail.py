"""Data subject requests on a site that cannot send e-mail."""

import json
from dataclasses import replace

import pytest

from flask_mixamo_privacy.policy.parts import Purpose
from support.people_site import policy

pytestmark = pytest.mark.usefixtures("clock")

FORM = '<form class="mixamo-request"'
PROMISE = "We have sent an e-mail"
NO_MAIL = "This form does not work at the moment, because this site cannot send e-mail."
NO_TRANSPORT = "No mail can be sent: set PRIVACY_SEND to a callable, or PRIVACY_SMTP_URL to a mail server."


@pytest.mark.parametrize("address", ["/privacy/requests", "/privacy/requests?sent="])
def test_promise_32_the_page_offers_the_contact_instead_of_the_form(people, address):
    """It promises no mail, and no form can be filled in."""
    page = people(PRIVACY_SEND=None).site.visitor().get(address).text
    assert NO_MAIL in page and "privacy@shop.example" in page and FORM not in page and PROMISE not in page


def test_promise_32_a_request_from_an_open_page_is_stored_and_promised_no_mail(people):
    """The page was opened before the settings changed, or a program posts; staff find the request."""
    site = people(PRIVACY_SEND=None)
    visitor = site.site.visitor()
    assert NO_MAIL in visitor.get(site.ask(visitor=visitor).location).text
    answer = visitor.post(
        "/privacy/requests", json={"kind": "delete", "email": "a@b.example"}, headers={"Accept": "application/json"}
    )
    assert answer.json == {"message": NO_MAIL} and len(site.rights.request_store.all("open")) == 2


def test_promise_32_without_a_known_host_the_page_promises_no_mail(people):
    """A link is never made from a Host header that anyone can set."""
    visitor = people(TESTING=False).site.visitor()
    assert NO_MAIL in visitor.get("/privacy/requests", base_url="http://shop.example").text


@pytest.mark.parametrize("config", [{}, {"PRIVACY_SEND": None, "PRIVACY_SMTP_URL": "smtp://mail.shop.example"}])
def test_promise_32_with_mail_the_form_is_there(people, config):
    """Either setting suffices."""
    visitor = people(**config).site.visitor()
    page = visitor.get("/privacy/requests").text
    assert FORM in page and NO_MAIL not in page and PROMISE in visitor.get("/privacy/requests?sent=").text


def test_promise_33_due_lists_requests_whose_mail_can_never_be_sent(people):
    """They are listed on the first day, before any attempt, until they are verified in another way."""
    site = people(PRIVACY_SEND=None)
    site.ask()
    outcome = site.site.cli("due")
    assert (
        outcome.exit_code == 1
        and "1: delete for ada@shop.example, open" in outcome.output
        and NO_TRANSPORT in outcome.output
    )
    assert outcome.output.endswith("Without a mail that can be sent: 1 request.\n")
    (row,) = json.loads(site.site.cli("due", "--json").output)
    assert (row["number"], row["overdue"], row["mail_error"]) == (1, False, NO_TRANSPORT)
    site.rights.requests.identify(1, "by telephone")
    assert site.site.cli("due").exit_code == 0


def test_a_request_from_before_the_base_url_was_set_is_sent(people):
    """It is listed as unsendable only as long as the setting is missing."""
    site = people(TESTING=False)
    site.site.visitor().post(
        "/privacy/requests", data={"kind": "delete", "email": "a@b.example"}, base_url="http://x.example"
    )
    assert site.site.cli("due").exit_code == 1
    site.rights.requests.mail._base = "https://shop.example"
    assert site.site.cli("due").exit_code == 0 and site.process().exit_code == 0
    assert "https://shop.example/privacy/requests/confirm/" in site.mails[-1].get_content()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"PRIVACY_SEND": None}, f"error: {NO_TRANSPORT}"),
        (
            {"PRIVACY_POLICY": replace(policy(), contact=None)},
            "error: No mail can be sent: declare a [contact] with an email",
        ),
        ({"TESTING": False}, "error: The links in mails need the site's base URL, which is unknown. Set PRIVACY_BASE_URL"),
    ],
)
def test_check_reports_requests_without_mail(people, config, message):
    """A policy that promises answers needs a way to send them."""
    outcome = people(**config).site.cli("check")
    assert message in outcome.output and outcome.exit_code == 1


def test_an_extension_whose_mail_failed_exits_with_1(people):
    """The operator has to inform the person in another way."""
    site = people(PRIVACY_SEND=None)
    site.ask()
    site.rights.requests.identify(1, "by telephone")
    outcome = site.site.cli("requests", "extend", "1", "--reason", "There are many orders.")
    assert outcome.exit_code == 1 and "No mail can be sent" in outcome.output


def test_a_site_name_of_two_lines_is_one_line_of_a_mail(people):
    """A multi-line text in privacy.toml ends with a line end, which no header may contain."""
    site = people(PRIVACY_POLICY=replace(policy(), site="The\nShop\n"))
    site.ask()
    assert site.process().exit_code == 0 and site.mails[-1]["From"].startswith("The Shop <")


@pytest.mark.parametrize(
    ("config", "warns"),
    [({"PRIVACY_SEND": None}, True), ({}, False), ({"PRIVACY_SEND": None, "PRIVACY_CONFIRM_OPT_INS": "never"}, False)],
)
def test_check_warns_of_opt_ins_that_no_link_confirms(people, config, warns):
    """Without mail, any visitor can subscribe another person."""
    own = policy()
    own = replace(own, purposes=(*own.purposes, Purpose("marketing", "Newsletter", "News.", ask="form")))
    output = people(PRIVACY_POLICY=own, **config).site.cli("check").output
    assert ("so a visitor can subscribe another person. No mail can be sent: set PRIVACY_SEND" in output) is warns
