"""PRIVACY_CACHEABLE: the page is the same for all visitors, and a script adds each visitor's own part."""

import json
import re

import pytest
from flask import Response, render_template_string

from conftest import PAGE, choose, cookie
from flask_mixamo_privacy.errors import SettingError
from flask_mixamo_privacy.web.current import current_consent


def with_choice(site, choice=None):
    visitor = site.visitor()
    if choice:
        choose(visitor, choice)
    return visitor


def render_banner():
    return render_template_string("{{ privacy.banner() }}")


def brought(visitor, **options):
    """Return the markup that page.js inserts, or an empty string."""
    response = visitor.get("/privacy/page.js", **options)
    assert response.status_code == 200 and response.mimetype == "text/javascript"
    match = re.search(r"innerHTML=(\"(?:[^\"\\]|\\.)*\")", response.text)
    return json.loads(match[1]) if match else response.text


def test_the_page_is_the_same_for_all_visitors(tiny):
    """Body and headers are identical for all visitors in any language, so a shared cache may store the page."""
    site = tiny(PRIVACY_CACHEABLE=True)
    visitors = [with_choice(site, choice) for choice in (None, "accept_all", "reject_all")]
    answers = [visitor.get("/", headers={"Accept-Language": tag}) for visitor in visitors for tag in ("de", "en")]
    assert len({answer.data for answer in answers}) == 1
    assert not {"Vary", "Cache-Control", "Set-Cookie"} & {name for answer in answers for name, _ in answer.headers}
    assert '<script src="/privacy/page.js" defer></script><noscript><a class="mixamo-settings-link"' in answers[0].text


def test_the_server_neither_counts_a_cacheable_page_nor_sets_cookies_on_it(tiny):
    """The browser reports the view. Setting or deleting a cookie is deferred to a response for this visitor alone."""
    site = tiny(PRIVACY_CACHEABLE=True)
    visitor = with_choice(site, "accept_all")
    visitor.get("/")
    assert site.events() == [] and cookie(visitor, "privacy_visitor") is None
    visitor.post("/privacy/events", json=[{"kind": "page_view", "page": "/"}])
    assert [event["kind"] for event in site.events()] == ["visit_start", "page_view"]
    assert cookie(visitor, "privacy_visitor")
    visitor.set_cookie("privacy_consent", "garbage")
    assert "Set-Cookie" not in visitor.get("/").headers


def test_a_page_from_a_cache_inside_the_app_is_treated_as_if_just_rendered(tiny):
    """No template calls the banner then, but the page still loads the tracker that reports its view."""
    site = tiny(PRIVACY_CACHEABLE=True, PRIVACY_CSP="enforce")
    cached = []
    site.view("/cached", lambda: cached[0])
    site.view("/plain", lambda: "<p>plain</p>")
    visitor = with_choice(site, "accept_all")
    rendered = visitor.get("/")
    cached.append(rendered.text)
    assert dict(visitor.get("/cached").headers) == dict(rendered.headers) and not site.events()
    visitor.get("/plain")
    assert [event["page"] for event in site.events("page_view")] == ["/plain"]


@pytest.mark.parametrize("seen", [True, False])
def test_a_compressed_page_from_a_cache_is_not_counted_if_its_endpoint_was_shared(tiny, seen):
    """The body cannot be searched, so the process remembers which endpoints load the tracker."""
    site = tiny(PRIVACY_CACHEABLE=True)
    bodies = [render_banner, lambda: Response(b"compressed", headers={"Content-Encoding": "zstd"})]
    site.view("/cached", lambda: bodies[0]())
    visitor = with_choice(site, "accept_all")
    for body in bodies if seen else bodies[1:]:
        bodies[0] = body
        visitor.get("/cached")
    assert len(site.events("page_view")) == (not seen)


def test_page_js_is_specific_to_the_visitor(tiny):
    """page.js has the banner for an unasked visitor, the tracker after a grant of statistics, and nothing after a refusal."""
    site = tiny(PRIVACY_CACHEABLE=True)
    unasked, granted, refused = (brought(with_choice(site, choice)) for choice in (None, "accept_all", "reject_all"))
    assert 'class="mixamo-ask"' in unasked and "banner." in unasked and "tracker" not in unasked
    assert "/privacy/tracker.js?v=" in granted and "banner" not in granted
    assert refused == ""


