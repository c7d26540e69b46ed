"""Events of a consenting visitor: what is recorded, and what never is."""

import json
import re

import pytest
from flask import Response

from conftest import choose, cookie
from flask_mixamo_privacy.errors import EventError
from flask_mixamo_privacy.storage.clock import timestamp
from flask_mixamo_privacy.tracking.events import FIELDS, collect, collect_all, needs, properties
from flask_mixamo_privacy.web.current import current_visitor

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def consenting(site, *purposes, **headers):
    visitor = site.visitor(**headers)
    choose(visitor, "save", *(purposes or ("statistics", "customisation")))
    return visitor


def test_promise_14_the_fields_are_exactly_the_declared_ones(tiny):
    """Every event has these thirteen fields and no other; empty ones are null."""
    site = tiny()
    consenting(site, User_Agent=BROWSER).get("/other", headers={"Referer": "https://search.example/find?q=secret"})
    event = site.events("page_view")[0]
    assert tuple(event) == FIELDS
    assert (event["page"], event["referrer"], event["previous"]) == ("/other", "https://search.example/find", None)
    assert (event["browser"], event["platform"], event["network"], event["provider"]) == (
        "Firefox",
        "Linux",
        "127.0.0.0/24",
        None,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["at"])


@pytest.mark.parametrize("choice", ["reject_all", None])
def test_promise_22_nothing_is_recorded_without_consent(tiny, choice):
    """A visitor who refused or never answered causes no visits, custom events or choices."""
    site = tiny()
    site.view("/play", lambda: site.privacy.track("video.played", seconds=3) or "played")
    visitor = site.visitor()
    if choice:
        choose(visitor, choice)
    for path in ("/", "/play", "/theme/dark"):
        visitor.get(path)
    assert site.events() == []


def test_the_gate_drops_events_that_are_not_granted():
    """A customisation event needs both grants, every other event needs statistics, and the gate checks each event."""
    line = {"event_id": "1", "now": 0.0, "visitor": "v", "visit": "w", "where": '"page":"/"', "data": "{}"}
    values = tuple(line.values())
    assert collect({"customisation"}, "customisation", *values) == collect({"statistics"}, "customisation", *values) == ""
    assert collect(set(), "page_view", *values) == collect({"customisation"}, "click", *values) == ""
    assert collect({"statistics"}, "page_view", *values)
    assert needs("customisation") == {"statistics", "customisation"}


@pytest.mark.parametrize(
    ("granted", "kinds"),
    [
        ((), []),
        (("statistics",), ["click", "page_exit"]),
        (("customisation",), []),
        (("statistics", "customisation"), ["click", "customisation", "page_exit"]),
    ],
)
def test_the_gate_checks_each_event_of_one_write(granted, kinds):
    """Of several events of one request, the log gets those whose purposes are granted, in their order."""
    events = [(kind, "1", 0.0, '"page":"/"', "{}") for kind in ("click", "customisation", "page_exit")]
    assert [json.loads(line)["kind"] for line in collect_all(set(granted), events, "v", "w").splitlines()] == kinds


def test_promise_13_the_second_visit_is_a_repeat(tiny, clock):
    """The first request after half an hour starts a visit with its number and the days since the last one."""
    site = tiny()
    site.view("/back", lambda: f"{current_visitor.is_repeat} {current_visitor.visit_number}")
    visitor = consenting(site)
    assert visitor.get("/back").text == "False 1"
    clock.shift(3 * 86400)
    assert visitor.get("/back").text == "True 2"
    assert [event["kind"] for event in site.events()] == [
        "visit_start",
        "page_view",
        "visit_start",
        "repeat_visit",
        "page_view",
    ]
    assert site.events("repeat_visit")[0]["data"] == {"visit_number": 2, "days_since_last": 3}


def test_promise_13_without_consent_no_visitor_is_a_repeat(tiny, clock):
    """`current_visitor` of a visitor without consent is empty."""
    site = tiny()
    visitor = site.visitor()
    site.view("/back", lambda: f"{bool(current_visitor)} {current_visitor.is_repeat} {current_visitor.visit_number}")
    visitor.get("/back")
    clock.shift(86400)
    assert visitor.get("/back").text == "False False 0"


@pytest.mark.parametrize(("minutes", "visits"), [(29, 1), (30, 1), (31, 2)])
def test_a_visit_ends_with_a_gap_of_thirty_minutes(tiny, clock, minutes, visits):
    """A shorter gap belongs to the same visit."""
    site = tiny()
    visitor = consenting(site)
    visitor.get("/")
    clock.shift(minutes * 60)
    visitor.get("/")
    assert len(site.events("visit_start")) == visits


