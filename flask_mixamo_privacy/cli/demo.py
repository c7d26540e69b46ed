"""``flask privacy demo-data``: sends the requests of invented visitors through the app, which records them as usual."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask.testing import FlaskClient

from ..ledger.refusals import DECISIONS
from ..reports.formatting import counted
from ..storage.files import make_private_folder
from ..tracking.loader import WAIT
from ..tracking.log import SUFFIX, EventLog
from ..web.context import NOW, current_runtime
from ..web.hosts import first_host
from ..web.runtime import Runtime
from .common import echo, exit_2_on_error, exit_codes, fail
from .demo_pages import Form, ParsedPage
from .demo_people import Arrival, DemoVisitor, DemoVisitors, by_rank

_SHOWN = re.compile(r'name="shown" value="([^"]*)"')  # the form field that identifies the banner's text
_VERSIONS = 3  # of the policy that the demo shows
_MOST_PAGES = 2000  # parsed pages that are kept
_CHOICES = {"accepts": ("accept_all",), "counts": ("save", "statistics"), "refuses": ("reject_all",)}


class Player:
    """Sends the requests of one visit after another to an app."""

    def __init__(self, app: Flask, runtime: Runtime, seed: int) -> None:
        self._app, self._prefix = app, runtime.settings.url_prefix
        secure = runtime.settings.cookie_secure or app.config["PREFERRED_URL_SCHEME"] == "https"
        self._base = f"{'https' if secure else 'http'}://{first_host(app)}"
        self._chance = Random(seed)  # noqa: S311 — invented visitors need no secrets
        self._clients: dict[int, FlaskClient] = {}
        self._pages: dict[tuple[str, int | None], ParsedPage | None] = {}
        self.requests = 0

    def play(self, arrival: Arrival) -> None:
        """Send the requests of one visit."""
        visitor = arrival.person
        client = self._clients.setdefault(visitor.number, self._app.test_client())
        if visitor.persona == "robot":
            self._play_robot(client, arrival)
        else:
            self._play_visitor(arrival, DemoVisit(self, client, visitor, arrival.at))

    def _play_robot(self, client: FlaskClient, arrival: Arrival) -> None:
        for number, path in enumerate(self._start.links[:4]):
            self.send(client, "GET", path, arrival.person, arrival.at + number)

    def _play_visitor(self, arrival: Arrival, visit: DemoVisit) -> None:
        chance, first = self._chance, "/"
        if chance.random() < 0.45 and self._start.links:
            first = by_rank(self._start.links, chance)
        visit.open(first, arrival.referrer)
        if arrival.nth == 1 and arrival.person.persona in _CHOICES:
            visit.decide(*_CHOICES[arrival.person.persona])
        elif arrival.nth > 2 and chance.random() < 0.03:
            visit.decide("reject_all")
        while visit.page is not None and chance.random() < 0.74:
            if visit.take_up(chance):
                continue
            if not (links := visit.other_links()):
                break
            visit.follow(by_rank(sorted(links, key=self._popularity), chance), chance)
        visit.leave(chance)

    def _popularity(self, path: str) -> int:
        """Return a page's rank of popularity: its position on the start page, then the order of first use."""
        return self._ranks.setdefault(path, len(self._ranks))

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return {path: rank for rank, path in enumerate(self._start.links)}

    @cached_property
    def _start(self) -> ParsedPage:
        client = self._app.test_client()
        return self._parse("/", client.get("/", base_url=self._base)) or ParsedPage("", self._base, self._prefix)

    def send(self, client: FlaskClient, method: str, path: str, visitor: DemoVisitor, at: float, **options: Any) -> Any:
        """Send a request with a browser's headers, at a simulated time."""
        headers = {"User-Agent": visitor.browser, "Accept-Language": visitor.language, "Sec-Fetch-Site": "same-origin"}
        environ = {NOW: at, "REMOTE_ADDR": visitor.address}
        headers |= options.pop("headers", {})
        self.requests += 1
        return client.open(path, base_url=self._base, method=method, headers=headers, environ_overrides=environ, **options)

    def own(self, path: str) -> str:
        """Return the path of one of the extension's pages."""
        return self._prefix + path

    def address(self, path: str) -> str:
        """Return the URL of a path, as in a browser's Referer header."""
        return self._base + path

    def parse(self, path: str, response: Any) -> ParsedPage | None:
        """Return the parsed page. Pages hardly differ between visitors, so each is parsed once for its length."""
        key = path, response.calculate_content_length()
        if key not in self._pages:
            if len(self._pages) >= _MOST_PAGES:
                return self._parse(path, response)
            self._pages[key] = self._parse(path, response)
        return self._pages[key]

    def _parse(self, path: str, response: Any) -> ParsedPage | None:
        if response.status_code != 200 or response.mimetype != "text/html":
            return None
        return ParsedPage(response.text, self._base + path, self._prefix)


