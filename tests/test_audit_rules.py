"""The audit's rules: from what was seen, and what is declared, to what is told. No browser is needed to judge."""

from dataclasses import replace

import pytest

from flask_mixamo_privacy.audit.evidence import Asked, Banner, Button, Evidence, Left, Link, Page, Place, Plain, Written
from flask_mixamo_privacy.audit.finding import Finding, gather
from flask_mixamo_privacy.audit.hosts import is_third
from flask_mixamo_privacy.audit.pictures import subject_of
from flask_mixamo_privacy.audit.rules import judge
from flask_mixamo_privacy.audit.rules.banner import harder
from flask_mixamo_privacy.audit.rules.persons import hidden, named_in
from flask_mixamo_privacy.audit.states import flat, states_of
from flask_mixamo_privacy.guard import SetCookie
from flask_mixamo_privacy.model import Policy
from flask_mixamo_privacy.policy import Cookie, Notices, Purpose, Service

HOST, FILM = "shop.example", "video.example"
POLICY = Policy(
    "Shop",
    (
        Purpose("necessary", "Necessary", "What the site needs.", basis="necessary", reason="It does."),
        Purpose("media", "Media", "Films."),
        Purpose("maps", "Maps", "Maps."),
    ),
    cookies=(
        Cookie("privacy_consent", "necessary", "182 days", "Your decision."),
        Cookie("seen_*", "media", "1 day", "What was seen."),
        Cookie("place", "maps", "session", "Where.", kind="session"),
        Cookie("_vid", "media", "1 day", "Theirs.", party="third"),
    ),
    services=(Service("film", "Film", "media", (FILM,), ("frame",)),),
    notices=Notices(links=True),
)
STATES = flat(states_of(POLICY))


def evidence(**seen):
    return Evidence(host=HOST, granted={state.name: state.granted for state in STATES}, **seen)


def told(code=None, **seen):
    """Codes and subjects, less what nobody used, or the evidence under one code."""
    findings = gather(judge(evidence(**seen), POLICY), {"cookies.seen_*": 7})
    if code is None:
        return {(one.code, one.subject) for one in findings if one.code != "declared-not-seen"}
    return [says for one in findings if one.code == code for says in one.evidence]


def at(state, route="/", login=""):
    return Place(route, state, login)


def film(state, **more):
    return Asked(at(state), f"https://{FILM}/1?t=9", FILM, True, "frame", **more)


def test_the_states_are_every_answer_that_there_is_room_for():
    """Each purpose alone; a withdrawal after all were granted; the signal; none where nothing is asked."""
    names = ["no choice", "rejected", "accepted", "withdrawn", "only maps", "only media", "gpc"]
    assert [state.name for state in STATES] == names
    assert [state.name for state in states_of(Policy("Shop", POLICY.purposes[:1], cookies=POLICY.cookies[:1]))] == [
        "no choice", "gpc",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("no choice", "before-consent"),
        ("rejected", "after-reject"),
        ("only maps", "after-reject"),
        ("withdrawn", "survives-withdrawal"),
        ("gpc", "ignores-gpc"),
    ],
)
def test_what_needs_consent_and_has_none_is_named_by_the_answer(state, code):
    """A cookie under its declared pattern, and a request under its service."""
    written = [Written(at(state), "http", "seen_1", HOST, seconds=60.0)]
    assert told(written=written, asked=[film(state)]) == {(code, "seen_*"), (code, "film")}


@pytest.mark.parametrize("state", ["accepted", "only media"])
def test_what_was_granted_is_no_finding(state):
    """Neither what is stored nor what is asked."""
    assert told(written=[Written(at(state), "http", "seen_1", HOST, seconds=60.0)], asked=[film(state)]) == set()


def test_what_the_browser_refused_was_not_asked_of_anybody():
    """A Content-Security-Policy did its work: of a declared host that is all there is to say."""
    assert told(asked=[film("rejected", refused=True)]) == set()


