"""The limits of confirmation links: three in 24 hours to one mailbox, and a number of requests from one network."""

import re
import sqlite3
from contextlib import closing

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_mixamo_privacy.rights.limits import LimitExceeded, NetworkLimit, group_of, mailbox_of, network_prefix

pytestmark = pytest.mark.usefixtures("clock")

HOUR = 3600
ADA = "ada@shop.example"


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


def test_promise_32_no_request_ends_because_of_others_in_the_same_name(people, clock):
    """Three copies by another visitor postpone a person's own request by a day, and do not close it."""
    site = people()
    for visitor in ("203.0.113.9", "203.0.113.9", "203.0.113.9", "198.51.100.7"):
        site.ask(visitor=at(site, visitor))
    site.process()
    assert [request.state for request in site.rights.request_store.all()] == 4 * ["open"] and len(site.mails) == 3
    clock.shift(24 * HOUR + 1)
    site.process()
    assert site.site.visitor().post(site.link()).status_code == 200
    assert site.rights.request_store.find(4).state == "verified"


def test_a_newer_request_overtakes_none_that_waits_for_the_same_mailbox(people, clock):
    """An attacker who asks again just before a link is free delays the person no further."""
    site = people()
    for _ in range(4):
        site.ask()
    site.process()
    clock.shift(24 * HOUR)
    for number in range(3):
        site.ask(message=f"Request {number}", visitor=at(site, "203.0.113.9"))
    clock.shift(1)
    site.process()
    assert site.rights.request_store.find(4).mailed


@pytest.mark.parametrize("email", ["ada@shop.example", "ada+{}@shop.example"])
def test_promise_32_a_backlog_of_others_delays_a_request_by_days(people, clock, email):
    """Ten requests a day for a week, from one network, wait for a link. The person's own comes in between."""
    site = people()
    for day in range(7):
        for number in range(10):
            site.ask(email=email.format(f"{day}-{number}"), visitor=at(site, "203.0.113.9"))
        site.process()
        clock.shift(24 * HOUR + 1)
    site.ask("access", visitor=at(site, "198.51.100.7"))
    own = site.rights.request_store.all()[-1].number
    for _ in range(16):
        site.process()
        clock.shift(6 * HOUR)
    assert site.rights.request_store.find(own).mailed


def test_a_flood_of_mails_delays_no_request_by_the_form(people, clock):
    """Mails are a group of their own, also if the networks of the form's visitors are unknown."""
    site = people()
    for number in range(40):
        site.rights.requests.open(
            "access", f"ada+{number}@shop.example", "", locale="en", base="https://s.example", source="mail"
        )
    site.ask(visitor=at(site, "127.0.0.1"))
    for _ in range(4):
        site.process()
        clock.shift(24 * HOUR + 1)
    assert site.rights.request_store.find(41).mailed and not site.rights.request_store.find(40).mailed


def test_the_group_of_a_network_identifies_none_and_is_forgotten(people):
    """It has one of 256 values, until the request is closed."""
    site = people()
    groups = [group_of(f"203.0.{number}.1") for number in range(99)]
    assert all(re.fullmatch("[0-9a-f]{2}", group) for group in groups) and len(set(groups)) > 50
    assert group_of("2001:db8:1:2::1") == group_of("2001:db8:1:3::1") and group_of("unix:") == ""
    site.ask(visitor=at(site, "203.0.113.9"))
    assert origins(site) == [group_of("203.0.113.9")]
    site.rights.request_store.close(1, "answered", "2026-05-09", {})
    site.process()
    assert origins(site) == [""]


def origins(site):
    with closing(sqlite3.connect(site.site.folder / "privacy-rights.sqlite")) as connection:
        return [row[0] for row in connection.execute("SELECT origin FROM requests")]


def test_thirty_spellings_of_one_mailbox_get_three_links_a_day(people, clock):
    """A suffix after a plus leads to the same mailbox."""
    site = people()
    for number in range(10):
        for network in ("203.0.113.9", "198.51.100.7", "192.0.2.1"):
            site.ask(email=f"ada+{number}@shop.example", visitor=at(site, network))
    site.process()
    assert len(site.mails) == 3
    clock.shift(24 * HOUR + 1)
    site.process()
    assert len(site.mails) == 6 and len(site.rights.request_store.all("open")) == 30


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Ada+Shop@Shop.example", "ada@shop.example"),
        ('"ada"@shop.example', "ada@shop.example"),
        ("a.d.a@shop.example", "a.d.a@shop.example"),
        ("A.D.A+x+y@GoogleMail.com", "ada@gmail.com"),
        ("+ada@shop.example", "+ada@shop.example"),
    ],
)
def test_a_mailbox_has_one_spelling_for_limits(address, mailbox):
    """Only hosts that ignore dots lose them."""
    assert mailbox_of(address) == mailbox


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("203.0.113.77:4711", "203.0.113.0/24"),
        ("2001:db8:1:2345::1", "2001:db8:1:2300::/56"),
        ("[2001:db8:1:2345::1]:80", "2001:db8:1:2300::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("", ""),
        ("unix:", ""),
    ],
)
def test_a_network_is_a_prefix_of_the_address(address, network):
    """A household has an IPv6 prefix of 56 bits."""
    assert network_prefix(address) == network


