"""``flask privacy audit``: which pages it visits. An audit that visited nothing never counts as clean."""

import json
import sys
from pathlib import Path

import pytest
from flask import Flask, current_app, render_template_string
from flask.cli import ScriptInfo
from flask_login import LoginManager, UserMixin, login_required
from werkzeug.routing import BaseConverter
from werkzeug.wsgi import ClosingIterator

from conftest import PAGE
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.audit.browser.crawl import audit
from flask_mixamo_privacy.audit.browser.launch import check_nonce, close_responses, served
from flask_mixamo_privacy.audit.browser.target import AuditError, Routes
from flask_mixamo_privacy.config import isolated
from flask_mixamo_privacy.policy.toml import START_VERSION

browser = pytest.mark.browser

UNUSED = """
[[known]]
code = "declared-not-seen"
subject = "{}"
reason = "The tiny site has no login."
until = 9999-12-31
"""


@pytest.fixture
def known(tmp_path):
    """Return a baseline for a site that uses less than the built-in policy declares."""
    path = tmp_path / "known.toml"
    path.write_text(UNUSED.format("session"))
    return str(path)


@browser
def test_the_start_file_of_a_new_site_passes_the_audit(tiny, tmp_path):
    """No item of the file that `flask privacy init` writes is reported as declared and not seen."""
    declaration = tmp_path / "privacy.toml"
    assert tiny().cli("init", "--path", str(declaration)).exit_code == 0
    outcome = tiny(PRIVACY_POLICY=declaration).cli("audit", "--offline", "--limit", "3")
    assert outcome.exit_code == 0, outcome.output


@browser
def test_a_site_that_does_what_it_declares_exits_with_0(tiny, known, tmp_path):
    """The JSON and HTML reports list accepted findings without counting them."""
    page = tmp_path / "report.html"
    outcome = tiny().cli("audit", "--json", "--offline", "--baseline", known, "--example", "name=1", "--html", str(page))
    found = json.loads(outcome.stdout)
    assert (outcome.exit_code, found["findings"], len(found["known"])) == (0, [], 1)
    assert set(found["looked_at"]["routes"]) >= {"/", "/other", "/item/1", "/privacy/consent"}
    assert "No findings" in page.read_text() and page.read_text().count("data:image/jpeg") == 7


@browser
def test_an_audit_with_a_failing_page_is_not_clean(tiny, known):
    """A page that could not be visited makes the command exit with 2 and report the page and the reason."""
    made = tiny()
    made.view("/broken", lambda: 1 / 0)
    outcome = made.cli("audit", "--offline", "--baseline", known, "--limit", "4")
    assert outcome.exit_code == 2 and "not visited: /broken: The server answered 500." in outcome.stdout


@browser
def test_an_audit_without_pages_is_not_clean(tmp_path):
    """A crawl that finds no page exits with 2."""
    app = Flask("blank", instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="not a secret, a test")
    Privacy(app)
    outcome = app.test_cli_runner().invoke(args=["privacy", "audit", "--offline", "--skip", "/privacy*"])
    assert outcome.exit_code == 2 and "no page with a text in it" in outcome.stderr


@browser
def test_a_running_site_is_audited_at_its_address(tiny, serve, known):
    """The running site is the same app in another process: its published policy must equal the local one."""
    made = tiny()
    outcome = made.cli("audit", serve(made.app), "--offline", "--baseline", known, "--limit", "3")
    assert outcome.exit_code == 0 and "No findings: 3 routes in 7 states" in outcome.stdout


@browser
def test_signed_in_pages_are_audited(tiny, known):
    """The audit signs in with the id that Flask-Login knows, or with a function of the site."""

    class User(UserMixin):
        def __init__(self, user_id):
            self.id = user_id

    async def enter(page):
        await page.goto("/enter")

    made = tiny(PRIVACY_AUDIT_LOGINS={"ada": "1", "bob": enter})
    login = LoginManager(made.app)
    login.user_loader(User)
    made.view("/enter", lambda: _sign_in(User("2")))
    made.view(
        "/mine", login_required(lambda: "<!doctype html><html lang=en><title>Mine</title><main>No way back here.</main>")
    )
    outcome = made.cli("audit", "--json", "--offline", "--skip", "/enter", "--limit", "4")
    lost = [one for one in json.loads(outcome.stdout)["findings"] if one["code"] == "no-way-back-to-settings"]
    assert {place["login"] for place in lost[0]["places"] if place["route"] == "/mine"} == {"ada", "bob"}


def _sign_in(user):
    from flask_login import login_user

    login_user(user)
    return "Signed in."


