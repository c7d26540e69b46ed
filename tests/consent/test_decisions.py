"""The endpoint for decisions: who may post, its responses, and its ledger entries."""

import json
import re

import pytest

from conftest import choose, cookie, in_a_thread
from flask_mixamo_privacy import signals
from flask_mixamo_privacy.consent import proof
from flask_mixamo_privacy.i18n.language import language
from flask_mixamo_privacy.policy.parts import Banner, Period
from flask_mixamo_privacy.policy.toml import built_in

BUILT_IN, ENGLISH = built_in(), language("en")


def fields(html, **more):
    """Return the hidden fields of the first form of the extension in a page."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html.partition("</form>")[0])) | more


def test_promise_3_browsing_is_no_consent_and_leaves_no_trace(tiny):
    """Ten page views without a decision set no cookie, record no grant and write no file."""
    site = tiny()
    visitor = site.visitor()
    assert [visitor.get("/other").headers.get("Set-Cookie") for _ in range(10)] == [None] * 10
    assert site.files() == []


def test_a_grant_is_on_disk_before_its_cookie(tiny):
    """The ledger's row has receipt, time, policy, purposes, source, language and the digest of the shown text."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all", **fields(visitor.get("/").text))
    row, text = site.ledger()[0], proof.banner(BUILT_IN, ENGLISH)
    assert row["receipt"] in cookie(visitor) and len(row["receipt"]) == 22
    assert (row["kind"], row["policy"], row["fingerprint"]) == ("grant", BUILT_IN.version, BUILT_IN.policy_fingerprint)
    assert json.loads(row["purposes"]) == ["customisation", "statistics"]
    assert (row["source"], row["locale"], row["text"]) == ("banner", "en", text.digest)


def test_the_shown_text_is_stored_once(tiny):
    """The ledger stores each text once and completely, however many visitors accept it."""
    site = tiny()
    for _ in range(3):
        visitor = site.visitor()
        choose(visitor, "accept_all", **fields(visitor.get("/").text))
    texts = list(site.ledger_texts())
    assert [(row["digest"], row["body"]) for row in texts] == [
        (proof.banner(BUILT_IN, ENGLISH).digest, proof.banner(BUILT_IN, ENGLISH).body)
    ]


def test_a_repeated_identical_decision_adds_no_row(tiny):
    """Accepting twice is one grant, and refusing twice is one refusal."""
    site = tiny()
    visitor, other = site.visitor(), site.visitor()
    for _ in range(3):
        choose(visitor, "accept_all")
        choose(other, "reject_all")
    assert [row["kind"] for row in site.ledger()] == ["grant"]
    assert [number for _, _, number in site.refusals()] == [1]


def test_a_refusal_has_no_row(tiny, clock):
    """It is counted by its day, and with it all who refuse on that day, with or without GPC."""
    site = tiny()
    for headers in ({}, {"Sec_GPC": "1"}):
        choose(site.visitor(**headers), "reject_all")
    assert site.ledger() == [] and site.refusals() == [("2026-05-08", "", 2)]


def test_a_withdrawal_names_the_grant_that_it_ends(tiny):
    """The withdrawal's entry has the receipt of the grant."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    choose(visitor, "reject_all")
    grant, withdrawal = site.ledger()
    assert (withdrawal["kind"], withdrawal["replaces"]) == ("withdrawal", grant["receipt"])


def test_promise_18_withdrawing_statistics_erases_the_visitors_events(tiny):
    """A withdrawal stops recording at once, deletes the ID, erases its events, and refuses late ones."""
    site = tiny()
    visitor, other = site.visitor(), site.visitor()
    for one in (visitor, other):
        choose(one, "accept_all")
        one.get("/")
    erased = cookie(visitor, "privacy_visitor")[:22]
    choose(visitor, "save", "customisation")
    visitor.get("/")
    assert cookie(visitor, "privacy_visitor") is None
    assert site.events() and erased not in {event["visitor"] for event in site.events()}


def test_without_javascript_the_answer_is_a_303_back(tiny):
    """The form's page is loaded again, with its query."""
    response = choose(tiny().visitor(), "accept_all", next="/other?colour=red")
    assert (response.status_code, response.headers["Location"]) == (303, "/other?colour=red")


