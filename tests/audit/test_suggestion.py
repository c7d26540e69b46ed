"""`flask privacy audit --suggest`: TOML for what an audit recorded and the declaration does not have."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mixamo_privacy.audit.browser.evidence import Evidence, RequestMade, StoredItem, Visited, flat, states_of
from flask_mixamo_privacy.audit.browser.findings import merge_findings
from flask_mixamo_privacy.audit.browser.known_cookies import KnownCookies
from flask_mixamo_privacy.audit.browser.rules import apply_rules
from flask_mixamo_privacy.audit.browser.suggestion import suggestion_text, undeclared_of
from flask_mixamo_privacy.audit.browser.target import AuditError
from flask_mixamo_privacy.policy.toml import START, built_in, read

DATABASE = Path(__file__).with_name("known_cookies.csv")
PLACE = Visited("/", "accepted")
YOUTUBE = '\n[[services]]\nuse = "youtube"\n'


@pytest.fixture
def policy(tmp_path):
    """Reads the start file with these tables appended."""

    def build(tables):
        path = tmp_path / "privacy.toml"
        path.write_text(START.read_text(encoding="utf-8") + "\n" + tables, encoding="utf-8")
        return read(path)

    return build


def item(name, kind="js", **values):
    return StoredItem(PLACE, kind, name, "shop.example", **values)


def request(host, load="script", **values):
    return RequestMade(PLACE, f"https://{host}/x", host, True, load, **values)


def evidence(stored=(), requests=(), declared=None):
    granted = {state.name: frozenset({"media"}) for state in flat(states_of(declared or built_in()))}
    return Evidence(host="shop.example", stored=list(stored), requests=list(requests), granted=granted)


def suggested(stored=(), requests=(), declared=None, known=None):
    found = undeclared_of(evidence(stored, requests), declared or built_in())
    return "\n".join(suggestion_text(found, declared or built_in(), known))


def test_a_ready_made_service_is_suggested_by_its_name(policy):
    """The hosts and cookies that it explains need no tables of their own, and the result is accepted."""
    text = suggested(
        [item("_ga", seconds=9e6)], [request("www.googletagmanager.com"), request("region1.google-analytics.com", "connect")]
    )
    assert text.count("[[") == 1 and 'use = "google-analytics"' in text and "The audit saw: " in text
    assert policy(text).cookie("_ga").service == "google-analytics"


def test_what_the_list_does_not_know_gets_tables_of_its_own(policy):
    """Hosts with their loads, and cookies with the lifetime that was seen, wait for a purpose that a person decides."""
    text = suggested(
        [item("mine", seconds=100000.0, path="/shop")], [request("cdn.example"), request("cdn.example", "image")]
    )
    found = policy(text)
    assert [(s.hosts, s.loads, s.purpose) for s in found.services] == [(("cdn.example",), ("script", "image"), "undecided")]
    cookie = found.cookie("mine")
    assert (cookie.lifetime, cookie.kind, cookie.path, cookie.description) == ("2 days", "js", "/shop", "To be described.")
    assert found.purpose("undecided").optional


def test_a_known_cookie_is_described(policy):
    """The file of the user has description and category, and the beginning of a name becomes a pattern."""
    known = KnownCookies.read(DATABASE)
    text = suggested([item("count_42", seconds=9e6), item("adid", seconds=60.0), item("basket", "http")], known=known)
    found = policy(text)
    assert {(c.name, c.purpose, c.lifetime) for c in found.cookies[-3:]} == {
        ("count_*", "analytics", "105 days"), ("adid", "advertising", "1 day"), ("basket", "undecided", "session"),
    }  # fmt: skip
    assert found.cookie("count_42").description == "Counts visits, and nothing else"
    assert "# Known as a cookie of Ads Inc: Marketing." in text


def test_the_rows_of_the_database_have_lifetimes_in_days():
    """A retention is rounded up to days, and the most exact row wins."""
    known = KnownCookies.read(DATABASE)
    assert [known.find(name).lifetime for name in ("count_1", "count_day", "adid", "basket")] == [
        "2 years", "1 day", "1 day", "session",
    ]  # fmt: skip
    assert replace(known.find("adid"), retention="3 weeks").lifetime == "21 days"
    assert known.find("other") is None


def test_a_file_without_the_columns_is_an_error(tmp_path):
    """The message names the missing columns."""
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(
        AuditError, match=r"x\.csv lacks the columns Category, Cookie / Data Key name, .+ allowed: a CSV file"
    ):
        KnownCookies.read(tmp_path / "x.csv")


def test_a_declared_name_of_another_kind_is_a_comment(policy):
    """One name has one table, so a second one would be an error."""
    declared = policy(
        '[[cookies]]\nname = "mine"\npurpose = "statistics"\nlifetime = "1 day"\nkind = "local"\ndescription = "Ours."\n'
    )
    text = suggested([item("mine", seconds=60.0)], declared=declared)
    assert "# 'mine' is declared, but not with the kind 'js'. Change its table." in text and "[[" not in text


def test_a_second_service_of_one_name_gets_an_id_of_its_own(policy):
    """A site whose service has the id already can append the suggestion."""
    own = '[[services]]\nid = "hotjar"\ntitle = "H"\npurpose = "statistics"\nhosts = ["h.example"]\nloads = ["script"]\n'
    text = suggested(requests=[request("static.hotjar.com")], declared=policy(own))
    assert [service.id for service in policy(own + text).services] == ["hotjar", "hotjar-2"]


def test_a_mail_address_in_a_name_is_not_written(policy):
    """The suggestion is passed on, like a report, and has no address of a person."""
    text = suggested([item("cart_ada@shop.example", "local")])
    assert "ada@" not in text and policy(text).cookie("cart_ada@shop.example", "local") is not None


def test_nothing_to_add_is_a_comment():
    """A file to which the output is appended stays the same declaration."""
    assert suggested() == "# Everything that the audit recorded is declared."


@given(st.lists(st.tuples(st.text(min_size=1, max_size=12), st.sampled_from(["http", "js", "local", "session", "idb"])), max_size=4),
       st.lists(st.sampled_from(["a.example", "fonts.gstatic.com", "x.hotjar.com", "b.example:8000"]), max_size=4))  # fmt: skip
def test_every_suggestion_is_accepted_when_appended(tmp_path_factory, names, hosts):
    """Whatever was stored or requested, the text is TOML that the loader accepts."""
    stored = [item(name, kind) for name, kind in names if name.isprintable()]
    text = suggested(stored, [request(host) for host in hosts])
    path = tmp_path_factory.getbasetemp() / "privacy.toml"
    path.write_text(START.read_text(encoding="utf-8") + "\n" + text + "\n", encoding="utf-8")
    read(path)


# The rules, for a declaration that uses ready-made services.


def codes(declared, stored=(), requests=()):
    found = merge_findings(apply_rules(evidence(stored, requests, declared), declared), {})
    return {(one.code, one.subject) for one in found if "privacy_" not in one.subject and one.subject != "session"}


def test_a_video_that_is_embedded_as_declared_is_no_finding(policy):
    """Neither cookies that wait for a click, nor what the frame loads by itself, are reported."""
    frame = request("www.youtube-nocookie.com", "frame")
    inner = request("i.ytimg.com", "image", inside="www.youtube-nocookie.com")
    assert codes(policy(YOUTUBE), requests=[frame, inner]) == set()


def test_a_frame_of_two_services_is_judged_by_both(policy):
    """What it loads is the vendor's decision only if no table of the site's own declares the frame."""
    own = '\n[[services]]\nid = "tube"\ntitle = "T"\npurpose = "media"\nhosts = ["www.youtube.com"]\nloads = ["frame"]\n'
    inner = request("i.ytimg.com", "image", inside="www.youtube.com")
    assert ("host-not-declared", "i.ytimg.com") in codes(policy(YOUTUBE + own), requests=[inner])
    assert ("host-not-declared", "i.ytimg.com") not in codes(policy(YOUTUBE), requests=[inner])


def test_a_page_that_loads_from_the_vendor_itself_is_a_finding(policy):
    """What a frame may load, the page may not; and a service that no page uses is reported."""
    assert codes(policy(YOUTUBE), requests=[request("i.ytimg.com", "image")]) == {
        ("host-not-declared", "i.ytimg.com"), ("declared-not-seen", "youtube"),
    }  # fmt: skip


def test_an_undeclared_entry_of_the_vendor_is_a_finding(policy):
    """The policy page promises to name everything that is stored."""
    stored = [StoredItem(PLACE, "local", "yt-remote-device-id", "www.youtube-nocookie.com", third_party=True)]
    frame = request("www.youtube-nocookie.com", "frame")
    assert codes(policy(YOUTUBE), stored, [frame]) == {("used-not-declared", "yt-remote-device-id")}