class DemoVisit:
    """One visit of a visitor: the current page and the simulated time."""

    def __init__(self, player: Player, client: FlaskClient, visitor: DemoVisitor, at: float) -> None:
        self._player, self._client, self._visitor, self._at = player, client, visitor, at
        self._path, self._opened_at = "/", at
        self._events: list[tuple[float, dict[str, Any]]] = []
        self._response: Any = None
        self.page: ParsedPage | None = None

    def open(self, path: str, referrer: str) -> None:
        """Open a page, with a referrer."""
        headers = {"Referer": referrer} if referrer else {}
        self._response = self._send("GET", path, headers=headers)
        self.page = self._player.parse(path, self._response)
        self._path, self._opened_at = path, self._at

    def decide(self, choice: str, *purposes: str) -> None:
        """Press a button of the banner after a few seconds. Without scripts the page is then loaded again."""
        self._at += 4
        shown = _SHOWN.search(self._response.text)
        data = {"choice": choice, "purpose": list(purposes), "shown": shown[1] if shown else "", "next": self._path}
        headers = {"Referer": self._player.address(self._path)} | (
            {"Accept": "application/json"} if self._visitor.has_script else {}
        )
        self._send("POST", self._player.own("/consent"), data=data, headers=headers)
        if not self._visitor.has_script:
            self.open(self._path, self._player.address(self._path))

    def take_up(self, chance: Random) -> bool:
        """Submit a form of the page, or follow a link that it offers, if the visitor wants that. Return whether they did."""
        assert self.page is not None
        for form in self.page.forms:
            if chance.random() < form.chance:
                self._submit(form, chance)
                return True
        for offer in self.page.offers:
            if chance.random() < offer.chance:
                self.follow(offer.path, chance)
                return True
        return False

    def _submit(self, form: Form, chance: Random) -> None:
        """Submit a form by a random button, and open the page to which the answer leads."""
        self._at += 5
        fields = [*form.fields, chance.choice(form.buttons)] if form.buttons else form.fields
        data = {name: value.replace("{number}", str(self._visitor.number)) for name, value in fields}
        response = self._send("POST", form.action, data=data, headers={"Referer": self._player.address(self._path)})
        self._exit()
        self.open(response.location if response.location else self._path, self._player.address(self._path))

    def other_links(self) -> list[str]:
        """Return the links of the page, except to itself."""
        return [link for link in self.page.links if link != self._path] if self.page else []

    def follow(self, path: str, chance: Random) -> None:
        """Read for a while, then follow a link."""
        self._read(chance)
        self._track("click", to=path.partition("?")[0])
        self._exit()
        self.open(path, self._player.address(self._path))

    def leave(self, chance: Random) -> None:
        """Read for a while, then end the visit, sometimes by a link to another site."""
        self._read(chance)
        if self.page is not None and self.page.exits and chance.random() < 0.5:
            self._track("exit_link", to=chance.choice(self.page.exits))
        self._exit()
        self._report()

    def _read(self, chance: Random) -> None:
        self._at += min(chance.lognormvariate(3.2, 0.9), 900)

    def _exit(self) -> None:
        self._track("page_exit", seconds=round(self._at - self._opened_at))

    def _report(self) -> None:
        """Send the events of the tracker, which only visitors who consented to statistics have.

        An event has its age instead of its time.
        """
        if self._visitor.has_script and self._visitor.persona in ("accepts", "counts"):
            events = [event | {"age": round((self._at - at) * 1000)} for at, event in self._events[-100:]]
            self._send("POST", self._player.own("/events"), json=events)

    def _track(self, kind: str, **data: object) -> None:
        self._events.append((self._at, {"kind": kind, "page": self._path.partition("?")[0], "data": data}))

    def _send(self, method: str, path: str, **options: Any) -> Any:
        return self._player.send(self._client, method, path, self._visitor, self._at, **options)