def test_a_script_gets_json_and_nothing_is_logged_before_it_arrives(tiny):
    """The tracker reports the view of the page that stays open, once the browser has the cookie."""
    site = tiny()
    visitor = site.visitor(Accept="application/json")
    response = choose(visitor, "accept_all", next="/item/walk?size=2")
    assert response.json["purposes"] == {"necessary": "granted", "statistics": "granted", "customisation": "granted"}
    assert site.events() == []
    visitor.post("/privacy/events", json=[{"kind": "page_view", "page": "/item/walk"}])
    assert [(event["kind"], event["page"]) for event in site.events()] == [
        ("visit_start", "/item/walk"),
        ("page_view", "/item/walk"),
    ]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\n/evil.example",
        "javascript:alert(1)", "evil.example", "", "/" + "a" * 3000, "http:/evil.example", "\x00/", "///evil.example",
    ],
)  # fmt: skip
def test_next_never_leads_to_another_site(tiny, target):
    """Whatever the field contains, the response redirects to this site."""
    assert choose(tiny().visitor(), "reject_all", next=target).headers["Location"] == "/privacy/consent?saved=1"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Sec_Fetch_Site": "same-origin"}, 303),
        ({"Sec_Fetch_Site": "none"}, 303),
        ({"Origin": "http://localhost"}, 303),
        ({"Origin": "https://localhost"}, 303),  # behind a proxy that terminates TLS
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
    ],
)
def test_another_sites_page_cannot_post_a_decision(tiny, headers, status):
    """A post from another site changes nothing and returns an error message."""
    site = tiny()
    visitor = site.visitor(**headers)
    assert choose(visitor, "accept_all").status_code == status
    assert (cookie(visitor) is None) == (status == 403) == (site.files() == [])


@pytest.mark.parametrize(("origin", "status"), [("https://shop.example", 303), ("https://shop.example.evil.example", 403)])
def test_a_decision_behind_a_proxy_that_changes_the_host_is_our_own(tiny, origin, status):
    """The site names its host in PRIVACY_BASE_URL, because an old browser sends only ``Origin``."""
    visitor = tiny(PRIVACY_BASE_URL="https://shop.example/shop").visitor(Origin=origin)
    assert choose(visitor, "accept_all").status_code == choose(visitor, "reject_all").status_code == status


@pytest.mark.parametrize("csrf_first", [True, False])
def test_decisions_work_with_flask_wtf_in_either_order(tiny, csrf_first, tmp_path):
    """CSRFProtect requires a token for every form except ours, whichever was initialised first."""
    from flask import Flask
    from flask_wtf import CSRFProtect

    from flask_mixamo_privacy import Privacy

    app = Flask("guarded", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="not a secret, a test", TESTING=True)
    for extension in (CSRFProtect, Privacy) if csrf_first else (Privacy, CSRFProtect):
        extension(app)
    app.post("/own")(lambda: "own")
    assert choose(app.test_client(), "accept_all").status_code == 303
    assert app.test_client().post("/own").status_code == 400


@pytest.mark.parametrize("choice", ["", "accept", "ACCEPT_ALL", "accept_all "])
def test_an_unknown_choice_returns_an_explanation(tiny, choice):
    """The response is 400 with the received and the allowed values, and nothing is decided."""
    visitor = tiny().visitor(Accept="application/json")
    response = choose(visitor, choice)
    assert response.status_code == 400 and cookie(visitor) is None
    assert response.json["message"] == f"The field choice is {choice!r}; allowed: accept_all, reject_all, save."


def test_an_unknown_purpose_returns_an_explanation(tiny):
    """An undeclared purpose returns 400 instead of granting something that was never described."""
    response = choose(tiny().visitor(Accept="application/json"), "save", "marketing")
    assert (response.status_code, response.json["message"]) == (
        400,
        "There is no purpose 'marketing' here; there are: necessary, statistics, customisation.",
    )


@pytest.mark.parametrize(
    "shown", ["x", f"{BUILT_IN.policy_fingerprint}.banner.en.{'0' * 64}", "oldoldoldold.banner.en." + "0" * 64]
)
def test_an_outdated_text_grants_nothing(tiny, shown):
    """A visitor who accepted another text sees the current text and is asked again."""
    site = tiny()
    visitor = site.visitor()
    response = choose(visitor, "accept_all", shown=shown)
    assert response.status_code == 409 and cookie(visitor) is None and site.ledger() == []
    assert "What we ask has changed" in response.text and "Save my choice" in response.text


