"""The extensions that the whole site shares. ``create_app`` initialises them for an app."""

from __future__ import annotations

from flask_login import LoginManager

from flask_mixamo_privacy import Privacy

from .database import session
from .models import SUBJECTS

privacy = Privacy()
privacy.register_models(session, SUBJECTS, name="shop")
login_manager = LoginManager()
