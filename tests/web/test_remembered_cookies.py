"""What a process remembers of a Cookie header holds for that header, key, day, policy, signal and mount alone."""

import time

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from conftest import choose, cookie
from flask_mixamo_privacy.storage.clock import DAY
from flask_mixamo_privacy.web.runtime import RUNTIME

ASKS = "Accept all"


def header(site, choice="accept_all"):
    """Return the Cookie header of a visitor who decided."""
    visitor = site.visitor()
    choose(visitor, choice)
    visitor.get("/")
    names = ("privacy_consent", "privacy_visitor")
    return "; ".join(f"{name}={cookie(visitor, name)}" for name in names if cookie(visitor, name))


def page(site, cookies, **headers):
    return site.app.test_client(use_cookies=False).get("/", headers={"Cookie": cookies, **headers}).text


def test_a_header_that_was_valid_under_another_key_is_not(tiny):
    """A change of SECRET_KEY ends every decision at once, also those that a process has verified."""
    site = tiny()
    cookies = header(site)
    assert ASKS not in page(site, cookies)
    site.app.config["SECRET_KEY"] = "another key"
    assert ASKS in page(site, cookies)


def test_a_header_that_was_valid_on_another_day_may_have_expired(tiny):
    """A consent of 182 days ends in a process that runs for longer."""
    site = tiny()
    cookies = header(site, "reject_all")
    assert ASKS not in page(site, cookies)
    later = site.app.test_client(use_cookies=False)
    assert ASKS in later.get("/", headers={"Cookie": cookies}, environ_base={"mixamo_privacy.now": 4e9}).text


def test_the_same_header_with_and_without_gpc_are_two(tiny):
    """A grant is suspended while the browser sends GPC, and stands again when it does not."""
    site = tiny()
    cookies = header(site)
    tracked = ["tracker.js" in page(site, cookies, **sent) for sent in ({}, {"Sec-GPC": "1"}, {}, {"Sec-GPC": "1"})]
    assert tracked == [True, False, True, False]


def test_two_apps_in_one_process_share_no_header(tiny):
    """The same header at two mounts is valid only at the mount that issued it."""
    site, other = tiny(), tiny()
    cookies = header(site)
    both = Client(DispatcherMiddleware(site.app, {"/shop": other.app}), use_cookies=False)
    for _ in range(2):
        assert ASKS not in both.get("/", headers={"Cookie": cookies}).text
        assert ASKS in both.get("/shop/", headers={"Cookie": cookies}).text


@pytest.mark.parametrize("around", ["{}; other=1", "a=b; {}", "{};{}", "{}; privacy_consent=g.forged"])
def test_other_cookies_in_the_header_change_nothing(tiny, around):
    """The decision is that of our own valid cookies, whatever else the header has."""
    site = tiny()
    cookies = header(site, "reject_all")
    for _ in range(2):
        assert ASKS not in page(site, around.format(cookies, cookies))


def test_forged_headers_displace_none_that_was_verified(tiny):
    """A client that invents thousands of cookies makes the process verify no other visitor again."""
    site = tiny()
    cookies, today = header(site), int(time.time()) // DAY
    stated = site.app.extensions[RUNTIME].cookies_at("", False).stated
    verified = stated(cookies, today, False)
    for number in range(5000):
        assert stated(f"privacy_consent=r.500a.forged{number}.c2lnbmF0dXJl", today, False).consent.must_ask
    assert stated(cookies, today, False) is verified


def test_a_long_header_states_the_same(tiny):
    """A header that is too long to be remembered is read each time."""
    site = tiny()
    cookies = f"{header(site, 'reject_all')}; long={'a' * 2000}"
    assert [ASKS in page(site, cookies) for _ in range(2)] == [False, False]


def test_each_page_gets_the_banner_that_leads_back_to_it(tiny):
    """A remembered banner has the path and the query of its own page, escaped."""
    site = tiny()
    for path in ("/other", "/other?a=1&b=%22", "/item/a%20b", "/item/é", "/other"):
        text = site.visitor().get(path).text
        back_to = path.replace("é", "%C3%A9").replace("&", "&amp;")
        assert text.count(f'name="next" value="{back_to}"') == 2


def test_visitors_of_two_languages_get_two_banners_of_one_page(tiny):
    """A remembered banner is that of its language."""
    site = tiny()
    found = [site.visitor(Accept_Language=code).get("/").text for code in ("de", "en", "de")]
    assert ["Alle annehmen" in text or "Alle akzeptieren" in text for text in found] == [True, False, True]


def test_each_response_has_the_nonce_of_its_own_request(tiny):
    """A nonce is never remembered."""
    nonces = iter("abc")
    site = tiny(PRIVACY_CSP_NONCE=lambda: next(nonces) * 8)
    visitor = site.visitor()
    texts = [visitor.get("/").text for _ in range(3)]
    assert ['nonce="' + letter * 8 + '"' in text for letter, text in zip("abc", texts, strict=True)] == [True] * 3