def test_an_unchanged_text_of_a_changed_purpose_grants_nothing(tiny):
    """The sentence of an open banner proves nothing if a purpose has changed since, such as its retention."""
    from dataclasses import replace

    statistics = replace(BUILT_IN.purpose("statistics"), retention=Period(3, "year"))
    purposes = tuple(statistics if purpose.id == "statistics" else purpose for purpose in BUILT_IN.purposes)
    late = proof.banner(BUILT_IN, ENGLISH)
    site = tiny(PRIVACY_POLICY=replace(BUILT_IN, purposes=purposes))
    choose(tiny().visitor(), "accept_all", shown=late.form_token)
    response = choose(site.visitor(), "accept_all", shown=late.form_token)
    assert response.status_code == 409 and len(site.ledger("grant")) == 1


def test_an_outdated_text_does_not_prevent_a_refusal(tiny):
    """A refusal is valid whatever text was shown."""
    visitor = tiny().visitor()
    assert choose(visitor, "reject_all", shown="old.words").status_code == 303
    assert cookie(visitor).startswith("r.")


def test_a_text_with_the_same_meaning_is_still_proof(tiny):
    """A typo corrected while a banner was open costs no extra click if the ledger has the shown text."""
    from dataclasses import replace

    before = replace(BUILT_IN, banner=Banner("May we count yuor visits?"))
    site, late = tiny(PRIVACY_POLICY=before), proof.banner(before, ENGLISH)
    choose(site.visitor(), "accept_all", shown=late.form_token)
    fixed = tiny()
    assert choose(fixed.visitor(), "accept_all", shown=late.form_token).status_code == 303
    assert [row["text"] for row in fixed.ledger()] == [late.digest] * 2


def test_an_api_client_is_recorded_without_a_shown_text(tiny):
    """The ledger does not claim that a text was shown."""
    site = tiny()
    choose(site.visitor(), "accept_all")
    assert [(row["source"], row["text"]) for row in site.ledger()] == [("api", "")]


def test_no_switch_is_on_before_a_decision(tiny):
    """Promise 10: an undecided visitor's settings page has no checked switch; later the switches show the decision."""
    visitor = tiny().visitor()
    assert " checked" not in visitor.get("/privacy/consent").text
    choose(visitor, "save", "statistics")
    assert re.findall(r'value="(\w+)"[^>]* checked', visitor.get("/privacy/consent").text) == ["statistics"]


def test_the_state_is_served_and_never_cached(tiny):
    """A site's own scripts can request the current grants."""
    visitor = tiny().visitor()
    choose(visitor, "save", "statistics")
    response = visitor.get("/privacy/state.json")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json == {
        "gpc": False,
        "purposes": {"necessary": "granted", "statistics": "granted", "customisation": "refused"},
        "granted": ["necessary", "statistics"],
        "services": {},
    }


def test_each_decision_sends_one_signal(tiny):
    """Each signal is sent once with the app as sender. A refusal carries no data about the visitor."""
    site, received = tiny(), []
    with (
        signals.consent_granted.connected_to(lambda app, **values: received.append(("granted", app, set(values)))),
        signals.consent_refused.connected_to(lambda app, **values: received.append(("refused", app, set(values)))),
        signals.consent_withdrawn.connected_to(
            lambda app, **values: received.append(("withdrawn", app, values["withdrawn"]))
        ),
    ):
        visitor = site.visitor()
        choose(visitor, "save", "statistics")
        choose(visitor, "reject_all")
        choose(site.visitor(), "reject_all")
    assert received == [
        ("granted", site.app, {"granted", "services", "receipt"}),
        ("withdrawn", site.app, {"statistics"}),
        ("refused", site.app, set()),
    ]


def test_a_failing_receiver_does_not_undo_a_decision(tiny):
    """In production the receiver's error is logged, and the visitor's cookie is set."""
    site = tiny(TESTING=False)
    visitor = site.visitor()
    with signals.consent_granted.connected_to(lambda app, **values: 1 / 0):
        assert choose(visitor, "accept_all").status_code == 303
    assert cookie(visitor) is not None


