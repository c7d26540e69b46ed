"""What every test starts from: a tiny app in a folder of its own, a visitor, and what was recorded."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.audit.browser import arguments
from flask_mixamo_privacy.audit.server import surely_closed

PAGE = """<!doctype html><html lang="en"><title>Tiny</title><body>{{ privacy.banner() }}
<main><h1>Tiny</h1><p><a href="/other">Other</a> {{ privacy.settings_link() }}</p></main>"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with browsers and servers first, which take longest: at the end no core waits for another."""
    items.sort(key=lambda item: not {"browser", "server"} & {mark.name for mark in item.iter_markers()})


class Tiny:
    """A site of three pages, with everything of ours in one temporary folder."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.app = Flask("tiny", instance_path=str(folder))
        self.app.config.update(
            SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_ASSETS_DIR=str(folder.parent / "assets")
        )
        self.app.config.update(config)
        self.privacy = Privacy(self.app)
        for path in ("/", "/other", "/item/<name>"):
            self.app.add_url_rule(path, path, lambda **_: render_template_string(PAGE))
        self.app.add_url_rule("/theme/<value>", "theme", self.theme)

    def view(self, path: str, function: Callable[..., Any]) -> None:
        """Serve what the function returns, at this path."""
        self.app.add_url_rule(path, path, function)

    def theme(self, value: str) -> str:
        self.privacy.customise("theme", value)
        return value

    def visitor(self, **headers: str) -> FlaskClient:
        """A browser without cookies; headers such as ``Sec_GPC="1"`` go with every request."""
        client = self.app.test_client()
        client.environ_base.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        return client

    def cli(self, *arguments: str) -> Any:
        """The outcome of ``flask privacy …``."""
        return self.app.test_cli_runner().invoke(args=["privacy", *arguments])

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """What was recorded, of these kinds or of all."""
        outcome = self.cli("events")
        assert outcome.exit_code == 0, outcome.output
        found = [json.loads(line) for line in outcome.output.splitlines()]
        return [event for event in found if not kinds or event["kind"] in kinds]

    def ledger(self, *kinds: str) -> list[dict[str, Any]]:
        """What the ledger holds, of these kinds or of all."""
        return [row for row in self._ledger("SELECT * FROM entries ORDER BY position") if not kinds or row["kind"] in kinds]

    def ledger_texts(self) -> list[dict[str, Any]]:
        """The words that the ledger holds."""
        return self._ledger("SELECT * FROM texts")

    def _ledger(self, statement: str) -> list[dict[str, Any]]:
        path = self.folder / "privacy-ledger.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement)]

    def files(self) -> list[str]:
        """Every file below the folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


def in_a_thread(function: Callable[[], Any]) -> Any:
    """What the function gives, run in a thread of its own: asyncio minds the event loop that a browser has in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function).result()


def choose(visitor: FlaskClient, choice: str, *purposes: str, **fields: str) -> Any:
    """Post a decision as the form does without JavaScript."""
    return visitor.post("/privacy/consent", data={"choice": choice, "purpose": list(purposes), **fields})


def cookie(visitor: FlaskClient, name: str = "privacy_consent") -> str | None:
    found = visitor.get_cookie(name)
    return found.value if found else None


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Tiny]:
    """Builds a tiny site with the given settings."""
    folder = tmp_path / "instance"
    folder.mkdir()
    return lambda **config: Tiny(folder, **config)


@pytest.fixture
def clock(time_machine: Any) -> Any:
    """A clock that stands still at noon; ``clock.shift(seconds)`` moves it."""
    time_machine.move_to("2026-05-08T12:00:00Z", tick=False)
    return time_machine


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Serves a WSGI app on loopback from a thread of this process, so that its clock is the test's."""
    servers = []

    def start(app: Any) -> str:
        server = make_server("127.0.0.1", 0, surely_closed(app), threaded=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def executable() -> str | None:
    """The system's Chromium; None for Playwright's own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real Chromium: the system's, or Playwright's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments())
        yield browser
        browser.close()


@pytest.fixture
def open_browser(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a browser of its own for each visitor; gives its page."""
    contexts = []

    def open_one(**options: Any) -> Any:
        context = chromium.new_context(**options)
        contexts.append(context)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def people(tiny: Callable[..., Tiny], tmp_path: Path) -> Callable[..., Any]:
    """Builds a tiny site with people in a database of its own."""
    from people import settle

    return lambda **config: settle(tiny, tmp_path, **config)


@pytest.fixture(scope="module")
def office() -> Iterator[Any]:
    """A real mail server on loopback."""
    from posting import PostOffice

    office = PostOffice()
    yield office
    office.controller.stop()


@pytest.fixture
def mails() -> list[Any]:
    """What the example shop has sent."""
    return []


@pytest.fixture
def shop(tmp_path: Path, mails: list[Any]) -> Any:
    """The example site with everything it writes in a temporary folder, and its mails in a list."""
    from shopping import open_shop

    return open_shop(tmp_path, PRIVACY_SEND=mails.append)
