"""Demo data: invented visitors whose requests go through the app itself, so that all it records is real."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask.testing import FlaskClient

from ..storage.files import make_private_folder
from ..tracking.loader import WAIT
from ..tracking.log import SUFFIX, EventLog
from ..web.context import NOW, current_runtime
from ..web.runtime import Runtime
from .common import exit_2_on_error, fail
from .demo_people import Arrival, DemoVisitor, DemoVisitors, by_rank

_SHOWN = re.compile(r'name="shown" value="([^"]*)"')  # the banner's words, by the field that names them
_MOST_PAGES = 400  # of a site that are remembered
_CHOICES = {"accepts": ("accept_all",), "counts": ("save", "statistics"), "refuses": ("reject_all",)}


class Form(NamedTuple):
    """A form that the site lets the demo play with: ``<form data-privacy-demo>``."""

    action: str
    fields: list[tuple[str, str]]
    buttons: list[tuple[str, str]]


class ParsedPage(HTMLParser):
    """What somebody sees of a page and can press: links within the site and out of it, forms to play with."""

    def __init__(self, html: str, address: str, prefix: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.exits: list[str] = []
        self.forms: list[Form] = []
        self._address, self._prefix = address, prefix
        self._form: Form | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in said:
            self._link(urljoin(self._address, said["href"]))
        elif tag == "form":
            self._form = Form(said.get("action", ""), [], []) if "data-privacy-demo" in said else None
        elif tag in ("input", "button") and said.get("name"):
            self._field(tag, said)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._form is not None:
            self.forms.append(self._form)
            self._form = None

    def _field(self, tag: str, said: dict[str, str]) -> None:
        if self._form is not None:
            held = self._form.buttons if tag == "button" else self._form.fields
            held.append((said["name"], said.get("value", "")))

    def _link(self, address: str) -> None:
        target, current = urlsplit(address), urlsplit(self._address)
        if target.netloc != current.netloc:
            if target.scheme in ("http", "https"):
                self.exits.append(f"{target.scheme}://{target.netloc}{target.path}")
        elif not f"{target.path}/".startswith(f"{self._prefix}/"):
            found = f"{target.path}?{target.query}" if target.query else target.path
            if found not in self.links:
                self.links.append(found)


class Player:
    """Plays one visit after another against an app."""

    def __init__(self, app: Flask, runtime: Runtime, seed: int) -> None:
        self._app, self._prefix = app, runtime.settings.url_prefix
        secure = runtime.settings.cookie_secure or app.config["PREFERRED_URL_SCHEME"] == "https"
        self._base = f"{'https' if secure else 'http'}://{app.config['SERVER_NAME'] or 'localhost'}"
        self._chance = Random(seed)  # noqa: S311 — invented people need no secrets
        self._clients: dict[int, FlaskClient] = {}
        self._sights: dict[str, ParsedPage | None] = {}
        self.requests = 0

    def play(self, arrival: Arrival) -> None:
        """One visit, from the first page to the last."""
        who, at = arrival.person, arrival.at
        client = self._clients.setdefault(who.number, self._app.test_client())
        self._robot(client, arrival) if who.persona == "robot" else self._visit(
            client, arrival, DemoVisit(self, client, who, at)
        )

    def _robot(self, client: FlaskClient, arrival: Arrival) -> None:
        for number, path in enumerate(self._start.links[:4]):
            self.send(client, "GET", path, arrival.person, arrival.at + number)

    def _visit(self, client: FlaskClient, arrival: Arrival, walk: DemoVisit) -> None:
        chance, first = self._chance, "/"
        if chance.random() < 0.45 and self._start.links:
            first = by_rank(self._start.links, chance)
        walk.open(first, arrival.referrer)
        if arrival.nth == 1 and arrival.person.persona in _CHOICES:
            walk.decide(*_CHOICES[arrival.person.persona])
        elif arrival.nth > 2 and chance.random() < 0.03:
            walk.decide("reject_all")
        while walk.sight is not None and chance.random() < 0.74:
            if walk.sight.forms and chance.random() < 0.06:
                walk.choose(chance)
            if not (links := walk.elsewhere()):
                break
            walk.follow(by_rank(sorted(links, key=self._interest), chance), chance)
        walk.leave(chance)

    def _interest(self, path: str) -> int:
        """A page's rank in the interest of all: by its place on the pages that link to it first."""
        return self._ranks.setdefault(path, len(self._ranks))

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return {path: rank for rank, path in enumerate(self._start.links)}

    @cached_property
    def _start(self) -> ParsedPage:
        client = self._app.test_client()
        return self._sight("/", client.get("/", base_url=self._base)) or ParsedPage("", self._base, self._prefix)

    def send(self, client: FlaskClient, method: str, path: str, who: DemoVisitor, at: float, **more: Any) -> Any:
        """A request as a browser sends it, at its moment."""
        headers = {"User-Agent": who.browser, "Accept-Language": who.language, "Sec-Fetch-Site": "same-origin"}
        environ = {NOW: at, "REMOTE_ADDR": who.address}
        headers |= more.pop("headers", {})
        self.requests += 1
        return client.open(path, base_url=self._base, method=method, headers=headers, environ_overrides=environ, **more)

    def own(self, path: str) -> str:
        """The address of a page of the extension's."""
        return self._prefix + path

    def address(self, path: str) -> str:
        """A path with the site before it, as a browser names where it comes from."""
        return self._base + path

    def see(self, path: str, response: Any) -> ParsedPage | None:
        """What a page shows; read once, for it is much the same for everybody."""
        if path not in self._sights and len(self._sights) < _MOST_PAGES:
            self._sights[path] = self._sight(path, response)
        return self._sights.get(path)

    def _sight(self, path: str, response: Any) -> ParsedPage | None:
        if response.status_code != 200 or response.mimetype != "text/html":
            return None
        return ParsedPage(response.text, self._base + path, self._prefix)


