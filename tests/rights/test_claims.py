"""Two members of staff who act on one request at the same time."""

import pytest

from flask_mixamo_privacy.errors import RequestError
from support.people_site import Account

ADA = "ada@shop.example"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def site(people):
    """A site whose staff answers a request while the mail of another answer is sent."""
    second = []

    def send(mail):
        site.mails.append(mail)
        if second:
            with pytest.raises(RequestError, match="is 'being answered by someone else'; allowed: a request that nobody"):
                second.pop()(site.rights.requests)

    site = people(PRIVACY_SEND=send)
    site.second = second
    return site


@pytest.mark.parametrize(
    "second",
    [lambda each: each.answer(1, "bob"), lambda each: each.refuse(1, "No.", "bob"), lambda each: each.extend(1, "Long.")],
)
def test_a_request_is_answered_once(site, second):
    """The first answer claims the request. The person gets one mail, and the other member of staff an explanation."""
    site.add(ADA)
    number, mails = site.confirmed("delete"), len(site.mails)
    site.second.append(second)
    assert site.rights.requests.answer(number, "ann").state == "answered"
    assert (len(site.mails), site.second, site.rows(Account)) == (mails + 1, [], [])


def test_a_claim_ends_with_the_action_also_after_an_error(site):
    """A failed answer can be given again at once."""
    number = site.confirmed("correct")
    with pytest.raises(RequestError, match="The field to correct"):
        site.rights.requests.answer(number, "ann", changes={"rank": "1"})
    assert site.rights.requests.answer(number, "ann").state == "answered"


def test_the_claim_of_a_killed_process_ends(site, clock):
    """Its row stays behind, and counts for ten minutes."""
    number = site.confirmed("object")
    (killed := site.rights.request_store.claims.claimed(number)).__enter__()
    with pytest.raises(RequestError, match="being answered"):
        site.rights.requests.answer(number, "ann")
    clock.shift(600)
    assert killed and site.rights.requests.answer(number, "ann").state == "answered"


@pytest.mark.parametrize("number", [0, -1, 2**63, 10**30])
def test_a_number_that_no_database_stores_is_not_found(site, number):
    """The URL of a staff page may have any digits."""
    site.ask()
    with pytest.raises(RequestError, match="The request's number"):
        site.rights.request_store.find(number)


def test_an_action_that_took_too_long_leaves_the_next_claim(site, clock):
    """After ten minutes another member of staff may act, and the end of the first action does not end that claim."""
    number, claims = site.confirmed("object"), site.rights.request_store.claims
    with claims.claimed(number):
        clock.shift(601)
        (second := claims.claimed(number)).__enter__()
    with pytest.raises(RequestError, match="being answered"):
        site.rights.requests.answer(number, "cy")
    assert second


def test_a_closed_request_is_not_verified_again(site):
    """A member of staff may describe the person while the request expires."""
    number, store = site.confirmed("object"), site.rights.request_store
    site.rights.requests.refuse(number, "No.", "ann")
    assert not store.update(number, only="open", state="verified")
    site.rights.requests.identify(number, "passport seen")
    assert store.find(number).state == "refused"
