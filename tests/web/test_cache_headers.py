"""No visitor's state leaks through a cache."""

import pytest
from flask import Response, render_template_string, session
from flask.sessions import SecureCookieSessionInterface

from conftest import choose, cookie
from support.service_site import with_services

BANNER = "<body>{{ privacy.banner() }}"


def with_page(site, body, **headers):
    site.view(
        "/cached",
        lambda: Response(render_template_string(body), headers={k.replace("_", "-"): v for k, v in headers.items()}),
    )
    return site


def test_a_response_that_depends_on_consent_varies_by_it(tiny):
    """Vary names both headers that the response depends on, in addition to the site's own value."""
    site = with_page(tiny(), BANNER, Vary="Accept-Encoding")
    assert tiny().visitor().get("/").headers["Vary"] == "Cookie, Sec-GPC, Accept-Language"
    assert site.visitor().get("/cached").headers["Vary"] == "Accept-Encoding, Cookie, Sec-GPC, Accept-Language"


@pytest.mark.parametrize(("body", "vary"), [(BANNER, "Cookie, Sec-GPC, Accept-Language"), ("plain", "Cookie")])
def test_a_page_that_reads_the_session_varies_by_cookie(tiny, body, vary):
    """Flask adds Cookie to Vary for a page that read the session, unless ours names it already."""
    site = tiny()
    site.view("/cart", lambda: render_template_string(body + str(session.get("cart", ""))))
    assert site.visitor().get("/cart").headers.getlist("Vary") == [vary]


class TouchedSessions(SecureCookieSessionInterface):
    """Sessions that count each use, as a store with an expiry may do."""

    touched = 0

    def save_session(self, app, session, response):
        self.touched += session.accessed
        super().save_session(app, session, response)


def test_the_sessions_of_another_interface_are_left_alone(tiny):
    """A site's own interface learns that the page used the session."""
    site = tiny()
    site.app.session_interface = TouchedSessions()
    site.view("/cart", lambda: render_template_string(BANNER + str(session.get("cart", ""))))
    assert "Cookie" in site.visitor().get("/cart").headers["Vary"]
    assert site.app.session_interface.touched == 1


def test_a_page_with_the_banner_is_private_and_after_a_refusal_it_is_not(tiny):
    """An unasked visitor or one with a grant gets a private page. All visitors who refused get the same page."""
    unasked, granted, refused = (tiny().visitor() for _ in range(3))
    choose(granted, "accept_all")
    choose(refused, "reject_all")
    headers = [visitor.get("/").headers.get("Cache-Control") for visitor in (unasked, granted, refused)]
    assert headers == ["private", "private", None]


def test_a_page_without_our_markup_keeps_its_headers(tiny):
    """Counting adds no header unless a cookie must be set."""
    site = with_page(tiny(), "plain")
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/")
    response = visitor.get("/cached")
    assert not {"Vary", "Cache-Control", "Set-Cookie"} & set(response.headers.keys())
    assert len(site.events("page_view")) == 2


@pytest.mark.parametrize("cache_control", ["public, max-age=60", "s-maxage=60", "Public"])
def test_a_shared_response_never_carries_a_cookie_of_ours(tiny, cache_control):
    """Setting a cookie is deferred to a private response."""
    site = with_page(tiny(), "plain", Cache_Control=cache_control)
    site.view(
        "/chosen",
        lambda: (site.privacy.customise("theme", "dark"), Response("x", headers={"Cache-Control": cache_control}))[1],
    )
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for path in ("/cached", "/chosen"):
        assert "Set-Cookie" not in visitor.get(path).headers
    visitor.set_cookie("privacy_consent", "garbage")
    visitor.set_cookie("privacy_visitor", "garbage")
    assert "Set-Cookie" not in visitor.get("/cached").headers


FOR_CDNS = ["Surrogate-Control", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "X-Accel-Expires"]


@pytest.mark.parametrize("header", FOR_CDNS)
def test_a_response_for_a_cdn_never_carries_a_cookie_of_ours(tiny, header):
    """CDNs have cache headers of their own."""
    site = with_page(tiny(), "plain", **{header.replace("-", "_"): "60"})
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert "Set-Cookie" not in visitor.get("/cached").headers


@pytest.mark.parametrize(("header", "value"), [("X-Accel-Expires", "0"), ("Surrogate-Control", "no-store")])
def test_a_response_that_a_cdn_must_not_store_may_carry_a_cookie(tiny, header, value):
    site = with_page(tiny(), "plain", **{header.replace("-", "_"): value})
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert "privacy_visitor" in visitor.get("/cached").headers["Set-Cookie"]


