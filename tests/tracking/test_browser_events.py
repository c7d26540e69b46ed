"""Browser events: POST /privacy/events."""

import io
import json
import re

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.tracking.ingest import BURST, PER_SECOND, EventParser, RateLimit


def consenting_visitor(site, *purposes, **headers):
    visitor = site.visitor(**headers)
    choose(visitor, "save", *(purposes or ("statistics",)))
    return visitor


def report(visitor, *events, **options):
    return visitor.post("/privacy/events", data=json.dumps(events), **options)


def click(**fields):
    return {"id": "1", "kind": "click", "page": "/", **fields}


def test_an_accepted_event_is_in_the_log(tiny):
    """The answer is an uncached 204; the log has the events with the server's own fields and the visit."""
    site = tiny()
    visitor = consenting_visitor(site)
    response = report(visitor, click(data={"to": "/other"}), {"id": "2", "kind": "video.played", "data": {"seconds": 3}})
    assert (response.status_code, response.data, response.headers["Cache-Control"]) == (204, b"", "no-store")
    start, pressed, played = site.events()
    assert (start["kind"], pressed["kind"], played["kind"]) == ("visit_start", "click", "video.played")
    assert (pressed["id"], pressed["page"], pressed["data"]) == ("1", "/", {"to": "/other"})
    assert (played["page"], played["data"]) == (None, {"seconds": 3})
    assert len({(event["visitor"], event["visit"], event["network"]) for event in site.events()}) == 1
    assert cookie(visitor, "privacy_visitor").startswith(start["visitor"])


def test_a_visit_starts_only_with_a_recent_action(tiny, clock):
    """Closing a page after hours, or an old event, starts no visit; a click does."""
    site = tiny()
    visitor = consenting_visitor(site)
    visitor.get("/")
    clock.shift(2 * 3600)
    report(visitor, {"id": "a", "kind": "page_exit", "page": "/", "data": {"seconds": 9}})
    report(visitor, click(id="b", age=2 * 3600 * 1000))
    assert len(site.events("visit_start")) == 1
    report(visitor, click(id="c"))
    assert [event["data"]["visit_number"] for event in site.events("repeat_visit")] == [2]


@pytest.mark.parametrize("choice", [None, "reject_all", "customisation"])
def test_without_consent_to_statistics_no_event_is_accepted(tiny, choice):
    """The answer is 403 without a cookie or a file, before a choice and after any other choice."""
    site = tiny()
    visitor = site.visitor() if choice != "customisation" else consenting_visitor(site, "customisation")
    if choice == "reject_all":
        choose(visitor, choice)
    before = site.files()
    response = report(visitor, click())
    assert response.status_code == 403 and "Set-Cookie" not in response.headers
    assert response.json == {"message": "The visitor has not allowed statistics, so nothing was recorded."}
    assert site.files() == before and site.events() == []


def test_global_privacy_control_suspends_browser_events_too(tiny):
    """A grant does not count while the signal is sent."""
    site = tiny()
    assert report(consenting_visitor(site), click(), headers={"Sec-GPC": "1"}).status_code == 403
    assert site.events() == []


def test_after_a_withdrawal_no_event_is_accepted(tiny):
    """Earlier events are erased, and a late one is rejected."""
    site = tiny()
    visitor = consenting_visitor(site)
    old = cookie(visitor), (report(visitor, click()), cookie(visitor, "privacy_visitor"))[1]
    choose(visitor, "reject_all")
    assert report(visitor, click(id="2")).status_code == 403
    visitor.set_cookie("privacy_consent", old[0])
    visitor.set_cookie("privacy_visitor", old[1])
    report(visitor, click(id="3"))
    assert site.events() == []


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]
)
def test_a_cross_site_report_is_rejected(tiny, headers):
    """Another site cannot write to a visitor's log."""
    site = tiny()
    response = report(consenting_visitor(site), click(), headers=headers)
    assert response.status_code == 403 and response.json["message"].startswith(
        "These events did not come from a page of this"
    )
    assert site.events() == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", None])
