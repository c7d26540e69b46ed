"""The clean-up after a withdrawal: what is removed from the browser, and what the response reports."""

import re

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.consent.recording import MOST_DELETIONS, cookie_domains, deletions
from flask_mixamo_privacy.policy.parts import Cookie
from support.service_site import with_services

DECLARED = (
    Cookie("_seen*", "media", "30 days", "Which films were seen."),
    Cookie("shelf", "media", "30 days", "What is on the shelf.", path="/shop"),
    Cookie("film_id", "media", "1 day", "Of the film service.", service="film"),
    Cookie("film_*", "media", "1 day", "Where each film was stopped.", kind="local"),
    Cookie("films", "media", "1 day", "Films to see without a network.", kind="idb"),
    Cookie("pending", "statistics", "session", "What waits.", kind="session"),
    Cookie("basket", "necessary", "1 day", "What is in the basket."),
    Cookie("player", "media", "1 day", "Of the film's own page.", party="third"),
    Cookie("shelf_id", "media", "1 day", "Of the film's own page.", party="third", path="/shop"),
    Cookie("shelves", "media", "1 day", "Of the film's own page.", kind="local", party="third"),
)
POLICY = with_services(cookies=DECLARED)


@pytest.fixture
def consenting_visitor(tiny):
    """A visitor who accepted everything, with what the site has stored since then."""

    def build(host="localhost", **headers):
        visitor = tiny(PRIVACY_POLICY=POLICY, SERVER_NAME=host).visitor(**headers)
        choose(visitor, "accept_all")
        visitor.get("/")
        for name in ("_seen_walk", "_seen_run", "basket", "player"):
            visitor.set_cookie(name, "1", domain=host)
        return visitor

    return build


def deleted(response):
    """Return name, path and domain of each cookie that a response deletes."""
    deletions = [header for header in response.headers.getlist("Set-Cookie") if "Max-Age=0" in header]
    parts = [dict(part.strip().partition("=")[::2] for part in header.split(";")) for header in deletions]
    return {(next(iter(part)), part["Path"], part.get("Domain")) for part in parts}


def test_promise_18_every_declared_cookie_of_the_purpose_is_deleted(consenting_visitor):
    """Declared cookies are deleted if the browser sent them or has them under another path; a necessary one stays."""
    found = deleted(choose(consenting_visitor(), "reject_all"))
    assert found == {
        ("_seen_walk", "/", None), ("_seen_run", "/", None), ("shelf", "/", None), ("shelf", "/shop", None),
        ("privacy_visitor", "/", None), ("privacy_choices", "/", None),
    }  # fmt: skip


def test_a_cookie_under_a_prefix_is_deleted_too(consenting_visitor):
    """A prefixed cookie is deleted under its prefixed name; ``__Host-`` has no domain and only the path /."""
    visitor = consenting_visitor("www.shop.example")
    for name in ("__Host-_seen", "__Secure-_seen"):
        visitor.set_cookie(name, "1", domain="www.shop.example")
    found = deleted(choose(visitor, "reject_all"))
    assert ("__Host-_seen", "/", None) in found and ("__Host-_seen", "/", "shop.example") not in found
    assert {("__Secure-_seen", "/", None), ("__Secure-_seen", "/", "shop.example")} <= found


def test_a_cookie_of_the_parent_domain_is_deleted_too(consenting_visitor):
    """A script may have set the cookie for the parent domain, which the request does not show."""
    found = deleted(choose(consenting_visitor("www.shop.example"), "reject_all"))
    assert {("_seen_run", "/", domain) for domain in (None, "www.shop.example", "shop.example")} <= found


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "app"])
def test_a_cookie_of_the_public_domain_is_deleted_behind_a_proxy(tiny, host):
    """By default, nginx sends the address of the app as Host. PRIVACY_BASE_URL has the public host."""
    site = tiny(PRIVACY_POLICY=POLICY, PRIVACY_BASE_URL="https://www.shop.example")
    visitor, proxy = site.visitor(), site.app.test_client(use_cookies=False)
    choose(visitor, "accept_all")
    headers = {"Host": host, "Cookie": f"privacy_consent={cookie(visitor)}; _seen_run=1"}
    found = deleted(proxy.post("/privacy/consent", data={"choice": "reject_all"}, headers=headers))
    assert {("_seen_run", "/", domain) for domain in (None, "www.shop.example", "shop.example")} <= found


