"""Page views: what a browser opens as a page, with and without its fetch metadata."""

import pytest
from flask import Response

from conftest import choose

NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def site(tiny):
    return tiny()


def views(site, path="/", **headers):
    """Open a page once with these headers, and return the number of views."""
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    visitor.get(path, headers={**NAVIGATION, **{name.replace("_", "-"): value for name, value in headers.items()}})
    return len(site.events("page_view"))


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Requested_With": "XMLHttpRequest"},
        {"HX_Request": "true"},
        {"HX_Request": "true", "HX_Boosted": "true"},
        {"Turbo_Frame": "cart"},
        {"X_Turbo_Request_Id": "1"},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="},
        {"Accept": "*/*"},
        {"Accept": "application/json"},
        {"Accept": "text/event-stream"},
        {"Accept": "application/json, text/html;q=0"},
        {"Accept": "text/html-fragment"},
        {"X_Requested_With": "swup"},
        {"X_Up_Target": "main"},
        {"X_PJAX_Container": "main"},
        {"HX_History_Restore_Request": "true"},
        {"Last_Event_ID": "7"},
        {"Range": "bytes=0-9"},
        {"Origin": "http://localhost"},
        {"Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Dest": "iframe"},
        {"Sec_Fetch_Dest": "empty"},
    ],
)
def test_a_fetch_is_no_page_view(site, headers):
    """A request that no address bar makes is not counted, with or without Sec-Fetch-Dest."""
    assert views(site, **headers) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Requested_With": "com.example.browser"},
        {"Upgrade": "h2c", "Connection": "Upgrade"},
        {"Accept": "Text/HTML"},
        {"Accept": "text/html;q=0.5, */*"},
        {"Sec_Fetch_Mode": "navigate"},
        {"Sec_Fetch_Dest": "document"},
    ],
)
def test_a_navigation_is_a_page_view(site, headers):
    """A page opened by an old browser, in an app or by an HTTP/2-ready client is counted."""
    assert views(site, **headers) == 1


@pytest.mark.parametrize(
    "header",
    [{"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "preview"}, {"X-Purpose": "preview"}, {"X-Moz": "prefetch"},
     {"X-Sec-Purpose": "prefetch"}],
    ids=str,
)  # fmt: skip
def test_a_prefetch_is_no_page_view_and_its_tracker_reports_the_view(site, header):
    """The visitor may never open the page, whichever header the browser sends with a prefetch."""
    assert views(site, **header) == 0
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    assert " data-page-view" in visitor.get("/", headers=header).text


@pytest.mark.parametrize("headers", [{}, {"Sec_Fetch_Dest": "document"}])
def test_a_download_is_no_page_view(site, headers):
    """An HTML file that the browser saves is not counted."""
    site.view("/export", lambda: Response("<p>", headers={"Content-Disposition": 'Attachment; filename="a.html"'}))
    assert views(site, "/export", **headers) == 0


@pytest.mark.parametrize("status", [101, 202, 204, 404])
def test_only_a_page_with_content_is_a_page_view(site, status):
    """A response with another status than 200 and 304 is not counted."""
    site.view("/odd", lambda: Response("", status))
    assert views(site, "/odd") == 0
