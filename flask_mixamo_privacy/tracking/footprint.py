"""The footprint: what one visitor's events come to, for nobody but that visitor."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from . import log, store
from .store import Store

_MOST_PAGES = 10


@dataclass(frozen=True)
class Footprint:
    """All events of one visitor, in order of time; the visitor's own ID is not in them."""

    events: tuple[dict[str, Any], ...] = ()

    @property
    def by_kind(self) -> dict[str, int]:
        """How many of each kind, the most frequent first."""
        return dict(Counter(event["kind"] for event in self.events).most_common())

    @property
    def pages(self) -> dict[str, int]:
        """How often each of the pages seen most was seen."""
        seen = (event["page"] for event in self.events if event["kind"] == "page_view" and event["page"])
        return dict(Counter(seen).most_common(_MOST_PAGES))

    @property
    def days(self) -> tuple[str, str] | None:
        """The first and the last day of them all."""
        return (self.events[0]["at"][:10], self.events[-1]["at"][:10]) if self.events else None

    def as_dict(self) -> dict[str, Any]:
        first, last = self.days or (None, None)
        counts = {"total": len(self.events), "by_kind": self.by_kind, "pages": self.pages}
        return {**counts, "first_day": first, "last_day": last, "all": list(self.events)}


def footprint(visitor: str, events: Store, folder: str) -> Footprint:
    """What is stored of a visitor, and what the log holds that is not loaded yet; nothing of one who was erased.

    Raises :class:`StoreUnavailable` and :class:`KeyMissing`.
    """
    loaded: dict[str, int] = {}
    with events.read() as connection:
        if connection is not None:
            if events.erased(connection, [visitor]):
                return Footprint()
            loaded = {row.segment: row.offset for row in connection.execute(sa.select(store.cursors))}
    # The log first: what is loaded and deleted meanwhile is then found in the store.
    waiting = list(_in_log(visitor, folder, loaded))
    found = {event["id"]: event for event in (*waiting, *events.of(visitor))}
    mine = ({name: value for name, value in event.items() if name != "visitor"} for event in found.values())
    return Footprint(tuple(sorted(mine, key=lambda event: event["at"])))


def _in_log(visitor: str, folder: str, loaded: dict[str, int]) -> Iterator[dict[str, Any]]:
    """A visitor's lines in the segments, beyond what was loaded."""
    name = f'"visitor":"{visitor}"'.encode()
    for path in log.segments(folder):
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            file.seek(loaded.get(os.path.basename(path), 0))
            for line in file:
                if name in line:
                    with contextlib.suppress(ValueError):
                        yield orjson.loads(line)