def test_to_leave_the_site_is_no_tracking():
    """A redirect or a link that leads to a service's own page loads nothing of it into this one."""
    assert told(asked=[replace(film("rejected"), load="")]) == set()


def test_a_choice_is_kept_for_the_session_without_consent():
    """It is what the visitor asked for; kept for longer it needs the grant."""
    from flask_mixamo_privacy.declaration import built_in

    policy = built_in()
    for seconds, codes in ((None, set()), (9e6, {"before-consent"})):
        written = [Written(at("no choice"), "http", "privacy_choices", HOST, seconds=seconds)]
        seen = Evidence(host=HOST, written=written, granted={"no choice": frozenset()})
        assert {one.code for one in judge(seen, policy)} - {"declared-not-seen"} == codes


def test_what_is_left_after_a_withdrawal_is_told():
    """Where it had been put; what is necessary may stay."""
    left = [Left(at("withdrawn", "/film"), "http", "seen_1"), Left(at("withdrawn"), "http", "privacy_consent")]
    assert told("survives-withdrawal", left=left) == ["It is still on the device after media was withdrawn."]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"kind": "js"}, 'Declared with kind = "http"; a script sets it, so that every script can read it.'),
        ({"path": "/film"}, 'Declared with path = "/"; it has the path /film, where no withdrawal deletes it.'),
        ({"host": FILM, "third": True}, 'Declared with party = "first"; video.example sets it, which is third party here.'),
        ({"https": True}, "It lacks Secure, although the site is served over HTTPS."),
    ],
)
def test_a_cookie_that_is_not_what_it_is_declared_to_be(written, says):
    """Kind, path, party, and Secure."""
    values = {"kind": "http", "name": "seen_1", "host": HOST, "seconds": 60.0, **written}
    assert told("flag-mismatch", written=[Written(at("accepted"), **values)]) == [says]


@pytest.mark.parametrize(
    ("kind", "name", "seconds", "says"),
    [
        ("http", "seen_1", 86400.0 * 365, ["Declared for 1 day; set for 365 days."]),
        ("http", "seen_1", 86400.0, []),
        ("http", "seen_1", None, []),
    ],
)
def test_a_cookie_lives_no_longer_than_declared(kind, name, seconds, says):
    """A day more or less is no difference: months are not equally long."""
    written = [Written(at("accepted"), kind, name, HOST, seconds=seconds)]
    assert told("lifetime-longer-than-declared", written=written) == says


def test_a_host_is_held_to_what_it_is_declared_to_load():
    """What a frame of theirs loads by itself is theirs, unless it goes to somebody else."""
    script = Asked(at("accepted"), f"https://{FILM}/x.js", FILM, True, "script")
    inside = Asked(at("accepted"), f"https://{FILM}/x.js", FILM, True, "script", inside=FILM)
    ads = Asked(at("accepted"), "https://ads.example/?who=1", "ads.example", True, "image", inside=FILM)
    says = "It is declared for frame; the page loads script https://video.example/x.js from it."
    assert told("host-not-declared", asked=[script, inside]) == [says]
    says = "A frame of video.example asks it for image https://ads.example/."
    assert told("host-not-declared", asked=[ads]) == [says]


def test_what_is_fetched_ahead_is_of_whatever_kind_its_service_is():
    """No browser says what a prefetch is for; of a host that nobody declared it is told all the same."""
    ahead = Asked(at("accepted"), f"https://{FILM}/x.js", FILM, True, "prefetch")
    assert told(asked=[ahead]) == set()
    says = "The page asks it for prefetch https://ads.example/x.js."
    assert told("host-not-declared", asked=[replace(ahead, url="https://ads.example/x.js", host="ads.example")]) == [says]


