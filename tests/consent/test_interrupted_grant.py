"""A grant whose answer never arrives: nothing is logged that the visitor's cookies cannot find."""

import pytest

from conftest import choose, cookie

JSON = {"Accept": "application/json"}


@pytest.fixture
def site(tiny):
    return tiny()


def lose_answer(site, path="/privacy/consent", cookies=None, **options):
    """Send a request as a browser that never receives the answer, so that no cookie is stored."""
    client = site.app.test_client()
    for name, value in (cookies or {}).items():
        client.set_cookie(name, value)
    client.open(path, **options)


def with_consent_cookie_alone(site, visitor):
    """Return a browser to which only the consent cookie of this visitor arrived."""
    other = site.visitor()
    other.set_cookie("privacy_consent", cookie(visitor))
    return other


@pytest.mark.parametrize("headers", [{}, JSON], ids=["form", "script"])
def test_a_grant_that_never_arrives_leaves_no_event(site, headers):
    """The ledger has the grant, which is the visitor's decision, and the log has nothing."""
    data = {"choice": "accept_all", "next": "/other"}
    lose_answer(site, method="POST", data=data, headers=headers)
    assert len(site.ledger("grant")) == 1 and site.events() == []


def test_a_receiver_of_the_signal_logs_nothing_for_a_new_visitor(site):
    """An event that the site tracks in the response to the grant would have an ID that may never arrive."""
    from flask_mixamo_privacy.signals import consent_granted

    def track(sender, **_):
        site.privacy.track("accepted")

    with consent_granted.connected_to(track):
        lose_answer(site, method="POST", data={"choice": "accept_all"})
    assert site.events() == []


def test_a_known_visitor_is_logged_during_a_new_grant(site):
    """The browser already has the ID, whether the answer arrives or not."""
    from flask_mixamo_privacy.signals import consent_granted

    def track(sender, **_):
        site.privacy.track("accepted")

    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    visitor.get("/")
    with consent_granted.connected_to(track):
        choose(visitor, "accept_all")
    assert len({event["visitor"] for event in site.events()}) == 1 and len(site.events("accepted")) == 1


def test_the_consent_cookie_alone_shows_and_erases_what_was_logged(site):
    """The page was logged, but its visitor cookie got lost. The withdrawal still erases the events."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    lose_answer(site, "/other", {"privacy_consent": cookie(visitor)})
    reader = with_consent_cookie_alone(site, visitor)
    assert reader.get("/privacy/me.json").json["events"]["total"] == 2
    choose(reader, "reject_all")
    assert site.events() == []


@pytest.mark.parametrize("value", ["", "forged", "a.b.c.d.e", "x" * 500])
def test_an_invalid_visitor_cookie_hides_no_events(site, value):
    """An invalid cookie, or that of another app on the host, counts as none, so a withdrawal still erases the events."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    lose_answer(site, "/other", {"privacy_consent": cookie(visitor)})
    reader = with_consent_cookie_alone(site, visitor)
    reader.set_cookie("privacy_visitor", value)
    assert reader.get("/privacy/me.json").json["events"]["total"] == 2
    choose(reader, "reject_all")
    assert site.events() == []


def test_two_tabs_opened_at_once_have_one_visitor_and_one_visit(site):
    """Neither tab has the visitor cookie yet, and both derive the same ID from the grant."""
    visitor = site.visitor()
    choose(visitor, "accept_all")
    for path in ("/", "/other"):
        with_consent_cookie_alone(site, visitor).get(path)
    assert len({(event["visitor"], event["visit"]) for event in site.events()}) == 1
    assert (len(site.events("visit_start")), len(site.events("page_view"))) == (1, 2)


def test_a_second_grant_keeps_what_the_first_can_reach(site):
    """The visitor cookie of a page got lost, and the visitor grants more. The new cookies find the earlier events."""
    visitor = site.visitor()
    choose(visitor, "save", "statistics")
    lose_answer(site, "/other", {"privacy_consent": cookie(visitor)})
    choose(visitor, "accept_all")
    visitor.get("/")
    assert visitor.get("/privacy/me.json").json["events"]["by_kind"] == {"page_view": 2, "visit_start": 1}
    choose(visitor, "reject_all")
    assert site.events() == []


def test_an_id_says_nothing_about_another_grant(site):
    """Each grant has its own ID."""
    for _ in range(3):
        visitor = site.visitor()
        choose(visitor, "accept_all")
        visitor.get("/")
    assert len({event["visitor"] for event in site.events()}) == 3


@pytest.mark.browser
def test_a_visitor_who_leaves_before_the_answer_still_gets_the_cookie(site, serve, open_browser):
    """The browser finishes the request after the page is gone, and the next answer is counted under the same visitor."""
    import time

    slow = site.app.wsgi_app

    def delayed(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/privacy/consent":
            time.sleep(1)
        return slow(environ, start_response)

    site.app.wsgi_app = delayed
    page = open_browser(base_url=serve(site.app))
    page.goto("/")
    page.get_by_role("button", name="Accept all").click()
    page.goto("/other")
    page.wait_for_timeout(2000)
    assert [entry["name"] for entry in page.context.cookies()] == ["privacy_consent"] and site.events() == []
    page.goto("/")
    assert [event["page"] for event in site.events("page_view")] == ["/"]


def test_a_visitor_with_a_random_id_of_an_earlier_release_keeps_it(site):
    """The cookie decides. An ID is derived only if there is none."""
    from flask_mixamo_privacy.tracking.events import Visitor

    earlier = Visitor.decode("1Sv2IOJqNL0y_GZ447wVVw.5065.1.69fdd040.qWTLHECk", 0x5065, 395)
    assert earlier.encode() == "1Sv2IOJqNL0y_GZ447wVVw.5065.1.69fdd040.qWTLHECk"
    assert earlier.seen_at(0x69FDD040).id == "1Sv2IOJqNL0y_GZ447wVVw" and earlier.serves("qWTLHECk and more")
