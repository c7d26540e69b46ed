"""Pacework: a small shop for character animations, as an example of Flask-Mixamo-Privacy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import database, errors, figures, headers, newsletter, outbox, secret_key, visits
from .accounts import accounts, may_access
from .extensions import login_manager, privacy
from .films import films
from .orders import TITLE, orders
from .passwords import passwords
from .people import people
from .reviews import reviews
from .shop import shop

__all__ = ["create_app", "privacy"]


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the shop's app. ``config`` takes precedence over ``FLASK_*`` in the environment."""
    app = Flask(__name__)
    app.config.update(SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_HTTPONLY=True)
    app.config.update(PRIVACY_STAFF=may_access, PRIVACY_MAIL_SERVER="mx.pacework.example", PRIVACY_CSP="enforce")
    app.config.update(PRIVACY_STAFF_PAGES={"orders.staff_list": ("support", TITLE)})
    app.config.update(PRIVACY_AUDIT_LOGINS=visits.LOGINS, PRIVACY_AUDIT_STEPS=visits.STEPS)
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    if not app.config.get("PRIVACY_SMTP_URL"):
        app.config.setdefault("PRIVACY_SEND", outbox.show)
    app.secret_key = app.secret_key or secret_key.load(app.instance_path)
    app.jinja_env.globals["figures"] = figures
    for blueprint in (shop, films, reviews, accounts, people, passwords, orders):
        app.register_blueprint(blueprint)
    database.init_app(app)
    newsletter.init_app(app)
    login_manager.init_app(app)
    errors.init_app(app)
    headers.init_app(app)
    privacy.init_app(app)
    return app
