"""The site under torture: one page for each path, and a header if something of a request could not be recorded."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Flask

from flask_mixamo_privacy import Privacy
from flask_mixamo_privacy.signals import recording_failed

NOT_RECORDED = "X-Not-Recorded"
FOLDER, DATABASE = "TORTURE_FOLDER", "TORTURE_DATABASE"  # of the environment


def make_site(folder: Path, database: str | None, **config: Any) -> Flask:
    """Build the app. Log, ledger and events each have a disk of their own; ``database`` is PostgreSQL instead of two."""
    app = Flask("torture", instance_path=str(folder / "instance"))
    app.config.update(
        SECRET_KEY="not a secret, a test",
        PRIVACY_ASSETS_DIR=str(folder / "assets"),
        PRIVACY_LOG_DIR=str(folder / "log" / "files"),
        PRIVACY_LEDGER_URL=database or f"sqlite:///{folder}/ledger/files/ledger.sqlite",
        PRIVACY_EVENTS_URL=database or f"sqlite:///{folder}/events/files/events.sqlite",
        PRIVACY_KEYS={"test": "sixteen characters or more"},
        **config,
    )
    Privacy(app)
    app.add_url_rule("/n/<int:number>/<name>", "page", lambda number, name: f"page {number}")
    app.wsgi_app = Witness(app)
    return app


class Witness:
    """Marks the response of a request in which something could not be recorded. Pages are served nevertheless."""

    def __init__(self, app: Flask) -> None:
        self._serve, self._request = app.wsgi_app, threading.local()
        recording_failed.connect(self._mark, app)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self._request.failed = False

        def start_marked(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start(status, [*headers, (NOT_RECORDED, "1")] if self._request.failed else headers, *rest)

        return self._serve(environ, start_marked)

    def _mark(self, _app: Flask, error: Exception) -> None:
        self._request.failed = True


def from_environment() -> tuple[Path, str | None]:
    """Return the folder and the database that the runner chose for its processes."""
    return Path(os.environ[FOLDER]), os.environ.get(DATABASE) or None
