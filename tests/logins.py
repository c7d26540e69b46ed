"""Sites with Flask-Login, for the tests of what staff may see."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_user


class Person(UserMixin):
    """Somebody whose id is their name."""

    def __init__(self, name: str) -> None:
        self.id = name


def with_logins(site: Any) -> Any:
    """The site, where ``/enter/<name>`` signs anybody in."""
    LoginManager(site.app).user_loader(Person)
    site.app.add_url_rule("/enter/<name>", "enter", lambda name: str(login_user(Person(name))))
    return site


def entered(site: Any, name: str = "ann", **headers: str) -> FlaskClient:
    """A browser in which this person is signed in."""
    visitor: FlaskClient = site.visitor(**headers)
    visitor.get(f"/enter/{name}")
    return visitor