def test_any_content_type_is_accepted(tiny, kind):
    """Browsers send beacons with different content types."""
    site = tiny()
    assert report(consenting_visitor(site), click(), content_type=kind).status_code == 204
    assert len(site.events("click")) == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is ''; allowed: a JSON list of 1 to 100 events."),
        (b"{", "The body is '{'; allowed: a JSON list of 1 to 100 events."),
        (b"\xff", "The body is '\ufffd'; allowed: a JSON list of 1 to 100 events."),
        (b"[" * 5000, None),
        (b"[" * 1000 + b"]" * 1000, None),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, None),
        (b'[{"kind":"x","data":{"y":' + b"[" * 300 + b"]" * 300 + b"}}]", None),
        (b'[{"kind":' + b"[" * 1000 + b"]" * 1000 + b"}]", None),
        (b"[]", "The body is []; allowed: a JSON list of 1 to 100 events."),
        (b'{"kind":"click"}', "The body is {'kind': 'click'}; allowed: a JSON list of 1 to 100 events."),
        (b"[1]", "Event 1 is 1; allowed: an object."),
        (b'[{"kind":"click"},{}]', "The kind of event 2 is None; allowed: page_view, page_exit, click, exit_link, or 1 to 64 letters, digits and _.:- , beginning with a letter."),
        (b'[{"kind":"a b"}]', "The kind of event 1 is 'a b'; allowed: page_view, page_exit, click, exit_link, or 1 to 64 letters, digits and _.:- , beginning with a letter."),
        (b'[{"kind":"visit_start"}]', "The kind of event 1 is 'visit_start'; allowed: page_view, page_exit, click, exit_link, or 1 to 64 letters, digits and _.:- , beginning with a letter; only the server records this kind."),
        (b'[{"kind":"click","id":"a b"}]', "The id of event 1 is 'a b'; allowed: 1 to 64 letters, digits and _.:-, or null."),
        (b'[{"kind":"click","id":7}]', "The id of event 1 is 7; allowed: 1 to 64 letters, digits and _.:-, or null."),
        (b'[{"kind":"click","page":"other"}]', "The page of event 1 is 'other'; allowed: a path that begins with /, or null."),
        (b'[{"kind":"click","page":["/"]}]', "The page of event 1 is ['/']; allowed: a path that begins with /, or null."),
        (b'[{"kind":"click","previous":1}]', "The previous page of event 1 is 1; allowed: a path, a URL, or null."),
        (b'[{"kind":"click","age":"old"}]', "The age of event 1 is 'old'; allowed: a number of milliseconds."),
        (b'[{"kind":"click","age":true}]', "The age of event 1 is True; allowed: a number of milliseconds."),
        (b'[{"kind":"click","at":"noon"}]', "The time of event 1 is 'noon'; allowed: an ISO 8601 string, or milliseconds since 1970."),
        (b'[{"kind":"click","at":[]}]', "The time of event 1 is []; allowed: a number of milliseconds."),
        (b'[{"kind":"click","data":[1]}]', "The data of event 1 is [1]; allowed: a flat object, or null."),
        (b'[{"kind":"x","data":{"y":{}}}]', "The property 'y' of event 1 is {}; allowed: a string, a number of at most 2 ** 53, True, False or None."),
        (b'[{"kind":"click","data":{"to":[]}}]', "The property 'to' of event 1 is []; allowed: a string, a number of at most 2 ** 53, True, False or None."),
        (b'[{"kind":"x","data":{"a b":1}}]', "The event or property name of event 1 is 'a b'; allowed: 1 to 64 letters, digits and _.:- , beginning with a letter."),
        (b'[{"kind":"x","data":{"y":99999999999999999}}]', "The property 'y' of event 1 is 99999999999999999; allowed: a string, a number of at most 2 ** 53, True, False or None."),
    ],
)  # fmt: skip
def test_a_malformed_report_is_rejected_with_the_reason(tiny, body, sentence):
    """The answer is 400 with one sentence, and none of its events is accepted."""
    site = tiny()
    response = consenting_visitor(site).post("/privacy/events", data=body)
    assert response.status_code == 400 and site.events() == []
    assert sentence is None or response.json == {"message": sentence}


@pytest.mark.parametrize("kind", ["visit_start", "repeat_visit", "customisation"])
def test_a_browser_cannot_send_events_of_the_server(tiny, kind):
    """Visits are counted by the server, and a choice needs a grant of its own."""
    site = tiny()
    assert report(consenting_visitor(site), {"id": "1", "kind": kind}).status_code == 400
    assert site.events() == []


