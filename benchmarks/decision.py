"""The time of a consent post, whose row is on the disk before it answers."""

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
_BATCH = 100_000  # events in each segment that is loaded beside it


def measure() -> list[Figure]:
    """Median and p99, interleaved, with nothing else going on and with a loader at work on the events' database."""
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
    """The seconds of each post, from so many new visitors who accept."""
    found = []
    for _ in range(posts):
        environ = create_environ("/privacy/consent", method="POST", data={"choice": "accept_all", "next": "/"})
        said: list[str] = []
        start = time.perf_counter()
        b"".join(app.wsgi_app(environ, _keep(said)))
        found.append(time.perf_counter() - start)
        assert said[0].startswith("303"), said
        assert "privacy_consent" in said[1], said
    return found


@contextmanager
def loading(folder: Path, lines: Path) -> Iterator[None]:
    """Another process that loads again and again for as long as the block takes."""
    context = multiprocessing.get_context("spawn")
    working, enough = context.Event(), context.Event()
    process = context.Process(target=load_on, args=(folder, lines, working, enough), daemon=True)
    process.start()
    try:
        assert working.wait(30), "the loader did not start"
        yield
    finally:
        enough.set()
        process.join(30)


def load_on(folder: Path, lines: Path, working: Event, enough: Event) -> None:
    """Load the segment into a fresh database each time until it is enough, for two minutes at most."""
    end, number = time.monotonic() + 120, 0
    while not enough.is_set() and time.monotonic() < end:
        place = folder / str(number)
        log = place / "log"
        log.mkdir(parents=True)
        (log / "one.events").hardlink_to(lines)
        working.set()
        Loader(str(log), store_in(place)).load()
        number += 1


def _keep(said: list[str]) -> Any:
    def start(status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], object]:
        said.extend((status, str(headers)))
        return bytes.__len__

    return start


def _figures(what: str, seconds: list[float]) -> list[Figure]:
    return [
        Figure(f"{what}, median", median(seconds) * 1e3, "ms"),
        Figure(f"{what}, p99", quantiles(seconds, n=100)[98] * 1e3, "ms"),
    ]
