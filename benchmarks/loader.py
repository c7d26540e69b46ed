"""Speed of the loader: events a second from the log into a new SQLite store."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.store import EventStore

from . import segment
from .budget import Figure

_EVENTS, _RUNS = 300_000, 3


def measure() -> list[Figure]:
    """Return medians of three loads. Each is followed by a load of the same events under another file name."""
    with TemporaryDirectory() as folder:
        lines = segment.write(Path(folder, "written"), "once", _EVENTS)
        runs = [_run(Path(folder, str(number)), lines) for number in range(_RUNS)]
    return [
        Figure("loader, events a second", _EVENTS / median(first for first, _ in runs), "/s", 100_000, at_least=True),
        Figure("loader, the same events again", _EVENTS / median(again for _, again in runs), "/s"),
    ]


def store_in(folder: Path) -> EventStore:
    """Return a SQLite store in this folder, which the first load creates."""
    url = f"sqlite:///{folder / 'privacy-events.sqlite'}"
    return EventStore(url, KeyRing({"benchmark": "not a secret, a benchmark"}, ""), Spool(str(folder / "erasures.pending")))


def _run(folder: Path, lines: Path) -> tuple[float, float]:
    log = folder / "log"
    log.mkdir(parents=True)
    loader = Loader(str(log), store_in(folder))
    return _load(loader, lines, log / "first.events", _EVENTS), _load(loader, lines, log / "again.events", 0)


def _load(loader: Loader, lines: Path, place: Path, new: int) -> float:
    os.link(lines, place)  # a hard link, because the loader deletes the file that it has loaded
    start = time.perf_counter()
    loaded = loader.load()
    seconds = time.perf_counter() - start
    assert (loaded.events, loaded.lines, loaded.malformed, loaded.torn) == (new, _EVENTS, 0, 0), loaded
    assert not place.exists()
    return seconds
