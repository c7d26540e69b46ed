"""Sites with Flask-Login, for the tests of staff access."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_user


class Person(UserMixin):
    """A user whose id is their name."""

    def __init__(self, name: str) -> None:
        self.id = name


def with_logins(site: Any) -> Any:
    """Return the site with a URL ``/enter/<name>`` that logs in any user."""
    LoginManager(site.app).user_loader(Person)
    site.app.add_url_rule("/enter/<name>", "enter", lambda name: str(login_user(Person(name))))
    return site


def entered(site: Any, name: str = "ann", **headers: str) -> FlaskClient:
    """Return a client in which this user is logged in."""
    visitor: FlaskClient = site.visitor(**headers)
    visitor.get(f"/enter/{name}")
    return visitor
