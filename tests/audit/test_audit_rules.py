"""The audit's rules: from recorded evidence and the declaration to findings, without a browser."""

from dataclasses import replace

import pytest

from flask_mixamo_privacy.audit.browser.evidence import (
    BannerFacts,
    Button,
    Evidence,
    Link,
    NoScriptPage,
    PageFacts,
    RemainingItem,
    RequestMade,
    StoredItem,
    Visited,
    flat,
    is_third_party,
    states_of,
)
from flask_mixamo_privacy.audit.browser.findings import Finding, merge_findings
from flask_mixamo_privacy.audit.browser.recorder import BrowserRecorder
from flask_mixamo_privacy.audit.browser.report import subject_of
from flask_mixamo_privacy.audit.browser.rules import apply_rules
from flask_mixamo_privacy.audit.browser.rules_interface import mask_addresses, personal_data_in, reject_obstacles
from flask_mixamo_privacy.policy.model import Policy
from flask_mixamo_privacy.policy.parts import Cookie, Notices, Purpose, Service
from flask_mixamo_privacy.web.cookie_guard import SetCookie

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


def findings_of(code=None, **seen):
    """Return codes and subjects without `declared-not-seen`, or the evidence for one code."""
    findings = merge_findings(apply_rules(evidence(**seen), POLICY), {"cookies.seen_*": 7})
    if code is None:
        return {(one.code, one.subject) for one in findings if one.code != "declared-not-seen"}
    return [message for one in findings if one.code == code for message in one.evidence]


def place(state, route="/", login=""):
    return Visited(route, state, login)


def film(state, **more):
    return RequestMade(place(state), f"https://{FILM}/1?t=9", FILM, True, "frame", **more)


def test_there_is_a_state_for_every_decision():
    """Each purpose alone, a withdrawal after granting all, and GPC are states; a site that asks nothing has none of them."""
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
def test_use_without_consent_has_a_code_for_each_decision(state, code):
    """A cookie is reported under its declared pattern, a request under its service."""
    written = [StoredItem(place(state), "http", "seen_1", HOST, seconds=60.0)]
    assert findings_of(stored=written, requests=[film(state)]) == {(code, "seen_*"), (code, "film")}


SHARED = (
    Service("maps", "Maps", "maps", ("www.shared.example",), ("frame", "image")),
    Service("bots", "Bots", "necessary", ("*.shared.example",), ("frame", "script")),
    Service("clips", "Clips", "media", ("*.shared.example",), ("script",)),
)


@pytest.mark.parametrize("services", [SHARED, SHARED[::-1]], ids=["forwards", "backwards"])
@pytest.mark.parametrize(
    ("load", "state", "found"),
    [
        ("frame", "no choice", {("ambiguous-service", "bots, maps")}),
        ("frame", "only maps", set()),
        ("image", "rejected", {("after-reject", "maps")}),
        ("script", "only maps", {("ambiguous-service", "bots, clips")}),
        ("script", "accepted", set()),
        ("font", "no choice", {("ambiguous-service", "bots, clips, maps"), ("host-not-declared", "www.shared.example")}),
    ],
)
def test_a_request_to_a_shared_host_is_judged_by_every_service_that_may_make_it(services, load, state, found):
    """It is a fault if none of them is granted, and a warning if one is and another is not, whatever their order."""
    policy = replace(POLICY, services=services)
    made = RequestMade(place(state), "https://www.shared.example/1", "www.shared.example", True, load)
    findings = merge_findings(apply_rules(evidence(requests=[made]), policy), {})
    subjects = {(one.code, ", ".join(sorted(one.subject.split(", ")))) for one in findings}
    assert {pair for pair in subjects if pair[0] != "declared-not-seen"} == found
    assert not {"maps", "bots", "clips"} & {one.subject for one in findings if one.code == "declared-not-seen"}


def test_a_fault_of_a_shared_host_names_every_purpose():
    """Nothing is attributed to the service that happens to be declared first."""
    both = replace(POLICY, services=(replace(SHARED[0], loads=("script",)), SHARED[2]))
    made = RequestMade(place("rejected"), "https://www.shared.example/1", "www.shared.example", True, "script")
    (found,) = [one for one in apply_rules(evidence(requests=[made]), both) if one.code == "after-reject"]
    assert (found.subject, found.key) == ("maps, clips", "services.maps")
    assert found.evidence == "https://www.shared.example/1 is requested, although 'maps' and 'media' are not granted."