def test_page_js_is_never_cached(tiny):
    """No cache stores page.js, and no page of another origin can read it."""
    site = tiny(PRIVACY_CACHEABLE=True)
    for choice in (None, "accept_all", "reject_all"):
        headers = with_choice(site, choice).get("/privacy/page.js").headers
        assert headers["Cache-Control"] == "no-store" and headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Set-Cookie" not in headers and headers["X-Content-Type-Options"] == "nosniff"


def test_the_banner_of_page_js_is_in_the_visitors_language(tiny):
    """The page itself cannot be in the visitor's language, because all visitors share it."""
    visitor = tiny(PRIVACY_CACHEABLE=True).visitor()
    assert 'lang="de"' in brought(visitor, headers={"Accept-Language": "de"})
    assert 'lang="fr"' in brought(visitor, headers={"Accept-Language": "fr"})


def test_the_links_of_a_cacheable_page_are_in_the_sites_language(tiny):
    """One browser's preferred language must not select the words for all visitors."""
    site = tiny(PRIVACY_CACHEABLE=True)
    assert "Privacy settings" in site.visitor().get("/", headers={"Accept-Language": "de"}).text


def test_a_view_that_uses_consent_is_not_cacheable(tiny):
    """A view that reads the consent produces a private page with the matching headers."""
    site = tiny(PRIVACY_CACHEABLE=True)
    site.view("/asks", lambda: render_template_string(PAGE) + str(current_consent.allows("statistics")))
    headers = with_choice(site, "accept_all").get("/asks").headers
    assert headers["Vary"] == "Cookie, Sec-GPC" and headers["Cache-Control"] == "private"


def test_a_page_without_the_banner_is_counted_by_the_server(tiny):
    """No browser would report the view of such a page."""
    site = tiny(PRIVACY_CACHEABLE=True)
    site.view("/plain", lambda: Response("plain", mimetype="text/html"))
    with_choice(site, "accept_all").get("/plain")
    assert [event["page"] for event in site.events("page_view")] == ["/plain"]


def test_the_extensions_own_pages_are_not_cacheable(tiny):
    """The policy page shows the banner and the settings page does not, each for one visitor."""
    visitor = tiny(PRIVACY_CACHEABLE=True).visitor()
    assert "page.js" not in visitor.get("/privacy/").text and 'class="mixamo-ask"' in visitor.get("/privacy/").text
    assert "page.js" not in visitor.get("/privacy/consent").text


def test_a_grant_by_the_banner_counts_the_page_once(tiny):
    """The response to the decision logs nothing; the tracker reports the page like every other."""
    site = tiny(PRIVACY_CACHEABLE=True)
    visitor = site.visitor()
    form = {"choice": "accept_all", "next": "/other"}
    visitor.post("/privacy/consent", data=form, headers={"Accept": "application/json"})
    assert site.events() == []
    visitor.post("/privacy/events", json=[{"kind": "page_view", "page": "/other"}])
    assert [event["page"] for event in site.events("page_view")] == ["/other"]


def test_promise_16_a_path_is_recorded_if_anonymous_visitors_can_see_it(tiny):
    """On a site with logins, a page is recorded by its rule until a visitor without cookies was served the endpoint."""
    site = tiny(PRIVACY_CACHEABLE=True, PRIVACY_LOGGED_IN=lambda: False)
    visitor = with_choice(site, "accept_all")
    visitor.get("/item/alice")
    visitor.post("/privacy/events", json=[{"id": "1", "kind": "page_view", "page": "/item/alice"}])
    site.visitor().get("/item/walk")
    visitor.post("/privacy/events", json=[{"id": "2", "kind": "page_view", "page": "/item/walk"}])
    assert [event["page"] for event in site.events("page_view")] == ["/item/<name>", "/item/walk"]


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_the_setting_is_true_or_false(tiny, value):
    """Any other value raises an error at startup."""
    with pytest.raises(SettingError) as raised:
        tiny(PRIVACY_CACHEABLE=value)
    assert str(raised.value) == f"PRIVACY_CACHEABLE is {value!r}; allowed: False, True. The default is False."
