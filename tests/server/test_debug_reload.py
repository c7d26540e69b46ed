"""``flask run --debug``: an edited view or declaration is in effect after the reload, and decisions are kept."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest

from flask_mixamo_privacy.policy.toml import START

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

SITE = """
from flask import Flask, render_template_string
from flask_mixamo_privacy import Privacy

privacy = Privacy()

def create_app():
    app = Flask(__name__)
    app.config.update(SECRET_KEY="not a secret, a test", PRIVACY_POLICY="privacy.toml", PRIVACY_ASSETS_DIR="{folder}/assets")
    privacy.init_app(app)
    app.add_url_rule("/", "home", lambda: render_template_string("<body>{{{{ privacy.banner() }}}}<h1>First</h1>"))
    return app
"""


class Debugged:
    """A site under ``flask run --debug``, and one visitor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop.py").write_text(SITE.format(folder=folder))
        (folder / "privacy.toml").write_bytes(START.read_bytes())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "flask", "--app", "shop", "run", "--debug", "--port", str(port)]
        with open(folder / "flask.log", "w") as output:
            environ = {name: value for name, value in os.environ.items() if not name.startswith("WERKZEUG")}
            self.process = subprocess.Popen(
                command, cwd=folder, env=environ, stdout=output, stderr=output, start_new_session=True
            )
        self.visitor: OpenerDirector = build_opener(HTTPCookieProcessor(CookieJar()))

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def page_with(self, text: str, path: str = "/") -> str:
        """Return the page once it has this text. The server restarts in between, and then refuses connections."""
        page, deadline = "", time.monotonic() + 120
        while text not in page and time.monotonic() < deadline:
            try:
                page = self.visitor.open(self.url + path, timeout=30).read().decode()
            except (URLError, OSError) as error:
                page = str(error)
            time.sleep(0.05)
        assert text in page, page + (self.folder / "flask.log").read_text()
        return page


@pytest.fixture
def debugged(tmp_path: Path) -> Iterator[Debugged]:
    site = Debugged(tmp_path)
    yield site
    os.killpg(site.process.pid, signal.SIGKILL)
    site.process.wait(30)


def test_the_reloader_restarts_the_site(debugged):
    """An edited view and an edited declaration are served, and the visitor who accepted is asked no second time."""
    assert "Accept all" in debugged.page_with("First")
    debugged.visitor.open(f"{debugged.url}/privacy/consent", b"choice=accept_all")
    debugged.edit("shop.py", "First", "Second")
    assert "Accept all" not in debugged.page_with("Second")
    debugged.edit("privacy.toml", 'name = "this site"', 'name = "The corner shop"')
    debugged.page_with("The corner shop", "/privacy/")
    assert "Accept all" not in debugged.page_with("Second")
