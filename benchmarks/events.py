"""The events endpoint under gunicorn: posts of one event and of ten, compared with an endpoint that ignores them."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flask import Flask

from . import visitors
from .budget import Figure
from .client import Job, hammer
from .server import CLIENTS, ROUNDS, SECONDS, Load, build, serving, wrk

_SIDES = {"empty": "", "events": "on"}
_VISITORS = 200  # enough to stay below each visitor's rate limit
_PATH = "/privacy/events"

Reported = list[dict[str, object]]

_CLICKS: Reported = [
    {"kind": "click", "page": f"/item/{n}", "data": {"to": f"/item/{n + 1}"}, "age": 900 - n} for n in range(6)
]
_EVENTS: Reported = [
    *_CLICKS,
    {"kind": "click", "page": "/item/6", "data": {"button": "more"}, "age": 300},
    {"kind": "exit_link", "page": "/item/6", "data": {"to": "https://other.example/a/page"}, "age": 200},
    {"kind": "video.played", "page": "/item/6", "data": {"seconds": 30, "title": "A walk in the park"}, "age": 100},
    {"kind": "page_exit", "page": "/item/6", "data": {"seconds": 12}, "age": 1},
]

_SCRIPT = """
local cookies, body, n = {%s}, [==[%s]==], 0
request = function()
  n = n + 1
  wrk.headers["Cookie"] = cookies[n %% #cookies + 1]
  return wrk.format("POST", nil, nil, (body:gsub("@", n)))
end
"""


def measure() -> list[Figure]:
    """Return ratios of requests a second and of p99, as medians over rounds. Each side goes first in turn."""
    with TemporaryDirectory() as folder, ExitStack() as running:
        maker = build(Path(folder), "off")  # creates cookies, and serves nothing
        ports = {side: running.enter_context(serving(Path(folder, side), loader)) for side, loader in _SIDES.items()}
        for side, port in ports.items():
            _check(port, Path(folder, side), visitors.consented(maker), logged=side == "events")
            _load(port, maker, Path(folder), _EVENTS, seconds=1)
        figures: list[Figure] = []
        for what, events, budget in (("one event", _EVENTS[:1], 0.92), ("ten events", _EVENTS, 0.85)):
            rounds = [{side: _load(ports[side], maker, Path(folder), events) for side in _order(n)} for n in range(ROUNDS)]
            figures += _figures(f"{what} a request, loader running", rounds, budget)
    return [
        *figures,
        Figure("ten events a request", median(one["events"].rate for one in rounds) * len(_EVENTS), "events/s"),
    ]


def _figures(what: str, rounds: list[dict[str, Load]], budget: float) -> Iterator[Figure]:
    rate = median(one["events"].rate / one["empty"].rate for one in rounds)
    yield Figure(f"{what}, req/s", rate, "×", budget, at_least=True)
    yield Figure(f"{what}, p99", median(one["events"].p99 / one["empty"].p99 for one in rounds), "×", 1.2)


def _order(number: int) -> list[str]:
    return [*_SIDES][:: -1 if number % 2 else 1]


def _check(port: int, folder: Path, cookie: str, logged: bool) -> None:
    """Assert that a post is accepted, and that only the side with the extension logs its events."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", _PATH, json.dumps(_EVENTS), {"Cookie": cookie})
    status = connection.getresponse().status
    connection.close()
    lines = sum(segment.read_text().count('"kind"') for segment in folder.glob("privacy-log/*.events"))
    assert (status, lines) == (204, logged * len(_EVENTS)), (status, lines)


def _load(port: int, maker: Flask, folder: Path, events: Reported, seconds: int = SECONDS) -> Load:
    """Run sixteen keep-alive clients for a few seconds. Requests take turns among the visitors; each event is new."""
    cookies = [visitors.consented(maker) for _ in range(_VISITORS)]
    prefix = secrets.token_hex(4)
    body = json.dumps([{"id": f"{prefix}-@-{number}", **event} for number, event in enumerate(events)])
    if not shutil.which("wrk"):
        return Load(*hammer(Job(port, cookies, _PATH, body), CLIENTS, seconds))
    script = folder / "events.lua"
    script.write_text(_SCRIPT % (", ".join(map(json.dumps, cookies)), body))
    return wrk(f"http://127.0.0.1:{port}{_PATH}", seconds, "-s", str(script))
