"""The blog's page with the extension, compared with the same page and the same cookies without it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

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


def _unseen(app: Flask, number: int) -> list[str]:
    return [visitors.consented(app) for _ in range(number)]


CASES = (
    Case("page, consent refused", lambda app, number: [visitors.refused(app)] * number, 1.05),
    Case("page with the banner", lambda app, number: [""] * number, 1.10, banner=True),
    Case("page, consented and logged", lambda app, number: [visitors.consented(app)] * number, 1.15, logged=True),
    Case("the same, cookies not seen before", _unseen, 1.35, logged=True),
    Case("page, forged cookie", lambda app, number: [visitors.FORGED] * number, None, banner=True),
)


@dataclass(frozen=True)
class Pair:
    """The blog without and with the extension."""

    bare: Flask
    extended: Flask

    @classmethod
    def in_folder(cls, folder: Path) -> Pair:
        """Return both blogs, each with its own database."""
        for name in ("bare", "extended"):
            (folder / name).mkdir()
        return cls(blog(folder / "bare", False), blog(folder / "extended", True))


def measure() -> list[Figure]:
    """Return ratios of the page's time as medians over interleaved rounds, and the bare page's time."""
    with TemporaryDirectory() as folder:
        pair = Pair.in_folder(Path(folder))
        for case in CASES:
            check(pair, case)
        with undisturbed():
            rounds = [_round(pair) for _ in range(_ROUNDS)]
    return [_figure(name, budget, rounds) for name, budget in _budgets()] + [_bare_time(rounds)]


def check(pair: Pair, case: Case) -> None:
    """Assert that each side serves its page, and that only a consenting visitor is logged."""
    for app in (pair.bare, pair.extended):
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


def serve(app: Flask, requests: list[Environ]) -> float:
    """Return the seconds that the requests take, including reading their bodies."""
    requests = [environ.copy() for environ in requests]  # a request changes its environ
    call, start = app.wsgi_app, time.perf_counter()
    for environ in requests:
        body = call(environ, _ignore)
        b"".join(body)
        body.close()  # type: ignore[attr-defined]
    return time.perf_counter() - start


@contextmanager
def undisturbed() -> Iterator[None]:
    """Disable garbage collection inside the block."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _round(pair: Pair) -> dict[str, tuple[float, float]]:
    """Return the seconds of both pages in each case. For "noise", both pages are bare."""
    seconds = {"noise": _compare(pair.bare, pair.bare, environs([""] * _REQUESTS))}
    for case in CASES:
        seconds[case.what] = _compare(pair.bare, pair.extended, environs(case.cookies(pair.extended, _REQUESTS)))
        gc.collect()
    return seconds


def _compare(bare: Flask, other: Flask, requests: list[Environ]) -> tuple[float, float]:
    warm, turns = requests[:5], range(0, len(requests), _TURN)
    if requests[0].get("HTTP_COOKIE") == requests[-1].get("HTTP_COOKIE"):
        for app in (bare, other):
            serve(app, warm)
    seconds = [0.0, 0.0]
    for number, start in enumerate(turns):
        for side in (0, 1) if number % 2 else (1, 0):
            seconds[side] += serve((bare, other)[side], requests[start : start + _TURN])
    return seconds[0], seconds[1]


def _budgets() -> Iterator[tuple[str, float | None]]:
    yield "noise", None
    for case in CASES:
        yield case.what, case.budget


def _figure(name: str, budget: float | None, rounds: list[dict[str, tuple[float, float]]]) -> Figure:
    what = "page, bare against bare (noise)" if name == "noise" else name
    return Figure(what, median(other / bare for bare, other in (one[name] for one in rounds)), "×", budget)


def _bare_time(rounds: list[dict[str, tuple[float, float]]]) -> Figure:
    seconds = median(bare for one in rounds for bare, _ in one.values())
    return Figure("page, bare", seconds / _REQUESTS * 1e6, "µs")


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
