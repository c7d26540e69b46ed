"""The pytest plugin for the tests of a site."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from flask import make_response

from conftest import cookie
from flask_mixamo_privacy.errors import SettingError, UndeclaredPurpose, UndeclaredService
from flask_mixamo_privacy.web.current import current_consent
from support.service_site import with_services

FRAME = '<iframe src="https://video.example/1"></iframe>'


@pytest.fixture
def site(tiny):
    # Not under TESTING, where the extension itself raises before a response exists.
    site = tiny(PRIVACY_POLICY=with_services(), TESTING=False, PRIVACY_LOADER=False, PRIVACY_BASE_URL="https://shop.example")
    site.app.add_url_rule("/says/<path:html>", "says", lambda html: html)
    site.app.add_url_rule("/sets/<header>", "sets", lambda header: ("", {"Set-Cookie": header}))
    site.app.add_url_rule("/links/<path:link>", "links", lambda link: ("", {"Link": link}))
    site.app.add_url_rule("/state/<purpose>", "state", lambda purpose: current_consent.state(purpose))
    return site


@pytest.fixture
def app(site):
    return site.app


def test_a_client_of_an_undecided_visitor(privacy_client):
    """A client without arguments has made no decision."""
    visitor = privacy_client()
    assert (visitor.get("/state/media").text, cookie(visitor)) == ("unasked", None)


@pytest.mark.parametrize(
    ("choice", "wanted", "statistics", "media"),
    [
        ("accept_all", {}, "granted", "granted"),
        ("reject_all", {}, "refused", "refused"),
        ("save", {"purposes": ["media"]}, "refused", "granted"),
    ],
)
def test_a_client_of_a_visitor_who_decided(privacy_client, choice, wanted, statistics, media):
    """The decision is made by the site's own form, with cookie and ledger."""
    visitor = privacy_client(choice, **wanted)
    assert visitor.get("/state/statistics").text == statistics
    assert visitor.get("/state/media").text == media


def test_a_client_may_grant_one_service_alone(privacy_client, site):
    """One of two services of a purpose is granted."""
    visitor = privacy_client("save", purposes=["media"], services=["film"])
    with visitor:
        visitor.get("/")
        assert (current_consent.allows("media", "film"), current_consent.allows("media", "map")) == (True, False)
    assert site.ledger("grant")[0]["receipt"]


def test_a_client_may_send_global_privacy_control(privacy_client):
    """Optional purposes are then off without a decision."""
    assert privacy_client(gpc=True).get("/state/statistics").text == "refused"


def test_an_unknown_choice_raises_with_the_known_ones(privacy_client):
    """A misspelt choice, purpose or service is never taken as a decision."""
    with pytest.raises(ValueError, match=r"^The choice is 'accept'; allowed: accept_all, reject_all, save\.$"):
        privacy_client("accept")
    with pytest.raises(UndeclaredPurpose, match="The purpose 'marketing' is not declared"):
        privacy_client("save", purposes=["marketing"])
    with pytest.raises(UndeclaredService, match="The service 'chat' is not declared"):
        privacy_client("save", purposes=["media"], services=["chat"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/sets/seen=1", "The app sets the cookie 'seen', which the policy does not declare."),
        ("/sets/privacy_visitor=1", "The app sets the cookie 'privacy_visitor' although the visitor has not granted"),
        (f"/says/{FRAME}", "The page loads from 'video.example' (frame) before 'media' is granted."),
        ("/says/<img src='//evil.example'>", "The page loads from 'evil.example' (image), which no service declares."),
        ("/says/<script>localStorage.a = 1</script>", "A script stores 'a' (local storage)"),
        ("/links/<https://evil.example>; rel=preconnect", "The page loads from 'evil.example', which"),
    ],
)
def test_a_trace_without_consent_fails_with_its_name(site, assert_no_trace, path, message):
    """Cookies, other hosts and storage fail, whatever part of the site added them."""
    response = site.visitor().get(path)
    with pytest.raises(AssertionError) as failure:
        assert_no_trace(response)
    assert f"{path} leaves traces without consent (1):\n- {message}" in str(failure.value)


@pytest.mark.parametrize("path", ["/", "/privacy/", "/privacy/consent", "/sets/session=1", "/sets/seen=; Max-Age=0"])
def test_a_response_without_traces_passes(privacy_client, assert_no_trace, path):
    """The banner, the policy, the session cookie and a deletion pass."""
    assert_no_trace(privacy_client().get(path))
    assert_no_trace(privacy_client("reject_all").get(path))


def test_the_tracker_is_a_trace(privacy_client, assert_no_trace):
    """A page for a visitor with a grant fails."""
    with pytest.raises(AssertionError, match="The tracker's tag is in the page"):
        assert_no_trace(privacy_client("accept_all").get("/"))