@pytest.mark.parametrize(
    ("host", "domains"),
    [("localhost", []), ("127.0.0.1:5000", []), ("[::1]:5000", []), ("shop.example:443", ["shop.example"]),
     ("a.b.example", ["a.b.example", "b.example"]), ("shop.example@evil.example", []), ("shop.example;x.example", [])],
)  # fmt: skip
def test_only_a_host_name_has_parent_domains(host, domains):
    """An IP address and a name of one label have no parent domain."""
    assert cookie_domains(host) == domains


def test_a_host_cookie_is_deleted_on_the_path_root_without_a_domain():
    """Browsers ignore any other deletion of a ``__Host-`` cookie."""
    cookie = Cookie("__Host-a", "media", "1 day", "A.", path="/shop")
    assert [*deletions([cookie], ["__Host-a"], "www.shop.example")] == [("__Host-a", "/", None)]


def test_the_result_page_removes_stored_items_and_lists_them(consenting_visitor):
    """An external script removes what no header can, under default-src 'self'; the page lists the names."""
    visitor = consenting_visitor()
    text = visitor.get(choose(visitor, "save", "statistics", "customisation").location).text
    assert re.search(r'<script src="/privacy/static/clear-storage\.\w+\.js" data-', text)
    assert 'data-local="film_*"' in text and 'data-idb="films"' in text and 'data-session=""' in text
    assert re.findall(r"<li[^>]*><code[^>]*>(.*?)</code>", text) == ["_seen*", "shelf", "film_id", "film_*", "films"]


def test_a_withdrawal_links_back_to_the_page_it_came_from(consenting_visitor):
    """The result page links to the page that the withdrawal came from."""
    visitor = consenting_visitor()
    assert (
        '<a href="/item/walk?size=2">' in visitor.get(choose(visitor, "reject_all", next="/item/walk?size=2").location).text
    )


def test_withdrawing_one_service_removes_only_its_own_items(consenting_visitor):
    """Items of another service of the same purpose stay."""
    visitor = consenting_visitor()
    answer = choose(visitor, "save", *POLICY.purpose_fingerprints, service="map", services="listed")
    assert re.findall(r"<li><code[^>]*>(.*?)</code>", visitor.get(answer.location).text) == ["film_id"]


def test_json_lists_the_names_to_remove(consenting_visitor):
    """The JSON answer lists the names by storage, and the page that removes them."""
    visitor = consenting_visitor(Accept="application/json")
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


def test_a_link_from_elsewhere_removes_nothing_that_is_granted(consenting_visitor):
    """Opening the result page's URL removes no item of a granted purpose."""
    text = (
        consenting_visitor()
        .get("/privacy/consent?saved=1&withdrawn=media&withdrawn=necessary&without=film&withdrawn=%00")
        .text
    )
    assert "forget." not in text and "<code" not in text


def test_a_withdrawal_of_very_many_cookies_fits_into_a_response(consenting_visitor):
    """Servers limit the size of headers, so the result page deletes the cookies that remain."""
    visitor = consenting_visitor("www.shop.example")
    for number in range(25):
        visitor.set_cookie(f"_seen_{number}", "1", domain="www.shop.example")
    answer = choose(visitor, "reject_all")
    assert len(deleted(answer)) <= MOST_DELETIONS + 2
    for _ in range(2):
        visitor.get(answer.location)
    assert not [number for number in range(25) if visitor.get_cookie(f"_seen_{number}", "www.shop.example")]


def test_a_refusal_without_an_earlier_grant_removes_nothing(tiny):
    """The visitor is redirected to the page that the refusal came from."""
    visitor = tiny(PRIVACY_POLICY=POLICY).visitor()
    response = choose(visitor, "reject_all", next="/other")
    assert (response.location, deleted(response)) == ("/other", set())
