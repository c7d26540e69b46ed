"""The blog's page with the extension, compared with the same page and the same cookies without it.

Both sides take turns of a few requests, so that a slow moment of the machine slows both. The time of the CPU, user and
system, leaves out other processes. Two copies of the bare page show how far equal pages differ.
"""

from __future__ import annotations

import gc
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask

from . import visitors
from .blog import blog
from .budget import Figure
from .turns import Environ, Seconds, compare, environs, only_garbage_of_requests

_ROUNDS, _REQUESTS = 9, 400


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


def _round(pair: Pair) -> dict[str, tuple[Seconds, Seconds]]:
    """Return what both pages take in each case. For the noise, both pages are bare."""
    seconds = {_NOISE.what: compare(pair.bare, pair.copy, environs([""] * _REQUESTS))}
    for case in CASES:
        other = pair.extended if case.used else pair.unused
        seconds[case.what] = compare(pair.bare, other, environs(case.cookies(pair.extended, _REQUESTS)))
        gc.collect()
    return seconds


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
