"""The blog with Flask-Consent, as its documentation shows it: the banner's code in the page, and three categories."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask_consent import Consent
from werkzeug.http import dump_cookie

from benchmarks.blog import blog

VERSIONS = ("Flask-Consent", "Flask")
_DECISION = json.dumps({"enabled": ["required"], "last_updated": datetime.now(UTC).replace(tzinfo=None).isoformat()})
CASES = {"visitor is asked": "", "visitor decided": dump_cookie("_consent", _DECISION).partition(";")[0]}
_BANNER = """<p>We count visits only if you agree.</p>
{% for category in flask_consent_categories %}<label><input type="checkbox" value="{{ category.name }}">
{{ category.title }}</label>
{% endfor %}"""


def apps(folder: Path) -> tuple[Any, Any]:
    """Return the bare blog, and the blog with the package."""
    (folder / "bare").mkdir()
    (folder / "extended").mkdir()
    extended = blog(folder / "extended", False, banner="{{ flask_consent_code() }}")
    extended.jinja_loader.mapping["consent.html"] = _BANNER  # type: ignore[union-attr]
    extended.config.update(
        CONSENT_BANNER_TEMPLATE="consent.html",
        CONSENT_FULL_TEMPLATE="consent.html",
        CONSENT_CONTACT_MAIL="privacy@site.example",
        CONSENT_PRIMARY_SERVERNAME="site.example",
    )
    consent = Consent(extended)
    consent.add_standard_categories()
    return blog(folder / "bare", False), extended


def check(bare: Any, extended: Any) -> None:
    """Assert that only a visitor without the cookie is asked."""
    asked = extended.test_client().get("/").text
    decided = extended.test_client(use_cookies=False)
    assert "We count visits only" in asked
    assert "We count visits only" not in decided.get("/", headers={"Cookie": CASES["visitor decided"]}).text
    assert "We count visits only" not in bare.test_client().get("/").text
