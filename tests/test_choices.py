"""What a visitor customises: remembered with consent, until the browser closes without it."""

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.errors import EventError


def test_a_refusers_choice_works_for_the_session_and_leaves_no_event(tiny):
    """No ID, no event, and a cookie that ends with the browser."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "reject_all")
    header = visitor.get("/theme/dark").headers["Set-Cookie"]
    assert header.startswith("privacy_choices=") and "Max-Age" not in header and "Expires" not in header
    assert cookie(visitor, "privacy_visitor") is None and site.events() == []


def test_a_consenting_visitors_choice_is_kept_and_recorded(tiny):
    """For 395 days, with one event that holds name and value."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert f"Max-Age={395 * 86400}" in visitor.get("/theme/dark").headers.getlist("Set-Cookie")[-1]
    assert site.events("customisation")[0]["data"] == {"name": "theme", "value": "dark"}


@pytest.mark.parametrize(("purpose", "kept"), [("statistics", False), ("customisation", True)])
def test_an_event_needs_both_grants(tiny, purpose, kept):
    """With one of the two the choice works, kept or not, and is not recorded."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "save", purpose)
    headers = visitor.get("/theme/dark").headers.getlist("Set-Cookie")
    assert any("privacy_choices" in header and ("Max-Age" in header) == kept for header in headers)
    assert site.events("customisation") == []


def test_a_choice_made_by_a_form_belongs_to_the_page_that_it_was_made_on(tiny):
    """The form's own address is no page."""
    site = tiny()
    site.app.add_url_rule("/set", "set", lambda: (site.privacy.customise("size", 3), "ok")[1], methods=["POST"])
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/other")
    visitor.post("/set", headers={"Referer": "http://localhost/other"})
    assert [event["page"] for event in site.events("customisation")] == ["/other"]


def test_a_choice_is_remembered_within_the_same_request_and_after(tiny):
    """And another one beside it does not push it out."""
    site = tiny()
    site.view("/set", lambda: (site.privacy.customise("size", 3), str(site.privacy.customisation("size")))[1])
    site.view("/both", lambda: f"{site.privacy.customisation('theme')} {site.privacy.customisation('size', 1)}")
    visitor = site.visitor()
    visitor.get("/theme/dark")
    assert visitor.get("/set").text == "3"
    assert visitor.get("/both").text == "dark 3"


def test_withdrawing_customisation_forgets_the_choices(tiny):
    """The cookie goes in the very response."""
    visitor = tiny().visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    choose(visitor, "save", "statistics")
    assert cookie(visitor, "privacy_choices") is None


@pytest.mark.parametrize("loss", ["expired", "withdrawn"])
def test_choices_do_not_outlive_the_grant_they_were_kept_under(tiny, loss):
    """After its end, or set again by a page that answered late, the cookie is nothing and is deleted."""
    site = tiny()
    site.view("/mine", lambda: str(site.privacy.customisation("theme", "light")))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    late = cookie(visitor, "privacy_choices")
    choose(visitor, "reject_all") if loss == "withdrawn" else visitor.delete_cookie("privacy_consent")
    visitor.set_cookie("privacy_choices", late)
    assert visitor.get("/mine").text == "light" and cookie(visitor, "privacy_choices") is None


def test_choices_sleep_while_gpc_suspends_their_grant(tiny):
    """They are not used, and not lost."""
    site = tiny()
    site.view("/mine", lambda: str(site.privacy.customisation("theme", "light")))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    assert visitor.get("/mine", headers={"Sec-GPC": "1"}).text == "light"
    assert visitor.get("/mine").text == "dark"


def test_granting_customisation_keeps_what_was_chosen_before(tiny):
    """A choice of this session stays for the next one."""
    visitor = tiny().visitor()
    visitor.get("/theme/dark")
    headers = choose(visitor, "accept_all").headers.getlist("Set-Cookie")
    assert any("privacy_choices" in header and "Max-Age" in header for header in headers)


def test_the_choices_never_outgrow_their_cookie(tiny):
    """At most a kilobyte: loud in tests, and in production the former choices stay."""
    loud, quiet = tiny(), tiny(TESTING=False)
    with loud.app.test_request_context(), pytest.raises(EventError, match=r"1024 characters at most\.$"):
        for number in range(200):
            loud.privacy.customise(f"choice{number}", f"{number * 7919 % 100_003}")
    with quiet.app.test_request_context():
        for number in range(200):
            quiet.privacy.customise(f"choice{number}", f"{number * 7919 % 100_003}")
        assert quiet.privacy.customisation("choice0") == "0"


def test_choices_that_nearly_fill_their_cookie_do_not_stand_in_the_way_of_a_grant(tiny, monkeypatch):
    """Bound to the grant they would not fit: then they stay what they were, choices of this session."""
    visitor = tiny().visitor()
    visitor.get("/theme/dark")
    before = cookie(visitor, "privacy_choices")
    monkeypatch.setattr("flask_mixamo_privacy.cookies._LONGEST_CHOICES", len(before))
    assert choose(visitor, "accept_all").status_code == 303
    assert visitor.get("/privacy/state.json").json["granted"] == ["necessary", "statistics", "customisation"]
    assert cookie(visitor, "privacy_choices") == before


@pytest.mark.parametrize("value", [["a"], {"a": 1}, object()])
def test_a_choice_is_a_plain_value(tiny, value):
    """A list or an object is refused with a sentence."""
    site = tiny()
    with site.app.test_request_context(), pytest.raises(EventError, match="The property 'value' of an event is"):
        site.privacy.customise("theme", value)
