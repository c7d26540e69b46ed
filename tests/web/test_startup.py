"""The messages at the start of a site, and the files that a developer edits meanwhile."""

import sys

import pytest
from flask import Flask

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.policy import toml


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("PRIVACY_POLCY", "PRIVACY_POLICY"),
        ("PRIVCY_CSP", "PRIVACY_CSP"),
        ("privacy_csp", "PRIVACY_CSP"),
        ("FLASK_PRIVACY_CSP", "PRIVACY_CSP"),
        ("PRIVACY_COOKIES_SECURE", "PRIVACY_COOKIE_SECURE"),
    ],
)
def test_a_misspelt_setting_is_logged_at_the_start(tiny, caplog, name, near):
    """The message names the most similar setting, and the check reports it as an error."""
    site = tiny(**{name: "x"})
    assert f"There is no setting {name}. Did you mean {near}?" in caplog.messages
    assert f"error: There is no setting {name}. Did you mean {near}?" in site.cli("check").output


def test_settings_of_other_packages_are_not_mentioned(tiny, caplog):
    """Only a name that is nearly one of the extension's is misspelt."""
    tiny(SESSION_COOKIE_SECURE=True, MAIL_SERVER="x", BASE_URL="x", PRIVACY_NOTE="x")
    assert not caplog.messages


def test_a_route_that_the_extension_replaces_is_logged_once(tiny, caplog):
    """The site's route was registered after Privacy(app)."""
    site = tiny()
    site.app.add_url_rule("/privacy/me", "about_me", lambda: "mine")
    assert [site.visitor().get("/privacy/me").text == "mine" for _ in range(2)] == [False, False]
    message = "The route /privacy/me belongs to 'mixamo_privacy.me', so 'about_me' is never reached."
    assert len([one for one in caplog.messages if one.startswith(message)]) == 1 and message in site.cli("check").output


def test_a_route_that_replaces_one_of_the_extension_is_logged(caplog):
    """Without this page, no visitor could decide."""
    app = Flask("tiny")
    app.secret_key = "not a secret, a test"
    app.add_url_rule("/privacy/consent", "mine", lambda: "mine")
    Privacy(app)
    assert app.test_client().get("/privacy/consent").text == "mine"
    assert "The route /privacy/consent belongs to 'mine'," in caplog.text


def test_other_routes_below_the_prefix_are_not_mentioned(tiny, caplog):
    """A site may add pages of its own, and a route for every path."""
    site = tiny()
    for path in ("/privacy/team", "/privacy", "/<path:any>", "/privacy/versions/<int:year>"):
        site.app.add_url_rule(path, path, lambda **_: "mine")
    assert site.visitor().get("/privacy/team").text == "mine" and not caplog.messages


@pytest.mark.parametrize("name", ["privacy.toml", "privacy-audit.toml"])
def test_a_byte_order_mark_is_read(tmp_path, name):
    """Editors on Windows write one."""
    from flask_mixamo_privacy.audit.browser import report

    path = tmp_path / name
    path.write_bytes(b"\xef\xbb\xbf" + (toml.START.read_bytes() if name == "privacy.toml" else b"known = []"))
    assert toml.read(path).site == "this site" if name == "privacy.toml" else report.read(path) == []
    assert toml.lines_of(str(path))[1]["schema" if name == "privacy.toml" else "known"]


@pytest.mark.parametrize("valid", [True, False])
def test_the_reloader_watches_the_declaration(tiny, tmp_path, monkeypatch, valid):
    """The declaration is watched also if it has an error, so that its correction reloads the app."""
    from werkzeug._reloader import _find_stat_paths

    path = tmp_path / "privacy.toml"
    path.write_text(toml.START.read_text() if valid else "[site")
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    try:
        tiny(PRIVACY_POLICY=path)
    except toml.PolicyError:
        assert not valid
    assert str(path) in _find_stat_paths(set(), set())


def test_the_start_file_declares_a_session_only_if_the_app_uses_one(tiny, tmp_path):
    """The audit of a site without logins would report it as declared and not seen."""
    paths = [tmp_path / "plain.toml", tmp_path / "login.toml"]
    site = tiny()
    site.cli("init", "--path", str(paths[0]))
    site.app.login_manager = object()
    site.cli("init", "--path", str(paths[1]))
    assert [toml.read(path).cookie("session", "http") is not None for path in paths] == [False, True]
    assert '# [[cookies]]\n# name = "session"' in paths[0].read_text()
