"""Several apps on one host: each decides for itself, and no app touches a cookie of another."""

from pathlib import Path

import pytest
from flask import render_template_string
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from conftest import Tiny, choose, cookie

HTTP, HTTPS = "http://localhost", "https://localhost"


def site(folder: Path, **config):
    """A site in its own folder, with a page that is rendered for its visitor."""
    folder.mkdir()
    found = Tiny(folder, **config)
    found.view("/page", lambda: render_template_string("<body>{{ privacy.banner() }}"))
    return found


@pytest.fixture
def mounted(tmp_path):
    """Return a function that mounts one site at each path, and returns the sites and a browser of all of them."""

    def mount(*paths, **config):
        sites = {path: site(tmp_path / (path.strip("/") or "root"), **config) for path in paths}
        apps = {path: one.app for path, one in sites.items()}
        return sites, Client(DispatcherMiddleware(apps.get("", lambda *_: []), {p: a for p, a in apps.items() if p}))

    return mount


def decide(browser, path, choice="accept_all", base=HTTP):
    return browser.post(f"{path}/privacy/consent", data={"choice": choice}, base_url=base)


def asks(browser, path, base=HTTP):
    return "<form" in browser.get(f"{path}/page", base_url=base).text


MOUNTS = pytest.mark.parametrize("paths", [("/a", "/b"), ("", "/b"), ("/b", "")])
SCHEMES = pytest.mark.parametrize("base", [HTTP, HTTPS])


@MOUNTS
@SCHEMES
@pytest.mark.parametrize("secret", ["the same secret", None])
def test_each_mount_is_asked_once(mounted, paths, base, secret):
    """A decision at one mount is none at another, and both last."""
    sites, browser = mounted(*paths)
    for path, one in sites.items():
        one.app.secret_key = secret or f"secret of {path}"
    first, second = paths
    decide(browser, first, base=base)
    assert (asks(browser, first, base), asks(browser, second, base)) == (False, True)
    decide(browser, second, base=base)
    assert [asks(browser, path, base) for path in (first, second, first)] == [False] * 3


@MOUNTS
@SCHEMES
def test_no_mount_deletes_the_visitor_cookie_of_another(mounted, paths, base):
    """A refusal at one mount leaves the other's visitor and choices alone."""
    sites, browser = mounted(*paths)
    first, second = paths
    decide(browser, first, base=base), decide(browser, second, "reject_all", base=base)
    for path in (first, f"{first}/theme/dark", second, first):
        browser.get(f"{path}/page" if path in sites else path, base_url=base)
    decide(browser, second, base=base), decide(browser, second, "reject_all", base=base)
    browser.get(f"{first}/page", base_url=base)
    assert len({event["visitor"] for event in sites[first].events()}) == 1


@SCHEMES
def test_the_path_of_a_mounts_cookies_is_the_mount(mounted, base):
    """Over HTTPS the prefix is __Secure-, because a __Host- cookie has the path /."""
    _, browser = mounted("/a")
    header = decide(browser, "/a", base=base).headers["Set-Cookie"]
    assert header.startswith("__Secure-privacy_consent=" if base == HTTPS else "privacy_consent=")
    assert "Path=/a" in header.split("; ")


def test_the_cookies_of_a_mount_are_deleted_there(mounted):
    """A withdrawal deletes the visitor cookie under the path with which it was set."""
    _, browser = mounted("/a")
    decide(browser, "/a"), browser.get("/a/page")
    assert browser.get_cookie("privacy_visitor", path="/a") is not None
    decide(browser, "/a", "reject_all"), browser.get("/a/page")
    assert browser.get_cookie("privacy_visitor", path="/a") is None


def test_a_path_may_be_set(mounted):
    """PRIVACY_COOKIE_PATH = "/" shares one decision among the mounts of one app, under the prefix __Host-."""
    _, browser = mounted("/a", "/b", PRIVACY_COOKIE_PATH="/")
    header = decide(browser, "/a", base=HTTPS).headers["Set-Cookie"]
    assert header.startswith("__Host-privacy_consent=") and "Path=/;" in header
    assert not asks(browser, "/b", HTTPS)


def test_two_ports_of_a_host_have_different_names(tmp_path):
    """Browsers share cookies among ports, so PRIVACY_COOKIE_NAME keeps two apps apart."""
    one, other = site(tmp_path / "one"), site(tmp_path / "other", PRIVACY_COOKIE_NAME="shop")
    visitor, browser = one.visitor(), other.visitor()
    browser._cookies = visitor._cookies
    for client in (visitor, browser):
        choose(client, "accept_all")
        assert "<form" not in client.get("/page").text
    assert {"privacy_consent", "privacy_visitor", "shop_consent", "shop_visitor"} == {
        c.key for c in visitor._cookies.values()
    }
    choose(browser, "reject_all")
    browser.get("/page")
    assert cookie(visitor, "privacy_visitor") and cookie(visitor, "shop_visitor") is None


@pytest.mark.parametrize("choices", [(), ("reject_all",), ("accept_all", "reject_all")])
def test_a_cookie_that_does_not_verify_is_left_alone(tmp_path, choices):
    """It may belong to an app on another port, whatever was decided here."""
    visitor = site(tmp_path / "one").visitor()
    for choice in choices:
        choose(visitor, choice)
    for name in ("privacy_visitor", "privacy_choices"):
        visitor.set_cookie(name, "of.another-app")
    choose(visitor, "reject_all"), visitor.get("/other"), visitor.post("/privacy/me/erase")
    assert [cookie(visitor, name) for name in ("privacy_visitor", "privacy_choices")] == ["of.another-app"] * 2


def test_the_pages_show_the_names_in_the_browser(tmp_path):
    """The policy page and the settings name the cookies as they are stored."""
    visitor = site(tmp_path / "one", PRIVACY_COOKIE_NAME="shop").visitor()
    for path in ("/privacy/", "/privacy/consent"):
        page = visitor.get(path).text
        assert "shop_visitor" in page and "privacy_visitor" not in page


def test_a_test_client_decides_under_any_name(tmp_path):
    """The check of every Set-Cookie header knows the extension's own cookies by their chosen name."""
    from flask_mixamo_privacy.web.runtime import RUNTIME

    one = site(tmp_path / "one", PRIVACY_COOKIE_NAME="shop")
    response, runtime = choose(one.visitor(), "accept_all"), one.app.extensions[RUNTIME]
    granted = runtime.cookies_at("", False).consent([], 20000, gpc=False)
    assert "shop_consent" in response.headers["Set-Cookie"]
    assert list(runtime.guard.violations(response, granted, 0.0)) == []