@pytest.mark.parametrize("state", ["accepted", "only media"])
def test_granted_use_is_no_finding(state):
    """Neither storage nor requests of a granted purpose are reported."""
    assert (
        findings_of(stored=[StoredItem(place(state), "http", "seen_1", HOST, seconds=60.0)], requests=[film(state)]) == set()
    )


def test_a_blocked_request_to_a_declared_host_is_no_finding():
    """The Content-Security-Policy blocked the request, so no data reached the declared host."""
    assert findings_of(requests=[film("rejected", refused=True)]) == set()


def test_leaving_the_site_is_no_finding():
    """A redirect or link to a service's own page loads nothing of the service into the site's page."""
    assert findings_of(requests=[replace(film("rejected"), load="")]) == set()


def test_a_choice_is_kept_for_the_session_without_consent():
    """The visitor asked for the choice, so the session needs no consent. A longer life needs the grant."""
    from flask_mixamo_privacy.policy.toml import built_in

    policy = built_in()
    for seconds, codes in ((None, set()), (9e6, {"before-consent"})):
        written = [StoredItem(place("no choice"), "http", "privacy_choices", HOST, seconds=seconds)]
        seen = Evidence(host=HOST, stored=written, granted={"no choice": frozenset()})
        assert {one.code for one in apply_rules(seen, policy)} - {"declared-not-seen"} == codes


def test_data_left_after_a_withdrawal_is_reported():
    """Data of a withdrawn purpose that is still on the device is reported. Necessary data may stay."""
    left = [
        RemainingItem(place("withdrawn", "/film"), "http", "seen_1"),
        RemainingItem(place("withdrawn"), "http", "privacy_consent"),
    ]
    assert findings_of("survives-withdrawal", remaining=left) == [
        "It is still on the device after the purpose 'media' was withdrawn."
    ]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"kind": "js"}, 'Declared with kind = "http"; set by a script, so that every script can read it.'),
        ({"path": "/film"}, 'Declared with path = "/"; set with /film, so that no withdrawal deletes it.'),
        (
            {"host": FILM, "third_party": True},
            'Declared with party = "first"; set by video.example, which is a third party.',
        ),
        ({"https": True}, "It lacks Secure, although the site is served over HTTPS."),
    ],
)
def test_a_cookie_that_differs_from_its_declaration(written, message):
    """Kind, path, party and Secure are compared."""
    values = {"kind": "http", "name": "seen_1", "host": HOST, "seconds": 60.0, **written}
    assert findings_of("flag-mismatch", stored=[StoredItem(place("accepted"), **values)]) == [message]


def test_a_cookie_of_another_company_declares_none_of_the_site():
    """The site's own cookie of that name is undeclared, and no use of the other company's purpose."""
    written = [StoredItem(place("no choice"), "http", "_vid", HOST)]
    assert findings_of(stored=written) == {("used-not-declared", "_vid")}
    assert findings_of(remaining=[RemainingItem(place("withdrawn"), "http", "_vid")]) == set()


def test_a_cookie_of_another_company_hides_none_of_the_site():
    """Both items of one name are evidence, in whatever order the browser returns them."""
    jar = [
        {"name": "player", "domain": host, "expires": -1, "path": "/", "secure": False} for host in (f".{FILM}", HOST) * 2
    ]
    seen = evidence()
    BrowserRecorder(seen, HOST, "", "accepted").record_stored({}, jar)
    assert [(item.host, item.third_party) for item in seen.stored] == [(FILM, True), (HOST, False)]


@pytest.mark.parametrize(
    ("kind", "name", "seconds", "message"),
    [
        ("http", "seen_1", 86400.0 * 365, ["Declared for 1 day; set for 365 days."]),
        ("http", "seen_1", 86400.0, []),
        ("http", "seen_1", None, []),
    ],
)
def test_a_cookie_lives_no_longer_than_declared(kind, name, seconds, message):
    """One day of difference is tolerated, because months differ in length."""
    written = [StoredItem(place("accepted"), kind, name, HOST, seconds=seconds)]
    assert findings_of("lifetime-longer-than-declared", stored=written) == message