def test_what_is_declared_and_never_seen_is_told():
    """Cookies, storages and services; not what was seen once, in whatever state."""
    seen = [Written(at("accepted"), "session", "place", HOST), Written(at("accepted"), "http", "seen_9", HOST)]
    findings = gather(judge(evidence(written=seen), POLICY), {"cookies._vid": 31})
    unseen = {(one.subject, one.line) for one in findings if one.code == "declared-not-seen"}
    assert unseen == {("privacy_consent", 0), ("_vid", 31), ("film", 0)}


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://shop.example/found?email=ada%40people.example", "a mail address"),
        ("https://shop.example/of/ada@people.co.uk/orders", "a mail address"),
        ("https://cdn.example/vue@3.4.min.js", ""),
        ("https://ads.example/?h=2d2ad6b2f71ad1db3e6ba5e56f2e2a2d", ""),
        ("https://ads.example/?h=c44a4fbbc6b2b8b0f2a7bd1ea0b2d6cf", ""),
    ],
)
def test_an_address_that_names_a_person(url, found):
    """By a mail address, which a version number is not."""
    assert named_in(url) == found


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_a_hash_of_the_mail_address_of_whoever_is_signed_in_names_the_person_too(name):
    """That is how advertisers match lists."""
    import hashlib

    url = f"https://ads.example/?h={hashlib.new(name, b'ada@people.example').hexdigest().upper()}"
    assert named_in(url, "Ada@people.example") == "a hash of the mail address"
    assert named_in(url, "bob@people.example") == ""


def test_a_referrer_that_names_a_person_is_told():
    """The page's own address is one thing, that it is sent to others another."""
    asked = [film("accepted", referrer="https://shop.example/of/ada@people.example")]
    says = "The Referer sent to video.example holds a mail address: /of/…@…"
    assert told("personal-data-in-url", asked=asked) == [says]
    assert hidden("/a?x=ada%40people.example") == "/a?x=…@…"


def test_no_rule_spreads_a_mail_address():
    """Not in a route, a subject or what it says: whatever else is wrong with a page whose address names somebody."""
    there = at("accepted", "/of/ada%40people.example")
    link = Link("https://b.example/ada@people.example", False)
    page = Page(there, 200, True, 99, links=(link,))
    asked = [Asked(there, "https://ads.example/ada@people.example/x.gif", "ads.example", True, "image")]
    written = [Written(there, "http", "ada@people.example", HOST)]
    found = gather(judge(evidence(pages=[page], asked=asked, written=written), POLICY), {})
    assert "people.example" not in str([one.as_dict() for one in found])
    assert {one.code for one in found if one.routes == ("/of/…@…",)} == {
        "used-not-declared",
        "host-not-declared",
        "personal-data-in-url",
        "link-without-notice",
        "no-way-back-to-settings",
    }


def test_no_picture_is_taken_at_an_address_that_is_not_told_in_full():
    """It would show another page, if any; the same finding elsewhere has one."""
    hid, seen = at("accepted", "/of/…@…"), at("accepted", "/shop")
    assert subject_of(Finding("host-not-declared", "ads.example", (), (hid,))) is None
    assert subject_of(Finding("host-not-declared", "ads.example", (), (hid, seen))) == (seen, "")


@pytest.mark.parametrize("url", ["/vue@3.4.min.js", "/100%25", "/a%20b", "/logo@2x.png"])
def test_what_is_no_mail_address_is_shown_as_it_is(url):
    """Neither a version number nor the size of a picture, and without decoding what needs none."""
    assert hidden(url) == url


ALIKE = Button(area=4000, font=14, contrast=8, fill=5, order=1, in_view=True)


@pytest.mark.parametrize(
    ("reject", "says"),
    [
        (None, ["Accepting takes one press; there is no button beside it that refuses."]),
        ({"area": 2000}, ["The button that refuses has 50% of the other's size."]),
        ({"font": 8}, ["Its text is 8 pixels high, the other's 14."]),
        ({"contrast": 2}, ["Its text has a contrast of 2.0 : 1, the other's 8.0 : 1."]),
        ({"fill": 1}, ["Its surface stands out by 1.0 : 1, the other's by 5.0 : 1."]),
        ({"in_view": False}, ["It is outside the window in which the other is seen."]),
        ({"order": -1}, ["The Tab key never comes to it."]),
        ({"order": 5}, ["The Tab key comes to it 4 stops after the other."]),
        ({"order": 2, "area": 3900, "contrast": 7.5}, []),
    ],
)
def test_refusing_is_as_easy_as_accepting(reject, says):
    """Presses, size, contrast, place and order."""
    assert list(harder(Banner(ALIKE, replace(ALIKE, **reject) if reject else None))) == says


