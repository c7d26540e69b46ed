"""A site mounted below a path that is not ASCII. WSGI decodes the path's bytes as latin-1 (PEP 3333)."""

from __future__ import annotations

import json
import re

import pytest

from conftest import choose

MOUNT = "/caf%C3%A9"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


def mount_at(site, script_name):
    """Serve the site below this path, as a server does that strips the path."""
    app = site.app.wsgi_app
    site.app.wsgi_app = lambda environ, start: app({**environ, "SCRIPT_NAME": script_name}, start)
    return site


@pytest.fixture
def mounted(tiny):
    """Returns a site and a visitor below ``/café``."""

    def build(**config):
        site = mount_at(tiny(**config), "/café".encode().decode("latin-1"))
        return site, site.visitor(User_Agent=CHROME)

    return build


def urls(text):
    return re.findall(r'(?:href|src|action|value)="(/[^"]*)"', text)


@pytest.mark.parametrize("config", [{}, {"PRIVACY_CACHEABLE": True}])
def test_every_url_is_percent_encoded_once(mounted, config):
    """Links, scripts, style sheets and forms lie below the mount. Flask's own ``url_for`` leaves the encoding to browsers."""
    _, visitor = mounted(**config)
    for path in ("/", "/privacy/consent", "/privacy/"):
        found = [url for url in urls(visitor.get(path).text) if url != "/other"]
        assert found and all(url.startswith((f"{MOUNT}/", "/café/")) for url in found)


def test_the_page_to_return_to_is_percent_encoded_once(mounted):
    """The mount and the path stay as the browser sent them."""
    _, visitor = mounted()
    assert f"{MOUNT}/item/na%C3%AFve?q=1" in urls(visitor.get("/item/na%C3%AFve?q=1").text)


def test_a_decision_leads_back_to_its_page(mounted):
    """The form of the banner is saved, and the visitor returns to the page."""
    _, visitor = mounted()
    back = next(url for url in urls(visitor.get("/other").text) if url.endswith("/other") and url != "/other")
    assert choose(visitor, "accept_all", next=back).headers["Location"] == f"{MOUNT}/other"
    assert choose(visitor, "reject_all").headers["Location"].startswith(f"{MOUNT}/privacy/consent?")
    assert visitor.get("/privacy/consent").status_code == 200


def test_pages_are_named_in_the_log_as_people_read_them(mounted):
    """A page, the page before it, and a page that a browser reports have the decoded mount."""
    site, visitor = mounted(PRIVACY_COOKIE_PATH="/")  # because the client does not know the mount
    choose(visitor, "accept_all")
    visitor.get("/item/na%C3%AFve", headers={"Referer": f"http://localhost{MOUNT}/other"})
    visitor.post("/privacy/events", data=json.dumps([{"kind": "click", "page": f"{MOUNT}/other", "age": 0, "id": "a" * 22}]))
    view, *_ = site.events("page_view")
    assert (view["page"], view["previous"]) == ("/café/item/naïve", "/café/other")


def test_an_enforced_policy_reports_below_the_mount(mounted):
    """The address for reports in the header is percent-encoded once."""
    _, visitor = mounted(PRIVACY_CSP="enforce")
    assert f"report-uri {MOUNT}/privacy/csp-report" in visitor.get("/").headers["Content-Security-Policy"]


@pytest.mark.parametrize("script_name", ["/shop/", "//shop", "shop"])
def test_a_mount_with_another_slash_is_read_too(tiny, script_name):
    """Servers differ in the slashes of ``SCRIPT_NAME``; two slashes would lead to another host."""
    text = tiny().visitor().get("/", environ_overrides={"SCRIPT_NAME": script_name}).text
    assert 'action="/shop/privacy/consent"' in text


def test_a_page_outside_the_mount_is_no_page_of_the_site(tiny):
    """A path that only begins like the mount belongs to another app of the host."""
    site = mount_at(tiny(PRIVACY_COOKIE_PATH="/"), "/app")  # because the client does not know the mount
    visitor = site.visitor(User_Agent=CHROME)
    choose(visitor, "accept_all")
    visitor.get("/", headers={"Referer": "http://localhost/other"})
    assert [event["previous"] for event in site.events("page_view")] == [None]
