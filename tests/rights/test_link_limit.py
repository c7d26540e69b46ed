"""The limit of confirmation links to one address: three in 24 hours."""

import pytest

pytestmark = pytest.mark.usefixtures("clock")

HOUR = 3600


def test_promise_32_a_fourth_link_in_a_day_is_sent_on_the_next(people, clock):
    """The request stays open, and its link works."""
    site = people()
    for kind in ("access", "correct", "restrict", "delete"):
        site.ask(kind)
        site.process()
        clock.shift(HOUR)
    assert len(site.mails) == 3 and site.rights.request_store.find(4).state == "open"
    clock.shift(20 * HOUR + 1)
    assert site.process().output == "1 link sent.\n" and len(site.mails) == 4
    assert site.site.visitor().post(site.link()).status_code == 200


def test_a_copy_of_a_request_expires_beyond_the_limit(people):
    """The links that were sent confirm the same."""
    site = people()
    for message in ("", "", "", "", "Please hurry."):
        site.ask(message=message)
    site.process()
    assert [request.state for request in site.rights.request_store.all()] == ["open", "open", "open", "expired", "open"]


def test_a_flood_of_requests_for_one_address_ends_after_a_week(people, clock):
    """The address gets three mails a day, and no request of the flood stays open."""
    site = people()
    for number in range(60):
        site.ask(message=f"Request {number}")
    for _ in range(16 * 6):
        site.process()
        clock.shift(4 * HOUR)
    assert len(site.mails) <= 3 * 8 and not site.rights.request_store.all("open")


def test_a_link_that_failed_for_a_week_is_postponed_and_not_expired(people, clock):
    """The site failed, and not the person."""
    down = [True]
    site = people(PRIVACY_SEND=lambda mail: 1 / 0 if down else site.mails.append(mail))
    for kind in ("access", "correct", "restrict", "delete"):
        site.ask(kind)
    site.process()
    clock.shift(8 * 24 * HOUR)
    down.clear()
    site.process()
    assert len(site.mails) == 3 and site.rights.request_store.find(4).state == "open"