def test_a_report_has_a_hundred_events_at_most(tiny):
    """A hundred events are accepted, and one more is too many."""
    site = tiny()
    visitor = consenting_visitor(site)
    events = [click(id=str(number)) for number in range(101)]
    assert [report(visitor, *events[:100]).status_code, report(visitor, *events).status_code] == [204, 413]
    assert len(site.events("click")) == 100


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_report_has_64_KiB_at_most(tiny, declared):
    """A longer report is rejected unread, with a declared length or chunked."""
    site = tiny()
    visitor = consenting_visitor(site)
    whole = json.dumps([click()]).encode()
    for size, status in ((64 * 1024, 204), (64 * 1024 + 1, 413)):
        body = io.BytesIO(whole + b" " * (size - len(whole)))
        length = {"CONTENT_LENGTH": str(size)} if declared else {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
        response = visitor.post("/privacy/events", input_stream=body, environ_overrides=length)
        assert response.status_code == status
    assert len(site.events("click")) == 1
    assert response.json["message"].endswith("allowed: at most 65536 bytes.")


def test_a_visitor_has_a_rate_limit(tiny, clock):
    """The answer 429 has the time to wait; other visitors are not affected."""
    site = tiny()
    visitor, other = consenting_visitor(site), consenting_visitor(site)
    for number in range(BURST):
        assert report(visitor, click(id=str(number))).status_code == 204
    refused = report(visitor, click(id="late"))
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert report(other, click()).status_code == 204
    clock.shift(1)
    assert report(visitor, click(id="late")).status_code == 204


def test_the_number_of_rate_limits_is_bounded():
    """The visitor unseen for longest is forgotten and then has a full allowance again."""
    allowance = RateLimit()
    assert [allowance.retry_after("one", 0.0) for _ in range(BURST + 1)] == [0] * BURST + [1]
    for number in range(4096):
        allowance.retry_after(str(number), 0.0)
    assert len(allowance._buckets) == 4096 and allowance.retry_after("one", 0.0) == 0
    assert allowance.retry_after("one", -5.0) == 0  # a clock that was set back reduces no allowance
    assert PER_SECOND >= 1


def test_an_unavailable_log_is_answered_503_and_the_next_try_counts_once(tiny, monkeypatch):
    """Meanwhile a new visitor gets no ID; then the answer is 204, and each event counts once."""
    site = tiny()
    visitor = consenting_visitor(site)
    with monkeypatch.context() as patched:
        patched.setattr("flask_mixamo_privacy.tracking.log._write", lambda descriptor, data: 1)
        response = report(visitor, click(), click(id="2"))
    assert response.status_code == 503 and "Set-Cookie" not in response.headers
    assert response.json == {"message": "The log could not be written, so nothing was recorded. Try again later."}
    assert [report(visitor, click(), click(id="2")).status_code for _ in range(2)] == [204, 204]
    assert [event["id"] for event in site.events("click")] == ["1", "2"]


def test_the_same_event_sent_again_counts_once(tiny):
    """An event is the same by its id and visitor, also in another batch or tab."""
    site = tiny()
    visitor, other = consenting_visitor(site), consenting_visitor(site)
    for events in ([click()], [click(), click(id="2")], [click(id="2"), click(id="2")]):
        report(visitor, *events)
    report(other, click())
    assert sorted(event["id"] for event in site.events("click")) == ["1", "1", "2"]


def test_an_event_without_an_id_gets_one(tiny):
    """Two events without an id are two events."""
    site = tiny()
    report(consenting_visitor(site), {"kind": "click"}, {"kind": "click"})
    assert len({event["id"] for event in site.events("click")}) == 2


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({}, "2026-05-08T12:00:00.000Z"),
        ({"age": 1500}, "2026-05-08T11:59:58.500Z"),
        ({"age": None, "at": None}, "2026-05-08T12:00:00.000Z"),
        ({"age": -5000}, "2026-05-08T12:00:00.000Z"),
        ({"age": 1e30}, "2026-05-07T12:00:00.000Z"),
        ({"age": 0, "at": "2020-01-01T00:00:00Z"}, "2026-05-08T12:00:00.000Z"),
        ({"at": "2026-05-08T11:00:00.250Z"}, "2026-05-08T11:00:00.250Z"),
        ({"at": "2026-05-08T11:00:00"}, "2026-05-08T11:00:00.000Z"),
        ({"at": "2026-05-08T13:00:00+02:00"}, "2026-05-08T11:00:00.000Z"),
        ({"at": 1778238000000}, "2026-05-08T11:00:00.000Z"),
        ({"at": "2031-01-01T00:00:00Z"}, "2026-05-08T12:00:00.000Z"),
        ({"at": "1970-01-01T00:00:00Z"}, "2026-05-07T12:00:00.000Z"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "2026-05-07T12:00:00.000Z"),
    ],
)
def test_a_browsers_clock_moves_an_event_by_a_day_at_most(tiny, clock, fields, at):
    """The age takes precedence over the time, and no event is in the future or older than a day."""
    site = tiny()
    assert report(consenting_visitor(site), click(**fields)).status_code == 204
    assert {event["at"] for event in site.events()} == {at}