def test_a_long_visit_stays_one(tiny, clock):
    """Requests every twenty minutes for three hours are one visit."""
    site = tiny()
    visitor = consenting(site)
    for _ in range(9):
        visitor.get("/")
        clock.shift(20 * 60)
    assert (len(site.events("visit_start")), len(site.events("page_view"))) == (1, 9)


def test_two_tabs_opened_at_once_start_one_visit(tiny, clock):
    """Both tabs send the same old cookie, and the visit that they start has one id."""
    site = tiny()
    visitor = consenting(site)
    visitor.get("/")
    old = cookie(visitor, "privacy_visitor")
    clock.shift(3600)
    for path in ("/", "/other"):
        visitor.set_cookie("privacy_visitor", old)
        visitor.get(path)
    assert (len(site.events("visit_start")), len(site.events("repeat_visit")), len(site.events("page_view"))) == (2, 1, 3)


def test_the_cookie_is_renewed_once_a_minute_at_most(tiny, clock):
    """A page within a minute of the last one sets no cookie."""
    site = tiny()
    visitor = consenting(site)
    assert "Set-Cookie" in visitor.get("/").headers
    assert "Set-Cookie" not in visitor.get("/").headers
    clock.shift(61)
    assert "Set-Cookie" in visitor.get("/").headers


def test_promise_16_page_names_lose_queries_mail_addresses_and_tokens(tiny):
    """No page name contains an identifier of a person or a secret."""
    site = tiny()
    visitor = consenting(site)
    visitor.get(
        "/item/a@b.example?email=a@b.example&token=s3cret", headers={"Referer": "http://localhost/other?mail=a@b.example"}
    )
    visitor.get("/item/3f2b8c1e9d7a4f60b1c2d3e4f5a6b7c8")
    text = json.dumps(site.events())
    assert "@" not in text and "s3cret" not in text and "3f2b8c1e" not in text
    assert [event["page"] for event in site.events("page_view")] == ["/item/:email", "/item/:token"]


def test_promise_16_no_full_address_and_no_raw_user_agent(tiny):
    """No file on the disk contains either of them."""
    site = tiny()
    visitor = consenting(site, User_Agent=BROWSER)
    visitor.get("/", environ_base={"REMOTE_ADDR": "203.0.113.77"})
    site.events()
    everything = b"".join((site.folder / name).read_bytes() for name in site.files())
    assert b"203.0.113.0/24" in everything
    assert b"203.0.113.77" not in everything and b"Gecko" not in everything and b"rv:140" not in everything


def test_promise_16_a_logged_in_users_page_is_the_url_rule(tiny):
    """With Flask-Login, the path of a page seen by a logged-in user is not recorded, before or after a logout."""
    from flask_login import LoginManager, UserMixin, login_user, logout_user

    class User(UserMixin):
        id = "42"

    site = tiny()
    LoginManager(site.app).user_loader(lambda _: User())
    site.view("/in", lambda: str(login_user(User())))
    site.view("/out", lambda: str(logout_user()))
    site.view("/of/<name>", lambda name: name)
    visitor = consenting(site)
    for path, referrer in (
        ("/in", "/"),
        ("/of/alice", "/in"),
        ("/of/alice", "/of/alice"),
        ("/out", "/of/alice"),
        ("/", "/of/alice"),
    ):
        visitor.get(path, headers={"Referer": f"http://localhost{referrer}"})
    assert "alice" not in json.dumps(site.events())
    assert "/of/<name>" in {event["page"] for event in site.events()}


def test_a_site_chooses_how_a_page_is_named(tiny):
    """Pages are recorded by path, by rule, or not at all."""
    site = tiny()
    for naming in ("path", "rule", "never"):
        site.app.get(f"/{naming}/<x>", endpoint=naming)(site.privacy.page(naming)(lambda x: x))
    visitor = consenting(site)
    for naming in ("path", "rule", "never"):
        visitor.get(f"/{naming}/one")
    assert [event["page"] for event in site.events("page_view")] == ["/path/one", "/rule/<x>"]


def test_the_site_can_define_who_is_logged_in(tiny):
    """A site without Flask-Login provides a callable for it."""
    site = tiny(PRIVACY_LOGGED_IN=lambda: True)
    consenting(site).get("/item/walk")
    assert site.events("page_view")[0]["page"] == "/item/<name>"


@pytest.mark.parametrize(
    ("response", "headers"),
    [
        (Response("{}", mimetype="application/json"), {}),
        (Response("no", 404), {}),
        (Response("no", 500), {}),
        (Response("", 302, {"Location": "/"}), {}),
        (Response("part"), {"Sec-Fetch-Dest": "iframe"}),
        (Response("part"), {"Sec-Fetch-Dest": "empty"}),
        (Response("ahead"), {"Sec-Purpose": "prefetch"}),
    ],
)
def test_only_a_page_that_a_visitor_opened_is_a_page_view(tiny, response, headers):
    """Data, errors, redirects, frames, fetches and prefetches are no page views."""
    site = tiny()
    site.view("/thing", lambda: response)
    consenting(site).get("/thing", headers=headers)
    assert site.events() == []


