"""A site with data in every database, for the tests of moving it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import Tiny, choose
from flask_mixamo_privacy.cli import move
from support.form_site import policy

#: Commands whose output must be the same before and after a move.
WATCHED = (
    ("report", "--json"),
    ("report", "pages", "--json"),
    ("report", "--period", "day", "--json"),
    ("requests", "list", "--json"),
    ("export", "ada@one.example"),
)
_SETTINGS = {"events": "PRIVACY_EVENTS_URL", "rights": "PRIVACY_DATABASE_URL", "ledger": "PRIVACY_LEDGER_URL"}


def old_site(tiny: Callable[..., Tiny], clock: Any = None, **config: Any) -> Tiny:
    """Return a site on SQLite with events, an erased visitor, decisions, preferences, a minor and two requests.

    With a clock, the day has closed, so its reports are published.
    """
    site = tiny(PRIVACY_POLICY=policy(), **config)
    for number in range(7):
        visitor = site.visitor()
        choose(visitor, "accept_all")
        for path in ("/", "/item/é", "/theme/dark"):
            visitor.get(path)
        if not number:
            site.cli("load")
            choose(visitor, "reject_all")
    with site.app.app_context():
        site.privacy.opt_in("ada@one.example")
    site.cli("erase", "--subject", "bob@one.example")
    site.cli("minors", "add", "kim@one.example")
    for name in ("ada", "eve"):
        site.cli("requests", "open", "--kind", "access", "--email", f"{name}@one.example")
    if clock is not None:
        clock.shift(2 * 24 * 3600)
    site.cli("load")
    return site


def new_urls(urls: Mapping[str, str]) -> list[str]:
    """Return the options of the command for these URLs."""
    return [argument for part, url in urls.items() for argument in (f"--{part}", url)]


def moved(site: Tiny, urls: Mapping[str, str]) -> Tiny:
    """Return the site with the settings that the command has printed."""
    keys = json.loads((site.folder / "privacy-keys.json").read_text())
    settings = {_SETTINGS[part]: url for part, url in urls.items()} | {"PRIVACY_KEYS": keys}
    kept = {name: value for name, value in site.app.config.items() if name.startswith("PRIVACY_")}
    return Tiny(site.folder, **(kept | settings))


def run_during(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], label: str) -> None:
    """Call a function while a step of the command has done a part of its work."""
    waiting = [act]

    class Bar:
        def __init__(self, label: str) -> None:
            self._label = label

        def update(self, number: int) -> None:
            if number and self._label == label and waiting:
                waiting.pop()()

    @contextmanager
    def progress_bar(label: str, _length: int) -> Iterator[Bar]:
        yield Bar(label)

    monkeypatch.setattr(move, "progress_bar", progress_bar)
