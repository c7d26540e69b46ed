"""The blog's page with the extension, compared with the same page and the same cookies without it.

Both sides take turns of a few requests, so that a slow moment of the machine slows both. The time of the CPU, user and
system, leaves out other processes. Two copies of the bare page show how far equal pages differ.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from flask import Flask
from werkzeug.test import create_environ

from . import visitors
from .blog import blog
from .budget import Figure

_ROUNDS, _REQUESTS, _TURN = 9, 400, 50  # a round alternates between the sides every 50 requests

_BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.8",
    "Accept-Encoding": "gzip, deflate, br",
    "Referer": "http://localhost/7",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
}

Environ = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A kind of visitor: the Cookie headers of a number of requests, the budget, and what the page must contain."""

    what: str
    cookies: Callable[[Flask, int], list[str]]
    budget: float | None
    banner: bool = False
    logged: bool = False
    used: bool = True  # whether the page calls the template helpers


def _unseen(app: Flask, number: int) -> list[str]:
    return [visitors.consented(app) for _ in range(number)]


CASES = (
    Case("page, consent refused", lambda app, number: [visitors.refused(app)] * number, 1.03),
    Case("page with the banner", lambda app, number: [""] * number, 1.05, banner=True),
    Case("page, consented and logged", lambda app, number: [visitors.consented(app)] * number, 1.10, logged=True),
    Case("the same, cookies not seen before", _unseen, 1.25, logged=True),
    Case("page, forged cookie", lambda app, number: [visitors.FORGED] * number, 1.10, banner=True),
    Case("page that uses nothing, no cookie", lambda app, number: [""] * number, 1.005, used=False),
)
_NOISE = Case("page, bare against bare (noise)", lambda app, number: [""] * number, None)


@dataclass(frozen=True)
class Pair:
    """The blog without the extension, twice, and with it: used by the page, and only installed."""

    bare: Flask
    copy: Flask
    extended: Flask
    unused: Flask

    @classmethod
    def in_folder(cls, folder: Path) -> Pair:
        """Return the blogs, each with its own database."""
        sides = {"bare": (False, False), "copy": (False, False), "extended": (True, True), "unused": (True, False)}
        for name in sides:
            (folder / name).mkdir()
        return cls(*(blog(folder / name, *side) for name, side in sides.items()))


def measure() -> list[Figure]:
    """Return ratios of the page's CPU time with their quartiles, those of the wall time, and the bare page's time."""
    with TemporaryDirectory() as folder:
        pair = Pair.in_folder(Path(folder))
        for case in CASES:
            check(pair, case)
        with only_garbage_of_requests():
            rounds = [_round(pair) for _ in range(_ROUNDS)]
    return [*_figures("cpu", rounds), *_figures("wall", rounds), _bare_time(rounds)]


def check(pair: Pair, case: Case) -> None:
    """Assert that each side serves its page, and that only a consenting visitor is logged."""
    for app in (pair.bare, pair.extended if case.used else pair.unused):
        extended = app is pair.extended
        cookies = case.cookies(pair.extended, 3)
        before = _page_views(app)
        for environ in environs(cookies):
            status, headers, body = _get(app, environ)
            assert status == "200 OK", status
            assert body.count('<article class="post">') == 10, body
            assert 'class="mixamo-settings-link"' in body, body
            assert ('class="mixamo-ask"' in body) == (case.banner and extended), case
            assert "Set-Cookie" not in headers, headers
        assert _page_views(app) - before == (len(cookies) if case.logged and extended else 0), case


def environs(cookies: Iterable[str]) -> list[Environ]:
    """Return a browser's requests for the page, one for each Cookie header."""
    plain = create_environ("/", headers=_BROWSER) | {"REMOTE_ADDR": "192.0.2.17"}
    return [plain | ({"HTTP_COOKIE": cookie} if cookie else {}) for cookie in cookies]


class Seconds(NamedTuple):
    """What requests take: time on the clock, and the user and system time of the CPU."""

    wall: float = 0.0
    cpu: float = 0.0

    def plus(self, other: Seconds) -> Seconds:
        """Return the sum of both."""
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)


def serve(app: Flask, requests: list[Environ]) -> Seconds:
    """Return the seconds that the requests take, including reading their bodies."""
    requests = [environ.copy() for environ in requests]  # a request changes its environ
    call, start, start_cpu = app.wsgi_app, time.perf_counter(), time.process_time()
    for environ in requests:
        body = call(environ, _ignore)
        b"".join(body)
        body.close()  # type: ignore[attr-defined]
    return Seconds(time.perf_counter() - start, time.process_time() - start_cpu)


@contextmanager
def only_garbage_of_requests() -> Iterator[None]:
    """Leave what exists now out of garbage collection. Garbage of requests is collected inside the block, as on a server."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _round(pair: Pair) -> dict[str, tuple[Seconds, Seconds]]:
    """Return what both pages take in each case. For the noise, both pages are bare."""
    seconds = {_NOISE.what: _compare(pair.bare, pair.copy, environs([""] * _REQUESTS))}
    for case in CASES:
        other = pair.extended if case.used else pair.unused
        seconds[case.what] = _compare(pair.bare, other, environs(case.cookies(pair.extended, _REQUESTS)))
        gc.collect()
    return seconds


def _compare(bare: Flask, other: Flask, requests: list[Environ]) -> tuple[Seconds, Seconds]:
    warm, turns = requests[:5], range(0, len(requests), _TURN)
    if requests[0].get("HTTP_COOKIE") == requests[-1].get("HTTP_COOKIE"):
        for app in (bare, other):
            serve(app, warm)
    seconds = [Seconds(), Seconds()]
    for number, start in enumerate(turns):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds[side] = seconds[side].plus(serve((bare, other)[side], requests[start : start + _TURN]))
    return seconds[0], seconds[1]


def _figures(clock: str, rounds: list[dict[str, tuple[Seconds, Seconds]]]) -> Iterator[Figure]:
    """Yield the ratios by one clock. Only that of the CPU has a budget, because other processes do not change it."""
    for case in (_NOISE, *CASES):
        ratios = [getattr(other, clock) / getattr(bare, clock) for bare, other in (one[case.what] for one in rounds)]
        low, middle, high = quantiles(ratios, n=4)
        what = f"{case.what} ({clock}, quartiles {low:.3f} and {high:.3f})"
        yield Figure(what, middle, "×", case.budget if clock == "cpu" else None)


def _bare_time(rounds: list[dict[str, tuple[Seconds, Seconds]]]) -> Figure:
    seconds = median(bare.cpu for one in rounds for bare, _ in one.values())
    return Figure(f"page, bare (cpu, Python {platform.python_version()})", seconds / _REQUESTS * 1e6, "µs")


def _get(app: Flask, environ: Environ) -> tuple[str, dict[str, str], str]:
    answer: list[Any] = []
    body = app.wsgi_app(environ.copy(), lambda status, headers, _error=None: answer.extend((status, dict(headers))))  # type: ignore
    text = b"".join(body).decode()
    return answer[0], answer[1], text


def _page_views(app: Flask) -> int:
    """Return the number of page views in the app's log."""
    segments = Path(app.instance_path, "privacy-log").glob("*.events")
    return sum(segment.read_text().count('"kind":"page_view"') for segment in segments)


def _ignore(_status: str, _headers: object, _error: object = None) -> Callable[[bytes], object]:
    return bytes.__len__