def test_a_network_that_is_refused_refuses_no_other(people, clock):
    """After a hundred requests from one network in an hour, only that network waits."""
    site = people()
    attacker, ada = at(site, "203.0.113.9"), at(site, "198.51.100.7")
    answers = [site.ask(email=f"{number}@flood.example", visitor=attacker).status_code for number in range(101)]
    assert answers == 100 * [303] + [429] and site.ask(visitor=ada).status_code == 303
    clock.shift(HOUR + 1)
    assert site.ask(visitor=attacker).status_code == 303


def test_a_network_asks_ten_times_a_day_for_one_mailbox(people):
    """The answer is the same for every address, and the person's own network is not affected."""
    site = people()
    attacker = at(site, "203.0.113.9")
    answers = [site.ask(email=f"ada+{number}@shop.example", visitor=attacker).status_code for number in range(11)]
    assert answers == 10 * [303] + [429] and site.ask(visitor=at(site, "198.51.100.7")).status_code == 303


def test_visitors_behind_an_unknown_proxy_share_no_limit(people):
    """Without ``ProxyFix``, the address of every visitor is the proxy's."""
    site = people()
    visitor = site.site.visitor(X_Forwarded_For="203.0.113.9")
    assert {site.ask(email=f"{number}@flood.example", visitor=visitor).status_code for number in range(101)} == {303}
    assert at(site, "").post("/privacy/requests", data={"kind": "access", "email": ADA}).status_code == 303


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.2", "fd00::1", "::1"])
@pytest.mark.parametrize("headers", [{}, {"X-Real-IP": "203.0.113.9"}])
def test_the_visitors_of_a_private_address_share_a_high_limit(people, monkeypatch, address, headers):
    """It is a proxy's, also if the proxy sends no header. The limit bounds the size of the database."""
    monkeypatch.setattr("flask_mixamo_privacy.rights.limits.PER_HOUR_OF_UNKNOWN", 104)
    site, data = people(), {"kind": "access", "email": ADA}
    answers = [at(site, address).post("/privacy/requests", data=data, headers=headers).status_code for _ in range(105)]
    assert answers == 104 * [303] + [429] and site.ask(visitor=at(site, "198.51.100.7")).status_code == 303


@pytest.mark.parametrize(
    ("x_for", "address", "expected"),
    [(0, "127.0.0.1", True), (1, "127.0.0.1", False), (1, "198.51.100.1", False), (0, "198.51.100.1", False)],
)
def test_the_check_reports_a_proxy_that_the_app_does_not_know(people, x_for, address, expected):
    """ProxyFix reads the visitor's address, and a proxy with a public address is limited as a network."""
    site = people()
    if x_for:
        site.site.app.wsgi_app = ProxyFix(site.site.app.wsgi_app, x_for=x_for)
    at(site, address).post("/privacy/requests", data={"kind": "access"}, headers={"X-Forwarded-For": "10.0.0.9"})
    sentence = (
        "warning: 1 request in 30 days came by a proxy, and the app does not know the visitors' addresses. Wrap app.wsgi_app "
        "in Werkzeug's ProxyFix; see docs/deployment.md. Until then, no limit by network applies."
    )
    assert (sentence in site.site.cli("check").output) == expected


def test_an_invalid_request_uses_up_nothing(people):
    """A person may mistype as often as it takes."""
    site = people()
    assert {site.ask(kind="", email=ADA).status_code for _ in range(11)} == {400}
    assert site.ask().status_code == 303


def test_the_memory_for_networks_is_bounded(monkeypatch):
    """The network that asked longest ago is forgotten first."""
    monkeypatch.setattr("flask_mixamo_privacy.rights.limits._MOST", 6)
    limit = NetworkLimit()
    for number in range(200):
        limit.require(f"10.0.{number}.1", ADA)
    assert len(limit._networks) == len(limit._pairs) == 6
    for _ in range(9):
        limit.require("10.0.199.1", ADA)
    with pytest.raises(LimitExceeded):
        limit.require("10.0.199.1", ADA)


def test_a_flood_of_requests_for_one_address_ends(people, clock):
    """The address gets three mails a day, and no request of the flood stays open."""
    site = people()
    for number in range(60):
        site.ask(message=f"Request {number}", visitor=at(site, f"203.0.{number // 10}.1"))
    for _ in range(29):
        site.process()
        clock.shift(24 * HOUR + 1)
    assert len(site.mails) == 60 and not site.rights.request_store.all("open")


def test_a_link_that_failed_for_months_is_postponed_and_not_expired(people, clock):
    """The site failed, and not the person."""
    down = [True]
    site = people(PRIVACY_SEND=lambda mail: 1 / 0 if down else site.mails.append(mail))
    for kind in ("access", "correct", "restrict", "delete"):
        site.ask(kind)
    site.process()
    clock.shift(91 * 24 * HOUR)
    down.clear()
    site.process()
    assert len(site.mails) == 3 and site.rights.request_store.find(4).state == "open"


def at(site, address):
    """Return a visitor with this IP address."""
    visitor = site.site.visitor()
    visitor.environ_base["REMOTE_ADDR"] = address
    return visitor