def test_a_host_may_load_only_the_declared_kinds():
    """A request that a service's frame makes to its own hosts belongs to the service; one to another host is reported."""
    script = RequestMade(place("accepted"), f"https://{FILM}/x.js", FILM, True, "script")
    inside = RequestMade(place("accepted"), f"https://{FILM}/x.js", FILM, True, "script", inside=FILM)
    ads = RequestMade(place("accepted"), "https://ads.example/?who=1", "ads.example", True, "image", inside=FILM)
    message = "Declared for frame; the page loads script https://video.example/x.js from it."
    assert findings_of("host-not-declared", requests=[script, inside]) == [message]
    message = "A frame of video.example requests image https://ads.example/."
    assert findings_of("host-not-declared", requests=[ads]) == [message]


def test_a_prefetch_has_the_kind_of_its_service():
    """A browser does not reveal a prefetch's kind. A prefetch from an undeclared host is still reported."""
    ahead = RequestMade(place("accepted"), f"https://{FILM}/x.js", FILM, True, "prefetch")
    assert findings_of(requests=[ahead]) == set()
    message = "The page requests prefetch https://ads.example/x.js."
    assert findings_of(
        "host-not-declared", requests=[replace(ahead, url="https://ads.example/x.js", host="ads.example")]
    ) == [message]


def test_declared_but_unused_items_are_reported():
    """Cookies, storage items and services that were used in no state are reported."""
    seen = [StoredItem(place("accepted"), "session", "place", HOST), StoredItem(place("accepted"), "http", "seen_9", HOST)]
    findings = merge_findings(apply_rules(evidence(stored=seen), POLICY), {"cookies._vid": 31})
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
def test_a_url_with_a_mail_address_is_reported(url, found):
    """A version number such as `pkg@1.2.3` is not a mail address."""
    assert personal_data_in(url) == found


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_a_hash_of_the_signed_in_users_mail_address_is_reported(name):
    """Advertisers match lists by such hashes."""
    import hashlib

    url = f"https://ads.example/?h={hashlib.new(name, b'ada@people.example').hexdigest().upper()}"
    assert personal_data_in(url, "Ada@people.example") == "a hash of the mail address"
    assert personal_data_in(url, "bob@people.example") == ""


def test_a_referrer_with_a_mail_address_is_reported():
    """The finding is separate from that for the page's own address, because the browser sends a referrer to other hosts."""
    asked = [film("accepted", referrer="https://shop.example/of/ada@people.example")]
    message = "The Referer sent to video.example contains a mail address: /of/…@…"
    assert findings_of("personal-data-in-url", requests=asked) == [message]
    assert mask_addresses("/a?x=ada%40people.example") == "/a?x=…@…"


def test_no_finding_contains_a_mail_address():
    """Routes, subjects and messages mask a mail address, whatever the finding is about."""
    there = place("accepted", "/of/ada%40people.example")
    link = Link("https://b.example/ada@people.example", False)
    page = PageFacts(there, 200, True, 99, links=(link,))
    asked = [RequestMade(there, "https://ads.example/ada@people.example/x.gif", "ads.example", True, "image")]
    written = [StoredItem(there, "http", "ada@people.example", HOST)]
    found = merge_findings(apply_rules(evidence(pages=[page], requests=asked, stored=written), POLICY), {})
    assert "people.example" not in str([one.as_dict() for one in found])
    assert {one.code for one in found if one.routes == ("/of/…@…",)} == {
        "used-not-declared",
        "host-not-declared",
        "personal-data-in-url",
        "link-without-notice",
        "no-way-back-to-settings",
    }


def test_no_screenshot_is_taken_of_a_masked_address():
    """A masked address could open another page. A finding at a full address has a screenshot."""
    hid, seen = place("accepted", "/of/…@…"), place("accepted", "/shop")
    assert subject_of(Finding("host-not-declared", "ads.example", (), (hid,))) is None
    assert subject_of(Finding("host-not-declared", "ads.example", (), (hid, seen))) == (seen, "")


@pytest.mark.parametrize("url", ["/vue@3.4.min.js", "/100%25", "/a%20b", "/logo@2x.png"])
def test_text_without_a_mail_address_is_not_changed(url):
    """A version number and an image size are not masked, and text that needs no decoding is not decoded."""
    assert mask_addresses(url) == url


ALIKE = Button(area=4000, font=14, contrast=8, fill=5, order=1, in_view=True)


