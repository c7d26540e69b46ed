"""Cookie guard: every cookie of the app is checked against the declaration and the visitor's grants."""

import logging

import pytest
from flask import Response, session
from flask_login import LoginManager, UserMixin, login_user

from conftest import choose
from flask_mixamo_privacy.errors import UndeclaredCookie
from flask_mixamo_privacy.policy.parts import Cookie
from flask_mixamo_privacy.web.cookie_guard import SetCookie
from support.service_site import with_services

DECLARED = (
    Cookie("_seen*", "media", "30 days", "Which films were seen."),
    Cookie("basket", "necessary", "1 day", "What is in the basket."),
    Cookie("film_id", "media", "1 day", "Of the film service.", service="film"),
    Cookie("player", "media", "1 day", "Of the film's own page.", party="third"),
    Cookie("flags", "media", "1 day", "Of the film's own page.", party="third"),
    Cookie("flags", "necessary", "1 day", "Which flags are set."),
)
POLICY = with_services(cookies=DECLARED)


@pytest.fixture
def setting(tiny):
    """Builds a site whose page /x sets a cookie with this name; returns a visitor."""

    def build(name, value="1", config=None, **attributes):
        site = tiny(PRIVACY_POLICY=POLICY, **(config or {}))

        def view():
            response = Response("<p>x")
            response.set_cookie("basket", "2")
            response.set_cookie(name, value, **attributes)
            return response

        site.view("/x", view)
        visitor = site.visitor()
        visitor.site = site
        return visitor

    return build


def test_promise_11_an_undeclared_cookie_raises_in_tests(setting):
    """An undeclared cookie raises in tests, and the error has the lines to add to privacy.toml."""
    with pytest.raises(UndeclaredCookie) as raised:
        setting("_ga").get("/x")
    assert str(raised.value) == (
        "The app sets the cookie '_ga', which the policy does not declare. Remove it, or add to privacy.toml:\n\n"
        '[[cookies]]\nname = "_ga"\npurpose = "…"\nlifetime = "…"\ndescription = "…"\n'
    )


def test_promise_11_a_cookie_whose_purpose_is_not_granted_raises(setting):
    """A declared cookie raises before the grant and after the withdrawal; a pattern declares it as well as a name."""
    visitor = setting("_seen_walk")
    with pytest.raises(UndeclaredCookie, match=r'Set it only if current_consent\.allows\("media"\)'):
        visitor.get("/x")
    choose(visitor, "accept_all")
    assert visitor.get("/x").status_code == 200
    choose(visitor, "reject_all")
    with pytest.raises(UndeclaredCookie, match="'_seen_walk' although the visitor has not granted its purpose 'media'"):
        visitor.get("/x")


def test_a_cookie_of_a_service_needs_that_service(setting):
    """A cookie of a service needs a grant of that service; a grant of its purpose is not enough."""
    visitor = setting("film_id")
    choose(visitor, "save", "media", service="map")
    with pytest.raises(UndeclaredCookie):
        visitor.get("/x")


def test_promise_11_a_cookie_of_another_company_declares_none_of_the_app(setting):
    """The app's own cookie of that name needs a declaration of its own, and then follows that one alone."""
    with pytest.raises(UndeclaredCookie, match="'player', which the policy does not declare"):
        setting("player").get("/x")
    assert setting("flags").get("/x").status_code == 200


@pytest.mark.parametrize("life", [{"max_age": 0}, {"expires": 0}, {"max_age": 0, "expires": 4_000_000_000}])
def test_deleting_a_cookie_is_always_allowed(setting, life):
    """A cookie may be deleted by Max-Age or by Expires without a declaration."""
    assert setting("_ga", "", **life).get("/x").status_code == 200


@pytest.mark.parametrize("life", [{}, {"max_age": 60, "expires": 0}, {"expires": 4_000_000_000}])
def test_setting_a_cookie_is_not_mistaken_for_deleting_it(setting, life):
    """Max-Age takes precedence over Expires, as in browsers."""
    with pytest.raises(UndeclaredCookie):
        setting("_ga", **life).get("/x")


