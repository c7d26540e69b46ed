"""The message after a decision on the settings page: without JavaScript, without a new cookie, and never to another site."""

import pytest

from conftest import choose

FORM = {"services": "listed"}  # a field of the settings page


@pytest.mark.parametrize("choice", ["save", "accept_all", "reject_all"])
def test_the_settings_page_states_that_the_choice_is_saved(tiny, choice):
    """A change leads to the settings, with a link back to the page from which the visitor came."""
    visitor = tiny().visitor()
    choose(visitor, "save", "customisation")
    answer = choose(visitor, choice, next="/other?a=1", **FORM)
    assert answer.status_code == 303 and answer.location.startswith("/privacy/consent?saved=1&next=/other")
    text = visitor.get(answer.location).text
    assert '<p class="mixamo-message" role="status">Your choice is saved.</p>' in text
    assert '<a href="/other?a=1">Back to the page you came from</a>' in text


def test_the_banner_leads_back_at_once(tiny):
    """A visitor who answers the banner, or the settings that it opened, is back on the page, which asks no more."""
    assert choose(tiny().visitor(), "accept_all", next="/other").location == "/other"
    assert choose(tiny().visitor(), "save", "customisation", next="/other", **FORM).location == "/other"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_the_message_links_to_no_other_site(tiny, target):
    """Neither the redirect nor a link that someone else made contains the address."""
    visitor = tiny().visitor()
    choose(visitor, "reject_all")
    location = choose(visitor, "accept_all", next=target, **FORM).location
    page = visitor.get("/privacy/consent", query_string={"saved": 1, "next": target})
    assert "evil" not in location and "evil" not in page.text


def test_the_message_needs_no_cookie_of_its_own(tiny):
    """Two visitors who refuse have the same cookie and the same address."""
    site = tiny()
    first, second = (choose(site.visitor(), "reject_all", **FORM) for _ in range(2))
    assert (first.location, first.headers["Set-Cookie"]) == (second.location, second.headers["Set-Cookie"])


def test_a_browser_that_keeps_no_cookie_is_not_told_that_the_choice_is_saved(tiny):
    """The page states that there is no choice, and why."""
    site = tiny()
    location = choose(site.visitor(), "accept_all", **FORM).location
    text = site.visitor().get(location).text
    assert "Your choice is saved." not in text and "your browser blocks the cookie that keeps it" in text
    assert '<p class="mixamo-message" role="alert">' in text and "<title>Error: Privacy settings</title>" in text
