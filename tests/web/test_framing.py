"""Clickjacking: only pages of the same origin may frame the extension's own pages."""

import pytest

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