class DemoVisit:
    """One visitor's way through one visit: where they are, what they see, and the clock that runs."""

    def __init__(self, player: Player, client: FlaskClient, who: DemoVisitor, at: float) -> None:
        self._player, self._client, self._who, self._at = player, client, who, at
        self._path, self._came = "/", at
        self._told: list[tuple[float, dict[str, Any]]] = []
        self._page: Any = None
        self.sight: ParsedPage | None = None

    def open(self, path: str, referrer: str) -> None:
        """Open a page, coming from an address."""
        headers = {"Referer": referrer} if referrer else {}
        self._page = self._send("GET", path, headers=headers)
        self.sight = self._player.see(path, self._page)
        self._path, self._came = path, self._at

    def decide(self, choice: str, *purposes: str) -> None:
        """Press a button of the banner, a few seconds later; without a script the page is loaded again."""
        self._at += 4
        shown = _SHOWN.search(self._page.text)
        data = {"choice": choice, "purpose": list(purposes), "shown": shown[1] if shown else "", "next": self._path}
        headers = {"Referer": self._player.address(self._path)} | (
            {"Accept": "application/json"} if self._who.has_script else {}
        )
        self._send("POST", self._player.own("/consent"), data=data, headers=headers)
        if not self._who.has_script:
            self.open(self._path, self._player.address(self._path))

    def choose(self, chance: Random) -> None:
        """Press a button of a form that the site lets the demo play with."""
        assert self.sight is not None
        action, fields, buttons = chance.choice(self.sight.forms)
        self._at += 5
        data = dict([*fields, chance.choice(buttons)] if buttons else fields)
        self._send("POST", action, data=data, headers={"Referer": self._player.address(self._path)})
        self.open(self._path, self._player.address(self._path))

    def elsewhere(self) -> list[str]:
        """Where the links of the page lead, but for the page itself."""
        return [link for link in self.sight.links if link != self._path] if self.sight else []

    def follow(self, path: str, chance: Random) -> None:
        """Read for a while, then press a link."""
        self._read(chance)
        self._tell("click", to=path.partition("?")[0])
        self._exit()
        self.open(path, self._player.address(self._path))

    def leave(self, chance: Random) -> None:
        """Read for a while, then go, at times by a link to another site."""
        self._read(chance)
        if self.sight is not None and self.sight.exits and chance.random() < 0.5:
            self._tell("exit_link", to=chance.choice(self.sight.exits))
        self._exit()
        self._report()

    def _read(self, chance: Random) -> None:
        self._at += min(chance.lognormvariate(3.2, 0.9), 900)

    def _exit(self) -> None:
        self._tell("page_exit", seconds=round(self._at - self._came))

    def _report(self) -> None:
        """What the tracker, which only who allows statistics is served, brings home at the end: ages, not times."""
        if self._who.has_script and self._who.persona in ("accepts", "counts"):
            told = [event | {"age": round((self._at - at) * 1000)} for at, event in self._told[-100:]]
            self._send("POST", self._player.own("/events"), json=told)

    def _tell(self, kind: str, **data: object) -> None:
        self._told.append((self._at, {"kind": kind, "page": self._path.partition("?")[0], "data": data}))

    def _send(self, method: str, path: str, **more: Any) -> Any:
        return self._player.send(self._client, method, path, self._who, self._at, **more)