def test_a_browser_cannot_set_fields_of_the_server(tiny):
    """Every other field that a browser sends is dropped, whatever its value."""
    site = tiny()
    forged = dict.fromkeys(("visitor", "visit", "referrer", "browser", "platform", "provider", "network"), "forged")
    report(consenting_visitor(site), click(**forged, more={"deep": [1]}, email="a@b.example"))
    text = json.dumps(site.events())
    assert "forged" not in text and "a@b.example" not in text and "deep" not in text


def test_promise_16_browser_events_are_scrubbed(tiny):
    """Paths lose queries, fragments, addresses and tokens; texts lose addresses; other sites keep host and path."""
    site = tiny()
    token = "3f2b8c1e9d7a4f60b1c2d3e4f5a6b7c8"
    report(
        consenting_visitor(site),
        click(
            page=f"/item/{token}?q=secret#part",
            previous="/item/a@b.example?q=secret",
            data={"to": f"/item/{token}?q=secret"},
        ),
        click(id="2", data={"button": f"delete-{token}", "label": "to a@b.example"}),
        {"id": "3", "kind": "exit_link", "data": {"to": f"https://me:secret@other.example/reset/{token}?q=secret#x"}},
        click(id="4", page="/item/%61%40b.example", data={"to": "mailto:"}),
    )
    events = site.events("click", "exit_link")
    assert [(event["page"], event["previous"], event["data"]) for event in events] == [
        ("/item/:token", "/item/:email", {"to": "/item/:token"}),
        ("/", None, {"button": ":token", "label": "to :email"}),
        (None, None, {"to": "https://other.example/reset/:token"}),
        ("/item/:email", None, {"to": "mailto:"}),
    ]


@pytest.mark.parametrize("to", ["javascript:alert(1)", "mailto:a@b.example", "http://[", "data:text/plain,secret", "", None])
def test_a_target_that_is_no_page_is_not_recorded(tiny, to):
    """The event counts without its target."""
    site = tiny()
    assert report(consenting_visitor(site), click(data={"to": to, "button": "x"})).status_code == 204
    assert [event["data"] for event in site.events("click")] == [{"button": "x"}]


def test_a_link_to_the_sites_own_host_is_recorded_as_a_page(tiny):
    """The page is found by path, by URL and by the host's own name."""
    site = tiny()
    report(consenting_visitor(site), click(previous="http://localhost/item/a?b", data={"to": "http://localhost/item/b?c"}))
    assert [(event["previous"], event["data"]) for event in site.events("click")] == [("/item/a", {"to": "/item/b"})]


def test_the_page_of_another_site_that_led_here_is_the_referrer(tiny):
    """The referrer is recorded as for a page view of the server."""
    site = tiny()
    report(
        consenting_visitor(site),
        {"id": "1", "kind": "page_view", "page": "/", "previous": "https://search.example/find?q=x"},
    )
    (view,) = site.events("page_view")
    assert (view["previous"], view["referrer"]) == (None, "https://search.example/find")


def test_promise_16_pages_of_a_logged_in_user_are_url_rules_in_browser_events_too(tiny):
    """The URL rule replaces the path during a login, and later until the page is viewed without a login."""
    logged_in = [True]
    site = tiny(PRIVACY_LOGGED_IN=lambda: logged_in[0])
    visitor = consenting_visitor(site)
    event = click(page="/item/alice", previous="/item/alice", data={"to": "/item/alice"})
    report(visitor, event)
    logged_in[0] = False
    report(visitor, {**event, "id": "2"}, click(id="3", page="/no/such/alice", data={"to": "/no/such/alice"}))
    assert "alice" not in json.dumps(site.events())
    assert [event["page"] for event in site.events("click")] == ["/item/<name>", "/item/<name>", None]
    visitor.get("/item/walk")
    report(visitor, click(id="4", page="/item/run"))
    assert [event["page"] for event in site.events("click")][-1] == "/item/run"