def test_posts_and_our_own_pages_are_no_page_views(tiny):
    """Reading the policy and deciding are not recorded."""
    site = tiny()
    visitor = consenting(site)
    for path in ("/privacy/", "/privacy/consent", "/privacy/state.json"):
        visitor.get(path)
    assert site.events() == []


def test_a_custom_event_is_recorded_with_its_values(tiny):
    """Events are in the order of the request: the visit, the page view, and the custom event."""
    site = tiny()
    site.view("/play", lambda: site.privacy.track("video.played", seconds=30, title="by a@b.example") or "played")
    consenting(site).get("/play")
    events = site.events()
    assert [event["kind"] for event in events] == ["visit_start", "page_view", "video.played"]
    assert events[2]["data"] == {"seconds": 30, "title": "by :email"}


def test_promise_16_a_number_of_a_person_is_scrubbed_as_its_text_is():
    """A card is one also without quotes; prices, sizes and durations stay."""
    values = {
        "card": 4111111111111111,
        "phone": 4.9301234567e10,
        "size": 99_999_999,
        "price": 1299.5,
        "yes": True,
        "no": None,
    }
    kept = {name: value for name, value in values.items() if name not in ("card", "phone")}
    assert json.loads(properties(values)) == {"card": ":number", "phone": ":number", **kept}


def test_an_event_from_a_streamed_body_is_recorded(tiny):
    """The event is recorded although the response's headers were already sent."""
    from flask import stream_with_context

    site = tiny()

    def body():
        site.privacy.track("stream.ended")
        yield "end"

    site.view("/stream", lambda: Response(stream_with_context(body())))
    visitor = consenting(site)
    visitor.get("/")
    visitor.get("/stream")
    assert len(site.events("stream.ended")) == 1


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("page_view", {}, "The name of an event is 'page_view'; allowed: any name except the automatic events: visit_start, "
         "repeat_visit, page_view, page_exit, click, exit_link, customisation."),
        ("", {}, "The event or property name is ''; allowed: 1 to 64 letters, digits and _.:- , beginning with a letter."),
        ("a b", {}, "The event or property name is 'a b'; allowed: 1 to 64 letters, digits and _.:- , beginning with a letter."),
        ("ok", {"x": [1]}, "The property 'x' is [1]; allowed: a string, a number of at most 2 ** 53, True, False or None."),
        ("ok", {"x": float("nan")}, "The property 'x' is nan; allowed: a string, a number of at most 2 ** 53, True, False or None."),
        ("ok", {f"p{n}": n for n in range(17)}, "The number of properties is 17; allowed: at most 16."),
    ],
)  # fmt: skip
def test_an_invalid_event_raises_in_tests_and_is_logged_in_production(tiny, name, values, sentence):
    """A test sees the error; a visitor sees the page."""
    loud, quiet = tiny(), tiny(TESTING=False)
    with loud.app.test_request_context(), pytest.raises(EventError) as raised:
        loud.privacy.track(name, **values)
    assert str(raised.value) == sentence
    with quiet.app.test_request_context():
        quiet.privacy.track(name, **values)
        assert quiet.privacy.runtime(quiet.app).failures == 1


def test_times_are_utc_to_the_millisecond():
    """The server's own time zone does not matter."""
    assert timestamp(1778241600.25) == "2026-05-08T12:00:00.250Z"


def test_the_provider_is_recorded_only_with_a_database(tiny, tmp_path):
    """The address is looked up in memory, and only the provider's name is kept."""
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(4, "GeoLite2-ASN")
    writer.insert_network(IPSet(["203.0.113.0/24"]), {"autonomous_system_organization": "Example Net"})
    writer.to_db_file(str(tmp_path / "isp.mmdb"))
    site = tiny(PRIVACY_ISP_DATABASE=str(tmp_path / "isp.mmdb"))
    visitor = consenting(site)
    for address in ("203.0.113.9", "203.0.113.9:4711", "198.51.100.1", "[2001:db8::1]:4711"):
        visitor.get("/", environ_base={"REMOTE_ADDR": address})
    assert [event["provider"] for event in site.events("page_view")] == ["Example Net", "Example Net", None, None]


def test_a_choice_with_a_lone_surrogate_is_remembered_without_it(tiny):
    """A view may pass on JSON, which can encode one, and no cookie can."""
    site = tiny()
    site.view("/odd", lambda: site.privacy.customise("theme", "dark\ud800") or "ok")
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert visitor.get("/odd").status_code == 200
    assert visitor.get("/privacy/me.json").json["choices"] == {"theme": "dark?"}
