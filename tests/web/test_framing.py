"""Clickjacking: only pages of the same origin may frame the extension's own pages."""

import re

import pytest
from flask import render_template_string

from flask_mixamo_privacy import consent_required

OURS = (
    ("GET", "/privacy/", 200),
    ("GET", "/privacy/consent", 200),
    ("GET", "/privacy/me", 200),
    ("GET", "/privacy/receipt", 404),
    ("GET", "/privacy/requests", 200),
    ("GET", "/privacy/unsubscribe/x", 200),
    ("GET", "/privacy/reports", 401),
    ("POST", "/privacy/consent", 400),
)


def may_be_framed(response):
    """Return whether a browser would show this response in a frame of another site."""
    policies = ", ".join(response.headers.getlist("Content-Security-Policy")).split(",")
    return not any("frame-ancestors 'self'" in policy for policy in policies) or "X-Frame-Options" not in response.headers


@pytest.mark.parametrize(("method", "path", "status"), OURS)
def test_no_other_origin_frames_a_page_of_ours(tiny, method, path, status):
    """Settings, requests, unsubscribing, staff pages and errors have both headers."""
    response = tiny().visitor().open(path, method=method)
    assert (response.status_code, response.mimetype) == (status, "text/html")
    assert response.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("path", ["/", "/other", "/privacy/banner.js", "/privacy/state.json"])
def test_other_responses_stay_as_they_are(tiny, path):
    """Who frames a page of the site is the site's own decision."""
    headers = tiny().visitor().get(path).headers
    assert "Content-Security-Policy" not in headers and "X-Frame-Options" not in headers


@pytest.mark.parametrize("mode", ["enforce", "report-only"])
def test_the_policy_of_the_visitors_grants_stays(tiny, mode):
    """PRIVACY_CSP and the protection are two policies, and the browser enforces both."""
    headers = tiny(PRIVACY_CSP=mode).visitor().get("/privacy/consent").headers
    name = "Content-Security-Policy" if mode == "enforce" else "Content-Security-Policy-Report-Only"
    assert "default-src" in headers[name] and "frame-ancestors 'self'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(("frames", "kept"), [("DENY", "DENY"), ("deny", "deny"), ("ALLOWALL", "SAMEORIGIN")])
def test_a_stricter_policy_of_the_site_stays(tiny, frames, kept):
    """The site's own headers are never weakened: our policy is appended."""
    site = tiny()

    @site.app.after_request
    def secure(response):
        response.headers.update({"Content-Security-Policy": "frame-ancestors 'none'", "X-Frame-Options": frames})
        return response

    headers = site.visitor().get("/privacy/consent").headers
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none', frame-ancestors 'self'"
    assert headers["X-Frame-Options"] == kept


def test_the_page_that_asks_for_consent_is_protected_at_any_address(tiny):
    """A view that needs consent answers with a page of ours, which has the button."""
    site = tiny()
    site.view("/map", consent_required("statistics")(lambda: "a map"))
    response = site.visitor().get("/map")
    assert response.status_code == 403 and not may_be_framed(response)


def test_an_error_in_a_page_of_ours_is_protected_too(tiny, monkeypatch):
    """The site's error page stands at the address of the settings, and shows no less than it."""
    site = tiny(TESTING=False, PROPAGATE_EXCEPTIONS=False)
    monkeypatch.setattr("flask_mixamo_privacy.web.views.consent.settings_page", lambda *_, **__: 1 / 0)
    response = site.visitor().get("/privacy/consent")
    assert response.status_code == 500 and not may_be_framed(response)


def in_frame(visitor, choice, page="/", **headers):
    """Post a decision by the first form of a page, as a browser does from a frame."""
    data = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', visitor.get(page).text.partition("</form>")[0]))
    headers = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe", **headers}
    return visitor.post("/privacy/consent", data=data | {"choice": choice}, headers=headers)


@pytest.mark.parametrize("frame", ["iframe", "frame", "object", "embed", "fencedframe"])
def test_the_banner_of_a_framed_page_grants_nothing(tiny, frame):
    """Any site may frame a page of the site and cover the banner. The answer is a page that only this origin frames."""
    site = tiny()
    answer = in_frame(site.visitor(), "accept_all", **{"Sec-Fetch-Dest": frame})
    assert answer.status_code == 403 and not may_be_framed(answer) and site.ledger() == []


@pytest.mark.parametrize(("choice", "page"), [("reject_all", "/"), ("accept_all", "/privacy/consent")])
def test_a_frame_refuses_and_shows_the_settings(tiny, choice, page):
    """A refusal needs no proof, and another origin cannot frame the settings page."""
    visitor = tiny().visitor()
    assert in_frame(visitor, choice, page).status_code == 303
    assert visitor.get("/privacy/state.json").json["purposes"]["statistics"] == ("refused" if page == "/" else "granted")


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("framer", ["shop.site.localhost", "evil.site.localhost"])
def test_only_this_origin_frames_a_banner_that_grants(tiny, serve, open_browser, script, framer):
    """In a real browser, a page of another subdomain that frames the start page gets no grant from a click."""
    site = tiny()
    frame = "<iframe src='http://shop.site.localhost:{{ port }}/' width=600 height=400></iframe>"
    port = serve(site.app).rpartition(":")[2]
    site.view("/framer", lambda: render_template_string(frame, port=port))
    page = open_browser(java_script_enabled=script)
    page.goto(f"http://{framer}:{port}/framer")
    banner = page.frame_locator("iframe").locator(".mixamo-ask")
    with page.expect_response(lambda response: response.request.method == "POST"):
        banner.get_by_role("button", name="Accept all").click()
    assert bool(site.ledger()) == (script and framer == "shop.site.localhost")