def test_links_to_other_sites_say_so_and_have_a_rel():
    """Where the policy promises it."""
    links = (
        Link("https://a.example/", True, ("noopener",)),
        Link("https://b.example/", False, ("noopener",)),
        Link("https://c.example/?x=1", True),
    )
    page = Page(at("no choice"), 200, True, 99, settings_link=True, links=links)
    assert told(pages=[page]) == {
        ("link-without-notice", "https://b.example/"),
        ("link-without-notice", "https://c.example/"),
    }


def test_a_page_without_a_way_back_and_a_box_ticked_beforehand():
    """Only pages that were shown, and only before the visitor has answered."""
    pages = [
        Page(at("no choice"), 200, True, 99, ticked=("media",), settings_link=True),
        Page(at("accepted"), 200, True, 99, ticked=("media",), settings_link=True),
        Page(at("accepted", "/lost"), 200, True, 99),
        Page(at("accepted", "/nothing"), 404, True, 99),
        Page(at("accepted", "/feed"), 200, False),
    ]
    assert told(pages=pages) == {("pre-ticked", "media"), ("no-way-back-to-settings", "")}


def test_without_javascript_there_is_as_much_to_read_and_an_answer_to_give():
    """A fifth of the text is taken for enough: menus may be richer with scripts."""
    pages = [Page(at("no choice", route), 200, True, 1000, settings_link=True) for route in ("/", "/app")]
    plain = [Plain(at("no choice"), 300), Plain(at("no choice", "/app"), 20), Plain(at("rejected"), 300, answered=False)]
    found = {("blocked-without-javascript", "page"), ("blocked-without-javascript", "answer")}
    assert told(pages=pages, plain=plain) == found


@pytest.mark.parametrize(
    ("text", "seconds", "path", "deletes"),
    [
        ("a=1", None, "/", False),
        ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/x", 60, "/x", False),
        ("a=; expires=Thu, 01 Jan 1970 00:00:00 GMT", -1000, "/", True),
        ("a=1; max-age=0", 0, "/", True),
        ("a=1; Path=relative; Max-Age=soon", None, "/", False),
        ("a=1; Max-Age=+3600", 3600, "/", False),
    ],
)
def test_a_set_cookie_is_read_as_browsers_read_it(text, seconds, path, deletes):
    """RFC 6265, 5.2: Max-Age before Expires, no value kept, what is no attribute ignored."""
    cookie = SetCookie.parse(text, 1000)
    assert (cookie.name, cookie.seconds, cookie.path, cookie.deletes) == ("a", seconds, path, deletes)


@pytest.mark.parametrize(
    ("host", "own", "third"),
    [
        ("cdn.shop.co.uk", "www.shop.co.uk", False),
        ("other.co.uk", "www.shop.co.uk", True),
        ("ada.github.io", "bob.github.io", True),
        ("127.0.0.1:9", "127.0.0.1:8", False),
        ("video.example:8000", "shop.example", True),
        ("localhost", "127.0.0.1", True),
        ("[::1]:80", "[::1]", False),
        ("", "shop.example", False),
    ],
)
def test_another_party_is_another_registered_domain(host, own, third):
    """By the Public Suffix List, whatever the port."""
    assert is_third(host, own) is third


def test_a_site_has_every_name_that_its_settings_give_it():
    """What belongs to one of them belongs to no other site."""
    own = ("127.0.0.1:5000", "shop.example", "shop.test")
    assert [is_third(host, *own) for host in ("cdn.shop.test", "www.shop.example", "127.0.0.1", "video.example")] == [
        False, False, False, True,
    ]  # fmt: skip
