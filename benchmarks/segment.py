"""A closed segment of the log, full of realistic events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from flask_mixamo_privacy.policy.parts import LOG_FIELDS
from flask_mixamo_privacy.tracking.events import Visitor, collect, context_fields, new_id, properties, start_id
from flask_mixamo_privacy.tracking.log import SUFFIX

_START = 1_778_000_000.0  # a day in May 2026
_FIELDS = frozenset(LOG_FIELDS)
_GRANTED = frozenset({"statistics", "customisation"})
_BROWSERS = (("Chrome", "Windows"), ("Mobile Safari", "iOS"), ("Firefox", "Linux"), ("Chrome Mobile", "Android"))
_GAP, _BETWEEN_PAGES, _PAGES_A_VISIT = 86_400.0, 40.0, 5


def write(folder: Path, name: str, events: int, visitors: int = 3000, pages: int = 200) -> Path:
    """Write so many events of so many visitors; nobody holds the segment's lock, so a loader takes it up whole."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{SUFFIX}"
    with path.open("w", encoding="ascii") as file:
        file.writelines(islice(_lines(random.Random(7), visitors, pages), events))
    return path


def _lines(chance: random.Random, visitors: int, pages: int) -> Iterator[str]:
    """Visits without end, the visitors taking turns as they do in a log of many days."""
    people = [Visitor.new("a receipt", _START) for _ in range(visitors)]
    turn = 0
    while True:
        person = people[turn % visitors].seen(_START + turn // visitors * _GAP + 1)
        people[turn % visitors] = person
        yield from _visit(chance, person, turn, pages)
        turn += 1


def _visit(chance: random.Random, person: Visitor, turn: int, pages: int) -> Iterator[str]:
    browser, visit, previous = _BROWSERS[turn % len(_BROWSERS)], person.visit, ""
    network = f"198.{turn % 200}.{turn % 250}.0/24"
    now = float(person.last_seen)
    for number in range(_PAGES_A_VISIT):
        page = f"/articles/page-{int(pages * chance.random() ** 2)}"
        where = context_fields(
            _FIELDS, page, previous, "https://search.example/" if not number else "", *browser, "", network
        )
        if not number:
            yield _line("visit_start", start_id(visit, "visit_start"), now, person, visit, where, "{}")
        yield _line("page_view", new_id(), now, person, visit, where, "{}")
        now, previous = now + _BETWEEN_PAGES, page
    if turn % 10 == 0:
        choice = properties({"name": "theme", "value": chance.choice(("dark", "light"))})
        yield _line("customisation", new_id(), now, person, visit, where, choice)


def _line(kind: str, event_id: str, now: float, person: Visitor, visit: str, where: str, data: str) -> str:
    return collect(_GRANTED, kind, event_id, now, person.id, visit, where, data)
