"""Extensions that register under the key of another one: Flask-BabelPlus as "babel", Flask-SeaSurf as "csrf"."""

from __future__ import annotations

import pytest
from flask import request
from flask_babel import Babel
from werkzeug.test import EnvironBuilder

from conftest import choose, cookie


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


@pytest.mark.parametrize(("choice", "recorded"), [("accept_all", ["/socket.io/"]), ("reject_all", [])])
def test_an_event_in_a_handler_of_a_socket_is_recorded(tiny, choice, recorded):
    """Flask-SocketIO runs it in a request context of the handshake, which ends without a response."""
    site = tiny()
    visitor = site.visitor()
    site.app.extensions["socketio"] = type("SocketIO", (), {"__module__": "flask_socketio"})()
    choose(visitor, choice)
    environ = EnvironBuilder("/socket.io/", headers={"Cookie": f"privacy_consent={cookie(visitor)}"}).get_environ()
    with site.app.request_context(environ):
        request.namespace = "/"
        site.privacy.track("chat.said")
    assert [event["page"] for event in site.events("chat.said")] == recorded
