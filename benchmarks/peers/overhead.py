"""What a request costs with each package, compared with the same page of its bare framework."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import packages

ROUNDS = 7
_SITES = {
    "ours": (Path(sys.executable), "ours"),
    "Flask-Consent": (packages.FLASK_CONSENT.python, "flask_consent"),
    "Flask-Track-Usage": (packages.TRACK_USAGE.python, "track_usage"),
    "Flask-Track-Usage, current Flask": (packages.TRACK_USAGE_NOW.python, "track_usage"),
    "django-cookie-consent": (packages.DJANGO_CONSENT.python, "django_consent"),
    "django-request": (packages.DJANGO_REQUEST.python, "django_request"),
}


def measure() -> list[dict[str, Any]]:
    """Return for each package its rows and versions, or the reason why it cannot run."""
    return [{"name": name, **_measured(*site)} for name, site in _SITES.items()]


def _measured(python: Path, site: str) -> dict[str, Any]:
    command = [str(python), "-W", "ignore", "-m", "benchmarks.peers.sites.measure", site, str(ROUNDS)]
    environment = os.environ | {"PYTHONPATH": str(packages.ROOT)}
    done = subprocess.run(command, cwd=packages.ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"reason": done.stderr.strip().splitlines()[-1].partition(" (/")[0], "rows": [], "versions": {}}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"reason": ""}
