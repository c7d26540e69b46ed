"""What a withdrawal removes from the browser, and how it says so."""

import re

import pytest
from sites import with_services

from conftest import choose
from flask_mixamo_privacy.leftovers import MOST_DELETIONS, deletions, parents
from flask_mixamo_privacy.policy import Cookie

DECLARED = (
    Cookie("_seen*", "media", "30 days", "Which films were seen."),
    Cookie("shelf", "media", "30 days", "What is on the shelf.", path="/shop"),
    Cookie("film_id", "media", "1 day", "Of the film service.", service="film"),
    Cookie("film_*", "media", "1 day", "Where each film was stopped.", kind="local"),
    Cookie("films", "media", "1 day", "Films to see without a network.", kind="idb"),
    Cookie("pending", "statistics", "session", "What waits.", kind="session"),
    Cookie("basket", "necessary", "1 day", "What is in the basket."),
)
POLICY = with_services(cookies=DECLARED)


@pytest.fixture
def consenting(tiny):
    """A visitor who accepted everything, with what the site has set since then."""

    def build(host="localhost", **headers):
        visitor = tiny(PRIVACY_POLICY=POLICY, SERVER_NAME=host).visitor(**headers)
        choose(visitor, "accept_all")
        visitor.get("/")
        for name in ("_seen_walk", "_seen_run", "basket"):
            visitor.set_cookie(name, "1", domain=host)
        return visitor

    return build


def deleted(response):
    """Name, path and domain of each cookie that a response deletes."""
    gone = [header for header in response.headers.getlist("Set-Cookie") if "Max-Age=0" in header]
    parts = [dict(part.strip().partition("=")[::2] for part in header.split(";")) for header in gone]
    return {(next(iter(part)), part["Path"], part.get("Domain")) for part in parts}


def test_promise_18_every_declared_cookie_of_the_purpose_is_deleted(consenting):
    """Those that came with the request, and those that a path of their own kept from coming; not the necessary one."""
    found = deleted(choose(consenting(), "reject_all"))
    assert found == {
        ("_seen_walk", "/", None), ("_seen_run", "/", None), ("shelf", "/", None), ("shelf", "/shop", None),
        ("privacy_visitor", "/", None), ("privacy_choices", "/", None),
    }  # fmt: skip


def test_a_cookie_under_a_prefix_is_deleted_too(consenting):
    """The guard lets it be set under its bare name, so it goes under that name; __Host- has no domain and no other path."""
    visitor = consenting("www.shop.example")
    for name in ("__Host-_seen", "__Secure-_seen"):
        visitor.set_cookie(name, "1", domain="www.shop.example")
    found = deleted(choose(visitor, "reject_all"))
    assert ("__Host-_seen", "/", None) in found and ("__Host-_seen", "/", "shop.example") not in found
    assert {("__Secure-_seen", "/", None), ("__Secure-_seen", "/", "shop.example")} <= found


def test_a_cookie_of_the_parent_domain_is_deleted_too(consenting):
    """A script may have set it for the whole domain, and the request does not tell."""
    found = deleted(choose(consenting("www.shop.example"), "reject_all"))
    assert {("_seen_run", "/", domain) for domain in (None, "www.shop.example", "shop.example")} <= found


@pytest.mark.parametrize(
    ("host", "domains"),
    [("localhost", []), ("127.0.0.1:5000", []), ("[::1]:5000", []), ("shop.example:443", ["shop.example"]),
     ("a.b.example", ["a.b.example", "b.example"])],
)  # fmt: skip
def test_only_a_name_has_domains_above_it(host, domains):
    """An address and a lone word have none."""
    assert parents(host) == domains


def test_a_host_cookie_is_deleted_the_only_way_it_can_be():
    """On the path / and with no domain, else browsers ignore the header."""
    cookie = Cookie("__Host-a", "media", "1 day", "A.", path="/shop")
    assert [*deletions([cookie], ["__Host-a"], "www.shop.example")] == [("__Host-a", "/", None)]


def test_the_result_page_removes_what_no_header_can_and_says_what_is_gone(consenting):
    """An external script with the names, under default-src 'self'; the list for whoever reads it."""
    visitor = consenting()
    text = visitor.get(choose(visitor, "save", "statistics", "customisation").location).text
    assert re.search(r'<script src="/privacy/static/clear-storage\.\w+\.js" data-', text)
    assert 'data-local="film_*"' in text and 'data-idb="films"' in text and 'data-session=""' in text
    assert re.findall(r"<li[^>]*><code[^>]*>(.*?)</code>", text) == ["_seen*", "shelf", "film_id", "film_*", "films"]


def test_a_withdrawal_leads_on_to_the_page_it_came_from(consenting):
    """By a link on the result page."""
    visitor = consenting()
    assert (
        '<a href="/item/walk?size=2">' in visitor.get(choose(visitor, "reject_all", next="/item/walk?size=2").location).text
    )


def test_taking_back_one_service_removes_what_is_its_own(consenting):
    """What the purpose keeps for the other service stays."""
    visitor = consenting()
    answer = choose(visitor, "save", *POLICY.marks, service="map", services="listed")
    assert re.findall(r"<li><code[^>]*>(.*?)</code>", visitor.get(answer.location).text) == ["film_id"]


def test_a_program_is_told_the_names(consenting):
    """By where they are stored, with the page that would remove them."""
    visitor = consenting(Accept="application/json")
    answer = choose(visitor, "save", "customisation", "media", next="/other").json
    assert answer["removed"] == {
        "cookies": ["privacy_visitor"],
        "local": [],
        "session": ["privacy_events", "pending"],
        "idb": [],
        "cache": [],
        "worker": [],
    }
    assert answer["go"] == "/privacy/consent?saved=1&next=/other&withdrawn=statistics"


def test_a_link_from_elsewhere_removes_nothing_that_is_granted(consenting):
    """The result page's address in somebody's mail is only an address."""
    text = consenting().get("/privacy/consent?saved=1&withdrawn=media&withdrawn=necessary&without=film&withdrawn=%00").text
    assert "forget." not in text and "<code" not in text


def test_a_withdrawal_of_very_many_cookies_fits_into_a_response(consenting):
    """Servers and proxies take only so much; what has no room in the answer is deleted by the page that it leads to."""
    visitor = consenting("www.shop.example")
    for number in range(25):
        visitor.set_cookie(f"_seen_{number}", "1", domain="www.shop.example")
    answer = choose(visitor, "reject_all")
    assert len(deleted(answer)) <= MOST_DELETIONS + 2
    for _ in range(2):
        visitor.get(answer.location)
    assert not [number for number in range(25) if visitor.get_cookie(f"_seen_{number}", "www.shop.example")]


def test_a_refusal_of_what_was_never_granted_removes_nothing(tiny):
    """There is nothing to remove, and the visitor goes back where the visitor was."""
    visitor = tiny(PRIVACY_POLICY=POLICY).visitor()
    response = choose(visitor, "reject_all", next="/other")
    assert (response.location, deleted(response)) == ("/other", set())
