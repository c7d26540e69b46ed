"""A site without Flask-Login: it needs nothing of it, not even the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import choose

SITE = """
import sys
sys.modules["flask_login"] = None  # as if it were not installed
from flask import Flask, render_template_string
from flask_mixamo_privacy import Privacy

app = Flask("bare", instance_path=sys.argv[1])
app.config.update(SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_STAFF=lambda user, need: True)
app.config["PRIVACY_ASSETS_DIR"] = sys.argv[1] + "/assets"
privacy = Privacy(app)
app.add_url_rule("/", "home", lambda: render_template_string("<body>{{ privacy.banner() }}"))
app.add_url_rule("/orders", "orders", privacy.need("orders")(lambda: "all orders"))
visitor = app.test_client()
for choice in ("reject_all", "accept_all"):
    assert visitor.post("/privacy/consent", data={"choice": choice}).status_code == 303
event = {"id": "1", "kind": "click", "page": "/"}
requested = {"kind": "access", "email": "ada@people.example"}
print(
    *(visitor.get(path).status_code for path in ("/", "/privacy/", "/privacy/consent", "/privacy/me", "/privacy/requests")),
    *(visitor.get(path).status_code for path in ("/orders", "/privacy/reports", "/privacy/requests/staff")),
    visitor.post("/privacy/events", json=[event]).status_code,
    visitor.post("/privacy/requests", data=requested).status_code,
    *(app.test_cli_runner().invoke(args=["privacy", *line.split()]).exit_code for line in ("init", "events", "report")),
)
"""


class OwnManager:
    """A login manager of the site's own, without Flask-Login."""


@pytest.mark.usefixtures("clock")
def test_nothing_fails_if_flask_login_is_not_installed(tmp_path: Path) -> None:
    """Pages, decisions, events, requests and commands work, and staff pages are refused, also with ``PRIVACY_STAFF``."""
    run = (sys.executable, "-W", "error", "-c", SITE, str(tmp_path))
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.split() == [*["200"] * 5, *["401"] * 3, "204", "303", "0", "0", "0"], done.stderr


def test_a_login_manager_of_another_kind_is_left_alone(tiny):
    """An attribute of that name is not taken for Flask-Login's: staff pages are refused, and pages are counted."""
    site = tiny(PRIVACY_STAFF=lambda user, need: True)
    site.app.login_manager = OwnManager()
    visitor = site.visitor()
    choose(visitor, "accept_all")
    visitor.get("/item/ball")
    assert visitor.get("/privacy/reports").status_code == 401
    assert [event["page"] for event in site.events("page_view")] == ["/item/ball"]
