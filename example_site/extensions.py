"""The extensions that the whole site shares; ``create_app`` connects them with an app."""

from __future__ import annotations

from flask_login import LoginManager

from flask_mixamo_privacy import Privacy

privacy = Privacy()
login_manager = LoginManager()
