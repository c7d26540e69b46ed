"""Response time of a consent post, which writes its ledger row to the disk before the response."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask
from werkzeug.test import create_environ

from flask_mixamo_privacy.tracking.loader import Loader

from . import segment
from .blog import blog
from .budget import Figure
from .loader import store_in

_POSTS, _WARM, _ROUNDS = 150, 10, 3
_BATCH = 100_000  # events in each segment that is loaded at the same time


def measure() -> list[Figure]:
    """Return median and p99, interleaved: alone, and while a loader writes to the events database."""
    alone: list[float] = []
    beside: list[float] = []
    with TemporaryDirectory() as folder:
        app = blog(Path(folder), with_privacy=True)
        lines = segment.write(Path(folder, "written"), "once", _BATCH)
        decide(app, _WARM)
        for number in range(_ROUNDS):
            alone += decide(app, _POSTS)
            with loading(Path(folder, f"loaded-{number}"), lines):
                beside += decide(app, _POSTS)
    return [*_figures("consent post", alone), *_figures("consent post, loader at work", beside)]


def decide(app: Flask, posts: int) -> list[float]:
    """Return the seconds of each post. Each is of a new visitor who accepts."""
    times = []
    for _ in range(posts):
        environ = create_environ("/privacy/consent", method="POST", data={"choice": "accept_all", "next": "/"})
        answer: list[str] = []
        start = time.perf_counter()
        b"".join(app.wsgi_app(environ, _record(answer)))
        times.append(time.perf_counter() - start)
        assert answer[0].startswith("303"), answer
        assert "privacy_consent" in answer[1], answer
    return times


@contextmanager
def loading(folder: Path, lines: Path) -> Iterator[None]:
    """Load repeatedly in another process until the block ends."""
    context = multiprocessing.get_context("spawn")
    started, stop = context.Event(), context.Event()
    process = context.Process(target=load_repeatedly, args=(folder, lines, started, stop), daemon=True)
    process.start()
    try:
        assert started.wait(30), "the loader did not start"
        yield
    finally:
        stop.set()
        process.join(30)


def load_repeatedly(folder: Path, lines: Path, started: Event, stop: Event) -> None:
    """Load the segment into a new database repeatedly, until ``stop`` is set or two minutes have passed."""
    end, number = time.monotonic() + 120, 0
    while not stop.is_set() and time.monotonic() < end:
        place = folder / str(number)
        log = place / "log"
        log.mkdir(parents=True)
        (log / "one.events").hardlink_to(lines)
        started.set()
        Loader(str(log), store_in(place)).load()
        number += 1


def _record(answer: list[str]) -> Any:
    def start(status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        answer.extend((status, str(headers)))
        return bytes.__len__

    return start


def _figures(what: str, seconds: list[float]) -> list[Figure]:
    return [
        Figure(f"{what}, median", median(seconds) * 1e3, "ms"),
        Figure(f"{what}, p99", quantiles(seconds, n=100)[98] * 1e3, "ms"),
    ]
