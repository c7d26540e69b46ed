"""Limits of recording: by visitor, by network, by process, and by the size of the log. Decisions have none."""

import json
import time

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.errors import LogFull
from flask_mixamo_privacy.tracking.ingest import (
    BURST,
    NETWORK_BURST,
    NETWORK_PER_SECOND,
    PROCESS_BURST,
    RateLimit,
    limited_network,
)
from flask_mixamo_privacy.tracking.log import EventLog, size_of

KEYS = {"test": "sixteen characters or more"}


def visitor_at(site, address, *purposes):
    """Return a visitor of this network address who allowed these purposes."""
    visitor = site.visitor()
    visitor.environ_base["REMOTE_ADDR"] = address
    choose(visitor, "save", *(purposes or ("statistics",)))
    return visitor


def report(visitor, number=100):
    events = [{"kind": "click", "page": "/"}] * number
    return visitor.post("/privacy/events", data=json.dumps(events))


def refused_today(site):
    return site.privacy.runtime(site.app).refused.days()


def test_another_decision_brings_no_new_allowance(tiny, clock):
    """A visitor who toggles a purpose gets a new receipt, and stays the same visitor."""
    site = tiny()
    visitor = visitor_at(site, "127.0.0.1")
    receipt = cookie(visitor)
    assert {report(visitor, 1).status_code for _ in range(BURST)} == {204}
    choose(visitor, "save", "statistics", "customisation")
    assert cookie(visitor) != receipt and report(visitor, 1).status_code == 429


def test_alternating_decisions_have_one_allowance_for_their_network(tiny, clock):
    """Each grant after a withdrawal is a new visitor. Decisions are never refused, and other networks are not affected."""
    site, accepted, statuses = tiny(PRIVACY_KEYS=KEYS), 0, []
    for number in range(8):
        visitor = visitor_at(site, f"203.0.113.{number}")
        statuses += [report(visitor).status_code for _ in range(60)]
        assert choose(visitor, "reject_all").status_code == 303
    accepted = statuses.count(204) * 100
    assert accepted == NETWORK_BURST and set(statuses) == {204, 429}
    assert refused_today(site) == {"2026-05-08": statuses.count(429)}
    assert report(visitor_at(site, "198.51.100.1")).status_code == 204


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wrong_clock_refuses_no_report_once_it_is_right(tiny, clock, hours):
    """A visitor who used up the allowance while the clock was wrong waits seconds afterwards, and not hours."""
    visitor = visitor_at(tiny(), "127.0.0.1")
    clock.shift(hours * 3600)
    assert [report(visitor, 1).status_code for _ in range(BURST + 1)][-2:] == [204, 429]
    clock.shift(-hours * 3600)
    assert report(visitor, 1).status_code in (204, 429)  # after a jump forward, the allowance is full again
    clock.shift(2)
    assert report(visitor, 1).status_code == 204


def test_a_slow_request_brings_no_allowance(tiny, clock):
    """Events count at the time at which their body has arrived, although the request began long before."""
    site = tiny(PRIVACY_KEYS=KEYS)
    visitors = [visitor_at(site, f"203.0.113.{number}") for number in range(9)]
    body = json.dumps([{"kind": "click", "page": "/"}] * 100)
    slow = {"mixamo_privacy.now": time.time() - 30}
    statuses = [
        visitor.post("/privacy/events", data=body, environ_overrides=slow if number % 10 == 0 else {}).status_code
        for visitor in visitors
        for number in range(40)
    ]
    assert statuses.count(204) * 100 == NETWORK_BURST


def test_a_refused_report_states_when_to_try_again(tiny, clock):
    """The network's next event is allowed after that time."""
    site = tiny()
    site.privacy.runtime(site.app).rate_limit.count_events(NETWORK_BURST + 600, time.time(), "203.0.113.0/24")
    visitor = visitor_at(site, "203.0.113.9")
    answer = report(visitor)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2") and "this visitor or network" in answer.text
    clock.shift(2)
    assert report(visitor).status_code == 204


def test_the_allowance_of_a_network_refills():
    """It refills up to its burst, also after a long time."""
    limit = RateLimit()
    limit.count_events(NETWORK_BURST, 0.0, "n")
    assert limit.retry_after("v", 0.0, "n") == 1 and limit.retry_after("v", 0.0, "other") == 0
    assert limit.retry_after("v", 1 / NETWORK_PER_SECOND, "n") == 0
    limit.count_events(NETWORK_BURST, 1e6, "n")
    assert limit.retry_after("v", 1e6, "n") == 1