def test_images_and_redirects_are_handled_by_their_type(site, assert_no_trace):
    """A response that is no HTML is not parsed as HTML."""
    site.view("/picture", lambda: make_response((b"\xff<img src='//evil.example'>", {"Content-Type": "image/jpeg"})))
    assert_no_trace(site.visitor().get("/picture"))


def test_the_site_s_own_names_are_no_trace(site, assert_no_trace):
    """A page may load from the site's public name, which differs from the test client's."""
    assert_no_trace(site.visitor().get("/says/<img src='https://shop.example/own.png'>"))


@pytest.mark.browser
def test_the_audit_fails_a_test_with_the_terminal_s_output(site, privacy_audit):
    """An ungated frame fails the test, with the next step."""
    site.view("/frame", lambda: f"<!doctype html><html lang=en><title>x</title><main><h1>x</h1>{FRAME}</main>")
    with pytest.raises(AssertionError, match=r"\nbefore-consent video.example|\nbefore-consent film"):
        privacy_audit(offline=True)


@pytest.mark.browser
def test_the_audit_returns_its_report_if_all_findings_are_accepted(privacy_audit, tmp_path):
    """Findings in the baseline are accepted with reason and end."""
    names = ("film", "map", "session")
    known = '[[known]]\ncode = "declared-not-seen"\nsubject = "{}"\nreason = "Tiny."\nuntil = 2099-01-01\n'
    (tmp_path / "known.toml").write_text("".join(map(known.format, names)))
    report = privacy_audit(baseline=tmp_path / "known.toml", offline=True)
    assert {one.finding.subject for one in report.known} == set(names)


SITE_TEST = """
import pytest
from flask import Flask, render_template_string
from flask_mixamo_privacy import Privacy

@pytest.fixture
def app(tmp_path):
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_ASSETS_DIR=str(tmp_path / "assets"))
    Privacy(app)
    app.add_url_rule("/", "home", lambda: render_template_string("<body>{{ privacy.banner() }}"))
    return app

def test_home(privacy_client, assert_no_trace):
    assert_no_trace(privacy_client("reject_all").get("/"))
"""


@pytest.mark.server
def test_a_site_s_tests_need_no_import(tmp_path):
    """The plugin is active as soon as the extension is installed."""
    (tmp_path / "test_site.py").write_text(SITE_TEST)
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "1 passed" in outcome.stdout, outcome.stdout + outcome.stderr


REAL_SITE = """
import pytest
from flask import Flask
from flask_mixamo_privacy import Privacy

def create_app(real):
    app = Flask("shop", instance_path=real)
    app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_LEDGER_URL=f"sqlite:///{real}/own/ledger.sqlite")
    app.config.update(PRIVACY_EVENTS_URL="clickhouse://nobody@real.invalid/shop", PRIVACY_LOG_DIR=real + "/log")
    app.config.update(PRIVACY_BOOKS_URL="postgresql://nobody@real.invalid/shop")
    app.config.update(PRIVACY_ASSETS_DIR=real + "/assets", PRIVACY_LOADER=False)
    Privacy(app)
    app.add_url_rule("/", "home", lambda: "<body>")
    return app

made_at_import = create_app("@REAL@")

@pytest.fixture(params=[False, True])
def app(request):
    return create_app("@REAL@") if request.param else made_at_import

@pytest.mark.parametrize("turn", [1, 2])
def test_a_visitor_is_counted(app, privacy_client, turn):
    privacy_client("accept_all").get("/")
    app.test_client().post("/privacy/consent", data={"choice": "accept_all"})
    output = app.test_cli_runner().invoke(args=["privacy", "events"]).output
    assert output.count('"page_view"') == (1 if app is not made_at_import else turn), output

def test_files_in_the_folder_of_the_test_stay_there(tmp_path):
    create_app(str(tmp_path)).test_client().post("/privacy/consent", data={"choice": "accept_all"})
    assert (tmp_path / "own" / "ledger.sqlite").exists()
"""


@pytest.mark.server
def test_a_test_run_writes_nothing_into_the_real_site(tmp_path):
    """Databases, keys, log and assets are temporary, whatever the app is configured to use, and removed afterwards."""
    real, temporary = tmp_path / "real", tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "test_site.py").write_text(REAL_SITE.replace("@REAL@", str(real)))
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert "5 passed" in outcome.stdout, outcome.stdout + outcome.stderr
    assert not real.exists() and not list(temporary.glob("privacy-tests-*"))


def test_an_invalid_setting_is_still_reported_in_tests(tiny):
    """Only a place that the site would accept is replaced."""
    with pytest.raises(SettingError, match="PRIVACY_LOG_DIR is 'log'; allowed: an absolute path"):
        tiny(PRIVACY_LOG_DIR="log")
