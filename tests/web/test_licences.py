"""Licensed downloads: no download without acceptance, and a new version asks again."""

import json
from dataclasses import replace

import pytest
from flask import render_template_string
from flask_login import FlaskLoginClient, LoginManager, UserMixin

from flask_mixamo_privacy import acceptance_required
from flask_mixamo_privacy.errors import RightsUnavailable, UndeclaredCollection
from support.form_site import POINTS, hidden, policy

pytestmark = pytest.mark.usefixtures("clock")

PAGE = "/privacy/licence/licence"
FIRST, SECOND = "You may use it.\n\nYou may not sell it.", "You may use it once."


class User(UserMixin):
    def __init__(self, key):
        self.id = key
        self.email = {"7": "Ada@Shop.example"}.get(key)


def licensed(tiny, point="licence", login=False, **values):
    """A site with a licensed download; ``config`` has its other settings."""
    config = values.pop("config", {})
    site = tiny(**{"PRIVACY_POLICY": policy()} | config)
    if login:
        LoginManager(site.app).user_loader(User)
        site.app.test_client_class = FlaskLoginClient
    site.view("/file", acceptance_required(point, **values)(lambda: "the file"))
    return site


def agree(visitor, path="/file", **fields):
    """Follow the download to the licence, and submit its form."""
    page = visitor.get(path).location
    assert page is not None, "was not asked"
    return visitor.post(PAGE, data={**hidden(visitor, page), "acceptance": "yes", **fields})


def test_promise_06_without_the_licence_no_download(tiny):
    """The download redirects to the licence until the visitor accepts it."""
    visitor = licensed(tiny, text=FIRST).visitor()
    redirect = visitor.get("/file?size=2")
    assert (redirect.status_code, redirect.location) == (302, f"{PAGE}?next=/file?size%3D2")
    assert redirect.headers["Cache-Control"] == "no-store" and "the file" not in redirect.text
    text = visitor.get(redirect.location).text
    assert '<p dir="auto">You may not sell it.</p>' in text and "We keep that you accepted." in text and "I accept" in text
    answer = agree(visitor, "/file?size=2")
    assert (answer.status_code, answer.location) == (303, "/file?size=2")
    served = visitor.get("/file")
    assert (served.status_code, served.text, served.headers["Cache-Control"]) == (200, "the file", "private")


@pytest.mark.parametrize("acceptance", ["", "0", "false", "no"])
@pytest.mark.parametrize("declared", [(), ("acceptance",)])
def test_promise_06_a_submission_with_a_no_is_no_acceptance(tiny, acceptance, declared):
    """A submission with "no" is answered 400, records nothing and starts no download."""
    points = [replace(point, required=declared) if point.id == "licence" else point for point in POINTS]
    site = licensed(tiny, text=FIRST, config={"PRIVACY_POLICY": policy(*points)})
    visitor = site.visitor()
    assert agree(visitor, acceptance=acceptance).status_code == 400
    assert site.ledger() == [] and visitor.get("/file").status_code == 302


def test_promise_06_a_submission_without_an_acceptance_is_none(tiny):
    """A post without the button's field, as an empty one, is answered 400 and records nothing."""
    site = licensed(tiny, text=FIRST)
    visitor = site.visitor()
    assert visitor.post(PAGE, data={}).status_code == visitor.post(PAGE, json={}).status_code == 400
    assert site.ledger() == [] and visitor.get("/file").status_code == 302


def test_promise_06_a_point_is_found_by_its_declared_id_alone(tiny):
    """``license`` is not ``licence``: a view under it raises, and serves no file."""
    site = licensed(tiny, "license", text=FIRST)
    with pytest.raises(UndeclaredCollection, match="license"):
        site.visitor().get("/file")


def test_promise_06_the_decorator_is_in_the_package_and_on_privacy(tiny):
    """The decorator of the package and the method of ``Privacy`` do the same."""
    site = tiny(PRIVACY_POLICY=policy())
    assert site.privacy.acceptance_required is acceptance_required


def test_promise_06_a_new_version_asks_again(tiny):
    """A changed text is a new version; an unchanged text is not asked for twice."""
    visitor = licensed(tiny, text=FIRST).visitor()
    agree(visitor)
    kept = visitor.get_cookie("privacy_licence").decoded_value
    for text, status in ((FIRST, 200), (SECOND, 302)):
        later = licensed(tiny, text=text).visitor()
        later.set_cookie("privacy_licence", kept)
        assert later.get("/file").status_code == status


def test_promise_06_without_a_text_of_its_own_the_policy_is_the_licence(tiny):
    """A new version of the policy or of the notice asks again."""
    visitor = licensed(tiny).visitor()
    agree(visitor)
    kept = visitor.get_cookie("privacy_licence").decoded_value
    notice = [replace(point, notice="We keep it.") if point.id == "licence" else point for point in POINTS]
    for changed, status in ((policy(), 200), (policy(version="2026-05-09"), 302), (policy(*notice), 302)):
        later = licensed(tiny, config={"PRIVACY_POLICY": changed}).visitor()
        later.set_cookie("privacy_licence", kept)
        assert later.get("/file").status_code == status