def test_a_process_has_one_allowance():
    """Many networks together do not exceed it."""
    limit = RateLimit()
    for number in range(PROCESS_BURST // 1000):
        limit.count_events(1000, 0.0, f"network {number}")
    assert limit.retry_after("v", 0.0, "another") == 1 and len(limit._networks) == PROCESS_BURST // 1000


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"),
        ("203.0.113.7:4711", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.7", "203.0.113.0/24"),
        *[(proxy, "") for proxy in ("127.0.0.1", "::1", "10.1.2.3", "172.17.0.1", "192.168.1.1", "fd00::1", "", "unix:")],
    ],
)
def test_a_proxy_is_no_network(address, network):
    """Without ProxyFix every visitor has the address of the proxy, so it has only the limit of the process."""
    assert limited_network(address) == network


def test_no_address_is_stored(tiny, clock):
    """Limits are in memory only. A file counts refusals, one byte each."""
    site = tiny(PRIVACY_KEYS=KEYS)
    site.privacy.runtime(site.app).rate_limit.count_events(NETWORK_BURST, time.time(), "203.0.113.0/24")
    assert report(visitor_at(site, "203.0.113.9")).status_code == 429
    assert not any(b"203.0.113" in (site.folder / name).read_bytes() for name in site.files())


# The size of the log.


def test_the_log_has_a_largest_size(tmp_path):
    """What does not fit is refused, until segments are loaded and deleted."""
    log = EventLog(str(tmp_path), background=False, most=1000)
    for _ in range(10):
        log.append("x" * 99 + "\n")
    with pytest.raises(LogFull, match="has 1000 bytes, and PRIVACY_LOG_MOST allows 1000"):
        log.append("y\n")
    assert size_of(str(tmp_path)) == 1000
    next(tmp_path.iterdir()).unlink()
    log.append("z\n")
    assert size_of(str(tmp_path)) == 2


def test_the_segments_of_all_processes_count(tmp_path):
    """Another process may have filled the folder."""
    (tmp_path / "other.events").write_bytes(b"x" * 995)
    with pytest.raises(LogFull):
        EventLog(str(tmp_path), background=False, most=1000).append("12345\n")


def test_a_full_log_refuses_events_and_no_decision(tiny, clock):
    """The endpoint answers 429, pages are served, and a load makes room."""
    site = tiny(PRIVACY_LOG_MOST=700)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    answers = [report(visitor, 1) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [204, 429, 429, 429, 429]
    assert answers[-1].headers["Retry-After"] == "60" and "The log is full" in answers[-1].text
    assert visitor.get("/").status_code == 200 and choose(site.visitor(), "accept_all").status_code == 303
    assert "5 reports and page views refused today, beyond a limit." in site.cli("load").output
    assert report(visitor, 1).status_code == 204 and refused_today(site) == {"2026-05-08": 5}


def test_refusals_are_logged_once_a_minute(tiny, clock, caplog):
    """A flood does not fill the app's own log."""
    site = tiny(PRIVACY_LOG_MOST=1)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for _ in range(5):
        assert report(visitor, 1).status_code == 429
    assert sum("Events were refused" in message for message in caplog.messages) == 1


def test_kept_segments_leave_room_for_new_ones(tiny, clock):
    """Loaded segments are deleted before their retention ends, if they take half of the largest size."""
    site = tiny(PRIVACY_LOG_KEEP=30, PRIVACY_LOG_MOST=2000)
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for _ in range(12):
        assert report(visitor, 1).status_code == 204
        site.privacy.runtime(site.app).log.close()
        assert site.cli("load").exit_code == 0
    assert 0 < size_of(str(site.folder / "privacy-log")) <= 1000 and len(site.events("click")) == 12


def test_retained_days_bound_the_counts(tiny, clock):
    """Pruning deletes the counts of denied and refused requests with the ledger's entries."""
    site = tiny()
    runtime = site.privacy.runtime(site.app)
    for counter in (runtime.denied, runtime.refused):
        counter.add("2010-01-01"), counter.add("2026-05-08")
    assert site.cli("prune").exit_code == 0
    assert runtime.denied.days() == runtime.refused.days() == {"2026-05-08": 1}