@pytest.mark.parametrize(
    ("attributes", "deletes"),
    [
        ("Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("expires = Thu, 01-Jan-70 00:00:01 GMT", True),
        ("Expires=Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)", True),
        ("Expires=Fri, 31 Dec 2099 23:59:59 GMT; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("Max-Age=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
        ("Expires=Wed, 09-Jun-69 10:18:14 GMT", False),
        ("Expires=Fri, 08 May 2026 18:30:00 +1200", False),
        ("Expires=Thu, 01 Jan 99999999999999999999 00:00:00 GMT", False),
        ("Expires=Thu, 01 Jan 1970 00:00:99999999999999999999 GMT", False),
        ("Expires=Sun, 30 Feb 1970 00:00:00 GMT", False),
        ("Expires=1970-01-01T00:00:00Z", False),
        ("Expires=0", False),
        ("Max-Age=\xa00", False),
        ("Max-Age=" + "9" * 5000 + "; Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
    ],
)
def test_a_date_is_read_as_a_browser_reads_it(attributes, deletes):
    """A date that Python reads otherwise is no deletion, and one with many digits raises nothing."""
    assert SetCookie.parse(f"_ga=1; {attributes}", 1_778_250_000).deletes is deletes


def test_in_production_an_undeclared_cookie_is_logged_and_the_page_is_served(setting, caplog):
    """The page is served unchanged, and each undeclared cookie is logged."""
    visitor = setting("_ga", config={"TESTING": False})
    with caplog.at_level(logging.ERROR, "flask_mixamo_privacy"):
        response = visitor.get("/x")
    assert response.status_code == 200 and len(response.headers.getlist("Set-Cookie")) == 2
    assert "The app sets the cookie '_ga', which the policy does not declare." in caplog.text


@pytest.mark.parametrize("testing", [True, False])
def test_strip_removes_an_undeclared_cookie_and_no_other(setting, testing):
    """Only declared and granted cookies reach the browser."""
    visitor = setting("_ga", config={"PRIVACY_UNDECLARED_COOKIES": "strip", "TESTING": testing})
    assert [header.partition("=")[0] for header in visitor.get("/x").headers.getlist("Set-Cookie")] == ["basket"]


@pytest.mark.parametrize("secure", ["__Host-", "__Secure-"])
def test_a_cookie_prefix_is_no_part_of_the_name(setting, secure):
    """A cookie declared without ``__Host-`` or ``__Secure-`` may be set with the prefix."""
    assert setting(f"{secure}basket", secure=True).get("/x").status_code == 200


def test_the_session_and_flask_logins_cookie_are_necessary(tiny):
    """The cookies of the session and of Flask-Login need no declaration, whatever their names are."""
    site = tiny(SESSION_COOKIE_NAME="sid", REMEMBER_COOKIE_NAME="stay")
    user = type("User", (UserMixin,), {"id": "1"})()
    LoginManager(site.app).user_loader(lambda _: user)
    site.view("/login", lambda: session.update(a=1) or str(login_user(user, remember=True)))
    names = [header.partition("=")[0] for header in site.visitor().get("/login").headers.getlist("Set-Cookie")]
    assert names == ["stay", "sid"]


def test_promise_11_a_cookie_set_by_another_extension_is_checked(tiny):
    """A cookie set in an after_request function is checked, whenever the function was registered."""
    site = tiny(PRIVACY_UNDECLARED_COOKIES="strip")
    site.app.after_request(lambda response: response.set_cookie("_late", "1") or response)
    assert site.visitor().get("/").headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize(
    ("ages", "deletes"),
    [("9" * 22, False), ("9" * 400, False), ("60;Max-Age=x", False), ("x", True), ("+60", True), ("-" + "9" * 400, True)],
)
def test_a_max_age_of_any_length_takes_precedence_over_expires(ages, deletes):
    """A Max-Age that is no number is ignored (RFC 6265, 5.2.2). A number of any length counts."""
    header = f"_ga=1; Max-Age={ages}; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    assert SetCookie.parse(header, 1_778_241_600).deletes is deletes


@pytest.mark.parametrize("age", ["--5", "\u00b2", "-", "1e3"])
def test_promise_11_an_invalid_max_age_deletes_nothing(tiny, age):
    """A cookie with an invalid Max-Age is reported like any other, and the rest of the response is sent."""
    site = tiny(PRIVACY_POLICY=POLICY)
    site.view("/x", lambda: Response("x", headers=[("Set-Cookie", f"_ga=1; Max-Age={age}")]))
    with pytest.raises(UndeclaredCookie):
        site.app.test_client(use_cookies=False).get("/x")
