"""The tracker: which visitors get it, which pages link it, and how files are compressed."""

import gzip
import re
from html import unescape

import brotli
import pytest

from conftest import choose
from flask_mixamo_privacy.web.assets import TRACKER, build

ADDRESS = re.compile(r'<script src="(/privacy/tracker\.js\?v=[0-9a-f]{10}&amp;for=[\w-]{2})" defer></script>')


def consenting_visitor(site, *purposes, **headers):
    visitor = site.visitor(**headers)
    choose(visitor, "save", *(purposes or ("statistics",)))
    return visitor


def test_promise_12_the_tracker_is_served_only_with_a_grant_of_statistics(tiny):
    """Without the grant the answer is empty and uncached."""
    site = tiny()
    refusing, customising = site.visitor(), consenting_visitor(site, "customisation")
    choose(refusing, "reject_all")
    for visitor in (site.visitor(), refusing, customising):
        response = visitor.get("/privacy/tracker.js")
        assert (response.status_code, response.data, response.headers["Cache-Control"]) == (204, b"", "no-store")
    served = consenting_visitor(site).get("/privacy/tracker.js")
    assert served.data == build(TRACKER) and served.mimetype == "text/javascript"


def test_the_tracker_ends_with_the_consent(tiny):
    """A withdrawal and Global Privacy Control remove it at once."""
    visitor = consenting_visitor(tiny())
    assert visitor.get("/privacy/tracker.js", headers={"Sec-GPC": "1"}).status_code == 204
    choose(visitor, "reject_all")
    assert visitor.get("/privacy/tracker.js").status_code == 204


def test_the_tracker_is_cached_by_its_visitors_browser_alone(tiny):
    """No shared cache stores it, no other origin may read it, and a browser may revalidate it."""
    visitor = consenting_visitor(tiny())
    first = visitor.get("/privacy/tracker.js")
    assert first.cache_control.private and not first.cache_control.public
    assert {"Cookie", "Sec-GPC", "Accept-Encoding"} <= set(first.headers["Vary"].split(", "))
    assert first.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert first.headers["X-Content-Type-Options"] == "nosniff" and "Set-Cookie" not in first.headers
    again = visitor.get("/privacy/tracker.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"") and again.cache_control.private


def test_the_tracker_is_no_public_file(tiny):
    """Neither its plain name nor a hashed name is served as a static file."""
    site = tiny()
    visitor = consenting_visitor(site)
    digest = re.search(r"v=(\w{10})", visitor.get("/").text)[1]
    for name in (f"tracker.{digest}.js", "tracker.js"):
        assert visitor.get(f"/privacy/static/{name}").status_code == 404
    assert not [path for path in (site.folder.parent / "assets").glob("*") if "tracker" in path.name]


def test_a_page_links_the_tracker_only_with_a_grant_of_statistics(tiny):
    """The page has no byte of it before a choice, after a refusal or for another purpose."""
    site = tiny()
    refusing = site.visitor()
    choose(refusing, "reject_all")
    for visitor in (site.visitor(), refusing, consenting_visitor(site, "customisation")):
        assert "tracker" not in visitor.get("/").text
    visitor = consenting_visitor(site)
    text = visitor.get("/").text
    assert "mixamo-ask" not in text and len(ADDRESS.findall(text)) == 1
    assert visitor.get(ADDRESS.search(text)[1]).data == build(TRACKER)


def test_the_tracker_is_linked_beside_a_banner_for_a_new_purpose(tiny):
    """A new purpose is asked for, and the grant of statistics stays."""
    from dataclasses import replace

    from flask_mixamo_privacy.policy.parts import Purpose
    from flask_mixamo_privacy.policy.toml import built_in

    visitor = consenting_visitor(tiny())
    more = Purpose("media", title="Media", description="Videos.", basis="consent")
    policy = replace(built_in(), purposes=(*built_in().purposes, more))
    page = tiny(PRIVACY_POLICY=policy).visitor()
    page.set_cookie("privacy_consent", visitor.get_cookie("privacy_consent").value)
    text = page.get("/").text
    assert "mixamo-ask" in text and ADDRESS.search(text)


@pytest.mark.parametrize("path", ["/privacy/", "/privacy/consent"])
def test_the_extensions_own_pages_link_no_tracker(tiny, path):
    """Visitors are not tracked while they read the policy or decide."""
    assert "tracker" not in consenting_visitor(tiny()).get(path).text


def test_the_tracker_is_linked_below_a_path_and_under_another_prefix(tiny):
    """The page has the URL as the browser sees it."""
    site = tiny(PRIVACY_URL_PREFIX="/p/q", PRIVACY_COOKIE_PATH="/")
    visitor = site.visitor()
    visitor.post("/p/q/consent", data={"choice": "accept_all"})
    text = visitor.get("/", environ_overrides={"SCRIPT_NAME": "/app"}).text
    assert '<script src="/app/p/q/tracker.js?v=' in text


def test_a_grant_without_a_reload_returns_the_trackers_url(tiny):
    """The URL is the one that pages link; a refusal returns none."""
    visitor, refusing = tiny().visitor(), tiny().visitor()
    headers = {"Accept": "application/json"}
    answer = visitor.post("/privacy/consent", data={"choice": "accept_all", "next": "/"}, headers=headers).json
    assert answer["tracker"] == unescape(ADDRESS.search(visitor.get("/").text)[1])
    assert "tracker" not in refusing.post("/privacy/consent", data={"choice": "reject_all"}, headers=headers).json


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0", None),
        ("gzip;q=0, *", "br"),
        ("*;q=0", None),
        ("identity", None),
        ("", None),
        (None, None),
        (";=,;q=", None),
    ],
)
@pytest.mark.parametrize("which", ["tracker", "asset"])
def test_files_are_compressed_as_the_browser_accepts(tiny, which, accepted, coding):
    """Files are compressed at build time; q=0 excludes a coding, and each coding has its own ETag."""
    visitor = consenting_visitor(tiny())
    address = "/privacy/tracker.js"
    if which == "asset":
        address = re.search(r'/privacy/static/banner[^"]+js', tiny().visitor().get("/").text)[0]
    plain = visitor.get(address)
    response = visitor.get(address, headers={} if accepted is None else {"Accept-Encoding": accepted})
    decode = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[coding]
    assert response.headers.get("Content-Encoding") == coding and decode(response.data) == plain.data
    assert int(response.headers["Content-Length"]) == len(response.data) and "Accept-Encoding" in response.headers["Vary"]
    assert (response.headers["ETag"] == plain.headers["ETag"]) == (coding is None)


def test_the_tracker_is_small(tiny):
    """The browser's download fits into the first packet of a new connection."""
    response = consenting_visitor(tiny()).get("/privacy/tracker.js", headers={"Accept-Encoding": "br"})
    assert len(response.data) <= 1400