@pytest.mark.parametrize(
    ("reject", "message"),
    [
        (None, ["Accepting takes one click; there is no button to reject beside it."]),
        ({"area": 2000}, ["The button to reject has 50% of the size of the button to accept."]),
        ({"font": 8}, ["The text to reject is 8 pixels high, the text to accept 14."]),
        ({"contrast": 2}, ["The text to reject has a contrast of 2.0 : 1, the other 8.0 : 1."]),
        ({"fill": 1}, ["The button to reject stands out by 1.0 : 1, the button to accept by 5.0 : 1."]),
        ({"in_view": False}, ["The button to reject is outside the window, the button to accept inside."]),
        ({"order": -1}, ["The Tab key does not reach the button to reject."]),
        ({"order": 5}, ["The Tab key reaches the button to reject 4 stops after the button to accept."]),
        ({"order": 2, "area": 3900, "contrast": 7.5}, []),
    ],
)
def test_refusing_is_as_easy_as_accepting(reject, message):
    """Clicks, size, contrast, position and order are compared."""
    assert list(reject_obstacles(BannerFacts(ALIKE, replace(ALIKE, **reject) if reject else None))) == message


def test_external_links_have_a_notice_and_a_rel():
    """The rule applies if the policy promises it."""
    links = (
        Link("https://a.example/", True, ("noopener",)),
        Link("https://b.example/", False, ("noopener",)),
        Link("https://c.example/?x=1", True),
    )
    page = PageFacts(place("no choice"), 200, True, 99, settings_link=True, links=links)
    assert findings_of(pages=[page]) == {
        ("link-without-notice", "https://b.example/"),
        ("link-without-notice", "https://c.example/"),
    }


def test_a_missing_settings_link_and_a_pre_ticked_box():
    """Only pages that were displayed are checked, and boxes only before the visitor has answered."""
    pages = [
        PageFacts(place("no choice"), 200, True, 99, ticked=("media",), settings_link=True),
        PageFacts(place("accepted"), 200, True, 99, ticked=("media",), settings_link=True),
        PageFacts(place("accepted", "/lost"), 200, True, 99),
        PageFacts(place("accepted", "/nothing"), 404, True, 99),
        PageFacts(place("accepted", "/feed"), 200, False),
    ]
    assert findings_of(pages=pages) == {("pre-ticked", "media"), ("no-way-back-to-settings", "")}


def test_without_javascript_the_text_and_the_banner_are_there():
    """A fifth of the text is enough, because menus may be larger with scripts."""
    pages = [PageFacts(place("no choice", route), 200, True, 1000, settings_link=True) for route in ("/", "/app")]
    plain = [
        NoScriptPage(place("no choice"), 300),
        NoScriptPage(place("no choice", "/app"), 20),
        NoScriptPage(place("rejected"), 300, can_reject=False),
    ]
    found = {("blocked-without-javascript", "page"), ("blocked-without-javascript", "answer")}
    assert findings_of(pages=pages, no_script_pages=plain) == found


def test_without_javascript_a_page_is_compared_with_the_same_visitors_page():
    """What only a signed-in user reads is no text that an anonymous visitor without JavaScript lacks."""
    texts = (("", 50), ("staff", 1000))
    places = {login: Visited("/reports", "no choice", login) for login, _ in texts}
    pages = [PageFacts(places[login], 200, True, text, settings_link=True) for login, text in texts]
    assert findings_of(pages=pages, no_script_pages=[NoScriptPage(places[""], 50)]) == set()


@pytest.mark.parametrize(
    ("text", "seconds", "path", "deletes"),
    [
        ("a=1", None, "/", False),
        ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/x", 60, "/x", False),
        ("a=; expires=Thu, 01 Jan 1970 00:00:00 GMT", -1000, "/", True),
        ("a=1; max-age=0", 0, "/", True),
        ("a=1; Path=relative; Max-Age=soon", None, "/", False),
        ("a=1; Max-Age=+3600", None, "/", False),
    ],
)
def test_a_set_cookie_is_read_as_browsers_read_it(text, seconds, path, deletes):
    """RFC 6265, 5.2: Max-Age overrides Expires, values are not kept, and unknown attributes are ignored."""
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
def test_a_third_party_has_another_registrable_domain(host, own, third):
    """The Public Suffix List decides; ports do not matter."""
    assert is_third_party(host, own) is third


def test_a_site_has_every_host_name_of_its_settings():
    """A cookie of any of these names belongs to the site, and no other name does."""
    own = ("127.0.0.1:5000", "shop.example", "shop.test")
    assert [is_third_party(host, *own) for host in ("cdn.shop.test", "www.shop.example", "127.0.0.1", "video.example")] == [
        False, False, False, True,
    ]  # fmt: skip