@browser
def test_a_failing_step_is_not_ignored(tiny):
    """An audit with a step that failed is not clean."""

    async def press(page):
        await page.locator("#missing").click(timeout=100)

    with pytest.raises(AuditError, match=r"The step press failed at / \(no choice\): "):
        audit(tiny(PRIVACY_AUDIT_STEPS=[press]).app, offline=True, limit=1)


def test_an_unknown_login_is_not_ignored(tiny):
    """An unknown login makes the audit fail, because it would otherwise visit every page without being signed in."""
    outcome = tiny().cli("audit", "--login", "staff=42")
    assert outcome.exit_code == 2
    assert "The login 'staff' has the user id '42', which Flask-Login does not know." in outcome.stderr


def test_a_server_with_another_policy_is_not_audited(tiny, serve):
    """The command exits with 2 and reports the published policy and the expected one."""
    made = tiny()
    other = Flask("other")
    other.add_url_rule("/privacy/policy.json", "policy", lambda: {"version": "2020-01-01"})
    outcome = made.cli("audit", serve(other))
    assert outcome.exit_code == 2
    expected = f"its policy has the version 2020-01-01; allowed: {START_VERSION}, the local one."
    assert f"is not the one to audit: {expected}" in outcome.stderr


def test_another_server_on_the_port_is_not_audited(tiny):
    """The started app has a unique number, so another server on its port is detected."""
    with served(tiny().app) as url:
        check_nonce(url, _nonce_of(url))
        with pytest.raises(AuditError, match="its header X-Privacy-Audit is not that of the started app"):
            check_nonce(url, "another")


def _nonce_of(url):
    import urllib.request

    with urllib.request.urlopen(url) as answer:  # noqa: S310 — an http URL of this test
        return answer.headers["X-Privacy-Audit"]


@pytest.mark.parametrize("name", ["playwright", "publicsuffixlist"])
def test_without_the_extra_the_command_names_what_to_install(tiny, monkeypatch, name):
    """The command exits with 2 before it starts a server."""
    monkeypatch.setitem(sys.modules, name, None)
    outcome = tiny().cli("audit")
    assert outcome.exit_code == 2
    assert outcome.stderr == (
        "Error: The audit needs the extra 'audit'. Install it: pip install 'Flask-Mixamo-Privacy[audit]'.\n"
    )


def test_a_response_is_closed_when_its_client_disconnects():
    """Werkzeug's server does not close the response if the connection breaks during cleanup, so a file would stay open."""
    closed = []
    body = ClosingIterator([b"a", b"b"], [lambda: closed.append(True)])
    reading = close_responses(lambda environ, start_response: body)({}, None)
    next(reading)
    del reading
    assert closed == [True]


def test_the_audit_writes_into_a_temporary_folder(tmp_path):
    """An audited app gets temporary databases, log, keys and mail folder, whatever it is configured to use."""
    usual, aside = tmp_path / "usual", tmp_path / "aside"
    aside.mkdir()

    def create_app():
        app = Flask("made", instance_path=str(usual))
        app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_LEDGER_URL=f"sqlite:///{usual}/ledger.sqlite")
        app.config.update(PRIVACY_LOG_DIR=str(usual / "log"), PRIVACY_ASSETS_DIR=str(tmp_path / "assets"))
        Privacy(app)
        return app

    with isolated(str(aside)):
        app = ScriptInfo(create_app=create_app).load_app()
    app.test_client().post("/privacy/consent", data={"choice": "accept_all"})
    assert not usual.exists() and (aside / "privacy-ledger.sqlite").exists()


def test_the_url_map_has_one_page_for_each_rule_and_query(tiny):
    """Rules with arguments use examples. Files, APIs and ways to sign out are skipped."""
    app = tiny().app
    app.add_url_rule("/auth/logout", "logout", lambda: "")
    routes = Routes(app, "", {"name": "7"}, ["/other"], 40)
    assert routes.first()[:2] == ["/", "/item/7"] and "/privacy/consent" in routes.first()
    assert [routes.key(path) for path in ("/item/1", "/item/2", "/item/1?b=1&a=2")] == [
        "/item/<name>", "/item/<name>", "/item/<name> a b",
    ]  # fmt: skip
    for path in ("/other", "/auth/logout", "/missing", "/privacy/state.json", "/privacy/receipt", "/static/x.css"):
        assert routes.key(path) is None
    assert Routes(app, "", {}, [], 40).without_example() == ["/item/<name>", "/theme/<value>"]


def _routes(*rules, root="", examples=None, **converters):
    app = Flask("routes")
    app.url_map.converters |= converters
    for rule in rules:
        app.add_url_rule(rule, rule, lambda **_: "")
    return Routes(app, root, examples or {}, [], 40)


