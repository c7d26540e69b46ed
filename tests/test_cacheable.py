"""PRIVACY_CACHEABLE: a page that is the same for everybody, and a script that brings each visitor's own part."""

import json
import re

import pytest
from flask import Response, render_template_string

from conftest import PAGE, choose, cookie
from flask_mixamo_privacy import current_consent
from flask_mixamo_privacy.errors import SettingError


def with_choice(site, choice=None):
    visitor = site.visitor()
    if choice:
        choose(visitor, choice)
    return visitor


def brought(visitor, **options):
    """The markup that page.js puts in; empty where the script is."""
    response = visitor.get("/privacy/page.js", **options)
    assert response.status_code == 200 and response.mimetype == "text/javascript"
    found = re.search(r"innerHTML=(\"(?:[^\"\\]|\\.)*\")", response.text)
    return json.loads(found[1]) if found else response.text


def test_the_page_is_the_same_for_everybody(tiny):
    """To the byte, in every header, in any language; so a shared cache may keep it."""
    site = tiny(PRIVACY_CACHEABLE=True)
    visitors = [with_choice(site, choice) for choice in (None, "accept_all", "reject_all")]
    answers = [visitor.get("/", headers={"Accept-Language": tag}) for visitor in visitors for tag in ("de", "en")]
    assert len({answer.data for answer in answers}) == 1
    assert not {"Vary", "Cache-Control", "Set-Cookie"} & {name for answer in answers for name, _ in answer.headers}
    assert '<script src="/privacy/page.js" defer></script><noscript><a class="privacy-settings-link"' in answers[0].text


def test_the_server_counts_no_such_page_and_forgets_no_cookie_on_it(tiny):
    """The browser reports the view. A cookie that is due, or due to go, waits for a response of the visitor's own."""
    site = tiny(PRIVACY_CACHEABLE=True)
    visitor = with_choice(site, "accept_all")
    visitor.get("/")
    assert site.events() == [] and cookie(visitor, "privacy_visitor") is None
    visitor.post("/privacy/events", json=[{"kind": "page_view", "page": "/"}])
    assert [event["kind"] for event in site.events()] == ["visit_start", "page_view"]
    assert cookie(visitor, "privacy_visitor")
    visitor.set_cookie("privacy_consent", "garbage")
    assert "Set-Cookie" not in visitor.get("/").headers


def test_page_js_is_made_for_one_visitor(tiny):
    """The banner for who must be asked, the tracker for who allows statistics, nothing for who refused."""
    site = tiny(PRIVACY_CACHEABLE=True)
    asked, granted, refused = (brought(with_choice(site, choice)) for choice in (None, "accept_all", "reject_all"))
    assert 'class="privacy-banner"' in asked and "banner." in asked and "tracker" not in asked
    assert "/privacy/tracker.js?v=" in granted and "banner" not in granted
    assert refused == ""


def test_page_js_is_never_kept(tiny):
    """By no cache, and no page of another origin reads it."""
    site = tiny(PRIVACY_CACHEABLE=True)
    for choice in (None, "accept_all", "reject_all"):
        headers = with_choice(site, choice).get("/privacy/page.js").headers
        assert headers["Cache-Control"] == "no-store" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Set-Cookie" not in headers and headers["X-Content-Type-Options"] == "nosniff"


def test_the_banner_that_page_js_brings_speaks_the_visitors_language(tiny):
    """The page cannot, as it is everybody's."""
    visitor = tiny(PRIVACY_CACHEABLE=True).visitor()
    assert 'lang="de"' in brought(visitor, headers={"Accept-Language": "de"})
    assert 'lang="fr"' in brought(visitor, headers={"Accept-Language": "fr"})


def test_the_links_of_such_a_page_speak_the_sites_language(tiny):
    """What the browser prefers must not choose words that everybody reads."""
    site = tiny(PRIVACY_CACHEABLE=True)
    assert "Privacy settings" in site.visitor().get("/", headers={"Accept-Language": "de"}).text


def test_what_a_page_says_of_a_visitor_beside_the_banner_still_counts(tiny):
    """A view that asks for the consent itself is no page for everybody, and says so."""
    site = tiny(PRIVACY_CACHEABLE=True)
    site.view("/asks", lambda: render_template_string(PAGE) + str(current_consent.allows("statistics")))
    headers = with_choice(site, "accept_all").get("/asks").headers
    assert headers["Vary"] == "Cookie, Sec-GPC" and headers["Cache-Control"] == "private"


def test_a_page_without_the_banner_is_counted_by_the_server_as_ever(tiny):
    """No browser would report it."""
    site = tiny(PRIVACY_CACHEABLE=True)
    site.view("/plain", lambda: Response("plain", mimetype="text/html"))
    with_choice(site, "accept_all").get("/plain")
    assert [event["page"] for event in site.events("page_view")] == ["/plain"]


def test_our_own_pages_are_as_ever(tiny):
    """The policy page asks and the settings page does not, each for one visitor."""
    visitor = tiny(PRIVACY_CACHEABLE=True).visitor()
    assert "page.js" not in visitor.get("/privacy/").text and 'class="privacy-banner"' in visitor.get("/privacy/").text
    assert "page.js" not in visitor.get("/privacy/consent").text


def test_a_grant_by_the_banner_counts_the_page_once(tiny):
    """The answer to the decision counts it; the tracker that starts then reports what follows."""
    site = tiny(PRIVACY_CACHEABLE=True)
    visitor = site.visitor()
    form = {"choice": "accept_all", "next": "/other"}
    visitor.post("/privacy/consent", data=form, headers={"Accept": "application/json"})
    assert [event["page"] for event in site.events("page_view")] == ["/other"]


def test_promise_16_a_path_is_told_where_somebody_without_any_cookie_was_served_it(tiny):
    """With logins, an endpoint that only ever served people who may be logged in is told by its rule."""
    site = tiny(PRIVACY_CACHEABLE=True, PRIVACY_LOGGED_IN=lambda: False)
    visitor = with_choice(site, "accept_all")
    visitor.get("/item/alice")
    visitor.post("/privacy/events", json=[{"id": "1", "kind": "page_view", "page": "/item/alice"}])
    site.visitor().get("/item/walk")
    visitor.post("/privacy/events", json=[{"id": "2", "kind": "page_view", "page": "/item/walk"}])
    assert [event["page"] for event in site.events("page_view")] == ["/item/<name>", "/item/walk"]


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_the_setting_is_true_or_false(tiny, value):
    """Anything else is told so at the start."""
    with pytest.raises(SettingError) as raised:
        tiny(PRIVACY_CACHEABLE=value)
    assert str(raised.value) == f"PRIVACY_CACHEABLE is {value!r}; allowed: False, True. The default is False."
