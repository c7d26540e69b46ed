"""Strict pages: scripts by nonce alone, and Trusted Types. Banner and tracker work there as everywhere."""

import pytest
from playwright.sync_api import expect
from test_tracker import kinds_kept, wait_for

pytestmark = pytest.mark.browser

NONCE = "nonce-of-this-page"
BY_NONCE = (
    f"default-src 'none'; connect-src 'self'; script-src 'nonce-{NONCE}'; style-src 'nonce-{NONCE}'; form-action 'self'"
)
TYPED = "require-trusted-types-for 'script'"
NAMED = f"{TYPED}; trusted-types mixamo-privacy"


@pytest.fixture(params=[BY_NONCE, TYPED, NAMED, f"{BY_NONCE}; {NAMED}"], ids=["nonce", "types", "named types", "both"])
def strict(request, tiny):
    """Return a function that builds a site whose pages have this policy."""

    def build(**config):
        site = tiny(PRIVACY_CSP_NONCE=lambda: NONCE, **config)

        @site.app.after_request
        def policy(response):
            response.headers["Content-Security-Policy"] = request.param
            return response

        return site

    return build


@pytest.mark.parametrize("cacheable", [False, True])
def test_a_visitor_accepts_on_a_strict_page_and_is_counted(strict, serve, open_browser, cacheable):
    """The banner shows and closes, the tracker starts on this page, and the browser blocks nothing."""
    site, errors = strict(PRIVACY_CACHEABLE=cacheable), []
    page = open_browser(base_url=serve(site.app))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "olicy" in message.text else None)
    page.goto("/")
    with page.expect_response("**/privacy/tracker.js*"):
        page.get_by_role("button", name="Accept all").click()
    expect(page.get_by_role("status")).to_have_text("Your choice is saved.")
    wait_for(lambda: kinds_kept(page) == ["page_view"], "the view")
    page.goto("/other")
    wait_for(lambda: page.evaluate("1") and "/" in {event["page"] for event in site.events("page_view")}, "the report")
    expect(page.locator("script[src*=tracker]")).to_have_count(1)
    assert errors == []


@pytest.mark.parametrize("allowed", ["'none'", "default other"])
def test_a_page_that_refuses_our_policy_is_counted_once(tiny, serve, open_browser, allowed):
    """The page is loaded again after the decision, with the tracker's tag from the server."""
    site = tiny()

    @site.app.after_request
    def policy(response):
        response.headers["Content-Security-Policy"] = f"{TYPED}; trusted-types {allowed}"
        return response

    page = open_browser(base_url=serve(site.app))
    page.goto("/")
    with page.expect_response("**/privacy/tracker.js*"):
        page.get_by_role("button", name="Accept all").click()
    page.wait_for_load_state("networkidle")
    assert [event["page"] for event in site.events("page_view")] == ["/"]
    expect(page.locator(".mixamo-ask")).to_have_count(0)
