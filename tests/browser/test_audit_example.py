"""The example site does only what its privacy.toml declares, according to its own audit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_promise_1_and_11_the_example_site_passes_its_own_audit(tmp_path):
    """The site passes in every state, as an anonymous user and as staff, and the audit does not touch the site's own
    folders.
    """
    places = {"FLASK_SHOP_DATABASE_URL": f"sqlite:///{tmp_path}/shop.sqlite", "FLASK_SECRET_KEY": "not a secret, a test"}
    command = [sys.executable, "-m", "flask", "--app", "example_site", "privacy", "audit", "--offline", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | places, capture_output=True, text=True, timeout=390)
    assert done.returncode in (0, 1), done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert [(one["code"], one["subject"], one["evidence"]) for one in found["findings"]] == []
    assert found["unseen"] == [] and found["known"] == []
    assert found["looked_at"]["logins"] == ["staff"] and len(found["looked_at"]["states"]) == 8
