"""Errors for clients that prefer JSON to a page: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import pytest

from conftest import choose
from flask_mixamo_privacy.web.access import consent_required
from support.form_site import with_forms
from support.login_site import entered, with_logins

JSON = {"Accept": "application/json"}
PROBLEM = "application/problem+json"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
FOREIGN = {"Sec-Fetch-Site": "cross-site"}


def problem(response):
    """Return the problem in a response, after a check of the members that RFC 9457 defines."""
    assert (response.content_type, response.headers["Cache-Control"]) == (PROBLEM, "no-store")
    body = response.json
    assert (body["type"], body["status"], body["detail"]) == ("about:blank", response.status_code, body["message"])
    return body


@pytest.fixture
def away(tmp_path):
    """Settings of a site whose databases and log cannot be opened."""
    (tmp_path / "file").touch()
    names = {"PRIVACY_LEDGER_URL": "l", "PRIVACY_EVENTS_URL": "e", "PRIVACY_DATABASE_URL": "r"}
    urls = {name: f"sqlite:///{tmp_path}/file/{file}.sqlite" for name, file in names.items()}
    return urls | {"TESTING": False, "PRIVACY_LOG_DIR": f"{tmp_path}/file/log", "PRIVACY_KEYS": {"k": "sixteen characters"}}


@pytest.mark.parametrize(
    "accept",
    ["application/json", "application/problem+json", "application/vnd.api+json", "application/json, text/plain, */*",
     "text/html;q=0.5, application/json"],
)  # fmt: skip
def test_a_json_client_is_told_where_consent_can_be_given(tiny, accept):
    """The problem names the purpose, and the address of the settings below the mount."""
    site = tiny()
    site.view("/film", consent_required("statistics")(lambda: "film"))
    mount = {"SCRIPT_NAME": "/shop"}
    body = problem(site.visitor().get("/film", headers={"Accept": accept}, environ_overrides=mount))
    assert (body["title"], body["purpose"], body["consent_url"]) == ("Forbidden", "statistics", "/shop/privacy/consent")
    assert body["detail"].startswith("This page works only if you allow “Statistics”: ")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json;q=0",
        "application/json;q=0, */*;q=0.1",
        "text/html, */*;q=0.1",
        "text/html, application/json;q=0.9",
    ],
)
def test_a_browser_gets_a_page_as_before(tiny, accept):
    """A client that does not prefer JSON gets the page that asks for consent."""
    site = tiny()
    site.view("/film", consent_required("statistics")(lambda: "film"))
    response = site.visitor().get("/film", headers={"Accept": accept})
    assert response.status_code == 403 and response.content_type.startswith("text/html")


def test_the_problem_is_in_the_visitors_language(tiny):
    """Title and members are for programs; the detail is for people."""
    site = tiny()
    site.view("/film", consent_required("statistics")(lambda: "film"))
    body = problem(site.visitor().get("/film", headers=JSON | {"Accept-Language": "de"}))
    assert "Statistik" in body["detail"] and body["title"] == "Forbidden"


@pytest.mark.parametrize("path", ["consent", "me/erase", "events", "requests", "requests/confirm/x", "licence/licence"])
def test_a_foreign_post_of_a_json_client_is_a_problem(tiny, path):
    """Every form of the extension answers 403 in JSON."""
    site = with_forms(tiny)
    site.view("/download", site.privacy.acceptance_required("licence")(lambda: ""))
    assert problem(site.visitor().post(f"/privacy/{path}", headers=JSON | FOREIGN))["status"] == 403


def test_events_without_consent_are_a_problem(tiny):
    """The answer to a program that reports events names the page for the visitor's consent."""
    answer = tiny().visitor().post("/privacy/events", data="[]", headers=JSON)
    assert problem(answer)["consent_url"] == "/privacy/consent"


@pytest.mark.parametrize("accept", ["application/json", "application/vnd.api+json", "text/html;q=0.1, application/json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_download_without_its_licence_is_a_problem(tiny, accept, method):
    """A program gets the address where the licence can be accepted, and no redirect to a page."""
    site = with_forms(tiny)
    view = site.privacy.acceptance_required("licence", text="Be kind.")(lambda: "the file")
    site.app.add_url_rule("/download", view_func=view, endpoint="download", methods=["GET", "POST"])
    body = problem(site.visitor().open("/download?size=2", method=method, headers={"Accept": accept}))
    assert (body["status"], body["licence"]) == (403, "licence") and "licence" in body["detail"]
    assert body["licence_url"].startswith("/privacy/licence/licence")


@pytest.mark.parametrize("path", ["versions/2001-01-01", "licence/none", "reports/none.json", "reports?window=none"])
def test_a_page_that_does_not_exist_is_a_problem(tiny, path):
    """A program gets 404 in JSON from the extension's own addresses."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: True))
    assert problem(entered(site).get(f"/privacy/{path}", headers=JSON))["title"] == "Not Found"


@pytest.mark.parametrize(("name", "status"), [(None, 401), ("bob", 403)])
@pytest.mark.parametrize("path", ["reports", "requests/staff", "requests/staff/1"])
def test_staff_pages_deny_a_json_client_by_a_problem(tiny, path, name, status):
    """A user without the need gets 403. An anonymous user gets the answer of Flask-Login, which is the site's."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: False))
    response = (entered(site, name) if name else site.visitor()).get(f"/privacy/{path}", headers=JSON)
    assert response.status_code == status and (name is None or problem(response)["title"] == "Forbidden")


def test_an_error_handler_of_the_site_comes_first(tiny):
    """A site that answers 403 itself does so for JSON clients too."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: False))
    site.app.register_error_handler(403, lambda error: ("Ours", 403))
    assert entered(site).get("/privacy/reports", headers=JSON).text == "Ours"


@pytest.mark.parametrize("path", ["/privacy/reports", "/privacy/me", "/privacy/me.json"])
def test_a_broken_database_is_a_problem(tiny, path):
    """Pages that cannot be read just now answer 503 in JSON."""
    site = with_logins(tiny(PRIVACY_STAFF=lambda user, need: True))
    staff = entered(site)
    choose(staff, "accept_all")
    staff.get("/", headers={"User-Agent": CHROME})
    (site.folder / "privacy-events.sqlite").write_bytes(b"not a database" * 1000)
    assert problem(staff.get(path, headers=JSON))["status"] == 503


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("consent", {"choice": "accept_all"}),
        ("requests", {"kind": "access", "email": "ada@shop.example"}),
        ("unsubscribe/x", {}),
    ],
)
def test_what_cannot_be_recorded_is_a_problem(tiny, away, path, data):
    """A grant, a request and an opt-out that cannot be recorded answer 503 in JSON."""
    response = tiny(**away).visitor().post(f"/privacy/{path}", data=data, headers=JSON)
    assert problem(response)["status"] == 503


def test_a_form_that_cannot_be_recorded_is_a_problem(tiny, away):
    """The problem has the names of the fields concerned."""
    response = with_forms(tiny, **away).visitor().post("/registration", data={"email": "a@b.example"}, headers=JSON)
    assert problem(response)["fields"] == [] and response.status_code == 503