def test_a_text_may_come_from_a_callable_and_in_languages(tiny):
    """A text in several languages is one version for all visitors."""
    texts = {"en": "Use it.", "de": "Benutzen Sie es."}
    site = licensed(tiny, text=lambda: texts)
    german = site.visitor(Accept_Language="de")
    assert "Benutzen Sie es." in german.get(PAGE).text and "Ich akzeptiere" in german.get(PAGE).text
    agree(german)
    german.environ_base["HTTP_ACCEPT_LANGUAGE"] = "en"
    assert german.get("/file").text == "the file"


def test_promise_06_an_acceptance_is_on_record(tiny):
    """The record has the time, both versions, the text's digest, and the text itself."""
    site = licensed(tiny, text=FIRST)
    agree(site.visitor())
    [row] = site.ledger("acceptance")
    assert (row["at"], row["policy"], row["subject"]) == ("2026-05-08T12:00:00.000Z", "2026-05-08", "")
    assert len(json.loads(row["detail"])["version"]) == 64
    assert [text["body"] for text in site.ledger_texts() if text["digest"] == row["text"]] == [FIRST]


def test_the_cookie_is_signed_and_identifies_no_visitor(tiny):
    """The cookie is the same for all who accepted this version, and an edited one is invalid."""
    site = licensed(tiny, text=FIRST)
    one, other = site.visitor(), site.visitor()
    agree(one), agree(other)
    kept = one.get_cookie("privacy_licence")
    assert kept.value == other.get_cookie("privacy_licence").value and kept.http_only and kept.max_age == 365 * 86400
    for forged in (kept.value[:-1], "licence=0123456789abcdef", "é", "x" * 3000):
        one.set_cookie("privacy_licence", forged)
        assert one.get("/file").status_code == 302


def test_the_acceptance_of_a_user_is_in_the_database(tiny):
    """A user's acceptance counts in any browser, and for no other user or visitor."""
    site = licensed(tiny, login=True, text=FIRST)
    agree(site.visitor())  # an anonymous visitor, for this browser alone
    ada, elsewhere, eve = (site.app.test_client(user=User(key)) for key in ("7", "7", "8"))
    assert ada.get("/file").status_code == 302
    agree(ada)
    assert [client.get("/file").status_code for client in (ada, elsewhere, eve, site.visitor())] == [200, 200, 302, 302]
    assert ada.get_cookie("privacy_licence") is None and len(site.ledger("acceptance")[1]["subject"]) == 64


def test_an_acceptance_is_exported_and_erased_by_the_users_address(tiny):
    """The operator does not need to know the site's id of the user."""
    site = licensed(tiny, login=True, text=FIRST)
    ada, eve = (site.app.test_client(user=User(key)) for key in ("7", "8"))
    agree(ada), agree(eve)
    shown = json.loads(site.cli("export", "ada@shop.example").output)["stores"]
    assert shown["licences"] == [{"what": "licence licence", "at": "2026-05-08T12:00:00.000Z", "policy": "2026-05-08"}]
    site.cli("erase", "--subject", "ada@shop.example")
    assert [client.get("/file").status_code for client in (ada, eve)] == [302, 200]


def test_several_licences_are_independent(tiny):
    """Accepting one licence does not accept another; one cookie holds both."""
    other = replace(POINTS[1], id="fonts", title="Fonts")
    site = licensed(tiny, text=FIRST, config={"PRIVACY_POLICY": policy(*POINTS, other)})
    site.view("/font", acceptance_required("fonts", text=SECOND)(lambda: "the font"))
    visitor = site.visitor()
    agree(visitor)
    licence_url = visitor.get("/font").location
    assert licence_url == "/privacy/licence/fonts?next=/font" and SECOND in visitor.get(licence_url).text
    visitor.post("/privacy/licence/fonts", data={**hidden(visitor, licence_url), "acceptance": "yes"})
    assert [visitor.get(path).text for path in ("/file", "/font")] == ["the file", "the font"]


def accept_each(tiny, number, name):
    """Accept this number of licences in one browser. Returns the visitor and the paths of the downloads."""
    names = [name.format(index) for index in range(number)]
    points = [replace(POINTS[1], id=name, title=name) for name in names]
    site = licensed(tiny, text=FIRST, config={"PRIVACY_POLICY": policy(*POINTS, *points)})
    visitor = site.visitor()
    for point in names:
        site.app.add_url_rule(f"/{point}", point, acceptance_required(point, text=SECOND)(lambda: "a file"))
    for point in names:
        page = f"/privacy/licence/{point}"
        visitor.post(page, data={**hidden(visitor, page), "acceptance": "yes"})
    return visitor, [f"/{point}" for point in names]