@contextmanager
def log_aside(runtime: Runtime) -> Iterator[None]:
    """Log into a folder of its own, so that no loader closes a day before all of it is there; then hand it over."""
    log, folder = runtime.log, Path(runtime.settings.log_dir)
    make_private_folder(folder)
    with tempfile.TemporaryDirectory(prefix="demo-", dir=folder) as aside:
        runtime.log = EventLog(aside, background=False)
        try:
            yield
        finally:
            runtime.log.close()
            runtime.log = log
        for segment in Path(aside).glob(f"*{SUFFIX}"):
            os.rename(segment, folder / segment.name)


# ``flask privacy demo-data``: something to show before anybody has come.


@click.command("demo-data")
@click.option("--visitors", type=click.IntRange(1), default=450, show_default=True, help="How many come.")
@click.option("--days", type=click.IntRange(1, 390), default=62, show_default=True, help="Over how many days until now.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same people for the same seed.")
@click.option("--yes", is_flag=True, help="Even though the site has events already.")
@click.option("--if-empty", is_flag=True, help="Do nothing where the site has events already.")
@with_appcontext
@exit_2_on_error
def demo_command(visitors: int, days: int, seed: int, yes: bool, if_empty: bool) -> None:
    """Play invented visitors through the site: some accept, some refuse, some do not answer, and some are robots.

    Their requests are real ones, made to the app itself; only the people and the moments are invented.
    """
    runtime = current_runtime()
    runtime.load(wait=WAIT)
    if runtime.reports.windows("day") and not yes:
        if if_empty:
            return
        fail(
            "this site has events already, and nobody could tell those of invented visitors from them afterwards. "
            "Nothing was played; add --yes to play all the same."
        )
    crowd = DemoVisitors(visitors, days, time.time(), ZoneInfo(runtime.settings.timezone), seed)
    arrivals = crowd.arrivals()
    alone = Context()  # without the app context of this command, which all requests would share
    player = Player(current_app._get_current_object(), runtime, seed)  # type: ignore[attr-defined]
    with log_aside(runtime), click.progressbar(arrivals, label="Playing visits", update_min_steps=20) as bar:
        for arrival in bar:
            alone.run(player.play, arrival)
    loaded = runtime.load(wait=WAIT)
    click.echo(
        f"{len(arrivals)} visits of {visitors} visitors and robots: {player.requests} requests, {loaded.events} events."
    )
