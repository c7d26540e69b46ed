"""`flask privacy audit --suggest`: TOML for what an audit recorded and the declaration does not have."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
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


@pytest.mark.parametrize(
    ("hosts", "use", "others"),
    [
        (["www.google.com"], "recaptcha", "google-maps"),
        (["www.googletagmanager.com"], "google-tag-manager", "google-analytics"),
        (["www.googletagmanager.com", "analytics.google.com"], "google-analytics", ""),
        (["maps.google.com"], "google-maps", ""),
    ],
)
def test_every_service_with_the_hosts_that_were_seen_is_named(policy, hosts, use, others):
    """Which one a site uses is a person's decision, so no other one is hidden."""
    text = suggested(requests=[request(host) for host in hosts])
    assert f'use = "{use}"' in text and text.count("[[") == 1
    assert (f"# Or {others}: these hosts" in text) is bool(others)
    assert [service.use for service in policy(text).services] == [use]


def test_the_service_that_loads_what_was_seen_comes_first():
    """An image of www.google.com is none of reCAPTCHA."""
    assert 'use = "google-maps"' in suggested(requests=[request("www.google.com", "image")])


@pytest.mark.parametrize(
    ("name", "host", "found"),
    [
        ("__cf_bm", "hubspot.example", False),
        ("player", "ads.example", False),
        ("vuid", "player.vimeo.com", True),
        ("vuid", "vimeo.com", True),
        ("vuid", "meo.com", False),
    ],
)
def test_a_cookie_of_a_third_party_is_that_of_a_service_only_on_its_host(policy, name, host, found):
    """Many companies use the same names, and a policy must name the one that stores the cookie."""
    text = suggested([replace(item(name, "http"), host=host, third_party=True)])
    assert ('use = "vimeo"' in text) is found
    assert policy(text).cookie(name, party="third") is not None


@pytest.mark.parametrize("kind", ["local", "session", "idb"])
def test_an_entry_of_another_storage_is_no_cookie_of_a_service(kind):
    """Google Analytics stores cookies, and nothing of the same name elsewhere."""
    assert "google-analytics" not in suggested([item("_ga", kind)])


def test_one_name_in_two_storages_is_a_table_and_a_comment(policy):
    """One name has one table, and nothing that was seen is left out."""
    text = suggested([item("theme"), item("theme", "local")])
    assert text.count("[[cookies]]") == 1 and "# 'theme' is declared, but not with the kind" in text
    assert policy(text).cookie("theme", "js") or policy(text).cookie("theme", "local")


def test_a_cookie_that_a_response_and_a_script_set_is_one_table():
    """A browser stores both as one cookie."""
    text = suggested([item("theme"), item("theme", "http")])
    assert text.count('"theme"') == 1 and "# 'theme'" not in text


def test_a_name_of_the_site_and_of_another_company_has_two_tables(policy):
    """The site's own cookie and the other company's are both on the policy page."""
    found = policy(suggested([item("theme"), replace(item("theme"), host="ads.example", third_party=True)]))
    assert {cookie.party for cookie in found.cookies if cookie.name == "theme"} == {"first", "third"}


def test_a_name_of_a_suggested_service_on_another_host_is_a_comment(policy):
    """A second table would change the cookie of the service."""
    stored = [replace(item("player", "http"), host="ads.example", third_party=True)]
    text = suggested(stored, [request("player.vimeo.com", "frame")])
    assert "# 'player' is declared, but ads.example stores it too." in text
    assert policy(text).cookie("player").service == "vimeo"


def test_the_same_name_of_two_companies_is_a_table_and_a_comment():
    """No company is left out, and one company's hosts count once."""
    hosts = ("cdn.ads.example", "ads.example", "news.example")
    text = suggested([replace(item("id"), host=host, third_party=True) for host in hosts])
    assert text.count("[[cookies]]") == 1 and text.count("stores it too") == 1


def test_a_host_that_cannot_be_declared_is_a_comment(policy):
    """The text stays a declaration that loads."""
    text = suggested(requests=[request("[::1]:80"), request("[::1]:80", "image")])
    assert "# '[::1]:80' (script, image) is no host that privacy.toml can declare." in text
    assert policy(text).purpose_fingerprints == built_in().purpose_fingerprints


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


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=12), st.sampled_from(["http", "js", "local", "session", "idb"]), st.booleans()), max_size=4),
       st.lists(st.sampled_from(["a.example", "fonts.gstatic.com", "x.hotjar.com", "b.example:8000", "[::1]:80", "www.google.com", "player.vimeo.com"]), max_size=4))  # fmt: skip
def test_every_suggestion_is_accepted_when_appended(tmp_path_factory, names, hosts):
    """Whatever was stored or requested, the text is TOML that the loader accepts."""
    stored = [item(name, kind, third_party=third) for name, kind, third in names if name.isprintable()]
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