def test_a_site_with_many_licences_keeps_each_acceptance(tiny):
    """The cookie has room for a hundred licences."""
    visitor, downloads = accept_each(tiny, 100, "licence-{:02}")
    assert {visitor.get(path).status_code for path in downloads} == {200}
    assert len(visitor.get_cookie("privacy_licence").value) <= 3600


def test_more_licences_than_the_cookie_holds_lose_only_some(tiny):
    """The acceptance just given is always kept, and with it all that have room."""
    visitor, downloads = accept_each(tiny, 80, "a-licence-with-a-very-long-id-{:02}")
    accepted = [path for path in downloads if visitor.get(path).status_code == 200]
    assert downloads[-1] in accepted and 60 <= len(accepted) < 80
    assert len(visitor.get_cookie("privacy_licence").value) <= 3600


def test_a_site_may_show_the_licence_on_its_own_page(tiny):
    """The form on the site's own page redirects to the download."""
    site = licensed(tiny, text=FIRST, endpoint="/terms")
    site.view("/terms", lambda: render_template_string("<h1>Terms</h1>{{ privacy.acceptance('licence') }}"))
    visitor = site.visitor()
    licence_url = visitor.get("/file").location
    assert licence_url == "/terms?next=/file" and hidden(visitor, licence_url)["next"] == "/file"
    assert agree(visitor).location == "/file" and visitor.get("/file").text == "the file"


def test_a_version_that_changed_meanwhile_is_shown_again(tiny):
    """Accepting a version that is no longer current is answered 409."""
    before = hidden(licensed(tiny, text=FIRST).visitor(), PAGE)
    site = licensed(tiny, text=SECOND)
    answer = site.visitor().post(PAGE, data=before)
    assert answer.status_code == 409 and SECOND in answer.text and site.ledger() == []


def test_required_fields_are_checked(tiny):
    """A submission without a field that the point requires is answered 400 on the same page."""
    points = [replace(point, required=("email", "acceptance")) if point.id == "licence" else point for point in POINTS]
    site = licensed(tiny, text=FIRST, config={"PRIVACY_POLICY": policy(*points)})
    visitor = site.visitor()
    assert 'name="email" type="email"' in visitor.get(PAGE).text
    refused = agree(visitor)
    assert refused.status_code == 400 and "Please fill in: your email." in refused.text and FIRST[:15] in refused.text
    assert agree(visitor, email="ada@shop.example").status_code == 303
    assert len(site.ledger("acceptance")[0]["subject"]) == 64


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_the_redirect_stays_on_the_site(tiny, target):
    """No URL in the form redirects to another site."""
    visitor = licensed(tiny, text=FIRST).visitor()
    assert agree(visitor, next=target).location == PAGE
    assert "You have accepted this." in visitor.get(PAGE).text


def test_another_site_cannot_accept_for_a_visitor(tiny):
    """A cross-site submission is answered 403 and records nothing."""
    site = licensed(tiny, text=FIRST)
    answer = site.visitor(Sec_Fetch_Site="cross-site").post(PAGE, data={"acceptance": "yes"})
    assert answer.status_code == 403 and site.ledger() == []


def test_nothing_is_accepted_that_cannot_be_recorded(tiny, monkeypatch):
    """Without a working ledger and spool, or for a user without the rights database, acceptance is answered 503."""
    site = licensed(tiny, login=True, text=FIRST)
    runtime = site.privacy.runtime(site.app)

    def away(*_, **__):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(runtime.ledger, "append_or_spool", away)
        visitor = site.visitor()
        assert agree(visitor).status_code == 503 and visitor.get_cookie("privacy_licence") is None

    def no_rights(*_, **__):
        raise RightsUnavailable("away")

    monkeypatch.setattr(runtime.rights.acceptances, "add", no_rights)
    monkeypatch.setattr(runtime.rights.acceptances, "has", no_rights)
    ada = site.app.test_client(user=User("7"))
    assert agree(ada).status_code == 503 and ada.get("/file").status_code == 302


@pytest.mark.parametrize("path", ["/privacy/licence/nothing", "/privacy/licence/registration"])
def test_a_point_that_is_no_licence_has_no_page(tiny, path):
    """A point that is no licence is answered 404, for reading and for accepting."""
    visitor = licensed(tiny, text=FIRST).visitor()
    assert visitor.get(path).status_code == 404 and visitor.post(path).status_code == 404


def test_an_undeclared_licence_is_reported(tiny):
    """A download under an undeclared point raises and serves no file."""
    site = licensed(tiny, "terms", text=FIRST)
    with pytest.raises(UndeclaredCollection, match="The collection point 'terms' is not declared"):
        site.visitor().get("/file")