@pytest.mark.parametrize("header", FOR_CDNS)
@pytest.mark.parametrize("path", ["/", "/privacy/consent", "/privacy/me", "/film"])
def test_no_cdn_stores_a_page_that_shows_a_visitor_s_state(tiny, header, path):
    """A site may set the header on every response."""
    site = tiny(PRIVACY_POLICY=with_services())
    site.app.after_request(lambda response: response.headers.set(header, "600") or response)
    site.view(
        "/film", lambda: render_template_string('{{ privacy.embed("https://video.example/1", purpose="media", title="x") }}')
    )
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert header not in visitor.get(path).headers


def test_a_response_with_a_cookie_of_ours_is_private(tiny):
    """A cache that the site did not consider must not store a visitor's ID."""
    site = with_page(tiny(), "plain", Cache_Control="max-age=600")
    visitor = site.visitor()
    choose(visitor, "accept_all")
    response = visitor.get("/cached")
    assert "privacy_visitor" in response.headers["Set-Cookie"]
    assert response.cache_control.private and response.cache_control.max_age == 600


def test_a_public_page_that_shows_the_banner_is_made_private(tiny):
    """A `public` directive by mistake must not show one visitor's banner to all visitors."""
    site = with_page(tiny(), BANNER, Cache_Control="public, s-maxage=600, max-age=60", CDN_Cache_Control="max-age=600")
    response = site.visitor().get("/cached")
    assert response.cache_control.private and not response.cache_control.public
    assert response.cache_control.s_maxage is None and "CDN-Cache-Control" not in response.headers


def test_directives_are_case_insensitive(tiny):
    """`Public` has the effect of `public`."""
    response = with_page(tiny(), BANNER, Cache_Control="PUBLIC, S-MaxAge=600, Max-Age=60").visitor().get("/cached")
    assert response.headers["Cache-Control"] == "max-age=60, private"


def test_a_remembered_choice_makes_a_page_private(tiny):
    """A page in a visitor's dark theme is not the same for all visitors."""
    site = tiny()
    site.view("/coloured", lambda: str(site.privacy.customisation("theme", "light")))
    visitor = site.visitor()
    assert visitor.get("/coloured").headers.get("Cache-Control") is None
    visitor.get("/theme/dark")
    assert visitor.get("/coloured").headers["Cache-Control"] == "private"


def test_no_store_stays_no_store(tiny):
    """A stricter directive of the site is kept."""
    site = with_page(tiny(), BANNER, Cache_Control="no-store")
    assert site.visitor().get("/cached").headers["Cache-Control"] == "no-store"


def test_decisions_and_settings_are_never_stored(tiny):
    """Neither the settings page nor the response to a POST is stored."""
    visitor = tiny().visitor()
    for response in (visitor.get("/privacy/consent"), choose(visitor, "accept_all"), visitor.get("/privacy/state.json")):
        assert response.headers["Cache-Control"] == "no-store"


def test_a_new_visitor_is_not_counted_where_no_cookie_can_be_set(tiny):
    """Without a stored cookie, the visitor would get another ID on every page."""
    site = with_page(tiny(), "plain", Cache_Control="public")
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/cached")
    assert site.events() == [] and cookie(visitor, "privacy_visitor") is None


def test_a_streamed_page_is_private(tiny):
    """The headers are sent before the template uses consent, so they must allow for every result."""
    from flask import Response, stream_template_string

    site = tiny()
    site.view(
        "/x", lambda: Response(stream_template_string("{{ privacy.banner() }}"), headers={"Cache-Control": "max-age=60"})
    )
    visitor, results = site.visitor(), []
    for choice in ("reject_all", "accept_all", None):
        response = visitor.get("/x")
        assert "Cookie, Sec-GPC" in response.headers["Vary"]
        results.append((bool(response.cache_control.private), "banner" in response.text, "tracker" in response.text))
        if choice:
            choose(visitor, choice)
    assert results == [(True, True, False), (False, False, False), (True, False, True)]


def test_a_streamed_file_keeps_its_headers(tiny):
    """A streamed file does not depend on the visitor."""
    import io

    from flask import send_file

    site = tiny()
    site.view("/x", lambda: send_file(io.BytesIO(b"<p>"), mimetype="text/html"))
    assert "Vary" not in site.visitor().get("/x").headers
