"""Hosts that share one database of events, each with a log and a loader of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask_mixamo_privacy.reports.publisher import Publisher
from flask_mixamo_privacy.reports.windows import Calendar
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.backlog import read_progress
from flask_mixamo_privacy.tracking.engine import Events
from flask_mixamo_privacy.tracking.events import FIELDS
from flask_mixamo_privacy.tracking.loader import Loader
from flask_mixamo_privacy.tracking.store import EventStore
from flask_mixamo_privacy.tracking.watermarks import LoadingHost, own_id
from support.event_factory import KEYS

PUBLISHED = ("cells", "placed", "pieces", "distinct_visitors")


class Host:
    """One host: its log folder, and its loader into the shared database."""

    def __init__(self, folder: Path, url: str, events: Events | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.store = EventStore(url, KeyRing(KEYS, ""), Spool(str(folder / "erasures.pending")), events)
        publisher = Publisher(Calendar(), 5, events=self.store.events)
        self.loader = Loader(str(folder), self.store, aggregator=publisher)
        self.load = self.loader.load
        self._segments = 0

    def write(self, events: list[dict[str, Any]]) -> None:
        """Write the events as one closed segment."""
        self._segments += 1
        lines = "".join(json.dumps(dict.fromkeys(FIELDS) | event) + "\n" for event in events)
        (self.folder / f"{self.folder.name}{self._segments}.events").write_text(lines)

    @property
    def id(self) -> str:
        return own_id(str(self.folder))

    def hosts(self) -> dict[str, LoadingHost]:
        """Return every host in the database by its id."""
        return {host.id: host for host in read_progress(self.store).hosts}

    def closed(self) -> list[str]:
        """Return the days that have closed."""
        return [row[2] for row in self.table("pieces")]

    def published(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of the published tables."""
        return {name: self.table(name) for name in PUBLISHED}

    def table(self, name: str) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            assert connection is not None
            return sorted(tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}"))
