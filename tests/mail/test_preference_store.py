"""A visitor's customisation: remembered with consent, otherwise kept until the browser closes."""

import pytest

from conftest import choose, cookie
from flask_mixamo_privacy.errors import EventError


def test_after_a_refusal_a_choice_lasts_for_the_session_without_an_event(tiny):
    """A choice after a refusal creates no ID and no event, and its cookie ends with the browser session."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "reject_all")
    header = visitor.get("/theme/dark").headers["Set-Cookie"]
    assert header.startswith("privacy_choices=") and "Max-Age" not in header and "Expires" not in header
    assert cookie(visitor, "privacy_visitor") is None and site.events() == []


def test_a_consenting_visitors_choice_is_kept_and_recorded(tiny):
    """The choice is kept for 395 days and recorded in one event with name and value."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert f"Max-Age={395 * 86400}" in visitor.get("/theme/dark").headers.getlist("Set-Cookie")[-1]
    assert site.events("customisation")[0]["data"] == {"name": "theme", "value": "dark"}


@pytest.mark.parametrize(("purpose", "kept"), [("statistics", False), ("customisation", True)])
def test_an_event_needs_both_grants(tiny, purpose, kept):
    """With only one of the grants the choice works, remembered or not, but is not recorded."""
    site = tiny()
    visitor = site.visitor()
    choose(visitor, "save", purpose)
    headers = visitor.get("/theme/dark").headers.getlist("Set-Cookie")
    assert any("privacy_choices" in header and ("Max-Age" in header) == kept for header in headers)
    assert site.events("customisation") == []


def test_a_choice_made_by_a_form_belongs_to_the_forms_page(tiny):
    """The event has the page that contains the form, not the address that the form posts to."""
    site = tiny()
    site.app.add_url_rule("/set", "set", lambda: (site.privacy.customise("size", 3), "ok")[1], methods=["POST"])
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/other")
    visitor.post("/set", headers={"Referer": "http://localhost/other"})
    assert [event["page"] for event in site.events("customisation")] == ["/other"]


def test_a_choice_is_remembered_at_once_and_in_later_requests(tiny):
    """A second choice does not replace the first one."""
    site = tiny()
    site.view("/set", lambda: (site.privacy.customise("size", 3), str(site.privacy.customisation("size")))[1])
    site.view("/both", lambda: f"{site.privacy.customisation('theme')} {site.privacy.customisation('size', 1)}")
    visitor = site.visitor()
    visitor.get("/theme/dark")
    assert visitor.get("/set").text == "3"
    assert visitor.get("/both").text == "dark 3"


def test_withdrawing_customisation_deletes_the_choices(tiny):
    """The response to the withdrawal deletes the cookie."""
    visitor = tiny().visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    choose(visitor, "save", "statistics")
    assert cookie(visitor, "privacy_choices") is None


@pytest.mark.parametrize("loss", ["expired", "withdrawn"])
def test_choices_do_not_outlive_their_grant(tiny, loss):
    """The cookie has no effect and is deleted after the grant ends, or if a late response sets it again."""
    site = tiny()
    site.view("/mine", lambda: str(site.privacy.customisation("theme", "light")))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    late = cookie(visitor, "privacy_choices")
    choose(visitor, "reject_all") if loss == "withdrawn" else visitor.delete_cookie("privacy_consent")
    visitor.set_cookie("privacy_choices", late)
    assert visitor.get("/mine").text == "light" and cookie(visitor, "privacy_choices") is None


def test_choices_are_unused_while_gpc_suspends_their_grant(tiny):
    """The choices are not applied, but they are kept."""
    site = tiny()
    site.view("/mine", lambda: str(site.privacy.customisation("theme", "light")))
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/theme/dark")
    assert visitor.get("/mine", headers={"Sec-GPC": "1"}).text == "light"
    assert visitor.get("/mine").text == "dark"


def test_granting_customisation_keeps_earlier_choices(tiny):
    """A choice of this session stays in later sessions."""
    visitor = tiny().visitor()
    visitor.get("/theme/dark")
    headers = choose(visitor, "accept_all").headers.getlist("Set-Cookie")
    assert any("privacy_choices" in header and "Max-Age" in header for header in headers)


def test_the_choices_never_exceed_their_cookie(tiny):
    """The limit is one kilobyte. Exceeding it raises an error in tests; in production the former choices stay."""
    loud, quiet = tiny(), tiny(TESTING=False)
    with loud.app.test_request_context(), pytest.raises(EventError, match=r"1024 characters at most\.$"):
        for number in range(200):
            loud.privacy.customise(f"choice{number}", f"{number * 7919 % 100_003}")
    with quiet.app.test_request_context():
        for number in range(200):
            quiet.privacy.customise(f"choice{number}", f"{number * 7919 % 100_003}")
        assert quiet.privacy.customisation("choice0") == "0"


def test_choices_that_nearly_fill_their_cookie_do_not_prevent_a_grant(tiny, monkeypatch):
    """Choices that would not fit together with the grant's binding stay choices of this session."""
    visitor = tiny().visitor()
    visitor.get("/theme/dark")
    before = cookie(visitor, "privacy_choices")
    monkeypatch.setattr("flask_mixamo_privacy.web.cookies._LONGEST_CHOICES", len(before))
    assert choose(visitor, "accept_all").status_code == 303
    assert visitor.get("/privacy/state.json").json["granted"] == ["necessary", "statistics", "customisation"]
    assert cookie(visitor, "privacy_choices") == before


@pytest.mark.parametrize("value", [["a"], {"a": 1}, object()])
def test_a_choice_is_a_plain_value(tiny, value):
    """A list or an object raises an error with an explanation."""
    site = tiny()
    with site.app.test_request_context(), pytest.raises(EventError, match="The property 'value' is"):
        site.privacy.customise("theme", value)
