"""Extensions that register under the key of another one: Flask-BabelPlus as "babel", Flask-SeaSurf as "csrf"."""

from __future__ import annotations

import pytest
from flask import Response, request, stream_with_context
from flask_babel import Babel
from werkzeug.test import EnvironBuilder

from conftest import choose, cookie

COOKIES = ("privacy_consent", "privacy_visitor")


class Foreign:
    """An extension of a package that this one does not know."""

    Model = None

    def exempt(self, view):
        return f"{view.__module__}.{view.__name__}"


@pytest.mark.parametrize("key", ["babel", "csrf", "sqlalchemy", "login_manager"])
def test_a_page_is_served_beside_an_unknown_extension_of_a_known_key(tiny, key):
    """The banner appears, in the browser's language, and a decision is saved."""
    site = tiny()
    site.app.extensions[key] = Foreign()
    visitor = site.visitor(Accept_Language="de")
    assert "Alle ablehnen" in visitor.get("/").text
    assert choose(visitor, "reject_all").status_code == 303 and cookie(visitor)


@pytest.mark.parametrize("manager", [Foreign(), None, {}, Foreign])
def test_an_unknown_login_manager_is_no_flask_login(tiny, manager):
    """Flask-Login cannot ask it for the user. Pages are counted, and the pages for staff ask for a login."""
    site = tiny(PRIVACY_STAFF=lambda user, need: True)
    site.app.login_manager = manager
    visitor = site.visitor()
    choose(visitor, "accept_all")
    assert visitor.get("/").status_code == 200 and site.events("page_view", "visit_start")
    assert [visitor.get(f"/privacy/{page}").status_code for page in ("reports", "requests/staff")] == [401, 401]


def test_the_start_file_of_a_site_with_an_unknown_csrf_extension_declares_no_session(tiny, tmp_path):
    """Flask-SeaSurf has a cookie of its own, and starts no session."""
    site = tiny()
    site.app.extensions["csrf"] = Foreign()
    site.cli("init", "--path", str(tmp_path / "privacy.toml"))
    assert '# name = "session"' in (tmp_path / "privacy.toml").read_text()


def test_the_check_runs_beside_an_unknown_extension_of_a_known_key(tiny):
    """The check looks for models only in Flask-SQLAlchemy's own extension."""
    site = tiny()
    site.app.extensions["sqlalchemy"] = Foreign()
    assert site.cli("check").exit_code == 0


def test_the_locale_of_a_subclass_of_flask_babel_is_used(tiny):
    """A site's own subclass is Flask-Babel too."""
    site = tiny()
    Babel(site.app, locale_selector=lambda: "fr")
    site.app.extensions["babel"] = type("Own", (type(site.app.extensions["babel"]),), {})(
        **vars(site.app.extensions["babel"])
    )
    assert "Tout refuser" in site.visitor().get("/").text


@pytest.fixture
def say(tiny):
    """Return a site, a visitor, and a function that records an event in a socket with the cookies of its handshake."""
    site = tiny()
    visitor = site.visitor()
    site.app.extensions["socketio"] = type("SocketIO", (), {"__module__": "flask_socketio"})()

    def say(cookies):
        with site.app.request_context(
            EnvironBuilder("/socket.io/", headers={"Cookie": cookies}, environ_base=visitor.environ_base).get_environ()
        ):
            request.namespace = "/"
            site.privacy.track("chat.said")

    return site, visitor, say


def log_of(site):
    """Return the bytes of the log."""
    return b"".join(path.read_bytes() for path in sorted((site.folder / "privacy-log").rglob("*")) if path.is_file())


def cookies_of(visitor):
    return "; ".join(f"{name}={cookie(visitor, name)}" for name in COOKIES)


@pytest.mark.parametrize(("choice", "recorded"), [("accept_all", ["/socket.io/"]), ("reject_all", [])])
def test_an_event_in_a_handler_of_a_socket_is_recorded(say, choice, recorded):
    """Flask-SocketIO runs it in a request context of the handshake, which ends without a response.

    A visitor who has just decided has no visitor cookie yet.
    """
    site, visitor, say = say
    choose(visitor, choice)
    say(f"privacy_consent={cookie(visitor)}")
    assert [event["page"] for event in site.events("chat.said")] == recorded


def test_promise_18_a_socket_logs_no_line_after_a_withdrawal(say):
    """The handshake's cookies are those of the old grant."""
    site, visitor, say = say
    choose(visitor, "accept_all"), visitor.get("/")
    before = cookies_of(visitor)
    choose(visitor, "reject_all")
    log = log_of(site)
    say(before)
    assert log == log_of(site) != b""


@pytest.mark.parametrize("streams", [True, False])
def test_promise_18_a_long_request_logs_no_line_after_a_withdrawal(tiny, clock, streams):
    """The visitor withdraws consent in another tab while a view or its streamed body is at work."""
    site, logs = tiny(), []

    def work():
        site.privacy.track("before"), choose(other, "reject_all"), clock.shift(11)
        logs.append(log_of(site)), site.privacy.track("after")
        yield "end"

    site.view("/work", lambda: Response(stream_with_context(work())) if streams else "".join(work()))
    visitor = site.visitor()
    choose(visitor, "accept_all"), visitor.get("/")
    other = site.visitor()
    for name in COOKIES:
        other.set_cookie(name, cookie(visitor, name))
    visitor.get("/work")
    assert logs == [log_of(site)] != [b""]
