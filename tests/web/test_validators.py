"""The site's own ETag and Last-Modified: a 304 never shows a visitor the page of before a decision."""

import pytest
from flask import Response, make_response, render_template_string, request
from werkzeug.http import http_date

from conftest import choose

BANNER, PLAIN = "<body>{{ privacy.banner() }}", "<body>plain {{ privacy.settings_link() }}"


def etag(response):
    response.set_etag("of-the-article")


def weak_etag(response):
    response.set_etag("of-the-article", weak=True)


def last_modified(response):
    response.last_modified = 1_700_000_000


def both(response):
    etag(response), last_modified(response)


def with_page(site, body, validate):
    """A site with a page whose view sets its validators and answers conditional requests."""

    def page():
        response = make_response(render_template_string(body))
        validate(response)
        return response.make_conditional(request)

    site.view("/page", page)
    return site


def reload(visitor, before=None):
    """Load the page as a browser that has stored this response."""
    headers = {"If-None-Match": '"of-the-article"', "If-Modified-Since": http_date(1_700_000_000)}
    if before is not None:
        sent = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
        headers = {sent[name]: before.headers[name] for name in sent if name in before.headers}
    return visitor.get("/page", headers=headers)


VALIDATORS = pytest.mark.parametrize("validate", [etag, weak_etag, last_modified, both])


@VALIDATORS
def test_a_withdrawal_changes_the_page_at_once(tiny, validate):
    """The server answers with the page without the tracker, not with 304."""
    visitor = with_page(tiny(), BANNER, validate).visitor()
    choose(visitor, "accept_all")
    stored = visitor.get("/page")
    choose(visitor, "reject_all")
    shown = reload(visitor, stored)
    assert "tracker.js" in stored.text and shown.status_code == 200
    assert "tracker.js" not in shown.text and shown.text


@VALIDATORS
@pytest.mark.parametrize("choice", ["accept_all", "reject_all"])
def test_the_banner_does_not_come_back_after_a_decision(tiny, validate, choice):
    """The stored page with the banner is not shown again."""
    visitor = with_page(tiny(), BANNER, validate).visitor()
    stored = visitor.get("/page")
    choose(visitor, choice)
    shown = reload(visitor, stored)
    assert "<form" in stored.text and shown.status_code == 200 and "<form" not in shown.text


@VALIDATORS
def test_a_page_stored_before_the_extension_was_installed_is_replaced(tiny, validate):
    """A conditional request with the site's own validator gets the whole page too."""
    shown = reload(with_page(tiny(), BANNER, validate).visitor())
    assert shown.status_code == 200 and "<form" in shown.text
    assert shown.content_length == len(shown.data)


@VALIDATORS
@pytest.mark.parametrize("csp", ["off", "enforce"])
def test_a_page_without_consent_keeps_its_validators(tiny, validate, csp):
    """A page that does not depend on the decision is still answered 304, whatever was decided."""
    visitor = with_page(tiny(PRIVACY_CSP=csp), PLAIN, validate).visitor()
    choose(visitor, "accept_all")
    stored = visitor.get("/page")
    choose(visitor, "reject_all")
    assert reload(visitor, stored).status_code == 304


def test_the_same_page_for_every_visitor_keeps_its_validators(tiny):
    """Under PRIVACY_CACHEABLE the page does not depend on the decision."""
    visitor = with_page(tiny(PRIVACY_CACHEABLE=True), BANNER, both).visitor()
    assert reload(visitor, visitor.get("/page")).status_code == 304


def test_a_304_without_a_body_stays(tiny):
    """A view that answers without rendering has no page to send instead."""
    site = tiny()
    site.view("/page", lambda: str(site.privacy.customisation("theme", "light"))[:0] or Response(status=304))
    assert reload(site.visitor()).status_code == 304
