"""Shared fixtures: a tiny app in its own folder, a visitor, and what was recorded."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import pytest
from flask import Flask, render_template_string
from flask.testing import FlaskClient
from werkzeug.serving import make_server

import flask_mixamo_privacy
from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.audit.browser.launch import SYSTEMS, chromium_arguments, close_responses
from support.catalogues import refuse_unknown_sentences
from support.old_click import separate_errors
from support.slow import SLOW, THOROUGH
from support.warm import build_urls_lazily, share_compiled_templates

# pytest rewrites the asserts of this package, and so parses each module when it is imported. Before CPython 3.11.8, two
# threads that parse at once can raise SystemError (python/cpython#106905), so no module is first imported by a thread.
for module in walk_packages(flask_mixamo_privacy.__path__, "flask_mixamo_privacy."):
    if module.name.split(".")[1] not in ("audit", "cli", "mailman", "testing", "wtf", "static", "templates"):
        import_module(module.name)

separate_errors()
refuse_unknown_sentences()
share_compiled_templates()
build_urls_lazily()

PAGE = """<!doctype html><html lang="en"><title>Tiny</title><body>{{ privacy.banner() }}
<main><h1>Tiny</h1><p><a href="/other">Other</a> {{ privacy.settings_link() }}</p></main>"""


TESTS = Path(__file__).parent

#: Temporary folders in memory are faster than on a disk, because every decision is synced. Containers may have a small one.
MEMORY, ENOUGH = "/dev/shm", 4 << 30  # noqa: S108 — a folder in memory, in which each run makes its own


LONG = {"browser", "server"}  # marks of tests that take seconds


def pytest_configure() -> None:
    """Keep the temporary folders of tests in memory, unless the developer chose a place."""
    if os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run tests with browsers and servers first, because they take longest and would leave other cores idle at the end.

    Mark the tests of slow files.
    """
    for item in items:
        path = item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""
        if path in SLOW:
            item.add_marker("slow")
        if path in THOROUGH and LONG & {mark.name for mark in item.iter_markers()}:
            item.add_marker("thorough")
    items.sort(key=lambda item: not LONG & {mark.name for mark in item.iter_markers()})


class Tiny:
    """A site of three pages, with all the extension's files in one temporary folder."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.app = Flask("tiny", instance_path=str(folder))
        self.app.config.update(
            SECRET_KEY="not a secret, a test", TESTING=True, PRIVACY_ASSETS_DIR=str(folder.parent / "assets"),
            PRIVACY_LOADER=False,  # a background thread would run beside all later tests
        )  # fmt: skip
        self.app.config.update(config)
        self.privacy = Privacy(self.app)
        for path in ("/", "/other", "/item/<name>"):
            self.app.add_url_rule(path, path, lambda **_: render_template_string(PAGE))
        self.app.add_url_rule("/theme/<value>", "theme", self.theme)

    def view(self, path: str, function: Callable[..., Any]) -> None:
        """Serve the function's result at this path."""
        self.app.add_url_rule(path, path, function)

    def theme(self, value: str) -> str:
        self.privacy.customise("theme", value)
        return value

    def visitor(self, **headers: str) -> FlaskClient:
        """Return a client without cookies. Headers such as ``Sec_GPC="1"`` are sent with every request."""
        client = self.app.test_client()
        client.environ_base.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        return client

    def cli(self, *arguments: str) -> Any:
        """Run ``flask privacy …`` and return the result."""
        return self.app.test_cli_runner().invoke(args=["privacy", *arguments])

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the recorded events, of these kinds or all."""
        outcome = self.cli("events")
        assert outcome.exit_code == 0, outcome.output
        found = [json.loads(line) for line in outcome.stdout.splitlines()]
        return [event for event in found if not kinds or event["kind"] in kinds]

    def ledger(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the ledger's entries, of these kinds or all."""
        return [row for row in self._ledger("SELECT * FROM entries ORDER BY position") if not kinds or row["kind"] in kinds]

    def refusals(self) -> list[tuple[str, str, int]]:
        """Return the day, the language and the number of the refusals that are counted, and not yet in the ledger."""
        counts = self.privacy.runtime(self.app).ledger.refusals.counts()
        return [(count.day, count.locale, count.number) for count in counts]

    def ledger_texts(self) -> list[dict[str, Any]]:
        """Return the shown texts that the ledger stores."""
        return self._ledger("SELECT * FROM texts")

    def _ledger(self, statement: str) -> list[dict[str, Any]]:
        path = self.folder / "privacy-ledger.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement)]

    def files(self) -> list[str]:
        """Return every file below the folder."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


def in_a_thread(function: Callable[[], Any]) -> Any:
    """Run a function in a thread and return its result, because asyncio refuses a second event loop beside the browser's."""
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
    """Return a function that builds a tiny site with the given settings."""
    folder = tmp_path / "instance"
    folder.mkdir()
    return lambda **config: Tiny(folder, **config)


@pytest.fixture
def clock(time_machine: Any) -> Any:
    """A clock that stands still at noon; ``clock.shift(seconds)`` moves it."""
    time_machine.move_to("2026-05-08T12:00:00Z", tick=False)
    return time_machine


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve a WSGI app on loopback from a thread, so that the app has the test's clock, and yield its URL."""
    server = make_server("127.0.0.1", 0, close_responses(app), threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Any], str]]:
    """Return a function that serves a WSGI app until the end of the test."""
    with ExitStack() as servers:
        yield lambda app: servers.enter_context(serving(app))


def executable() -> str | None:
    """Return the path of the system's Chromium, the quickest first, or None for Playwright's own."""
    return next(filter(None, map(shutil.which, SYSTEMS)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real Chromium: the system's, or Playwright's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=chromium_arguments())
        yield browser
        browser.close()


@pytest.fixture
def open_browser(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a separate browser for each visitor and returns its page."""
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
    """Return a function that builds a tiny site with data subjects in its own database."""
    from support.people_site import settle

    return lambda **config: settle(tiny, tmp_path, **config)


@pytest.fixture(scope="module")
def office() -> Iterator[Any]:
    """A real mail server on loopback."""
    from support.mail_site import PostOffice

    office = PostOffice()
    yield office
    office.controller.stop()


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Return a function that writes the files of a page of docs/recipes into a folder, from which they are imported."""
    from support.recipes import Recipe, forget_modules

    folder = tmp_path / "recipe"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    yield lambda page, section="": Recipe(page, folder, section)
    forget_modules(folder)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A real PostgreSQL on a socket in a temporary folder."""
    from support.postgres import Server

    running = Server()
    try:
        running.start()
        yield running
        running.stop()
    finally:
        shutil.rmtree(running.folder)


@pytest.fixture
def mails() -> list[Any]:
    """The mails that the example shop has sent."""
    return []


@pytest.fixture
def shop(tmp_path: Path, mails: list[Any]) -> Any:
    """The example site with all its files in a temporary folder, and its mails in a list."""
    from support.example_shop import open_shop

    return open_shop(tmp_path, PRIVACY_SEND=mails.append)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Start a ClickHouse cluster of two shards with two replicas each, with which the official client can talk."""
    from support.clickhouse import Cluster, install, speak_old_dialect

    install()
    with pytest.MonkeyPatch.context() as patch, Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        speak_old_dialect(patch)
        yield cluster