def test_robots_never_get_an_id(tiny):
    """A crawler that presses every button is no visitor."""
    site = tiny()
    robot = site.visitor(User_Agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
    choose(robot, "accept_all")
    robot.get("/")
    assert cookie(robot, "privacy_visitor") is None and site.events() == []


@pytest.mark.parametrize(
    "headers", [{"Sec_Purpose": "prefetch"}, {"Sec_Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}]
)
def test_a_prefetch_is_no_visit(tiny, headers):
    """A page that a browser prefetches gets no ID and is not counted."""
    site = tiny()
    visitor = site.visitor(**headers)
    choose(visitor, "accept_all")
    visitor.get("/")
    assert cookie(visitor, "privacy_visitor") is None and site.events() == []


def test_consent_required_returns_403_with_a_grant_button(tiny):
    """The page describes the purpose, and one button grants it and returns to the page."""
    from flask_mixamo_privacy.web.access import consent_required

    site = tiny()
    site.view("/wall", consent_required("customisation")(lambda: "behind"))
    visitor = site.visitor()
    response = visitor.get("/wall?a=1")
    assert response.status_code == 403 and "Allow Customisation" in response.text
    back = choose(visitor, "save", "customisation", **fields(response.text.partition('class="mixamo-page"')[2]))
    assert (back.headers["Location"], visitor.get("/wall").text) == ("/wall?a=1", "behind")


def test_one_visitors_decision_never_reaches_another_through_a_shared_app_context(tiny):
    """If an app context was pushed by hand, all requests share ``g``; no request reads another visitor's decision from it."""
    site = tiny()
    granted, other = site.visitor(), site.visitor()
    with site.app.app_context():
        assert "privacy_consent" in choose(granted, "accept_all").headers["Set-Cookie"]
        response = other.get("/")
    assert "Accept all" in response.text and "Set-Cookie" not in response.headers


@pytest.mark.parametrize("origin", ["http://[", "//", "http://localhost:99999999", "\xff"])
def test_an_invalid_origin_is_a_foreign_origin(tiny, origin):
    """The post is refused without an error."""
    assert choose(tiny().visitor(Origin=origin), "accept_all").status_code == 403


@pytest.mark.parametrize("setting", ["PRIVACY_LOCALE", "PRIVACY_LOGGED_IN"])
def test_a_failing_callable_breaks_no_page_and_no_decision(tiny, setting):
    """In production the error is logged, pages are served, and decisions take effect."""
    site = tiny(TESTING=False, **{setting: lambda: 1 / 0})
    visitor = site.visitor(Accept="application/json")
    assert [visitor.get("/").status_code, choose(visitor, "accept_all", next="/").status_code] == [200, 200]
    assert choose(visitor, "reject_all", next="/").status_code == 200


def test_an_async_view_can_require_consent(tiny):
    """The decorator awaits an async view."""
    from flask_mixamo_privacy.web.access import consent_required

    async def view():
        return "awaited"

    site = tiny()
    site.view("/wall", consent_required("statistics")(view))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert in_a_thread(lambda: visitor.get("/wall").text) == "awaited"


def test_a_signup_purpose_is_not_granted_in_a_browser(tiny):
    """A purpose that the banner does not offer is refused with an explanation, and nothing is decided."""
    from dataclasses import replace

    from flask_mixamo_privacy.policy.parts import Purpose

    news = Purpose("news", "News", "Mails.", ask="form")
    visitor = tiny(PRIVACY_POLICY=replace(BUILT_IN, purposes=(*BUILT_IN.purposes, news))).visitor()
    assert choose(visitor, "save", "news").status_code == 400 and cookie(visitor) is None


@pytest.mark.parametrize("path", ["/item/a%3Fb", "/item/a%23b", "/item/100%2541", "/item/%C3%A4"])
def test_the_redirect_returns_to_the_same_page(tiny, path):
    """The path may contain any characters."""
    text = tiny().visitor().get(path, environ_overrides={"SCRIPT_NAME": "/shop"}).text
    assert f'name="next" value="/shop{path}"' in text


def test_a_page_opened_before_a_logout_is_counted_by_its_rule(tiny):
    """The banner of a page with a person's name is answered after the logout, and no event contains the name."""
    logged_in = [True]
    site = tiny(PRIVACY_LOGGED_IN=lambda: logged_in[0])
    visitor = site.visitor(Accept="application/json")
    assert "mixamo-ask" in visitor.get("/item/bob").text
    logged_in[0] = False
    choose(visitor, "accept_all", next="/item/bob")
    visitor.post("/privacy/events", json=[{"kind": "page_view", "page": "/item/bob"}])
    assert {event["page"] for event in site.events()} == {"/item/<name>"}