def test_promise_16_a_page_of_a_user_is_a_url_rule_in_reports_that_arrive_after_the_logout(tiny):
    """The tracker of a page that was rendered for a user states so, because any visitor may open that page too."""
    logged_in = [False]
    site = tiny(PRIVACY_LOGGED_IN=lambda: logged_in[0])
    visitor = consenting_visitor(site)
    visitor.get("/item/walk")  # the endpoint is public
    logged_in[0] = True
    events = re.search(r'/privacy/tracker\.js\S*?for=([^"]+)', visitor.get("/item/alice").text)[1]
    logged_in[0] = False
    event = click(page="/item/alice", previous="/item/alice", data={"to": "/item/alice"})
    assert visitor.post(f"/privacy/events?for={events}", data=json.dumps([event])).status_code == 204
    assert [event["page"] for event in site.events("click")] == ["/item/<name>"]
    assert "alice" not in json.dumps(site.events())


def test_without_logins_every_page_is_recorded_by_its_path(tiny):
    """The path is recorded from the first event of a process, also for routes of the browser."""
    site = tiny()
    report(consenting_visitor(site), click(page="/item/walk"), click(id="2", page="/app/settings"))
    assert [event["page"] for event in site.events("click")] == ["/item/walk", "/app/settings"]


def test_an_uncounted_page_is_not_recorded_either(tiny):
    """Neither is a page of the extension; a click that leads there is recorded without its target."""
    site = tiny()
    site.app.get("/secret/<x>", endpoint="secret")(site.privacy.page("never")(lambda x: x))
    visitor = consenting_visitor(site)
    assert report(visitor, click(page="/secret/1"), click(id="2", page="/privacy/consent")).status_code == 204
    assert site.events() == []
    report(visitor, click(previous="/secret/1", data={"to": "/secret/1"}))
    assert [(event["previous"], event["data"]) for event in site.events("click")] == [(None, {})]


def test_a_site_below_a_path_records_complete_paths(tiny):
    """Paths include the SCRIPT_NAME, as in page views; a path outside it is no page of the site."""
    site = tiny(PRIVACY_LOGGED_IN=lambda: False, PRIVACY_COOKIE_PATH="/")
    visitor = consenting_visitor(site)
    events = [click(page="/app/item/walk"), click(id="2", page="/application/item/walk"), click(id="3", page="/app")]
    visitor.post("/privacy/events", data=json.dumps(events), environ_overrides={"SCRIPT_NAME": "/app"})
    assert [event["page"] for event in site.events("click")] == ["/app/item/<name>", None, "/app/"]


@pytest.mark.parametrize(
    "headers", [{"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}, {"Sec-Purpose": "prefetch"}]
)
def test_a_robot_is_answered_and_not_recorded(tiny, headers):
    """Neither is a page that the browser prerenders."""
    site = tiny()
    assert report(consenting_visitor(site), click(), headers=headers).status_code == 204
    assert site.events() == []


def test_an_event_after_half_an_hour_starts_a_visit(tiny, clock):
    """The visit starts at the first event, as with a page view, and the cookie has it."""
    site = tiny()
    visitor = consenting_visitor(site)
    visitor.get("/")
    clock.shift(31 * 60)
    response = report(visitor, click(age=2000))
    assert "privacy_visitor" in response.headers["Set-Cookie"]
    assert [event["kind"] for event in site.events()] == ["visit_start", "page_view", "visit_start", "repeat_visit", "click"]
    assert site.events("repeat_visit")[0]["at"] == site.events("click")[0]["at"]
    assert "Set-Cookie" not in report(visitor, click(id="2")).headers


def test_only_declared_fields_are_recorded(tiny):
    """Pages or data that the policy does not declare are not recorded from a browser."""
    from dataclasses import replace

    from flask_mixamo_privacy.policy.parts import Log
    from flask_mixamo_privacy.policy.toml import built_in

    site = tiny(PRIVACY_POLICY=replace(built_in(), log=Log(fields=("browser",))))
    report(consenting_visitor(site), click(page="/other", previous="/", data={"to": "/other"}))
    (event,) = site.events("click")
    assert (event["page"], event["previous"], event["data"], event["browser"]) == (None, None, {}, "Other")


def test_a_failing_login_callable_loses_no_event(tiny):
    """If the site's callable fails, the visitor counts as logged in."""
    site = tiny(TESTING=False, PRIVACY_LOADER=False, PRIVACY_LOGGED_IN=lambda: 1 / 0)
    assert report(consenting_visitor(site), click(page="/item/alice")).status_code == 204
    assert [event["page"] for event in site.events("click")] == ["/item/<name>"]


def test_a_body_is_parsed_without_an_app():
    """The parser works without Flask."""
    (event,) = EventParser("here.example", str.upper).read(b'[{"id":"x","kind":"click","page":"/a","age":1000}]', 10.0)
    assert event == ("x", 9.0, ("click", "{}", "/A", "", ""))
