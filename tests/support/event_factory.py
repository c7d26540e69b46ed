"""Events of invented visitors, in the log's format, and a store that loads and publishes them."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flask_mixamo_privacy.policy.parts import Declaration
from flask_mixamo_privacy.reports.publisher import Publisher, Rebuilder, no_decisions
from flask_mixamo_privacy.reports.reports import Reports
from flask_mixamo_privacy.reports.windows import Calendar
from flask_mixamo_privacy.storage.files import Spool
from flask_mixamo_privacy.storage.keys import KeyRing
from flask_mixamo_privacy.tracking.engine import Events
from flask_mixamo_privacy.tracking.events import FIELDS
from flask_mixamo_privacy.tracking.loader import Loaded, Loader
from flask_mixamo_privacy.tracking.store import EventStore

KEYS = {"test": "sixteen characters or more"}
FIRST = date(2026, 4, 20)  # a Monday, in a month whose last week belongs to two months
PAGES = ("/", "/shop", "/shop/cart", "/about", "/news", "/help", "/jobs", "/imprint")


class _PublisherAt(Publisher):
    """Publish what was closed at the moment that a test sets, and nothing before it is set."""

    def __init__(self, kept: Kept, calendar: Calendar, least: int, decided: Any) -> None:
        super().__init__(calendar, least, decided, kept.store.events)
        self._kept = kept

    def complete_until(self, waiting: str | None) -> str:
        return self._kept.now if waiting is None else min(waiting, self._kept.now)


class Kept:
    """A store with its log in a folder, and its reports."""

    def __init__(
        self,
        folder: Path,
        url: str = "",
        least: int = 5,
        zone: str = "UTC",
        decided: Any = no_decisions,
        events: Events | None = None,
        policy: Declaration | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.least, self.calendar, self.now = folder, least, Calendar(zone, policy), ""
        self.store = EventStore(
            url or f"sqlite:///{folder}/events.sqlite", KeyRing(KEYS, ""), Spool(str(folder / "erasures.pending")), events
        )
        self.publisher = _PublisherAt(self, self.calendar, least, decided)
        self.reports = Reports(self.store, self.publisher, self.calendar, least)
        self.rebuilder = Rebuilder(self.store, self.publisher)
        self.loader = Loader(str(folder), self.store, aggregator=self.publisher)
        self._segments = 0

    def load(self, events: list[dict[str, Any]], now: str) -> Loaded:
        """Write the events as one closed segment, load it, and publish what was closed at that moment."""
        self.write([events] if events else [])
        self.now = now
        return self.loader.load()

    def write(self, parts: list[list[dict[str, Any]]]) -> None:
        """Write each part as one closed segment."""
        for events in parts:
            self._segments += 1
            lines = "".join(json.dumps(dict.fromkeys(FIELDS) | event) + "\n" for event in events)
            (self.folder / f"s{self._segments}.events").write_text(lines)

    def totals(self) -> dict[str, Any]:
        """Return the totals of all time by column id."""
        rows: list[dict[str, Any]] = self.reports.summary()[0].as_dict()["rows"]
        return rows[0]

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """Return every row of one table of the database, in order."""
        with self.store.database.read() as connection:
            return sorted(tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}"))


def at(day: date, seconds: float) -> str:
    """Return a moment of a day in the format of events."""
    whole = int(seconds)
    return f"{day.isoformat()}T{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{int(seconds % 1 * 1000):03d}Z"


def days(number: int) -> list[date]:
    return [FIRST + timedelta(days=offset) for offset in range(number)]


def traffic(seed: int, number_of_days: int, visitors: int, visits: int) -> list[dict[str, Any]]:
    """Return visits of returning visitors, each with pages, times, clicks, choices and an exit."""
    chance, seen, made = random.Random(seed), dict[int, tuple[int, date]](), list[dict[str, Any]]()  # noqa: S311 — invented data needs no secret
    for day in days(number_of_days):
        for visit in range(chance.randint(visits // 2, visits)):
            person = int(visitors * chance.random() ** 2)
            number, last = seen.get(person, (0, day))
            seen[person] = number + 1, day
            made += _visit(chance, day, f"v{person}", f"{day}-{visit}", number + 1, (day - last).days)
    return sorted(made, key=lambda event: event["at"])


def _visit(chance: random.Random, day: date, visitor: str, visit: str, number: int, gap: int) -> list[dict[str, Any]]:
    browser, platform = chance.choice((("Firefox", "Linux"), ("Chrome", "Windows"), ("Safari", "iOS")))
    now, previous, made = chance.uniform(0, 80_000), None, list[dict[str, Any]]()
    base = {
        "visitor": visitor,
        "visit": visit,
        "browser": browser,
        "platform": platform,
        "provider": chance.choice(("ISP", None)),
    }

    def add(kind: str, page: str, data: dict[str, Any], **more: Any) -> None:
        where = {"at": at(day, now), "page": page, "previous": previous, "data": data}
        made.append(base | where | more | {"kind": kind, "id": f"{visit}-{len(made)}"})

    for step in range(chance.randint(1, 5)):
        page = PAGES[int(len(PAGES) * chance.random() ** 2)]
        if not step:
            add(
                "visit_start",
                page,
                {},
                referrer=chance.choice((None, "https://search.example/find", "https://other.example/")),
            )
            if number > 1:
                add("repeat_visit", page, {"visit_number": number, "days_since_last": gap})
        add("page_view", page, {})
        if chance.random() < 0.3:
            add("customisation", page, {"name": "theme", "value": chance.choice(("dark", "light"))})
        if chance.random() < 0.3:
            add("click", page, chance.choice(({"to": "/shop"}, {"on": "menu"}, {})))
        now += chance.uniform(1, 200)
        if chance.random() < 0.8:
            add("page_exit", page, {"seconds": chance.choice((3, 12.5, 60))})
        previous = page
    if chance.random() < 0.2:
        add("exit_link", previous or "/", {"to": chance.choice(("https://a.example/x", "https://b.example/"))})
    return made


def with_own_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events, and one of the site's own at the moment of every third page view."""
    views = [event for event in events if event["kind"] == "page_view"][::3]
    values = ("hd", "sd", None, 1.5, "it's \\ \u00fc")
    own = [
        view | {"id": f"own-{view['id']}", "kind": "own", "data": {"any": values[number % 5], "b": number}}
        for number, view in enumerate(views)
    ]
    return sorted([*events, *own], key=lambda event: event["at"])