def test_a_site_below_a_path_keeps_its_path():
    """Routes include the path. An address outside the path is not part of the site, even if it has the same prefix."""
    routes = _routes("/", "/page", "/ping", root="/shop")
    assert routes.first() == ["/shop/", "/shop/page", "/shop/ping"]
    assert [routes.key(path) for path in ("/shop", "/shop/page")] == ["/", "/page"]
    assert [routes.key(path) for path in ("/page", "/shopping", "/shop2/page")] == [None, None, None]


def test_a_link_without_its_trailing_slash_is_the_same_page():
    """Flask redirects such a link and keeps its query. No other redirect adds a page."""
    routes = _routes("/item/<name>/", root="/shop")
    assert routes.key("/shop/item/walk?b=1") == routes.key("/shop/item/walk/?b=1") == "/item/<name>/ b"


def test_an_exclusion_pattern_may_contain_capitals():
    """A rule of a URL map may contain capitals too."""
    app = Flask("routes")
    for rule in ("/", "/Admin/users"):
        app.add_url_rule(rule, rule, lambda: "")
    assert Routes(app, "", {}, ["/Admin/*"], 40).first() == ["/"]


@pytest.mark.parametrize("path", ["/log_out", "/logoff", "/sign_out", "/auth/sign-out", "/SignOut", "/account/Log-Out"])
def test_no_sign_out_link_is_followed(path):
    """Following one, in any spelling, would show the remaining pages to an anonymous user."""
    assert _routes("/page", path).first() == ["/page"]


class LookupConverter(BaseConverter):
    """A converter that looks up a value in the current app."""

    def to_python(self, value):
        return f"{current_app.name} {value}"


class ObjectConverter(BaseConverter):
    """A converter that builds a URL from an object instead of a text."""

    def to_url(self, value):
        return value.number


def test_a_custom_converter_runs_in_the_app_context():
    """The converter has the same app context as while the site is served."""
    routes = _routes("/of/<looking:person>", looking=LookupConverter, examples={"person": "1"})
    assert routes.first() == ["/of/1"] and routes.key("/of/2") == "/of/<looking:person>"


def test_a_converter_that_accepts_no_text_is_skipped():
    """An example is a text. Pages of such a rule are found through links."""
    routes = _routes("/of/<made:thing>", made=ObjectConverter, examples={"thing": "1"})
    assert routes.first() == [] and routes.without_example() == ["/of/<made:thing>"]
    assert routes.key("/of/2") == "/of/<made:thing>"


def test_the_audit_scripts_and_page_are_shipped():
    """The files are in the same folder as the modules that read them."""
    import flask_mixamo_privacy.audit.browser.crawl as package

    assert {path.name for path in Path(package.__file__).parent.iterdir()} >= {
        "recorder.js",
        "page_probe.js",
        "report.html",
        "report.css",
    }


@browser
def test_a_site_that_embeds_a_video_in_two_lines_passes_the_audit(tiny, tmp_path):
    """The start file, one table, and one expression in a template: nothing is requested before consent, and all is declared."""
    declaration = tmp_path / "privacy.toml"
    assert tiny().cli("init", "--path", str(declaration)).exit_code == 0
    declaration.write_text(declaration.read_text() + '\n[[services]]\nuse = "youtube"\n')
    site = tiny(PRIVACY_POLICY=declaration)
    film = '{{ privacy.embed("https://www.youtube.com/watch?v=dQw4w9WgXcQ") }}'
    site.view("/film", lambda: render_template_string(PAGE.replace("</main>", f"{film}</main>")))
    outcome = site.cli("audit", "--offline", "--limit", "4")
    assert outcome.exit_code == 0, outcome.output


@browser
def test_a_suggestion_names_the_service_that_a_page_loads_from(tiny, tmp_path):
    """With --suggest, standard output is TOML alone, and the report goes to standard error."""
    declaration = tmp_path / "privacy.toml"
    assert tiny().cli("init", "--path", str(declaration)).exit_code == 0
    site = tiny(PRIVACY_POLICY=declaration)
    tile = "<img alt='' src='https://tile.openstreetmap.org/0/0/0.png'>"
    gated = f'{{% consent "statistics" %}}{tile}{{% endconsent %}}'
    site.view("/map", lambda: render_template_string(PAGE.replace("</main>", f"{gated}</main>")))
    outcome = site.cli("audit", "--offline", "--limit", "4", "--suggest")
    assert (outcome.exit_code, 'use = "openstreetmap"' in outcome.stdout, "host-not-declared" in outcome.stderr) == (
        1,
        True,
        True,
    )
