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
