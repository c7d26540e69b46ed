"""A loader in a process of its own, which is killed between an insertion into ClickHouse and the commit of its books."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flask_mixamo_privacy.policy.clickhouse_url import parse_clickhouse_url
from flask_mixamo_privacy.tracking import loader
from flask_mixamo_privacy.tracking.clickhouse_events import ClickHouseEvents
from support.clickhouse import speak_old_dialect
from support.event_factory import Kept


class KilledEvents(ClickHouseEvents):
    """Events whose process is killed right after a number of insertions."""

    left = 1

    def put(self, *arguments: Any) -> Sequence[Any]:
        super().put(*arguments)
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return []


def load_and_die(folder: Path, books: str, url: str, now: str, batch: int, puts: int) -> None:
    """Load a folder in a process, which is killed after a number of insertions."""
    context = multiprocessing.get_context("forkserver")  # it imports this module once, and forks without a thread
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_load, args=(folder, books, url, now, batch, puts))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL


def _load(folder: Path, books: str, url: str, now: str, batch: int, puts: int) -> None:
    patch = pytest.MonkeyPatch()
    speak_old_dialect(patch)
    patch.setattr(loader, "_CHUNK", batch)
    parsed = parse_clickhouse_url(url)
    assert parsed is not None
    events = KilledEvents.at(parsed)
    assert isinstance(events, KilledEvents)
    events.left = puts
    kept = Kept(folder, books, events=events)
    kept.load([], now)