@contextmanager
def separate_log(runtime: Runtime) -> Iterator[None]:
    """Write the log to a separate folder, and move it to the log folder at the end.

    Otherwise a loader could close a day before all its events are written.
    """
    log, folder = runtime.log, Path(runtime.settings.log_dir)
    make_private_folder(folder)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=folder) as separate:
        runtime.log = EventLog(separate, background=False)
        try:
            yield
        finally:
            runtime.log.close()
            runtime.log = log
        for segment in Path(separate).glob(f"*{SUFFIX}"):
            os.rename(segment, folder / segment.name)


class VersionsInForce:
    """Plays earlier visits under the earlier versions of the policy: the newest three, each for a third of the time.

    No version is in force before its own date.
    """

    def __init__(self, runtime: Runtime, start: float, end: float) -> None:
        self._runtime, self._policy = runtime, runtime.policy
        dates = runtime.versions.dates()[-_VERSIONS:]
        third = (end - start) / max(len(dates), 1)
        self._starts = [(start + third * number, date) for number, date in enumerate(dates)]

    def at(self, moment: float) -> None:
        """Let the app record decisions under the version of this moment."""
        day = datetime.fromtimestamp(moment, UTC).date().isoformat()
        current = [date for start, date in self._starts if moment >= start and day >= date]
        version = current[-1] if current else self._policy.version
        if self._runtime.policy.version != version:
            self._runtime.policy = replace(self._policy, version=version)

    def end(self) -> None:
        """Restore the declared policy."""
        self._runtime.policy = self._policy


def _found(runtime: Runtime) -> tuple[str, int]:
    """Return what a site has recorded already, and how often the operator must insist on adding to it.

    The ledger is kept as proof, so adding invented decisions to it takes more than adding events.
    """
    if any(runtime.ledger.refusals.counts()) or next(runtime.ledger.entries(*DECISIONS), None) is not None:
        return "decisions of visitors", 2
    return ("events", 1) if runtime.reports.windows("day") else ("", 0)


@exit_codes("done", error="the site has events or decisions already")
@click.command("demo-data")
@click.option("--visitors", type=click.IntRange(1), default=1500, show_default=True, help="The number of visitors.")
@click.option("--days", type=click.IntRange(1, 390), default=77, show_default=True, help="The number of days until now.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed invents the same visitors.")
@click.option("--yes", count=True, help="Add to a site with events; twice, also to one with decisions.")
@click.option("--if-empty", is_flag=True, help="Do nothing, and exit with 0, if the site has events or decisions.")
@with_appcontext
@exit_2_on_error
def demo_command(visitors: int, days: int, seed: int, yes: int, if_empty: bool) -> None:
    """Send the requests of invented visitors through the app. Some accept, some refuse, some do not answer, some are robots.

    The requests are real requests to the app. Only the visitors and the times are invented.
    The ledger keeps decisions as proof, so a site with decisions needs --yes --yes.
    """
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    found, needed = _found(runtime)
    if yes < needed:
        if if_empty:
            echo(f"The site has {found} already. Nothing was sent.")
            return
        fail(
            f"The site has {found} already, and those of invented visitors cannot be separated from them later. "
            f"Nothing was sent. Add {' '.join(['--yes'] * needed)} to send the requests anyway."
        )
    demo_visitors = DemoVisitors(visitors, days, time.time(), ZoneInfo(runtime.settings.timezone), seed)
    arrivals = demo_visitors.arrivals()
    # The requests would share this command's app context, so run them in an empty context.
    empty = Context()
    player = Player(current_app._get_current_object(), runtime, seed)  # type: ignore[attr-defined]
    versions = VersionsInForce(runtime, arrivals[0].at if arrivals else 0, time.time())
    with separate_log(runtime), click.progressbar(arrivals, label="Sending visits", update_min_steps=20) as bar:
        for arrival in bar:
            versions.at(arrival.at)
            empty.run(player.play, arrival)
    versions.end()
    loaded = runtime.load(wait=WAIT)
    echo(
        f"{counted(len(arrivals), 'visit')} of {counted(visitors, 'visitor or robot', 'visitors and robots')}: "
        f"{counted(player.requests, 'request')}, {counted(loaded.events, 'event')}."
    )
