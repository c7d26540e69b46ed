"""Referrers: pages of the site itself and of other sites, behind a proxy that sends `Host: localhost` for shop.example."""

import json

import pytest

from conftest import choose
from flask_mixamo_privacy.tracking.scrub import split_referrer
from support.login_site import entered, with_logins

OWN, OTHER = "https://shop.example/item/alice", "https://search.example/of/alice?q=a"


def visits(site, visitor, path="/other", **headers):
    """Open a page with these headers, and return the last view's ``(previous, referrer)``."""
    choose(visitor, "save", "statistics")
    visitor.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    event = site.events("page_view")[-1]
    return event["previous"], event["referrer"]


def test_a_page_of_the_same_origin_is_our_own(tiny):
    """Sec-Fetch-Site shows it, although the proxy replaced Host."""
    site = tiny()
    assert visits(site, site.visitor(), Referer=OWN, Sec_Fetch_Site="same-origin") == ("/item/<name>", None)


def test_a_page_of_the_public_host_is_our_own(tiny):
    """Browsers send no Sec-Fetch-Site on plain HTTP, and old ones never do. PRIVACY_BASE_URL has the host."""
    site = tiny(PRIVACY_BASE_URL="https://shop.example")
    assert visits(site, site.visitor(), Referer=OWN) == ("/item/<name>", None)


def test_a_users_own_page_is_named_by_its_rule(tiny):
    """The path of a logged-in user's page is in no event, under any Host."""
    site = with_logins(tiny())
    found = visits(site, entered(site), Referer=OWN, Sec_Fetch_Site="same-origin")
    assert found == ("/item/<name>", None) and "alice" not in json.dumps(site.events())


@pytest.mark.parametrize("fetch_site", [{}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}])
@pytest.mark.parametrize("referrer", [OWN, OTHER])
def test_the_referrer_of_a_user_is_an_origin(tiny, fetch_site, referrer):
    """While a user is logged in, no path of a referrer is recorded."""
    site = with_logins(tiny())
    found = visits(site, entered(site), Referer=referrer, **fetch_site)
    assert found == (None, "/".join(referrer.split("/")[:3]) + "/")


@pytest.mark.parametrize("fetch_site", [{}, {"Sec_Fetch_Site": "same-site"}])
def test_a_page_that_a_user_opened_before_the_logout_is_an_origin(tiny, fetch_site):
    """A path that only a logged-in user may have opened, also on another subdomain, is not recorded after the logout."""
    site = with_logins(tiny())
    assert visits(site, site.visitor(), Referer=OWN, **fetch_site) == (None, "https://shop.example/")


def test_a_users_page_has_no_path_after_the_logout_if_others_are_public(tiny):
    """An anonymous visitor opened one profile. A user who then logs out on another one leaves no path of it."""
    site = with_logins(tiny())
    visits(site, site.visitor(), "/item/bob")
    own = visits(site, site.visitor(), Referer="http://localhost/item/alice")
    proxied = visits(site, site.visitor(), Referer=OWN)
    assert (own, proxied) == (("/item/<name>", None), (None, "https://shop.example/"))


def test_the_referrer_of_an_anonymous_visitor_is_a_page(tiny):
    """Without a logged-in user, the path of another site's page is recorded, without its query."""
    site = with_logins(tiny())
    assert visits(site, site.visitor(), Referer=OTHER, Sec_Fetch_Site="cross-site") == (None, OTHER.partition("?")[0])


def report(site, visitor, previous):
    choose(visitor, "save", "statistics")
    event = [{"id": "1", "kind": "page_view", "page": "/other", "previous": previous}]
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "https://shop.example"}
    assert visitor.post("/privacy/events", data=json.dumps(event), headers=headers).status_code == 204
    [found] = site.events("page_view")
    return found["previous"], found["referrer"]


@pytest.mark.parametrize(("previous", "found"), [(OWN, ("/item/alice", None)), (OTHER, (None, OTHER.partition("?")[0]))])
def test_a_reported_page_is_our_own_by_its_origin(tiny, previous, found):
    """The tracker's report has the browser's own origin."""
    site = tiny()
    assert report(site, site.visitor(), previous) == found


@pytest.mark.parametrize(("previous", "found"), [(OWN, ("/item/<name>", None)), (OTHER, (None, "https://search.example/"))])
def test_a_reported_page_of_a_user_has_no_path(tiny, previous, found):
    """What holds for a page view on the server holds for one that the tracker reports."""
    site = with_logins(tiny())
    assert report(site, entered(site), previous) == found


@pytest.mark.parametrize(("size", "kept"), [(61, True), (62, False), (1900, False)])
def test_a_host_that_is_too_long_for_a_name_is_no_referrer(size, kept):
    """A client could fill the log, the reports and the memory of a process with invented ones."""
    host = ".".join(["h" * size, *["a" * 63] * 3]) + ":65535"
    assert split_referrer.__wrapped__(f"https://{host}/a", "shop.example") == ("", f"https://{host}/a" if kept else "")
